//! What was configured, and the valid form of it that can be run.
