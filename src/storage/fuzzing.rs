//! The loading of state files, for fuzzing.

use super::{Memory, decode, encode, frame};
use crate::model::AccountName;

/// A state file; what does not begin like one is put into a good frame, so that the content is reached.
pub(crate) fn state(data: &[u8]) {
    let account = AccountName::new("a");
    if let Ok(memory) = decode(data, &account, "s").or_else(|_| decode(&frame::seal(data), &account, "s")) {
        settles(&memory, &account);
    }
}

/// What was read is written in one way, and read from there as the same. Compared as bytes, since floats that
/// are not numbers are equal to nothing.
fn settles(memory: &Memory, account: &AccountName) {
    let bytes = encode(memory, account, "s");
    let again = decode(&bytes, account, "s").expect("what we write, we can read");
    assert_eq!(encode(&again, account, "s"), bytes, "what is read again is what was written");
}
