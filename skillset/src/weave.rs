//! Turns masked text and YAML into templates, and gathers the fields on the way.

use crate::fault::{Fault, Report};
use crate::gather::Gather;
use crate::operation::{Operation, Step};
use crate::placeholder::{Dialect, Placeholder};
use crate::skeleton::{Bit, Skeleton};
use crate::template::{Absent, Content, Entry, Node, Phrase, Piece, Place, Slot};
use crate::yaml::{self, Style};

/// What templates are made with.
#[derive(Debug)]
pub(crate) struct Weaver<'a, 'r, 's> {
    /// The part of the instruction.
    pub(crate) skeleton: &'a Skeleton<'a>,
    /// How the instruction is written.
    pub(crate) dialect: Dialect,
    /// The fields so far.
    pub(crate) gather: &'r mut Gather,
    /// The faults so far.
    pub(crate) report: &'r mut Report<'s>,
}

impl Weaver<'_, '_, '_> {
    /// A text of the instruction as it stands.
    pub(crate) fn text(&mut self, masked: &str) -> Phrase {
        let bits = self.skeleton.decode(masked);
        Phrase(bits.into_iter().filter_map(|bit| self.piece(bit)).collect())
    }

    /// A node of a block's YAML, which has no tags of fields.
    pub(crate) fn node(&mut self, node: &yaml::Node) -> Node {
        let is_text = node.tag.as_ref().is_some_and(|tag| tag.name == "!!str");
        if let Some(tag) = node.tag.as_ref().filter(|_| !is_text) {
            let fault = Fault::new(tag.span.clone(), format!("the tag `{}` is not taken in a block", tag.name));
            self.report.add(
                fault.help("in a block write `$[name operands|description]`; tags belong to the form without a fence, such as `!fetch`"),
            );
        }
        let content = match &node.content {
            yaml::Content::Scalar(text, _) if is_text => Content::Phrase(self.text(text)),
            yaml::Content::Scalar(text, style) => self.scalar(text, *style),
            yaml::Content::List(items) => Content::List(items.iter().map(|item| self.node(item)).collect()),
            yaml::Content::Map(entries) => Content::Map(entries.iter().map(|entry| self.entry(entry)).collect()),
        };
        Node { span: node.span.clone(), content }
    }

    /// A scalar of YAML: a lone placeholder keeps its type, unless it stands in quotes.
    pub(crate) fn scalar(&mut self, text: &str, style: Style) -> Content {
        let is_plain = style == Style::Plain;
        if let (true, Some(value)) = (is_plain, yaml::resolve(text)) {
            return Content::Value(value);
        }
        let mut phrase = self.text(text);
        for steps in phrase.0.iter_mut().filter_map(steps_mut) {
            match style {
                Style::Double => steps.retain(|step| !matches!(step.operation, Operation::DoubleEscape)),
                Style::Single => steps.retain(|step| !matches!(step.operation, Operation::SingleEscape)),
                Style::Plain | Style::Block => {}
            }
        }
        match phrase.0.as_mut_slice() {
            [Piece::Slot(slot)] if is_plain => {
                slot.absent = unquote(&mut slot.steps);
                Content::Alone(slot.clone())
            }
            [Piece::Reference(reference)] if is_plain => {
                unquote(&mut reference.steps);
                Content::Phrase(phrase)
            }
            _ => Content::Phrase(phrase),
        }
    }

    fn entry(&mut self, entry: &yaml::Entry) -> Entry {
        Entry { key: entry.key.clone(), span: entry.span.clone(), node: self.node(&entry.node) }
    }

    fn piece(&mut self, bit: Bit) -> Option<Piece> {
        let index = match bit {
            Bit::Words(words) => return Some(Piece::Literal(words)),
            Bit::Placeholder(index) => index,
        };
        let found = self.skeleton.found(index)?;
        match &found.read {
            Ok(Placeholder::Reference(reference)) => Some(Piece::Reference(reference.clone())),
            Ok(Placeholder::Field(mention)) if self.dialect == Dialect::Structured => {
                let fault = Fault::new(found.span.clone(), "in this form brackets stand for references alone");
                let name = &mention.name;
                self.report.add(
                    fault.help(format!("write `!string {{name: {name}}}`; within a text `!concat [\"text \", !string {{name: {name}}}]`")),
                );
                None
            }
            Ok(Placeholder::Field(mention)) => {
                let slot = Slot { field: 0, steps: mention.steps.clone(), place: Place::Plain, absent: Absent::Null };
                Some(Piece::Slot(Slot { field: self.gather.mention((**mention).clone()), ..slot }))
            }
            Err(faults) => {
                faults.iter().cloned().for_each(|fault| self.report.add(fault));
                None
            }
        }
    }
}

/// Leaves out a last step that only quotes: a whole leaf needs no quotes.
pub(crate) fn unquote(steps: &mut Vec<Step>) -> Absent {
    match steps.pop_if(|step| step.operation.is_quoting()) {
        Some(Step { when_set: false, .. }) => Absent::Empty,
        _ => Absent::Null,
    }
}

fn steps_mut(piece: &mut Piece) -> Option<&mut Vec<Step>> {
    match piece {
        Piece::Literal(_) => None,
        Piece::Slot(slot) => Some(&mut slot.steps),
        Piece::Reference(reference) => Some(&mut reference.steps),
    }
}
