//! Reads the entries of a map by their keys, and notes what is not of the documented shape.

use super::{At, Fault, FaultKind, Node, Placed, Text, Texts, Value, compose, printable};

const SCALAR: &str = "a single value";
const LIST: &str = "a list";
const MAPS: &str = "a list of maps, each of which begins with a dash";
const MAP: &str = "a map of keys and values";

/// The entries of a map, less those that have been read.
///
/// Reading a key makes it known: what is left in the end is refused, with the keys that were asked
/// for. A key whose value is null is as good as absent.
pub(crate) struct Fields<'f> {
    entries: Vec<(Text, Node)>,
    known: Vec<&'static str>,
    faults: &'f mut Vec<Fault>,
}

/// What can be written as a list or as a map.
#[derive(Clone, Debug)]
pub(crate) enum Listing {
    Texts(Vec<Text>),
    Pairs(Vec<(Text, Text)>),
}

/// Reads a file, which is one map; an empty file is an empty map.
///
/// # Errors
///
/// What is not YAML, or else the first place that has not the shape which `read` asks for.
pub(crate) fn read<T>(yaml: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> Result<T, Fault> {
    let mut root = compose::document(yaml)?;
    if matches!(root.value, Value::Null) {
        root.value = Value::Map(Vec::new());
    }
    let (at, mut faults) = (root.at, Vec::new());
    let value = within(None, root, &mut faults, read);
    match (value, faults.into_iter().min_by_key(|fault| fault.at)) {
        (Some(Placed { value, .. }), None) => Ok(value),
        (_, fault) => Err(fault.unwrap_or_else(|| Fault::shape(&Node { value: Value::Null, at }, None, MAP))),
    }
}

/// Reads one map.
fn within<T>(
    key: Option<&'static str>,
    node: Node,
    faults: &mut Vec<Fault>,
    read: impl FnOnce(&mut Fields<'_>) -> T,
) -> Option<Placed<T>> {
    let Node { value: Value::Map(entries), at } = node else {
        faults.push(Fault::shape(&node, key, MAP));
        return None;
    };
    let mut fields = Fields { entries, known: Vec::new(), faults };
    let value = read(&mut fields);
    fields.finish();
    Some(Placed { value, at })
}

impl Fields<'_> {
    /// A scalar.
    pub(crate) fn text(&mut self, key: &'static str) -> Option<Text> {
        let node = self.take(key)?;
        self.scalar(key, node)
    }

    /// A scalar that can stand under either of two keys.
    pub(crate) fn either(&mut self, keys: [&'static str; 2]) -> Option<Text> {
        let second = self.entries.iter().rev().find(|(key, _)| keys.contains(&key.value.as_str()));
        let fault = second.map(|(key, _)| Fault::duplicate(key));
        match keys.map(|key| self.text(key)) {
            [Some(_), Some(_)] => {
                self.faults.extend(fault);
                None
            }
            [one, other] => one.or(other),
        }
    }

    /// A scalar that is read at once; it should be what is `expected`, else `parse` has none.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let Text { value, at } = self.text(key)?;
        parse(&value).or_else(|| self.refuse(&Node { value: Value::Text(value), at }, key, expected))
    }

    /// Where a value stands that is of no interest, or too dangerous to keep.
    pub(crate) fn place(&mut self, key: &'static str) -> Option<At> {
        self.take(key).map(|node| node.at)
    }

    /// A list of scalars.
    pub(crate) fn texts(&mut self, key: &'static str) -> Option<Texts> {
        let Placed { value: nodes, at } = self.list(key)?;
        Some(Texts { value: self.texts_of(key, nodes), at })
    }

    /// A map of known keys.
    pub(crate) fn map<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Fields<'_>) -> T,
    ) -> Option<Placed<T>> {
        let node = self.take(key)?;
        within(Some(key), node, self.faults, read)
    }

    /// A list of maps of known keys.
    pub(crate) fn maps<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Fields<'_>) -> T,
    ) -> Option<Placed<Vec<Placed<T>>>> {
        // A list of nothing, as against none: whoever wrote the key without a value is told of its place.
        let Placed { value: nodes, at } = match self.take_any(key)? {
            Node { value: Value::Null, at } => Placed { value: Vec::new(), at },
            node => self.list_of(key, node, MAPS)?,
        };
        let maps = nodes.into_iter().filter_map(|node| within(Some(key), node, self.faults, &read));
        Some(Placed { value: maps.collect(), at })
    }

    /// A map from names that are not known beforehand to scalars, in the order of the file.
    pub(crate) fn pairs(&mut self, key: &'static str) -> Option<Vec<(Text, Text)>> {
        let Node { value, at } = self.take(key)?;
        match value {
            Value::Map(entries) => Some(self.scalars(key, entries)),
            value @ (Value::Null | Value::Text(_) | Value::List(_)) => {
                self.refuse(&Node { value, at }, key, MAP)
            }
        }
    }

    /// Like [`Fields::pairs`], of scalars that may be absent.
    pub(crate) fn optional_pairs(&mut self, key: &'static str) -> Option<Vec<(Text, Option<Text>)>> {
        let Node { value, at } = self.take(key)?;
        let Value::Map(entries) = value else { return self.refuse(&Node { value, at }, key, MAP) };
        let scalars = entries.into_iter().map(|(name, node)| match node.value {
            Value::Null => (name, None),
            Value::Text(_) | Value::List(_) | Value::Map(_) => (name, self.scalar(key, node)),
        });
        Some(scalars.collect())
    }

    /// A list of scalars, or a map from names to scalars; whatever else should be what is `expected`.
    pub(crate) fn listing(&mut self, key: &'static str, expected: &'static str) -> Option<Placed<Listing>> {
        let Node { value, at } = self.take(key)?;
        let value = match value {
            Value::List(nodes) => Listing::Texts(self.texts_of(key, nodes)),
            Value::Map(entries) => Listing::Pairs(self.scalars(key, entries)),
            value @ (Value::Null | Value::Text(_)) => {
                return self.refuse(&Node { value, at }, key, expected);
            }
        };
        Some(Placed { value, at })
    }

    /// The value of a key, unless it is null.
    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.take_any(key).filter(|node| !matches!(node.value, Value::Null))
    }

    fn take_any(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let index = self.entries.iter().position(|(name, _)| name.value == key)?;
        Some(self.entries.remove(index).1)
    }

    fn list(&mut self, key: &'static str) -> Option<Placed<Vec<Node>>> {
        let node = self.take(key)?;
        self.list_of(key, node, LIST)
    }

    fn list_of(
        &mut self,
        key: &'static str,
        node: Node,
        expected: &'static str,
    ) -> Option<Placed<Vec<Node>>> {
        match node {
            Node { value: Value::List(value), at } => Some(Placed { value, at }),
            node => self.refuse(&node, key, expected),
        }
    }

    fn scalar(&mut self, key: &str, node: Node) -> Option<Text> {
        match node {
            Node { value: Value::Text(value), at } => Some(Text { value, at }),
            node => self.refuse(&node, key, SCALAR),
        }
    }

    fn texts_of(&mut self, key: &'static str, nodes: Vec<Node>) -> Vec<Text> {
        nodes.into_iter().filter_map(|node| self.scalar(key, node)).collect()
    }

    fn scalars(&mut self, key: &'static str, entries: Vec<(Text, Node)>) -> Vec<(Text, Text)> {
        let scalar = |(name, node): (Text, Node)| {
            let value = self.scalar(printable(&name.value).unwrap_or(key), node)?;
            Some((name, value))
        };
        entries.into_iter().filter_map(scalar).collect()
    }

    fn refuse<T>(&mut self, node: &Node, key: &str, expected: &'static str) -> Option<T> {
        self.faults.push(Fault::shape(node, Some(key), expected));
        None
    }

    /// Refuses the first key that nobody asked for.
    fn finish(self) {
        if let Some((Text { value, at }, node)) = self.entries.into_iter().next() {
            let key = printable(&value).map(str::to_owned);
            let bare = matches!(node.value, Value::Null);
            self.faults.push(Fault { at, kind: FaultKind::UnknownKey { key, bare, known: self.known } });
        }
    }
}
