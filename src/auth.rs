//! Signing and credentials: the only room that sees a secret.

pub mod http;
