//! The two text formats of Prometheus and how a page is served for the price of a file.
