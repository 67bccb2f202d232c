//! The loop that reads the service and publishes pages.
