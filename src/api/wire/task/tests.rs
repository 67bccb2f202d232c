//! Tests of the reading of a task.
