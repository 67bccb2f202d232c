//! The web side: /metrics and its neighbours.
