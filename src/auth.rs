//! Signing and credentials: the only room that sees a secret.

pub mod http;
mod secret;
pub mod sign;
