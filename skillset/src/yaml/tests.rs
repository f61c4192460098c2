use serde_json::{Value, json};

use super::{Content, Node, Style, read, resolve};
use crate::fault::Report;
use crate::placeholder::Dialect;
use crate::skeleton::Skeleton;

/// The tree as JSON, in which tags and styles show.
fn show(node: &Node, skeleton: &Skeleton<'_>) -> Value {
    let value = match &node.content {
        Content::Scalar(text, Style::Plain) => json!(skeleton.original(text)),
        Content::Scalar(text, style) => json!(format!("{style:?}:{}", skeleton.original(text))),
        Content::List(items) => items.iter().map(|item| show(item, skeleton)).collect(),
        Content::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), show(&entry.node, skeleton))).collect::<serde_json::Map<_, _>>().into()
        }
    };
    match &node.tag {
        Some(tag) => json!({ tag.name.clone(): value }),
        None => value,
    }
}

fn parse(source: &str) -> Result<Value, String> {
    let mut report = Report::new(source);
    let skeleton = Skeleton::new(source, 0..source.len(), Dialect::Block, &mut report);
    let node = read(&skeleton, &mut report);
    let shown = node.map(|node| show(&node, &skeleton));
    report.finish().map_err(|faults| {
        faults.iter().map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.message)).collect::<Vec<_>>().join("; ")
    })?;
    Ok(shown.unwrap())
}

#[test]
fn block_flow_and_json_are_read() {
    for (source, expected) in [
        ("a: 1\nb: [x, 'y', \"z\"]\n", json!({ "a": "1", "b": ["x", "Single:y", "Double:z"] })),
        ("a: |\n  one\n  two\nb: >\n  one\n  two\n", json!({ "a": "Block:one\ntwo\n", "b": "Block:one two\n" })),
        (
            "{\n\t\"a\": {\"b\": [1, true, null]}\n}",
            json!({ "Double:a": null }).as_object().map(|_| json!({ "a": { "b": ["1", "true", "null"] } })).unwrap(),
        ),
        ("!fetch\nurl: !string {name: u}\n", json!({ "!fetch": { "url": { "!string": { "name": "u" } } } })),
        ("# $[ignored]\na: # too\n", json!({ "a": "" })),
        ("", json!("")),
    ] {
        assert_eq!(parse(source), Ok(expected), "{source}");
    }
}

#[test]
fn placeholders_are_plain_words_to_yaml() {
    for (source, expected) in [
        ("a: $[x! ys|one: two # three]\n", json!({ "a": "$[x! ys|one: two # three]" })),
        ("a: {b: $[x], c: [$[y|p, q], ((z))]}", json!({ "a": { "b": "$[x]", "c": ["$[y|p, q]", "((z))"] } })),
        ("a: \"$[x] and ${SECRET_Y}\"", json!({ "a": "Double:$[x] and ${SECRET_Y}" })),
        ("$[x]", json!("$[x]")),
        ("a: [[1, 2], [3]]", json!({ "a": [["1", "2"], ["3"]] })),
    ] {
        assert_eq!(parse(source), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_not_taken_is_told_with_its_place() {
    for (source, expected) in [
        ("a: 1\na: 2", "2:1 the key `a` stands here twice"),
        ("$[x]: 1", "1:1 a key is never filled in: a placeholder stands for a value"),
        ("a: &x 1\nb: *x", "1:7 anchors and aliases are not taken"),
        ("<<: {a: 1}", "1:1 merges are not taken"),
        ("a: 1\n---\nb: 2", "2:1 a second document begins here"),
        ("[a]: 1", "1:1 a key is text"),
        ("a: \"\\U0010E000 $[x]\"", "1:4 an escape stands for a character of private use"),
    ] {
        assert_eq!(parse(source), Err(expected.to_owned()), "{source}");
    }
    assert!(parse("a: [1").unwrap_err().contains("this is no YAML: "));
    assert!(parse("a: b: c").unwrap_err().contains("1:5 this is no YAML: "), "{:?}", parse("a: b: c"));
    assert!(parse(&format!("{}1{}", "[ ".repeat(30), "]".repeat(30))).unwrap_err().contains("at most 24 levels are taken"));
    assert!(parse(&"[ ".repeat(5000)).unwrap_err().contains("this is no YAML: "));
    assert!(parse(&format!("[{}]", "a,".repeat(5000))).unwrap_err().contains("at most 4096 nodes are taken"));
}

#[test]
fn plain_scalars_are_what_the_core_schema_says() {
    for (plain, expected) in [
        ("", Some(Value::Null)),
        ("~", Some(Value::Null)),
        ("True", Some(json!(true))),
        ("12", Some(json!(12))),
        ("-1.5e3", Some(json!(-1500))),
        ("0x1F", Some(json!(31))),
        ("0o17", Some(json!(15))),
        ("yes", None),
        ("2026-01-01", None),
        ("1.2.3", None),
        ("+49 30", None),
        ("-", None),
        (".", None),
    ] {
        assert_eq!(resolve(plain), expected, "{plain}");
    }
}
