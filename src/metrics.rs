//! From a fleet to families of samples.
