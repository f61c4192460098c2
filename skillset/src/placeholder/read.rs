//! Reads placeholders off a text.

use std::ops::Range;

use regex::RegexBuilder;

use super::cursor::Cursor;
use super::{Dialect, Found, Kind, Mention, Placeholder, Reference, is_name, is_name_rest, is_name_start, is_reserved, is_reserved_there};
use crate::fault::Fault;
use crate::limit::{NAME_BYTES_MAX, PATTERN_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX, PLACEHOLDER_BYTES_MAX};
use crate::nearest::advice;
use crate::operation::{Operation, Step};

/// How a placeholder begins and ends.
#[derive(Debug, Clone, Copy)]
struct Brackets {
    open: &'static str,
    close: &'static str,
    kind: Bracket,
    is_doubled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Square,
    Curly,
    Round,
}

const BRACKETS: [Brackets; 6] = [
    Brackets { open: "$[", close: "]", kind: Bracket::Square, is_doubled: false },
    Brackets { open: "${", close: "}", kind: Bracket::Curly, is_doubled: false },
    Brackets { open: "$(", close: ")", kind: Bracket::Round, is_doubled: false },
    Brackets { open: "[[", close: "]]", kind: Bracket::Square, is_doubled: true },
    Brackets { open: "{{", close: "}}", kind: Bracket::Curly, is_doubled: true },
    Brackets { open: "((", close: "))", kind: Bracket::Round, is_doubled: true },
];

/// The words that may follow a name.
const OPERANDS: [&str; 20] = [
    "euc",
    "j",
    "js",
    "y",
    "ys",
    "dq",
    "edq",
    "sq",
    "esq",
    "rn",
    "trim",
    "num",
    "bool",
    "str",
    "enum<a,b>",
    "default<x>",
    "min<n>",
    "max<n>",
    "sanitize<pattern>",
    "local",
];

/// The placeholders of a part of the instruction, in their order.
pub(crate) fn scan(source: &str, range: Range<usize>, dialect: Dialect) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = range.start;
    while let Some(rest) = source.get(at..range.end) {
        let Some(step) = rest.find(['$', '[', '{', '(']) else { break };
        at += step;
        let text = source.get(at..source.floor_char_boundary(range.end.min(at + PLACEHOLDER_BYTES_MAX))).unwrap_or_default();
        let brackets = BRACKETS.iter().find(|brackets| text.starts_with(brackets.open));
        let read = brackets.and_then(|brackets| Reader::new(text, at, *brackets).read(dialect));
        match read {
            Some(read) => {
                at = read.span.end;
                found.push(read);
            }
            None => at += 1,
        }
    }
    found
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    brackets: Brackets,
    start: usize,
    mention: Mention,
    faults: Vec<Fault>,
}

/// Why there is no placeholder after all.
enum Stop {
    /// It is text.
    Text,
    /// It does not end: the fault stands for what was read.
    Unclosed,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, start: usize, brackets: Brackets) -> Self {
        let mut cursor = Cursor::new(text, start);
        cursor.eat(brackets.open);
        Self { cursor, brackets, start, mention: Mention::default(), faults: Vec::new() }
    }

    fn read(mut self, dialect: Dialect) -> Option<Found> {
        match self.placeholder() {
            Ok(()) => {}
            Err(Stop::Text) => return None,
            Err(Stop::Unclosed) => {
                let span = self.cursor.since(self.start);
                let fault = Fault::new(span.clone(), format!("`{}` is not closed by `{}`", self.brackets.open, self.brackets.close))
                    .help(format!("a placeholder ends within {PLACEHOLDER_BYTES_MAX} bytes"));
                return Some(Found { span, read: Err(vec![fault]) });
            }
        }
        let span = self.cursor.since(self.start);
        if dialect == Dialect::Structured && self.brackets.is_doubled && !is_reserved(&self.mention.name) {
            return None;
        }
        let placeholder = self.sort(&span);
        let read = if self.faults.is_empty() { Ok(placeholder) } else { Err(self.faults) };
        Some(Found { span, read })
    }

    fn placeholder(&mut self) -> Result<(), Stop> {
        self.name()?;
        loop {
            self.cursor.take_while(|c| c.is_whitespace() || c == ',');
            match self.cursor.peek() {
                None => return Err(self.unclosed()),
                Some('|' | ':') => {
                    self.cursor.skip();
                    return self.description();
                }
                Some(c) if self.brackets.close.starts_with(c) => {
                    return if self.cursor.eat(self.brackets.close) { Ok(()) } else { Err(Stop::Text) };
                }
                Some(_) => self.operand()?,
            }
        }
    }

    /// The name with its marks: `!` for required, `?` for optional.
    fn name(&mut self) -> Result<(), Stop> {
        self.cursor.take_while(char::is_whitespace);
        let (close, is_doubled) = (self.brackets.close, self.brackets.is_doubled);
        let place = self.cursor.place();
        let ends = |c: char| c.is_whitespace() || matches!(c, '|' | ':' | ',' | '<') || close.starts_with(c);
        let word =
            self.cursor.take_while(|c| if is_doubled { is_name_start(c) || is_name_rest(c) || matches!(c, '!' | '?') } else { !ends(c) });
        if self.cursor.peek().is_some_and(|c| !ends(c)) {
            return Err(Stop::Text);
        }
        let name = word.trim_matches(['!', '?']);
        let lead = word.len() - word.trim_start_matches(['!', '?']).len();
        if is_doubled && !is_name(name) || !name.starts_with(|c: char| is_name_start(c) || c.is_alphabetic()) {
            return Err(Stop::Text);
        }
        if !is_name(name) {
            let span = place + lead..place + lead + name.len();
            let help = format!(
                "a name is a letter and then letters, digits, `_`, `-` and `.`, at most {NAME_BYTES_MAX}; what it means goes after a `|`"
            );
            self.faults.push(Fault::new(span, format!("`{name}` is no name of a field")).help(help));
        }
        let (before, after) = (word.get(..lead).unwrap_or_default(), word.get(lead + name.len()..).unwrap_or_default());
        self.mention.is_required = before.contains('!') || after.contains('!');
        name.clone_into(&mut self.mention.name);
        Ok(())
    }

    /// All up to the end; brackets of the same kind may be nested where they are balanced.
    fn description(&mut self) -> Result<(), Stop> {
        let rest = self.cursor.rest();
        let open = self.brackets.open.trim_start_matches('$').chars().next().unwrap_or_default();
        let close = self.brackets.close.chars().next().unwrap_or_default();
        let is_end = |at: &usize| rest.get(*at..).is_some_and(|rest| rest.starts_with(self.brackets.close));
        let end = balanced(rest, open, close).filter(is_end).or_else(|| rest.find(self.brackets.close));
        let Some(end) = end else { return Err(self.unclosed()) };
        let words = self.cursor.take(end).split_whitespace().collect::<Vec<_>>().join(" ");
        self.mention.description = Some(words).filter(|words| !words.is_empty());
        self.cursor.eat(self.brackets.close);
        Ok(())
    }

    fn operand(&mut self) -> Result<(), Stop> {
        let place = self.cursor.place();
        let is_marked = self.cursor.eat("?");
        let word = self.cursor.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
        if word.is_empty() {
            return self.stray(place);
        }
        let argument = self.argument(word)?;
        let when_set = self.cursor.eat("?") || is_marked;
        let span = self.cursor.since(place);
        match (word, argument) {
            ("num" | "number", None) => self.mention.kind = Some((Kind::Number, span)),
            ("bool" | "boolean", None) => self.mention.kind = Some((Kind::Boolean, span)),
            ("str" | "string" | "text", None) => self.mention.kind = Some((Kind::Text, span)),
            ("local", None) => self.mention.is_local = true,
            ("enum", Some(list)) => self.mention.choices = Some((list.to_owned(), span)),
            ("default", Some(value)) => self.mention.default = Some((value.to_owned(), span)),
            ("min", Some(value)) => self.mention.min = Some((value.to_owned(), span)),
            ("max", Some(value)) => self.mention.max = Some((value.to_owned(), span)),
            ("sanitize", Some(pattern)) => self.sanitize(pattern, when_set, span),
            ("enum" | "default" | "min" | "max" | "sanitize", None) => {
                self.faults.push(Fault::new(span, format!("`{word}` needs a value")).help(format!("write `{word}<...>`")));
            }
            (_, argument) => match (Operation::operand(word), argument) {
                (Some(operation), None) => self.mention.steps.push(Step { operation, when_set }),
                (Some(_), Some(_)) => self.faults.push(Fault::new(span, format!("`{word}` takes no value"))),
                (None, _) => self.faults.push(self.unknown(word, span)),
            },
        }
        Ok(())
    }

    /// What stands in `<>`, `{}`, `[]` or `()` after an operand.
    fn argument(&mut self, word: &str) -> Result<Option<&'a str>, Stop> {
        let Some((open, close)) = self.cursor.peek().and_then(|open| Some((open, closing(open)?))) else { return Ok(None) };
        let place = self.cursor.place();
        self.cursor.skip();
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '?' | '|' | ':') || self.brackets.close.starts_with(c);
        let rest = self.cursor.rest();
        let is_end = |at: &usize| rest.get(at + close.len_utf8()..).and_then(|after| after.chars().next()).is_none_or(ends);
        let end = balanced(rest, open, close).filter(is_end).or_else(|| rest.match_indices(close).map(|(at, _)| at).find(is_end));
        let Some(end) = end else {
            if self.brackets.is_doubled {
                return Err(Stop::Text);
            }
            self.faults.push(Fault::new(self.cursor.since(place), format!("the value of `{word}` is not closed by `{close}`")));
            return Err(self.unclosed());
        };
        let argument = self.cursor.take(end);
        self.cursor.skip();
        Ok(Some(argument))
    }

    fn sanitize(&mut self, pattern: &str, when_set: bool, span: Range<usize>) {
        let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_COMPILED_BYTES_MAX).build();
        let fault = |reason: String| Fault::new(span, format!("the pattern of `sanitize` {reason}"));
        match compiled {
            _ if pattern.len() > PATTERN_BYTES_MAX => {
                self.faults.push(fault(format!("has {} bytes, at most {PATTERN_BYTES_MAX} are taken", pattern.len())));
            }
            Ok(pattern) => self.mention.steps.push(Step { operation: Operation::Without(pattern), when_set }),
            Err(error) => {
                let reason = error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let help = "patterns are those of Rust's regex: no look-around and no back-references";
                self.faults.push(fault(format!("is none: {reason}")).help(help));
            }
        }
    }

    /// A character that belongs to no operand: goes over it, so that the rest is checked too.
    fn stray(&mut self, place: usize) -> Result<(), Stop> {
        if self.brackets.is_doubled {
            return Err(Stop::Text);
        }
        let stray = self.cursor.peek().unwrap_or_default();
        self.cursor.skip();
        if self.faults.is_empty() {
            let fault = Fault::new(self.cursor.since(place), format!("`{stray}` is not expected after a name"));
            self.faults.push(fault.help("a placeholder is `name operands|description`"));
        }
        Ok(())
    }

    fn unknown(&self, word: &str, span: Range<usize>) -> Fault {
        let fault = Fault::new(span, format!("unknown operand `{word}`"));
        let bare: Vec<_> = OPERANDS.iter().map(|operand| operand.split('<').next().unwrap_or_default()).collect();
        let meant = advice(word, &bare);
        let text = format!("for plain text put a blank between the brackets; {meant}");
        fault.help(if self.brackets.is_doubled { text } else { format!("what it means goes after a `|`; {meant}") })
    }

    /// Text in doubled brackets; else the first line stands for the whole.
    fn unclosed(&mut self) -> Stop {
        if self.brackets.is_doubled {
            return Stop::Text;
        }
        let mut cursor = self.cursor.clone();
        cursor.take_while(|c| c != '\n');
        self.cursor = cursor;
        Stop::Unclosed
    }

    /// Whether the model fills it, or whoever acts.
    fn sort(&mut self, span: &Range<usize>) -> Placeholder {
        let mut mention = std::mem::take(&mut self.mention);
        mention.span = span.clone();
        let name = mention.name.clone();
        let is_curly = self.brackets.kind == Bracket::Curly;
        if is_curly && is_reserved(&name) {
            self.faults.extend(plain_reference(&mention));
            return Placeholder::Reference(Reference { name, span: span.clone(), steps: mention.steps });
        }
        if is_curly && is_reserved_there(&name) {
            let fault = Fault::new(span.clone(), format!("`{name}` is filled by nobody: it looks like a reference and is none"));
            self.faults.push(
                fault.help(format!("write `$[{name}]` for a value of the model; the references are {}", super::RESERVED.join("... "))),
            );
        } else if !is_curly && is_reserved(&name) {
            let fault = Fault::new(span.clone(), format!("`{name}` is a reference, which a model never fills"));
            self.faults.push(fault.help(format!("write `${{{name}}}`")));
        }
        Placeholder::Field(Box::new(mention))
    }
}

/// What a reference was given that it cannot have.
fn plain_reference(mention: &Mention) -> Option<Fault> {
    let kind = mention.kind.iter().map(|(_, span)| span);
    let bounds = [&mention.choices, &mention.default, &mention.min, &mention.max].into_iter().flatten().map(|(_, span)| span);
    let span = bounds.chain(kind).next()?;
    Some(Fault::new(span.clone(), format!("a reference has no type, enum or default: `{}`", mention.name)))
}

/// Where a bracket that was opened before `text` is closed, if all within are balanced.
fn balanced(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

fn closing(open: char) -> Option<char> {
    match open {
        '<' => Some('>'),
        '{' => Some('}'),
        '[' => Some(']'),
        '(' => Some(')'),
        _ => None,
    }
}
