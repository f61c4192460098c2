//! What a tag such as `!string` declares.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use crate::argument;
use crate::fault::Fault;
use crate::field::{Kind, Shape, Text};
use crate::limit::CHOICES_MAX;
use crate::nearest::advice;
use crate::number;
use crate::operation::{Operation, Step};
use crate::weave::Weaver;
use crate::yaml::{self, Content, Entry, Style, Tag};

/// What may be said of every value.
const COMMON: [&str; 6] = ["name", "description", "optional", "default", "placeholder", "type"];
/// The types of values, as tags and as `type` within others.
const TYPES: [&str; 5] = ["string", "number", "boolean", "array", "object"];
/// What may be done to a string.
const TRANSFORMS: [&str; 4] = ["lower", "upper", "trim", "urlencode"];

/// A value that is declared.
#[derive(Debug)]
pub(super) struct Declared {
    /// Its name; those within others need none.
    pub(super) name: Option<String>,
    /// What it must be.
    pub(super) shape: Shape,
    /// What is done to it.
    pub(super) steps: Vec<Step>,
}

/// Reads what a tag declares.
pub(super) fn declared(weaver: &mut Weaver<'_, '_, '_>, tag: &Tag, node: &yaml::Node) -> Option<Declared> {
    let Content::Map(entries) = &node.content else {
        let fault = Fault::new(node.span.clone(), format!("`{}` takes a mapping", tag.name));
        weaver.report.add(fault.help(format!("write `{} {{name: x, description: ...}}`", tag.name)));
        return None;
    };
    let kind = tag.name.trim_start_matches('!').trim_end_matches('?');
    Reader { weaver, entries, span: node.span.clone() }.read(kind, tag.name.ends_with('?'))
}

struct Reader<'w, 'a, 'r, 's> {
    weaver: &'w mut Weaver<'a, 'r, 's>,
    entries: &'w [Entry],
    span: Range<usize>,
}

impl Reader<'_, '_, '_, '_> {
    fn read(mut self, kind: &str, is_optional: bool) -> Option<Declared> {
        let own: &[&str] = match kind {
            "string" => &["enum", "min", "max", "transform"],
            "number" => &["enum", "min", "max"],
            "array" => &["items"],
            "object" => &["properties"],
            _ => &[],
        };
        let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let fault = Fault::new(entry.span.clone(), format!("`{}` is not said of {kind} values", entry.key));
            self.weaver.report.add(fault.help(advice(&entry.key, &known)));
        }
        let kind = self.kind(kind)?;
        let is_optional = self.flag("optional").unwrap_or(is_optional);
        let mut shape = Shape {
            description: self.words("description").filter(|words| !words.is_empty()),
            is_required: !is_optional,
            ..Shape::of(kind)
        };
        if let Some((value, span)) = self.literal("default") {
            match argument::fit(&shape, &value) {
                Ok(value) => shape.default = Some(value),
                Err(reason) => self.weaver.report.add(Fault::new(span, format!("the default {reason}"))),
            }
        }
        Some(Declared { name: self.words("name"), shape, steps: self.transforms() })
    }

    fn kind(&mut self, kind: &str) -> Option<Kind> {
        let kind = match kind {
            "number" => Kind::Number { choices: self.choices(|value| number_of(&value)), min: self.number("min"), max: self.number("max") },
            "boolean" => Kind::Boolean,
            "array" => Kind::List(self.nested("items").map(Box::new)),
            "object" => Kind::Record(self.properties()),
            _ => Kind::Text(Text {
                choices: self.choices(|value| Some(crate::operation::text(&value))),
                chars_min: self.number("min").and_then(|min| min.as_u64()),
                chars_max: self.number("max").and_then(|max| max.as_u64()),
                takes_json: false,
            }),
        };
        let is_empty = match &kind {
            Kind::Number { min: Some(min), max: Some(max), .. } => number::is_less(max, min),
            Kind::Text(Text { chars_min: Some(min), chars_max: Some(max), .. }) => max < min,
            _ => false,
        };
        if is_empty {
            self.weaver.report.add(Fault::new(self.span.clone(), "max is less than min"));
            return None;
        }
        Some(kind)
    }

    fn entry(&self, key: &str) -> Option<&yaml::Node> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// A literal value, in which nothing stands for another.
    fn literal(&self, key: &str) -> Option<(Value, Range<usize>)> {
        let node = self.entry(key)?;
        Some((literal(self.weaver, node), node.span.clone()))
    }

    fn words(&mut self, key: &str) -> Option<String> {
        let (value, span) = self.literal(key)?;
        if value.is_array() || value.is_object() {
            self.weaver.report.add(Fault::new(span, format!("`{key}` is text")));
            return None;
        }
        let words = crate::operation::text(&value);
        Some(words.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn flag(&mut self, key: &str) -> Option<bool> {
        let (value, span) = self.literal(key)?;
        if value.as_bool().is_none() {
            self.weaver.report.add(Fault::new(span, format!("`{key}` is true or false")));
        }
        value.as_bool()
    }

    fn number(&mut self, key: &str) -> Option<Number> {
        let (value, span) = self.literal(key)?;
        let number = number_of(&value);
        if number.is_none() {
            self.weaver.report.add(Fault::new(span, format!("`{key}` is a number")));
        }
        number
    }

    fn choices<T>(&mut self, read: impl Fn(Value) -> Option<T>) -> Vec<T> {
        let Some((value, span)) = self.literal("enum") else { return Vec::new() };
        let count = value.as_array().map_or(0, Vec::len);
        let choices: Vec<T> = value.as_array().into_iter().flatten().take(CHOICES_MAX).cloned().filter_map(read).collect();
        if count == 0 || count != choices.len() {
            self.weaver.report.add(Fault::new(span, format!("`enum` is a list of 1 to {CHOICES_MAX} values of the type")));
        }
        choices
    }

    fn transforms(&mut self) -> Vec<Step> {
        let Some((value, span)) = self.literal("transform") else { return Vec::new() };
        let words = if value.is_array() { value } else { Value::Array(vec![value]) };
        let mut steps = Vec::new();
        for word in words.as_array().into_iter().flatten() {
            let word = word.as_str().unwrap_or_default();
            match Operation::transform(word) {
                Some(operation) => steps.push(Step { operation, when_set: true }),
                None => {
                    self.weaver.report.add(Fault::new(span.clone(), format!("`{word}` is no transform")).help(advice(word, &TRANSFORMS)));
                }
            }
        }
        steps
    }

    /// The shape of a value within this one: with a tag, or as a plain mapping.
    fn nested(&mut self, key: &str) -> Option<Shape> {
        let entries = self.entries;
        let node = entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)?;
        nested(self.weaver, node)
    }

    fn properties(&mut self) -> Vec<(String, Shape)> {
        let entries = self.entries;
        let Some(node) = entries.iter().find(|entry| entry.key == "properties").map(|entry| &entry.node) else { return Vec::new() };
        let Content::Map(properties) = &node.content else {
            self.weaver.report.add(Fault::new(node.span.clone(), "`properties` is a mapping"));
            return Vec::new();
        };
        properties.iter().filter_map(|property| Some((property.key.clone(), nested(self.weaver, &property.node)?))).collect()
    }
}

fn nested(weaver: &mut Weaver<'_, '_, '_>, node: &yaml::Node) -> Option<Shape> {
    let Content::Map(entries) = &node.content else {
        weaver.report.add(Fault::new(node.span.clone(), "a value is a mapping").help("write `!string {description: ...}`"));
        return None;
    };
    let (kind, is_optional) = match &node.tag {
        Some(tag) => (tag.name.trim_start_matches('!').trim_end_matches('?').to_owned(), tag.name.ends_with('?')),
        None => (inferred(weaver, entries), false),
    };
    if !TYPES.contains(&kind.as_str()) {
        let span = node.tag.as_ref().map_or_else(|| node.span.clone(), |tag| tag.span.clone());
        weaver.report.add(Fault::new(span, format!("`{kind}` is no type")).help(advice(&kind, &TYPES)));
        return None;
    }
    Some(Reader { weaver, entries, span: node.span.clone() }.read(&kind, is_optional)?.shape)
}

/// The type of a plain mapping, as `ChatBotKit` finds it.
fn inferred(weaver: &Weaver<'_, '_, '_>, entries: &[Entry]) -> String {
    let value = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| literal(weaver, &entry.node));
    let default = value("default").unwrap_or_default();
    let kind = match value("type") {
        Some(kind) => return crate::operation::text(&kind),
        None if value("items").is_some() => "array",
        None if value("properties").is_some() => "object",
        None if default.is_boolean() => "boolean",
        None if default.is_number() => "number",
        None => "string",
    };
    kind.to_owned()
}

fn literal(weaver: &Weaver<'_, '_, '_>, node: &yaml::Node) -> Value {
    match &node.content {
        Content::Scalar(text, Style::Plain) => yaml::resolve(text).unwrap_or_else(|| weaver.skeleton.original(text).into()),
        Content::Scalar(text, _) => weaver.skeleton.original(text).into(),
        Content::List(items) => items.iter().map(|item| literal(weaver, item)).collect(),
        Content::Map(entries) => {
            entries.iter().map(|entry| (entry.key.clone(), literal(weaver, &entry.node))).collect::<Map<_, _>>().into()
        }
    }
}

fn number_of(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number::whole(number)),
        _ => None,
    }
}
