//! What is wrong with an instruction, where, and what to write instead.
//!
//! Guarantees: a span lies within the instruction and on its characters' bounds; faults come in
//! the order of their places; at least one fault stands in [`Faults`].

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use crate::limit::FAULTS_MAX;

/// How much of a line is shown, in characters.
const LINE_CHARS_MAX: usize = 120;
/// How much of a line is shown before the fault where it must be cut, in characters.
const LEAD_CHARS: usize = 40;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where it stands in the instruction, in bytes.
    pub span: Range<usize>,
    /// The line it begins on, from 1.
    pub line: usize,
    /// The character of the line that it begins at, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// All that is wrong with an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    source: String,
    found: Vec<Fault>,
}

/// Takes faults as they are found.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    source: &'a str,
    found: Vec<Fault>,
}

impl Fault {
    /// A fault at a place; [`Report::finish`] finds its line.
    pub(crate) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, line: 1, column: 1, message: message.into(), help: None }
    }

    /// The same fault with advice.
    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl Faults {
    /// One fault of an instruction.
    pub(crate) fn one(source: &str, fault: Fault) -> Self {
        Self { source: source.to_owned(), found: vec![fault] }
    }

    /// The faults in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.found.iter()
    }

    /// The instruction.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl<'a> Report<'a> {
    /// A report without faults.
    pub(crate) fn new(source: &'a str) -> Self {
        Self { source, found: Vec::new() }
    }

    /// Takes one fault, as long as there is room.
    pub(crate) fn add(&mut self, fault: Fault) {
        if self.found.len() < FAULTS_MAX && !self.found.contains(&fault) {
            self.found.push(fault);
        }
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was found, if anything.
    pub(crate) fn finish(mut self) -> Result<(), Faults> {
        if self.found.is_empty() {
            return Ok(());
        }
        for fault in &mut self.found {
            fault.span = within(self.source, &fault.span);
            let before = self.source.get(..fault.span.start).unwrap_or_default();
            fault.line = before.matches('\n').count() + 1;
            fault.column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        }
        self.found.sort_by_key(|fault| (fault.span.start, fault.span.end));
        Err(Faults { source: self.source.to_owned(), found: self.found })
    }
}

/// The span moved onto bounds of characters within the source.
fn within(source: &str, span: &Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(span.start);
    start..source.ceil_char_boundary(span.end).max(start)
}

impl Display for Faults {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.found.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write_fault(f, fault, &self.source)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// The message, the line with a caret under the place, and the help.
fn write_fault(f: &mut Formatter<'_>, fault: &Fault, source: &str) -> fmt::Result {
    let line = source.split('\n').nth(fault.line - 1).unwrap_or_default().trim_end_matches('\r');
    let before = fault.column - 1;
    let cut = if line.chars().count() > LINE_CHARS_MAX { before.saturating_sub(LEAD_CHARS) } else { 0 };
    let shown: String = line.chars().skip(cut).take(LINE_CHARS_MAX).map(visible).collect();
    let pad: String = shown.chars().take(before - cut).map(|c| if c == '\t' { c } else { ' ' }).collect();
    let marked = source.get(fault.span.clone()).unwrap_or_default().split(['\n', '\r']).next().unwrap_or_default();
    let room = shown.chars().count().saturating_sub(before - cut).max(1);
    let carets = "^".repeat(marked.chars().count().clamp(1, room));
    let gutter = " ".repeat(fault.line.to_string().len());
    write!(
        f,
        "line {}, column {}: {}\n{gutter} |\n{} | {shown}\n{gutter} | {pad}{carets}",
        fault.line, fault.column, fault.message, fault.line
    )?;
    match &fault.help {
        Some(help) => write!(f, "\n{gutter} = {help}"),
        None => Ok(()),
    }
}

/// A character that moves no cursor.
fn visible(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Report};

    fn show(source: &str, faults: Vec<Fault>) -> String {
        let mut report = Report::new(source);
        for fault in faults {
            report.add(fault);
        }
        report.finish().unwrap_err().to_string()
    }

    #[test]
    fn a_fault_shows_its_line_with_a_caret() {
        let shown = show("one\n\ttwö three\n", vec![Fault::new(10..15, "is three").help("write two")]);
        assert_eq!(shown, "line 2, column 6: is three\n  |\n2 | \ttwö three\n  | \t    ^^^^^\n  = write two");
    }

    #[test]
    fn faults_come_in_order_and_once() {
        let shown = show("ab", vec![Fault::new(1..2, "b"), Fault::new(0..1, "a"), Fault::new(0..1, "a")]);
        assert_eq!(shown, "line 1, column 1: a\n  |\n1 | ab\n  | ^\n\nline 1, column 2: b\n  |\n1 | ab\n  |  ^");
    }

    #[test]
    fn a_span_past_the_end_or_within_a_character_is_moved_onto_bounds() {
        let mut report = Report::new("ä");
        report.add(Fault::new(1..1, "within"));
        report.add(Fault::new(7..9, "past"));
        let spans: Vec<_> = report.finish().unwrap_err().iter().map(|fault| fault.span.clone()).collect();
        assert_eq!(spans, [0..2, 2..2]);
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let source = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = show(&source, vec![Fault::new(500..501, "here")]);
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[2].len(), 120 + 4);
        assert_eq!(lines[2].find('X'), lines[3].find('^'));
    }
}
