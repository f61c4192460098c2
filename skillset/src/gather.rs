//! Puts together what all mentions of a field say.

use std::ops::Range;

use serde_json::{Number, Value};

use crate::fault::{Fault, Report};
use crate::field::{Field, Kind, Shape, Text};
use crate::limit::{CHOICES_MAX, FIELDS_MAX};
use crate::number;
use crate::operation::Operation;
use crate::placeholder::{self, Mention, Spanned, is_private};

/// The fields of an instruction as they are found.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    entries: Vec<Entry>,
}

#[derive(Debug)]
enum Entry {
    /// A field that is mentioned in brackets, with all its mentions.
    Mentioned(Vec<Mention>),
    /// A field that is declared with a tag.
    Declared(Field, Range<usize>),
}

impl Gather {
    /// Takes a mention; the answer is the field's position.
    pub(crate) fn mention(&mut self, mention: Mention) -> usize {
        let known = self.entries.iter_mut().enumerate().find_map(|(index, entry)| match entry {
            Entry::Mentioned(mentions) if mentions.first().is_some_and(|first| first.name == mention.name) => Some((index, mentions)),
            _ => None,
        });
        if let Some((index, mentions)) = known {
            mentions.push(mention);
            return index;
        }
        self.entries.push(Entry::Mentioned(vec![mention]));
        self.entries.len() - 1
    }

    /// Takes a declaration; the answer is the field's position.
    pub(crate) fn declare(&mut self, field: Field, span: Range<usize>, report: &mut Report<'_>) -> usize {
        let known = self.entries.iter().enumerate().find_map(|(index, entry)| match entry {
            Entry::Declared(known, _) if known.name == field.name => Some((index, known)),
            _ => None,
        });
        if let Some((index, known)) = known {
            if *known != field {
                let help = "a field that stands in several places is declared alike in all of them";
                report.add(Fault::new(span, format!("`{}` is declared otherwise before", field.name)).help(help));
            }
            return index;
        }
        self.entries.push(Entry::Declared(field, span));
        self.entries.len() - 1
    }

    /// The fields in the order of their first mention.
    pub(crate) fn finish(self, report: &mut Report<'_>) -> Vec<Field> {
        let mut fields = Vec::with_capacity(self.entries.len());
        let mut count = 0;
        for entry in self.entries {
            let (field, span) = match entry {
                Entry::Declared(field, span) => (field, span),
                Entry::Mentioned(mentions) => {
                    let span = mentions.first().map(|mention| mention.span.clone()).unwrap_or_default();
                    (unite(&mentions, report), span)
                }
            };
            count += size(&field.shape);
            if count > FIELDS_MAX {
                report.add(Fault::new(span.clone(), format!("at most {FIELDS_MAX} fields are taken")));
            }
            if field.is_hidden && field.shape.is_required && field.shape.default.is_none() {
                let fault = Fault::new(span, format!("`{}` is hidden from the model and must be given: nobody gives it", field.name));
                report.add(
                    fault.help("give it a default, or leave `!` and `local` out; a name that starts with `_`, `#`, `@` or `$` is hidden"),
                );
            }
            fields.push(field);
        }
        fields
    }
}

fn size(shape: &Shape) -> usize {
    1 + match &shape.kind {
        Kind::List(Some(items)) => size(items),
        Kind::Record(properties) => properties.iter().map(|(_, shape)| size(shape)).sum(),
        _ => 0,
    }
}

/// The field that all its mentions speak of.
fn unite(mentions: &[Mention], report: &mut Report<'_>) -> Field {
    let name = mentions.first().map(|mention| mention.name.clone()).unwrap_or_default();
    let kind = agree(&name, "type", mentions.iter().filter_map(|mention| mention.kind.as_ref()), report);
    let choices = agree(&name, "enum", mentions.iter().filter_map(|mention| mention.choices.as_ref()), report);
    let default = agree(&name, "default", mentions.iter().filter_map(|mention| mention.default.as_ref()), report);
    let min = agree(&name, "min", mentions.iter().filter_map(|mention| mention.min.as_ref()), report);
    let max = agree(&name, "max", mentions.iter().filter_map(|mention| mention.max.as_ref()), report);
    let is_structure = |mention: &Mention| mention.steps.iter().any(|step| matches!(step.operation, Operation::Parse | Operation::Json));
    let kind = match kind.map_or(placeholder::Kind::Text, |(kind, _)| *kind) {
        placeholder::Kind::Number => Kind::Number {
            choices: choices.map(|choices| list(choices, numeric, report)).unwrap_or_default(),
            min: min.and_then(|min| numeric(min, report)),
            max: max.and_then(|max| numeric(max, report)),
        },
        placeholder::Kind::Boolean => {
            if let Some((_, span)) = min.or(max) {
                report.add(Fault::new(span.clone(), "true and false have no min or max"));
            }
            choices.map(|choices| list(choices, boolean, report));
            Kind::Boolean
        }
        placeholder::Kind::Text => Kind::Text(Text {
            choices: choices.map(|choices| list(choices, |choice, _| Some(choice.0.clone()), report)).unwrap_or_default(),
            chars_min: min.and_then(|min| count(min, report)),
            chars_max: max.and_then(|max| count(max, report)),
            takes_json: mentions.iter().any(is_structure),
        }),
    };
    let default = default.and_then(|default| value(default, &kind, report).map(|value| (value, &default.1)));
    check(&kind, default.as_ref(), max.map(|(_, span)| span), report);
    let shape = Shape {
        description: mentions.iter().find_map(|mention| mention.description.clone()),
        is_required: mentions.iter().any(|mention| mention.is_required),
        default: default.map(|(value, _)| value),
        kind,
    };
    Field { is_hidden: is_private(&name) || mentions.iter().any(|mention| mention.is_local), name, shape }
}

/// What all mentions say that say anything.
fn agree<'a, T: PartialEq>(
    name: &str,
    what: &str,
    mut said: impl Iterator<Item = &'a Spanned<T>>,
    report: &mut Report<'_>,
) -> Option<&'a Spanned<T>> {
    let first = said.next()?;
    for (_, span) in said.filter(|(value, _)| *value != first.0) {
        report.add(
            Fault::new(span.clone(), format!("`{name}` has another {what} before")).help(format!("say the {what} once, at any mention")),
        );
    }
    Some(first)
}

/// The default as a value of the type.
fn value(default: &Spanned<String>, kind: &Kind, report: &mut Report<'_>) -> Option<Value> {
    match kind {
        Kind::Number { .. } => numeric(default, report).map(Value::Number),
        Kind::Boolean => boolean(default, report).map(Value::Bool),
        _ => Some(default.0.as_str().into()),
    }
}

/// That the bounds have room, and the default is within them.
fn check(kind: &Kind, default: Option<&(Value, &Range<usize>)>, max: Option<&Range<usize>>, report: &mut Report<'_>) {
    let is_empty = match kind {
        Kind::Number { min: Some(min), max: Some(max), .. } => number::is_less(max, min),
        Kind::Text(Text { chars_min: Some(min), chars_max: Some(max), .. }) => max < min,
        _ => false,
    };
    if let (true, Some(span)) = (is_empty, max) {
        report.add(Fault::new(span.clone(), "max is less than min"));
        return;
    }
    if let Some((value, span)) = default
        && let Err(reason) = crate::argument::within(kind, value)
    {
        report.add(Fault::new((*span).clone(), format!("the default {reason}")));
    }
}

fn list<T>(choices: &Spanned<String>, read: impl Fn(&Spanned<String>, &mut Report<'_>) -> Option<T>, report: &mut Report<'_>) -> Vec<T> {
    let (text, span) = choices;
    let items: Vec<_> = text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
    if items.is_empty() || items.len() > CHOICES_MAX {
        report.add(Fault::new(span.clone(), format!("an enum has {} values, must have 1 to {CHOICES_MAX}", items.len())));
    }
    items.into_iter().take(CHOICES_MAX).filter_map(|item| read(&(item.to_owned(), span.clone()), report)).collect()
}

fn numeric((text, span): &Spanned<String>, report: &mut Report<'_>) -> Option<Number> {
    let number = number::parse(text);
    if number.is_none() {
        report.add(Fault::new(span.clone(), format!("`{text}` is no number")));
    }
    number
}

fn count((text, span): &Spanned<String>, report: &mut Report<'_>) -> Option<u64> {
    let count = text.trim().parse().ok();
    if count.is_none() {
        report.add(Fault::new(span.clone(), format!("`{text}` is no number of characters")).help("for a number add `num`"));
    }
    count
}

fn boolean((text, span): &Spanned<String>, report: &mut Report<'_>) -> Option<bool> {
    let value = text.trim().parse().ok();
    if value.is_none() {
        report.add(Fault::new(span.clone(), format!("`{text}` is neither true nor false")));
    }
    value
}
