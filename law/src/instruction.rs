//! The language of abilities: what a model gives stays in its place.
//!
//! Any text is an instruction, or has faults whose places lie in it. Whatever the arguments are, an
//! instruction is filled in or says what is wrong: the structure is the instruction's own, no value
//! becomes a header or leaves a JSON text, and what is put in is bounded.

use serde_json::{Map, Value};
use skillset::ability::{Ability, Definition};
use skillset::instruction::Instruction;
use skillset::invocation::{Body, Invocation, Part, Place, Text, Tree};
use skillset::limit::{FAULTS_MAX, FIELDS_MAX, FILLED_BYTES_MAX, INSTRUCTION_BYTES_MAX, PROBLEMS_MAX};
use skillset::{mcp, nats, question};

use crate::split;

/// What whoever sends a message says of itself, at its worst.
const HOSTILE: &str = "\"\\\r\nX-Admin: 1\r\n\r\n../?#&%${SECRET_X}";

/// The bytes are an instruction.
pub fn parses(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Instruction::parse(text) {
        Ok(instruction) => {
            let again = Instruction::parse(text).expect("it is one again");
            assert_eq!(format!("{again:?}"), format!("{instruction:?}"), "a text means one thing");
            let schema = instruction.schema();
            assert!(schema.get("properties").is_some_and(Value::is_object));
            assert!(text.len() <= INSTRUCTION_BYTES_MAX && instruction.fields().len() <= FIELDS_MAX);
            let padded = format!("\n{text}\n");
            assert!(padded.len() > INSTRUCTION_BYTES_MAX || Instruction::parse(&padded).is_ok(), "empty lines around it say nothing");
        }
        Err(faults) => {
            assert!((1..=FAULTS_MAX).contains(&faults.iter().count()));
            for fault in faults.iter() {
                assert!(text.get(fault.span.clone()).is_some(), "{fault:?}");
                assert!(fault.line >= 1 && fault.column >= 1 && !fault.message.is_empty(), "{fault:?}");
            }
            assert!(faults.to_string().contains('^'));
        }
    }
    let _ability = Ability::parse(Definition { name: text.to_owned(), instruction: text.to_owned(), ..Definition::default() });
}

/// An instruction, and arguments: JSON, or text that is given to every field.
pub fn fills(data: &[u8]) {
    let Some((text, rest)) = split::text(data) else { return };
    let Ok(given) = std::str::from_utf8(rest) else { return };
    let Ok(instruction) = Instruction::parse(text) else { return };
    let json = serde_json::from_str::<Value>(given).unwrap_or(Value::Null);
    match instruction.fill(&json) {
        Ok(invocation) => stays(&invocation, &instruction),
        Err(violation) => assert!((1..=PROBLEMS_MAX + 1).contains(&violation.problems.len()) && violation.schema.is_object()),
    }
    let all = |value: &str| -> Value {
        let fields = instruction.fields().iter().filter(|field| !field.is_hidden);
        fields.map(|field| (field.name.clone(), Value::from(value))).collect::<Map<_, _>>().into()
    };
    let (one, other) = (instruction.fill(&all(given)), instruction.fill(&all("x")));
    // A field that may be left out takes its place with it when it is empty.
    if let (Ok(one), Ok(other), false) = (one, other, text.contains('?')) {
        assert_eq!(structure(&one), structure(&other));
        stays(&one, &instruction);
        stays(&other, &instruction);
    }
}

/// That nothing that was put in is anywhere but in its place.
fn stays(invocation: &Invocation, instruction: &Instruction) {
    assert_eq!(invocation.action, instruction.action());
    let known = instruction.references();
    let found = leaves(invocation);
    assert!(
        found.iter().flat_map(|text| text.references()).all(|name| known.iter().any(|known| known == name)),
        "only the instruction's own references are looked up"
    );
    let bytes: usize =
        found.iter().flat_map(|text| &text.0).map(|part| if let Part::Literal(words) = part { words.len() } else { 0 }).sum();
    assert!(bytes <= FILLED_BYTES_MAX + 4 * INSTRUCTION_BYTES_MAX, "{bytes} bytes are put in");
    let _read = (mcp::Install::read(invocation), nats::Message::read(invocation), question::Question::read(invocation));
    let Body::Http(http) = &invocation.body else { return };
    let put = |text: &Text, place, value: &str| text.put::<()>(place, |_| Ok(value.to_owned())).expect("every reference is known");
    for (name, value) in &http.headers {
        let literals = value.0.iter().filter_map(|part| if let Part::Literal(words) = part { Some(words.as_str()) } else { None });
        assert!(literals.chain([name.as_str()]).all(|words| !words.contains(['\r', '\n', '\0'])), "{name}: {value:?}");
    }
    let (url, plain) = (put(&http.url, Place::Url, HOSTILE), put(&http.url, Place::Url, "x"));
    for mark in ['/', '?', '#', '&', '=', '@', ':', '\\', ' ', '\r', '\n'] {
        assert_eq!(url.matches(mark).count(), plain.matches(mark).count(), "{url:?} has another form than {plain:?}");
    }
    let Some(body) = &http.body else { return };
    if serde_json::from_str::<Value>(&put(body, Place::Body, "x")).is_ok() {
        let filled = put(body, Place::Body, HOSTILE);
        assert!(serde_json::from_str::<Value>(&filled).is_ok(), "{filled:?} is no JSON any more");
    }
}

fn leaves(invocation: &Invocation) -> Vec<&Text> {
    let mut found = Vec::new();
    match &invocation.body {
        Body::Http(http) => {
            found.extend([&http.method, &http.url]);
            found.extend(http.headers.iter().map(|(_, value)| value));
            found.extend(&http.body);
        }
        Body::Text(words) => found.push(words),
        Body::Tree(tree) => leaves_of(tree, &mut found),
    }
    found
}

fn leaves_of<'a>(node: &'a Tree, found: &mut Vec<&'a Text>) {
    match node {
        Tree::Value(_) => {}
        Tree::Text(words) => found.push(words),
        Tree::List(items) => items.iter().for_each(|item| leaves_of(item, found)),
        Tree::Map(entries) => entries.iter().for_each(|(_, item)| leaves_of(item, found)),
    }
}

/// Keys, headers' names, lengths of lists and references, in their order.
fn structure(invocation: &Invocation) -> Vec<String> {
    let mut found: Vec<String> = invocation.parameters.keys().cloned().collect();
    match &invocation.body {
        Body::Http(http) => {
            text(&http.method, &mut found);
            text(&http.url, &mut found);
            for (name, value) in &http.headers {
                found.push(name.clone());
                text(value, &mut found);
            }
            found.push(http.body.is_some().to_string());
            http.body.iter().for_each(|body| text(body, &mut found));
        }
        Body::Text(words) => text(words, &mut found),
        Body::Tree(shown) => tree(shown, &mut found),
    }
    found
}

fn text(words: &Text, found: &mut Vec<String>) {
    found.extend(words.references().map(str::to_owned));
}

fn tree(shown: &Tree, found: &mut Vec<String>) {
    match shown {
        Tree::Value(_) => {}
        Tree::Text(words) => text(words, found),
        Tree::List(items) => {
            found.push(items.len().to_string());
            for item in items {
                tree(item, found);
            }
        }
        Tree::Map(entries) => {
            for (key, node) in entries {
                found.push(key.clone());
                tree(node, found);
            }
        }
    }
}
