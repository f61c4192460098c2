//! Reads an instruction as whoever acts will, with made-up values: an error that no value can mend
//! is a fault of the instruction, and is told while it is written.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::fault::{Fault, Report};
use crate::field::{Kind, Shape};
use crate::instruction::Instruction;
use crate::invocation::{Action, Invocation};
use crate::mcp::Install;
use crate::nats::Message;
use crate::question::Question;
use crate::reading::Error;
use crate::template::{Body, Content, Node, Piece};

/// Words that fit most places: one or the other.
const WORDS: [&str; 2] = ["x", "https://example.com"];
/// How often a word is put in a row to be long enough.
const WORDS_MAX: usize = 1024;

/// Faults for what the typed reading of the action refuses whatever the values are.
pub(crate) fn rehearse(instruction: &Instruction, whole: Range<usize>, report: &mut Report<'_>) {
    let Some(invocation) = sample(instruction) else { return };
    let error = match instruction.action() {
        Action::Mcp => Install::read(&invocation).err(),
        Action::Nats => Message::read(&invocation).err(),
        Action::Await => Question::read(&invocation).err(),
        _ => None,
    };
    let Some(error) = error else { return };
    let field = match &error {
        Error::Form(_) => "",
        Error::Missing { field } | Error::Invalid { field, .. } => field.split(['.', '[']).next().unwrap_or_default(),
    };
    let place = node(instruction, field);
    if place.is_none_or(|node| !has_slots(node)) {
        report.add(Fault::new(place.map_or(whole, |node| node.span.clone()), error.to_string()));
    }
}

/// The instruction with made-up values that fit the fields, if any do.
fn sample(instruction: &Instruction) -> Option<Invocation> {
    let shown = || instruction.fields().iter().filter(|field| !field.is_hidden);
    let values = |word: &str| shown().map(|field| (field.name.clone(), value(&field.shape, word))).collect::<Map<_, _>>();
    WORDS.into_iter().find_map(|word| instruction.fill(&values(word).into()).ok())
}

fn value(shape: &Shape, word: &str) -> Value {
    if let Some(default) = &shape.default {
        return default.clone();
    }
    match &shape.kind {
        Kind::Text(text) => match text.choices.first() {
            Some(choice) => choice.as_str().into(),
            None => word.repeat(text.chars_min.and_then(|min| usize::try_from(min).ok()).unwrap_or(1).clamp(1, WORDS_MAX)).into(),
        },
        Kind::Number { choices, min, max } => choices.first().or(min.as_ref()).or(max.as_ref()).cloned().unwrap_or_else(|| 1.into()).into(),
        Kind::Boolean => true.into(),
        Kind::List(_) => Value::Array(Vec::new()),
        Kind::Record(properties) => properties.iter().map(|(name, shape)| (name.clone(), value(shape, word))).collect::<Map<_, _>>().into(),
    }
}

/// The node of a top key, or of a parameter of the first line.
fn node<'a>(instruction: &'a Instruction, key: &str) -> Option<&'a Node> {
    let entries = if let Body::Tree(tree) = instruction.body() { tree.entries() } else { None };
    let entry = entries.unwrap_or_default().iter().find(|entry| entry.key == key).map(|entry| &entry.node);
    entry.or_else(|| instruction.parameters().iter().find(|parameter| parameter.name == key).map(|parameter| &parameter.node))
}

fn has_slots(node: &Node) -> bool {
    match &node.content {
        Content::Value(_) => false,
        Content::Alone(_) => true,
        Content::Phrase(phrase) => phrase.0.iter().any(|piece| matches!(piece, Piece::Slot(_))),
        Content::List(items) => items.iter().any(has_slots),
        Content::Map(entries) => entries.iter().any(|entry| has_slots(&entry.node)),
    }
}
