//! Finds how placeholders stand in JSON text, so that a value stays one value.
//!
//! A request's body often is JSON with placeholders in it: `{"name": "$[name]", "n": $[n num]}`.
//! In a string a value is escaped; elsewhere it is written as JSON. So whatever the value is, it
//! neither ends its string nor adds a key beside its own, and is none itself. Only strings are told
//! from the rest: the text need not be correct JSON.

use std::ops::Range;

use serde_json::Value;

use crate::fault::{Fault, Report};
use crate::operation::{Operation, Step};
use crate::template::{Phrase, Piece, Place};
use crate::weave::unquote;

/// Where a place in JSON text is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lexer {
    is_string: bool,
    is_escaped: bool,
    /// Whether an escaped quote is open within the string.
    is_inner: bool,
}

impl Lexer {
    /// Goes over words.
    pub(crate) fn read(&mut self, words: &str) {
        words.chars().for_each(|c| self.step(c));
    }

    fn step(&mut self, c: char) {
        match c {
            '"' if self.is_escaped => self.is_inner = !self.is_inner,
            '"' => *self = Self { is_string: !self.is_string, ..Self::default() },
            _ => {}
        }
        self.is_escaped = c == '\\' && self.is_string && !self.is_escaped;
    }

    /// Whether it is within a string.
    pub(crate) fn is_string(self) -> bool {
        self.is_string
    }
}

/// A text as it stands within a string of JSON.
pub(crate) fn escape(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// Whether a text is meant to be a list or an object of JSON.
pub(crate) fn looks_so(words: &str) -> bool {
    words.trim_start().starts_with(['{', '['])
}

/// Says of each place in a text of JSON which it is; other texts stay as they are.
pub(crate) fn assign(phrase: &mut Phrase, span: &Range<usize>, report: &mut Report<'_>) {
    if !matches!(phrase.0.first(), Some(Piece::Literal(words)) if looks_so(words)) {
        return;
    }
    let mut lexer = Lexer::default();
    let mut keys = Keys::default();
    let mut is_escaped = false;
    for piece in &mut phrase.0 {
        match piece {
            Piece::Literal(words) => keys.read(words, &mut lexer),
            Piece::Slot(slot) if lexer.is_string => {
                slot.place = Place::JsonString;
                escape_once(&mut slot.steps, lexer);
            }
            Piece::Slot(slot) => {
                slot.place = if slot.steps.is_empty() { Place::JsonLoose } else { Place::Json };
                slot.absent = unquote(&mut slot.steps);
            }
            Piece::Reference(reference) if lexer.is_string => escape_once(&mut reference.steps, lexer),
            Piece::Reference(reference) => {
                unquote(&mut reference.steps);
            }
        }
        if !matches!(piece, Piece::Literal(_)) {
            keys.is_filled = true;
            is_escaped |= lexer.is_escaped;
        }
    }
    if keys.has_filled {
        let fault = Fault::new(span.clone(), "a key of this JSON is a placeholder: a key is never filled in");
        report.add(fault.help("write the key, or a whole object: `$[fields j]`"));
    }
    if is_escaped {
        report.add(
            Fault::new(span.clone(), "a backslash stands before a placeholder").help("leave it out: values are escaped by themselves"),
        );
    }
}

/// Finds keys that have placeholders in them.
#[derive(Debug, Default)]
struct Keys {
    /// Whether the string or value that was read last has a placeholder in it.
    is_filled: bool,
    /// Whether such a one was a key.
    has_filled: bool,
}

impl Keys {
    fn read(&mut self, words: &str, lexer: &mut Lexer) {
        for c in words.chars() {
            let was_string = lexer.is_string;
            lexer.step(c);
            match (was_string, lexer.is_string) {
                (false, true) => self.is_filled = false,
                (false, false) if !c.is_whitespace() => {
                    self.has_filled |= self.is_filled && c == ':';
                    self.is_filled = false;
                }
                _ => {}
            }
        }
    }
}

/// Leaves out the last escaping of quotes: the place does it, and whole. Within escaped quotes it is another one.
fn escape_once(steps: &mut Vec<Step>, lexer: Lexer) {
    if !lexer.is_inner {
        steps.pop_if(|step| matches!(step.operation, Operation::DoubleEscape));
    }
}
