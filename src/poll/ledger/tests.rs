//! What an account remembers, serves and hands on.
