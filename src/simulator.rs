//! A stand-in for the service that moves a fleet through its migration.
