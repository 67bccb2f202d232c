//! From the parser's events to the tree: aliases copied, merges done, and an end to both.

use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::{At, Fault, Node, START, Text, Value, explain};

/// The most lists and maps within one another.
const MAX_DEPTH: usize = 64;

/// The most values of a file once its aliases are written out: a file without them has fewer.
const MAX_NODES: usize = 250_000;

/// The most bytes of text of a file once its aliases are written out.
const MAX_TEXT: usize = 16 << 20;

/// The namespace of YAML's own tags.
const YAML_TAGS: &str = "tag:yaml.org,2002:";

/// What a merge can bring in.
const MERGEABLE: &str = "a map, or a list of maps, to merge";

/// Reads a file of one document; one of none is null.
pub(super) fn document(yaml: &str) -> Result<Node, Fault> {
    let parser = Parser::new_from_str(yaml);
    let mut composer = Composer { parser, anchors: HashMap::new(), spent: Spent::default() };
    composer.document().map_err(|fault| explain::syntax(fault, yaml))
}

struct Composer<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Values that can be referred to, by the parser's number for them.
    anchors: HashMap<usize, Node>,
    spent: Spent,
}

/// What has been made of the file so far.
#[derive(Default)]
struct Spent {
    nodes: usize,
    text: usize,
}

impl<'a> Composer<'a> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what is not about the document is a value")]
    fn document(&mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Fault::syntax(at, "expected one document, without a second `---`"));
                }
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, at, 0)?),
            }
        }
        Ok(root.unwrap_or(Node { value: Value::Null, at: START }))
    }

    fn next(&mut self) -> Result<(Event<'a>, At), Fault> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, place(&span.start))),
            Some(Err(error)) => Err(unreadable(&error)),
            None => Err(Fault::syntax(START, "unexpected end of the file")),
        }
    }

    /// The value that begins with an event, within as many lists and maps as `depth`.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else begins a value")]
    fn node(&mut self, event: Event<'a>, at: At, depth: usize) -> Result<Node, Fault> {
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, scalar(text.into_owned(), style, tag.as_deref(), at)?)
            }
            Event::SequenceStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), "seq", at)?;
                (anchor, Value::List(self.list(at, depth)?))
            }
            Event::MappingStart(_, anchor, tag) => {
                check_tag(tag.as_deref(), "map", at)?;
                (anchor, Value::Map(self.map(at, depth)?))
            }
            Event::Alias(anchor) => return self.alias(anchor, at, depth),
            _ => return Err(Fault::syntax(at, "expected plain keys, values and lists")),
        };
        let node = Node { value, at };
        self.spent.on(&node)?;
        if anchor != 0 {
            let copy = self.spent.copy(&node, None, depth)?;
            self.anchors.insert(anchor, copy);
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: At, depth: usize) -> Result<Node, Fault> {
        let named = self.anchors.get(&anchor);
        let named = named.ok_or_else(|| Fault::syntax(at, "this alias stands within what it names"))?;
        self.spent.copy(named, Some(at), depth)
    }

    fn list(&mut self, at: At, depth: usize) -> Result<Vec<Node>, Fault> {
        check_depth(at, depth)?;
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(items);
            }
            items.push(self.node(event, at, depth + 1)?);
        }
    }

    /// The entries of a map. Its own keys go before merged ones, and of these the earlier.
    fn map(&mut self, at: At, depth: usize) -> Result<Vec<(Text, Node)>, Fault> {
        check_depth(at, depth)?;
        let (mut entries, mut merged, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        loop {
            let (event, at) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let is_merge = is_merge(&event);
            let Node { value: key, at } = self.node(event, at, depth + 1)?;
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth + 1)?;
            let Value::Text(key) = key else {
                return Err(Fault::shape(&Node { value: key, at }, None, "a text as key"));
            };
            if is_merge {
                merge(value, &mut merged)?;
                continue;
            }
            let key = Text { value: key, at };
            if !seen.insert(key.value.clone()) {
                return Err(Fault::duplicate(&key));
            }
            entries.push((key, value));
        }
        entries.extend(merged.into_iter().filter(|(key, _)| seen.insert(key.value.clone())));
        Ok(entries)
    }
}

impl Spent {
    /// Counts a value, but not those within.
    fn on(&mut self, node: &Node) -> Result<(), Fault> {
        self.nodes += 1;
        if let Value::Text(text) = &node.value {
            self.text += text.len();
        }
        if self.nodes > MAX_NODES || self.text > MAX_TEXT {
            return Err(Fault::syntax(node.at, "too large, once every alias is written out"));
        }
        Ok(())
    }

    /// A copy of a value, all of it at a place if one is given.
    fn copy(&mut self, node: &Node, at: Option<At>, depth: usize) -> Result<Node, Fault> {
        self.on(node)?;
        let place = at.unwrap_or(node.at);
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Text(text) => Value::Text(text.clone()),
            Value::List(items) => {
                check_depth(place, depth)?;
                let copies = items.iter().map(|item| self.copy(item, at, depth + 1));
                Value::List(copies.collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                check_depth(place, depth)?;
                let copies = entries.iter().map(|(key, value)| {
                    let key = Text { value: key.value.clone(), at: at.unwrap_or(key.at) };
                    Ok((key, self.copy(value, at, depth + 1)?))
                });
                Value::Map(copies.collect::<Result<_, _>>()?)
            }
        };
        Ok(Node { value, at: place })
    }
}

fn place(marker: &Marker) -> At {
    At { line: marker.line() as u64, column: marker.col() as u64 + 1 }
}

fn check_depth(at: At, depth: usize) -> Result<(), Fault> {
    if depth < MAX_DEPTH { Ok(()) } else { Err(Fault::syntax(at, "too many lists and maps in one another")) }
}

/// The parser's error. Its messages are constants, but for a single character.
fn unreadable(error: &ScanError) -> Fault {
    let at = place(error.marker());
    if matches!(error.kind(), ErrorKind::UnknownAnchor) {
        return Fault::syntax(at, "this alias names no anchor");
    }
    Fault::syntax(at, error.info().lines().next().unwrap_or_default())
}

/// A text, or null; what is quoted or tagged as a text is one.
fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>, at: At) -> Result<Value, Fault> {
    let nullish = style == ScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    let is_null = match tag.map(|tag| (tag.suffix_in_namespace(YAML_TAGS), tag.parts())) {
        Some((Some(kind), _)) => match &*kind {
            "null" => true,
            "str" | "merge" => false,
            // What a key takes is for the key to say; only a value that a tag gives another meaning is refused.
            "int" | "float" | "bool" if !nullish => false,
            _ => return Err(Fault::syntax(at, "this tag is not for values of a configuration")),
        },
        Some((None, ("!", "") | ("", "!"))) => false,
        Some((None, _)) | None => nullish,
    };
    Ok(if is_null { Value::Null } else { Value::Text(text) })
}

/// Of YAML's own tags, a list or a map can have none but its own.
fn check_tag(tag: Option<&Tag>, own: &str, at: At) -> Result<(), Fault> {
    match tag.and_then(|tag| tag.suffix_in_namespace(YAML_TAGS)) {
        Some(kind) if kind != own => Err(Fault::syntax(at, "this tag is not for lists or maps")),
        Some(_) | None => Ok(()),
    }
}

/// Whether a key is `<<`, unless quoted.
fn is_merge(event: &Event<'_>) -> bool {
    let Event::Scalar(text, style, _, tag) = event else { return false };
    let is_told = |tag: &Tag| tag.suffix_in_namespace(YAML_TAGS).as_deref() == Some("merge");
    text == "<<" && tag.as_deref().map_or(*style == ScalarStyle::Plain, is_told)
}

/// Adds the entries that a merge brings in.
fn merge(node: Node, merged: &mut Vec<(Text, Node)>) -> Result<(), Fault> {
    match node.value {
        Value::Null => {}
        Value::Map(entries) => merged.extend(entries),
        Value::List(nodes) => nodes.into_iter().try_for_each(|node| merge(node, merged))?,
        Value::Text(_) => return Err(Fault::shape(&node, None, MERGEABLE)),
    }
    Ok(())
}
