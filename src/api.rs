//! The SMS API: one method per operation, complete lists or an error.
