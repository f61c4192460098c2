//! What is wrong with an instruction, shown where it stands.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::api::Failure;

/// What stands before the faults of an instruction, in a message of the API.
const LEAD: &str = "instruction:\n";
/// How many lines before a faulty one are shown.
const LINES_BEFORE: usize = 2;
/// How many lines behind a faulty one are shown.
const LINES_AFTER: usize = 1;
/// How much of a line is shown, in characters.
const LINE_CHARS_MAX: usize = 200;
/// How much of a line is shown before the fault where it must be cut, in characters.
const LEAD_CHARS: usize = 60;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    line: usize,
    column: usize,
    message: String,
    help: String,
}

/// A failure, with the faults of the instruction taken out of its message.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What is wrong besides.
    pub(super) rest: Option<Failure>,
    /// What is wrong with the instruction.
    pub(super) instruction: Option<Failure>,
    faults: Vec<Fault>,
}

impl Told {
    /// Reads a failure of the API.
    pub(super) fn of(failure: Option<&Failure>) -> Self {
        let Some(failure) = failure else { return Self::default() };
        let (before, faults) = match failure.message.split_once(LEAD) {
            Some((before, told)) => (before.trim_end().trim_end_matches(';'), faults(told)),
            None => (failure.message.as_str(), Vec::new()),
        };
        if faults.is_empty() {
            return Self { rest: Some(failure.clone()), ..Self::default() };
        }
        let message = faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n");
        let instruction = Failure { field: Some("instruction".to_owned()), message, ..failure.clone() };
        let rest = (!before.is_empty()).then(|| Failure { message: before.to_owned(), ..failure.clone() });
        Self { rest, instruction: Some(instruction), faults }
    }

    /// The lines of an instruction that are at fault, each with a mark below its place.
    pub(super) fn excerpts(&self, source: &str) -> Markup {
        let lines: BTreeSet<usize> = self.faults.iter().map(|fault| fault.line).collect();
        let columns = |line: usize| self.faults.iter().filter(|fault| fault.line == line).map(|fault| fault.column).collect();
        let places: Vec<(usize, Vec<usize>)> = lines.into_iter().map(|line| (line, columns(line))).collect();
        html! { @for (line, columns) in &places { (excerpt(source, *line, columns)) } }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line {}, column {}: {}", self.line, self.column, self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

/// The faults as the API tells them: `line 2, column 7: ...`, an excerpt that is made anew here, and `= ` with help.
fn faults(told: &str) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for line in told.lines() {
        if let Some(fault) = head(line) {
            faults.push(fault);
        } else if let (Some(help), Some(fault)) = (line.trim_start().strip_prefix("= "), faults.last_mut()) {
            help.clone_into(&mut fault.help);
        }
    }
    faults
}

fn head(line: &str) -> Option<Fault> {
    let (number, rest) = line.strip_prefix("line ")?.split_once(", column ")?;
    let (column, message) = rest.split_once(": ")?;
    Some(Fault { line: number.parse().ok()?, column: column.parse().ok()?, message: message.to_owned(), help: String::new() })
}

/// One line of an excerpt.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    gutter: String,
    text: String,
    is_faulty: bool,
}

fn excerpt(source: &str, line: usize, columns: &[usize]) -> Markup {
    html! {
        pre.excerpt tabindex="0" aria-label={ "Line " (line) " of the instruction" } {
            @for shown in lines(source, line, columns) {
                @if shown.is_faulty { span.faulty { (shown.gutter) (shown.text) } } @else { (shown.gutter) (shown.text) }
                "\n"
            }
        }
    }
}

/// The lines around a faulty one, and below that one a line with a caret at each place.
fn lines(source: &str, faulty: usize, columns: &[usize]) -> Vec<Shown> {
    let (first, last) = (faulty.saturating_sub(LINES_BEFORE).max(1), faulty.saturating_add(LINES_AFTER));
    let before = columns.iter().min().map_or(0, |column| column.saturating_sub(1));
    let cut = if before > LINE_CHARS_MAX.saturating_sub(LEAD_CHARS) { before.saturating_sub(LEAD_CHARS) } else { 0 };
    let width = last.to_string().len();
    let mut all = Vec::new();
    for (index, line) in source.split('\n').enumerate().skip(first - 1).take(last - first + 1) {
        let (number, is_faulty) = (index + 1, index + 1 == faulty);
        let text: String = line.trim_end_matches('\r').chars().skip(cut).take(LINE_CHARS_MAX).map(visible).collect();
        let marks = is_faulty.then(|| carets(&text, cut, columns));
        all.push(Shown { gutter: format!("{number:>width$} | "), text, is_faulty });
        all.extend(marks.map(|text| Shown { gutter: format!("{:>width$} | ", ""), text, is_faulty }));
    }
    all
}

/// A caret below each column of a text that begins behind `cut` characters of its line.
fn carets(text: &str, cut: usize, columns: &[usize]) -> String {
    let places: BTreeSet<usize> =
        columns.iter().filter_map(|column| column.checked_sub(cut + 1)).filter(|place| *place <= LINE_CHARS_MAX).collect();
    let end = places.last().map_or(0, |last| last + 1);
    let below = text.chars().chain(std::iter::repeat(' ')).take(end).enumerate();
    below
        .map(|(place, above)| {
            if places.contains(&place) {
                '^'
            } else if above == '\t' {
                '\t'
            } else {
                ' '
            }
        })
        .collect()
}

/// A character that moves nothing but what stands behind it.
fn visible(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::{Told, lines};
    use crate::api::Failure;

    const MESSAGE: &str = "name must not be empty; instruction:\nline 2, column 7: no end\n  |\n2 | GET $[x\n  |     ^^^\n  = write `]`\n\nline 3, column 1: too much\n  |\n3 | ```\n  | ^";

    #[test]
    fn faults_are_read_and_the_rest_stays() {
        let failure = Failure { field: Some("name".into()), ..Failure::new(StatusCode::BAD_REQUEST, MESSAGE) };
        let told = Told::of(Some(&failure));
        let rest = told.rest.unwrap();
        assert_eq!((rest.message.as_str(), rest.field.as_deref()), ("name must not be empty", Some("name")));
        let instruction = told.instruction.unwrap();
        assert_eq!(instruction.message, "Line 2, column 7: no end; write `]`\nLine 3, column 1: too much");
        let other = Told::of(Some(&Failure::field("egress", "belongs to fetch")));
        assert!(other.instruction.is_none() && other.rest.is_some() && other.faults.is_empty());
        assert!(Told::of(None).rest.is_none());
    }

    #[test]
    fn carets_stand_below_their_places() {
        let shown = |source: &str, line, columns: &[usize]| {
            lines(source, line, columns).into_iter().map(|one| one.gutter + &one.text).collect::<Vec<_>>()
        };
        assert_eq!(shown("a\nb\n\tcö$x\nd\ne", 3, &[4]), ["1 | a", "2 | b", "3 | \tcö$x", "  | \t  ^", "4 | d"]);
        assert_eq!(shown("", 1, &[1]), ["1 | ", "  | ^"]);
        assert_eq!(shown("abc", 1, &[9, 2, 2]), ["1 | abc", "  |  ^      ^"]);
        assert_eq!(shown("a\u{7}b", 1, &[1]), ["1 | a\u{fffd}b", "  | ^"]);
        assert_eq!(shown("a", 7, &[1]), [""; 0]);
        let long = shown(&format!("{}X{}", "a".repeat(500), "b".repeat(500)), 1, &[501, 999]);
        assert_eq!(long[0].find('X'), long[1].find('^'));
    }

    #[test]
    fn an_excerpt_is_text() {
        let failure = Failure::new(StatusCode::BAD_REQUEST, "instruction:\nline 1, column 1: x");
        let shown = Told::of(Some(&failure)).excerpts("<b>").into_string();
        assert!(shown.contains("&lt;b&gt;") && !shown.contains("<b>"), "{shown}");
    }
}
