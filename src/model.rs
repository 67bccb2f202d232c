//! What the service says, with its units right: plain values without I/O.
