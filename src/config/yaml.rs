//! YAML as a tree of texts with their places, and a reader of its maps.
//!
//! A file is a handful of small maps, so it is read into one tree by plain code: a deserialiser
//! that is made anew for every type of every depth, twice where places are wanted, was a tenth of
//! the program.
//!
//! Texts rather than numbers, because an id of digits must keep its zeros, and because a value that
//! is wrong is then told by whoever knows its key. Nothing here repeats a value, which could be a
//! secret.

mod compose;
mod explain;
mod fields;

#[cfg(test)]
mod tests;

pub(crate) use fields::{Fields, Listing, read};

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// The first place of a file.
pub(crate) const START: At = At { line: 1, column: 1 };

/// Something with its place. Where an alias brings it in, that is the place of the alias.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: At,
}

/// A scalar, whatever it looks like, with its place.
pub(crate) type Text = Placed<String>;

/// A list of scalars.
pub(crate) type Texts = Placed<Vec<Text>>;

/// A value with its place.
pub(crate) type Node = Placed<Value>;

/// What YAML can say. Not for logs: it holds whatever was written, and so has no `Debug`.
#[derive(Clone)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`, unless quoted.
    Null,
    Text(String),
    List(Vec<Node>),
    /// Each key once, in the order of the file; what was merged stands last.
    Map(Vec<(Text, Node)>),
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: At,
    pub(crate) kind: FaultKind,
}

/// What is wrong with a file. Keys are those that can be repeated, see [`printable`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// Not YAML, or more of it than a configuration needs.
    Syntax(String),
    /// A value of another shape, and the key in or below which it stands.
    Shape { key: Option<String>, found: &'static str, expected: &'static str },
    /// A key that means nothing here, whether it stands without a value, and the keys that mean something.
    UnknownKey { key: Option<String>, bare: bool, known: Vec<&'static str> },
    /// A key that stands twice in a map.
    DuplicateKey(Option<String>),
}

/// The longest key of ours, in bytes; what is longer is not a misspelt key.
const MAX_KEY: usize = 40;

/// A key that may be repeated: spelt as ours are, which no secret key is.
pub(crate) fn printable(key: &str) -> Option<&str> {
    let spelt = key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (spelt && !key.is_empty() && key.len() <= MAX_KEY).then_some(key)
}

impl Fault {
    fn syntax(at: At, told: impl Into<String>) -> Self {
        Self { at, kind: FaultKind::Syntax(told.into()) }
    }

    fn shape(node: &Node, key: Option<&str>, expected: &'static str) -> Self {
        let found = match node.value {
            Value::Null => "empty",
            Value::Text(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        };
        Self { at: node.at, kind: FaultKind::Shape { key: key.map(str::to_owned), found, expected } }
    }

    fn duplicate(key: &Text) -> Self {
        Self { at: key.at, kind: FaultKind::DuplicateKey(printable(&key.value).map(str::to_owned)) }
    }
}
