use proptest::prelude::*;

use super::compose::document;
use super::*;

/// The tree in one line, with the place of every value.
fn told(node: &Node) -> String {
    let At { line, column } = node.at;
    let joined = |parts: Vec<String>| parts.join(" ");
    let value = match &node.value {
        Value::Null => "null".to_owned(),
        Value::Text(text) => format!("{text:?}"),
        Value::List(items) => format!("[{}]", joined(items.iter().map(told).collect())),
        Value::Map(entries) => {
            let entry = |(key, node): &(Text, Node)| format!("{}={}", key.value, told(node));
            format!("{{{}}}", joined(entries.iter().map(entry).collect()))
        }
    };
    format!("{value}@{line}:{column}")
}

fn tree(yaml: &str) -> String {
    told(&document(yaml).unwrap_or_else(|fault| panic!("{yaml}: {fault:?}")))
}

fn syntax(yaml: &str) -> String {
    let Err(Fault { at, kind: FaultKind::Syntax(told) }) = document(yaml) else { panic!("{yaml} is YAML") };
    format!("{}:{}: {told}", at.line, at.column)
}

#[test]
fn every_scalar_is_a_text_unless_it_is_null() {
    let value = |yaml: &str| tree(yaml).split('@').next().unwrap().to_owned();
    for text in ["007", "1e3", "yes", "'null'", "\"\"", "!!str null", "! null", "!own x", "|\n null\n"] {
        assert!(value(text).starts_with('"'), "{text}");
    }
    for null in ["~", "null", "Null", "NULL", "", "--- ", "!!null x", "!own null", "# nothing"] {
        assert_eq!(value(null), "null", "{null}");
    }
    assert_eq!(value("007"), "\"007\"");
    assert_eq!(value("!!int 7"), "\"7\"");
    assert_eq!(value("!!bool true"), "\"true\"");
    assert_eq!(value("\"a\\u00e9\\n\""), "\"aé\\n\"");
}

#[test]
fn what_an_alias_brings_in_stands_where_the_alias_stands() {
    let yaml = "a: &x {b: [1, 2]}\nc: *x\n";
    let a = r#"a={b=["1"@1:12 "2"@1:15]@1:11}@1:7"#;
    let c = r#"c={b=["1"@2:4 "2"@2:4]@2:4}@2:4"#;
    assert_eq!(tree(yaml), format!("{{{a} {c}}}@1:1"));
    assert_eq!(tree("a: &x k\n*x : *x\n"), r#"{a="k"@1:7 k="k"@2:6}@1:1"#);
}

#[test]
fn what_is_merged_gives_way_to_what_is_written_and_to_what_was_merged_before() {
    let c = |c: &str| {
        let yaml = format!("a: &a {{k: 1, l: 1}}\nb: &b {{k: 2, m: 2}}\nc:\n{c}");
        tree(&yaml).split_once(" c=").unwrap().1.to_owned()
    };
    assert_eq!(c("  <<: [*b, *a]\n  l: 3\n"), r#"{l="3"@5:6 k="2"@4:8 m="2"@4:8}@4:3}@1:1"#);
    let twice = r#"{<<="4"@4:32 k="1"@4:7 l="1"@4:7 m="2"@4:15}@4:2}@1:1"#;
    assert_eq!(c(" {<<: *a, <<: *b, <<: ~, '<<': 4}\n"), twice);
}

#[test]
fn what_is_no_tree_is_refused_with_its_place() {
    assert_eq!(syntax("a: &x [*x]"), "1:8: this alias stands within what it names");
    assert_eq!(syntax("a: *x"), "1:4: this alias names no anchor");
    assert_eq!(syntax("a: 1\n---\nb: 2\n"), "2:1: expected one document, without a second `---`");
    assert_eq!(syntax("a: !!int ~"), "1:10: this tag is not for values of a configuration");
    assert_eq!(syntax("a: !!binary YQ=="), "1:13: this tag is not for values of a configuration");
    assert_eq!(syntax("a: !!str [1]"), "1:10: this tag is not for lists or maps");
    assert_eq!(syntax("a: 'x"), "1:4: unclosed quote");
    let shape = |yaml: &str| {
        let Err(Fault { kind: FaultKind::Shape { expected, .. }, .. }) = document(yaml) else { return "" };
        expected
    };
    assert_eq!(shape("~: 1"), "a text as key");
    assert_eq!(shape("[a]: 1"), "a text as key");
    assert_eq!(shape("<<: 1"), "a map, or a list of maps, to merge");
    assert_eq!(document("k: 1\nk: 2\n").err().map(|fault| fault.at), Some(At { line: 2, column: 1 }));
}

#[test]
fn depth_and_size_have_an_end_with_and_without_aliases() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(document(&nested(64)).is_ok());
    assert!(syntax(&nested(65)).ends_with("too many lists and maps in one another"));
    let deepened =
        |depth: usize| format!("a: &a {}\nb: {}*a{}", nested(60), "[".repeat(depth), "]".repeat(depth));
    assert!(document(&deepened(3)).is_ok());
    assert!(syntax(&deepened(4)).ends_with("too many lists and maps in one another"));
    let many = format!("- &a [{}]\n{}", "x, ".repeat(1000), "- *a\n".repeat(300));
    assert!(syntax(&many).ends_with("too large, once every alias is written out"));
    let long = format!("- &a {}\n{}", "x".repeat(1 << 16), "- *a\n".repeat(300));
    assert!(syntax(&long).ends_with("too large, once every alias is written out"));
}

#[test]
fn a_key_is_known_once_it_is_asked_for_and_the_first_fault_in_the_file_is_told() {
    let read = |yaml: &str| {
        read(yaml, |fields| (fields.text("one"), fields.map("two", |fields| fields.texts("three")).is_some()))
    };
    let (one, two) = read("two: {three: [x]}\none: ~\n").unwrap();
    assert!(one.is_none() && two);
    let fault = |yaml: &str| read(yaml).map(|_| ()).unwrap_err();
    let unknown =
        FaultKind::UnknownKey { key: Some("tow".to_owned()), bare: false, known: vec!["one", "two"] };
    assert_eq!(fault("tow: 1\none: [x]\n"), Fault { at: At { line: 1, column: 1 }, kind: unknown });
    let shape =
        FaultKind::Shape { key: Some("three".to_owned()), found: "a map", expected: "a single value" };
    assert_eq!(
        fault("two:\n  three: [{}]\none: [x]\ntow: 1\n"),
        Fault { at: At { line: 2, column: 11 }, kind: shape }
    );
    let secret = FaultKind::UnknownKey { key: None, bare: true, known: vec!["one", "two"] };
    assert_eq!(fault("{one:AbC}"), Fault { at: At { line: 1, column: 2 }, kind: secret });
}

/// What a tree comes to when its scalars are all alike.
fn outline(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Text(_) => "text".into(),
        Value::List(items) => items.iter().map(outline).collect(),
        Value::Map(entries) => entries.iter().map(|(key, node)| (key.value.clone(), outline(node))).collect(),
    }
}

fn without_scalars(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value::{Array, Bool, Null, Number, Object, String};
    match value {
        Null => Null,
        Bool(_) | Number(_) | String(_) => "text".into(),
        Array(items) => items.into_iter().map(without_scalars).collect(),
        Object(entries) => entries.into_iter().map(|(key, value)| (key, without_scalars(value))).collect(),
    }
}

/// A value in flow style, which may refer to a map, a list of it and a scalar that stand before.
fn written() -> impl Strategy<Value = String> {
    let leaves = ["x", "07", "'null'", "~", "*a", "*b", "*c", "!!str ~", "! ~", "&c y", "\"\\n\"", ""];
    let keys = ["ab", "c", "<<", "'<<'", "!!merge <<", "\"c\"", "*c ", "07"];
    proptest::sample::select(leaves.to_vec()).prop_map(str::to_owned).prop_recursive(4, 24, 4, move |inner| {
        let key = proptest::sample::select(keys.to_vec());
        let entry = (key, inner.clone()).prop_map(|(key, value)| format!("{key}: {value}"));
        let braces = |open, items: Vec<String>, close| format!("{open}{}{close}", items.join(" , "));
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(move |items| braces("[", items, "]")),
            proptest::collection::vec(entry, 0..4).prop_map(move |items| braces("{", items, "}")),
        ]
    })
}

proptest! {
    /// A library that reads YAML into anything takes what is taken here, and finds the same in it.
    #[test]
    fn another_reader_finds_the_same(value in written()) {
        let yaml = format!("a: &a {{ab: 1, l: [2]}}\nb: &b\n- *a\n- {{l: ~}}\nc: &c k\nd: {value}\n");
        let (here, there) = (document(&yaml), serde_saphyr::from_str::<serde_json::Value>(&yaml));
        match (here, there) {
            (Ok(here), Ok(there)) => prop_assert_eq!(outline(&here), without_scalars(there)),
            (Err(_), Err(_)) => {}
            (here, there) => prop_assert!(false, "{:?} {:?}", here.map(|node| told(&node)), there),
        }
    }
}
