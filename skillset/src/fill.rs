//! Fills values into a template.
//!
//! Invariant: keys, headers' names, the number of references and, but for leaves that are optional,
//! the shape of the tree are the template's, whatever the values are.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::argument::{self, Problems};
use crate::fetch;
use crate::instruction::Instruction;
use crate::invocation::{self, Action, Invocation, Part, Text, Tree};
use crate::limit::FILLED_BYTES_MAX;
use crate::operation;
use crate::place;
use crate::template::{Absent, Body, Content, Entry, Node, Phrase, Piece, Place, Slot};
use crate::violation::Violation;

/// Fills the values of the model in.
pub(crate) fn fill(instruction: &Instruction, arguments: &Value) -> Result<Invocation, Violation> {
    let mut problems = Problems::default();
    let values = argument::take(instruction.fields(), arguments, &mut problems);
    let mut filler = Filler { instruction, values: &values, problems, bytes: 0 };
    let invocation = if filler.problems.is_empty() { Some(filler.invocation()) } else { None };
    match invocation {
        Some(invocation) if filler.problems.is_empty() => Ok(invocation),
        _ => Err(Violation { problems: filler.problems.into_list(), schema: instruction.schema() }),
    }
}

/// The names of the references in a body.
pub(crate) fn references(body: &Body) -> Vec<String> {
    let mut names = Vec::new();
    let mut take = |phrase: &Phrase| names.extend(phrase.references().map(|reference| reference.name.clone()));
    match body {
        Body::Http(http) => {
            [&http.method, &http.url].into_iter().chain(http.headers.iter().map(|(_, value)| value)).chain(&http.body).for_each(take);
        }
        Body::Text(phrase) => take(phrase),
        Body::Tree(node) => node.clone().each_leaf(&mut |leaf, _| {
            if let Content::Phrase(phrase) = leaf {
                take(phrase);
            }
        }),
    }
    names
}

struct Filler<'a> {
    instruction: &'a Instruction,
    values: &'a [Option<Value>],
    problems: Problems,
    bytes: usize,
}

/// What a tree is read for.
#[derive(Clone, Copy)]
struct Mode {
    /// Whether a key that ends with `?` is left out where its leaf is empty.
    is_loose: bool,
    /// Whether a text is a part of a URL.
    is_url: bool,
}

impl Filler<'_> {
    fn invocation(&mut self) -> Invocation {
        let instruction = self.instruction;
        let mut parameters = BTreeMap::new();
        for parameter in instruction.parameters() {
            if let Some(value) = self.parameter(&parameter.node) {
                parameters.insert(parameter.name.clone(), value);
            }
        }
        let body = match instruction.body() {
            Body::Http(http) => invocation::Body::Http(invocation::Http {
                method: self.text(&http.method),
                url: self.url(&http.url),
                headers: http.headers.iter().map(|(name, value)| (name.clone(), self.text(value))).collect(),
                body: http.body.as_ref().map(|body| self.text(body)),
            }),
            Body::Text(phrase) => invocation::Body::Text(self.text(phrase)),
            Body::Tree(node) => invocation::Body::Tree(self.root(node)),
        };
        Invocation { action: instruction.action(), parameters, body }
    }

    /// A parameter of the first line; one with a reference stands in the body alone.
    fn parameter(&mut self, node: &Node) -> Option<Value> {
        match &node.content {
            Content::Value(value) => Some(value.clone()),
            Content::Alone(slot) => self.value(slot),
            Content::Phrase(phrase) => self.text(phrase).words().map(Value::String),
            Content::List(_) | Content::Map(_) => None,
        }
    }

    fn root(&mut self, node: &Node) -> Tree {
        let mode = Mode { is_loose: false, is_url: false };
        let Content::Map(entries) = &node.content else { return self.tree(node, mode).unwrap_or(Tree::Value(Value::Null)) };
        let is_fetch = self.instruction.action() == Action::Fetch;
        let mut filled = Vec::with_capacity(entries.len());
        for entry in entries {
            let mode = Mode {
                is_loose: is_fetch && fetch::LOOSE.contains(&entry.key.as_str()),
                is_url: matches!(entry.key.as_str(), "url" | "path"),
            };
            filled.extend(self.entry(entry, mode));
        }
        Tree::Map(filled)
    }

    fn tree(&mut self, node: &Node, mode: Mode) -> Option<Tree> {
        Some(match &node.content {
            Content::Value(value) => Tree::Value(value.clone()),
            Content::Phrase(phrase) if mode.is_url => Tree::Text(self.url(phrase)),
            Content::Phrase(phrase) => Tree::Text(self.text(phrase)),
            Content::Alone(slot) => return self.alone(slot),
            Content::List(items) => Tree::List(items.iter().filter_map(|item| self.tree(item, mode)).collect()),
            Content::Map(entries) => Tree::Map(entries.iter().filter_map(|entry| self.entry(entry, mode)).collect()),
        })
    }

    fn entry(&mut self, entry: &Entry, mode: Mode) -> Option<(String, Tree)> {
        let tree = self.tree(&entry.node, mode)?;
        let Some(bare) = entry.key.strip_suffix('?').filter(|bare| mode.is_loose && !bare.is_empty()) else {
            return Some((entry.key.clone(), tree));
        };
        if is_empty(&tree) { None } else { Some((bare.to_owned(), tree)) }
    }

    /// A leaf that is one value: it keeps its type.
    fn alone(&mut self, slot: &Slot) -> Option<Tree> {
        let value = self.value(slot);
        let value = match (value, slot.absent) {
            (Some(value), _) => value,
            (None, Absent::Empty) => "".into(),
            (None, Absent::Null) => return Some(Tree::Value(Value::Null)),
            (None, Absent::Omitted) => return None,
        };
        if slot.place != Place::Plain {
            let words = self.place(slot, Some(&value));
            return Some(Tree::Text(words.as_str().into()));
        }
        Some(if let Value::String(words) = value { Tree::Text(words.as_str().into()) } else { Tree::Value(value) })
    }

    /// A URL or a part of one: values in it lead nowhere else.
    fn url(&mut self, phrase: &Phrase) -> Text {
        let filled = self.text(phrase);
        let show =
            |text: &Text| text.0.iter().map(|part| if let Part::Literal(words) = part { words.as_str() } else { "x" }).collect::<String>();
        let own: String = phrase.0.iter().map(|piece| if let Piece::Literal(words) = piece { words.as_str() } else { "x" }).collect();
        if place::climbs(&show(&filled)) && !place::climbs(&own) {
            let slots = phrase.0.iter().filter_map(|piece| if let Piece::Slot(slot) = piece { Some(slot) } else { None });
            for slot in slots.filter(|slot| matches!(slot.place, Place::Path | Place::AfterHost | Place::Origin)) {
                self.problem(slot, "must not make `.` or `..` a part of a path");
            }
        }
        filled
    }

    fn text(&mut self, phrase: &Phrase) -> Text {
        let mut parts: Vec<Part> = Vec::with_capacity(phrase.0.len());
        for piece in &phrase.0 {
            let words = match piece {
                Piece::Literal(words) => words.clone(),
                Piece::Reference(reference) => {
                    parts.push(Part::Reference(reference.name.clone()));
                    continue;
                }
                Piece::Slot(slot) => {
                    let value = self.value(slot).or_else(|| (slot.absent == Absent::Empty).then(|| "".into()));
                    self.place(slot, value.as_ref())
                }
            };
            match parts.last_mut() {
                _ if words.is_empty() => {}
                Some(Part::Literal(before)) => before.push_str(&words),
                _ => parts.push(Part::Literal(words)),
            }
        }
        Text(parts)
    }

    /// The value of a place after its operands.
    fn value(&mut self, slot: &Slot) -> Option<Value> {
        let value = self.values.get(slot.field).and_then(Option::as_ref).filter(|_| self.bytes <= FILLED_BYTES_MAX);
        let value = operation::apply(&slot.steps, value).unwrap_or_else(|reason| {
            self.problem(slot, &reason);
            None
        });
        self.spend(value.as_ref().map_or(0, size));
        value
    }

    fn place(&mut self, slot: &Slot, value: Option<&Value>) -> String {
        let words = place::put(slot.place, value).unwrap_or_else(|reason| {
            self.problem(slot, &reason);
            String::new()
        });
        self.spend(words.len());
        words
    }

    fn spend(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > FILLED_BYTES_MAX {
            self.problems.add("", format!("the values come to more than {FILLED_BYTES_MAX} bytes"));
        }
    }

    fn problem(&mut self, slot: &Slot, reason: &str) {
        let name = self.instruction.fields().get(slot.field).map_or("", |field| field.name.as_str());
        self.problems.add(name, reason);
    }
}

fn size(value: &Value) -> usize {
    if let Value::String(words) = value { words.len() } else { value.to_string().len() }
}

/// Whether a leaf counts as nothing where its key ends with `?`.
fn is_empty(tree: &Tree) -> bool {
    match tree {
        Tree::Value(Value::Null) => true,
        Tree::Value(Value::Array(items)) => items.is_empty(),
        Tree::Value(Value::Object(map)) => map.is_empty(),
        Tree::List(items) => items.is_empty(),
        Tree::Map(entries) => entries.is_empty(),
        Tree::Value(_) | Tree::Text(_) => false,
    }
}
