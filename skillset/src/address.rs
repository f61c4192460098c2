//! Finds how placeholders stand in a URL, so that a value stays in its part.

use std::ops::Range;

use crate::fault::{Fault, Report};
use crate::template::{Phrase, Piece, Place};

/// Who chooses where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The instruction: a value can at most choose among the names below a domain.
    Fixed,
    /// Whoever gives the values.
    Open,
}

/// The part of a URL that a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Start,
    Host,
    Port,
    Path,
    Query { is_value: bool },
    Fragment,
}

struct Walk<'r, 's> {
    part: Part,
    /// The words of the host since the last placeholder in it.
    host: String,
    has_host_slot: bool,
    origin: Origin,
    is_faulty: bool,
    span: Range<usize>,
    report: &'r mut Report<'s>,
}

/// Says of each place in a URL which it is, and who chooses the origin.
pub(crate) fn assign(phrase: &mut Phrase, span: &Range<usize>, report: &mut Report<'_>) -> Origin {
    let mut walk = Walk {
        part: Part::Start,
        host: String::new(),
        has_host_slot: false,
        origin: Origin::Fixed,
        is_faulty: false,
        span: span.clone(),
        report,
    };
    let nexts: Vec<Option<char>> = phrase.0.iter().skip(1).map(first_char).chain([None]).collect();
    for (piece, next) in phrase.0.iter_mut().zip(nexts) {
        match piece {
            Piece::Literal(words) => walk.words(words),
            Piece::Slot(slot) => slot.place = walk.place(next),
            Piece::Reference(reference) => {
                if matches!(walk.part, Part::Start | Part::Host | Part::Port) {
                    let fault = Fault::new(reference.span.clone(), "a reference is no host");
                    walk.report.add(fault.help("write the host; references may stand after it"));
                    walk.is_faulty = true;
                    walk.part = Part::Path;
                }
            }
        }
    }
    walk.finish()
}

/// The same for a form, which is the query of a URL by itself.
pub(crate) fn assign_form(phrase: &mut Phrase) {
    let mut is_value = false;
    for piece in &mut phrase.0 {
        match piece {
            Piece::Literal(words) => words.chars().filter(|c| matches!(c, '=' | '&')).for_each(|c| is_value = c == '='),
            Piece::Slot(slot) => slot.place = if is_value { Place::QueryValue } else { Place::Query },
            Piece::Reference(_) => {}
        }
    }
}

impl Walk<'_, '_> {
    fn words(&mut self, words: &str) {
        let mut words = words;
        if self.part == Part::Start {
            let lower = words.to_ascii_lowercase();
            let scheme = ["https://", "http://"].into_iter().find(|scheme| lower.starts_with(scheme));
            self.part = if scheme.is_some() { Part::Host } else { Part::Path };
            if scheme.is_none() {
                self.fault("a URL starts with `https://` or `http://`", "write the whole URL, or `$[url!|...]` if the model chooses it");
            }
            words = words.get(scheme.map_or(0, str::len)..).unwrap_or_default();
        }
        for c in words.chars() {
            self.read(c);
        }
    }

    fn read(&mut self, c: char) {
        if c.is_whitespace() || c.is_control() {
            self.fault("a URL has no blanks", "write `%20`");
        }
        self.part = match (self.part, c) {
            (Part::Fragment, _) | (_, '#') => Part::Fragment,
            (Part::Query { .. }, '=') => Part::Query { is_value: true },
            (Part::Query { .. }, '&') => Part::Query { is_value: false },
            (part @ Part::Query { .. }, _) => part,
            (_, '?') => Part::Query { is_value: false },
            (_, '/') => Part::Path,
            (Part::Host | Part::Port, '@') => {
                self.fault("a URL has no user name and password", "write `Authorization: ${SECRET_DEFAULT}` as a header");
                Part::Host
            }
            (Part::Host, ':') => Part::Port,
            (Part::Host, c) => {
                self.host.push(c);
                Part::Host
            }
            (part, _) => part,
        };
    }

    fn place(&mut self, next: Option<char>) -> Place {
        match self.part {
            Part::Start => {
                self.origin = Origin::Open;
                self.part = Part::Path;
                Place::Origin
            }
            Part::Host => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
                let is_after_name = self.host.ends_with(|c: char| c.is_ascii_alphanumeric()) || self.host.is_empty() && self.has_host_slot;
                if is_after_name && !next.is_some_and(is_name) {
                    self.part = Part::Path;
                    return Place::AfterHost;
                }
                self.has_host_slot = true;
                self.host.clear();
                Place::Host
            }
            Part::Port => Place::Port,
            Part::Path => Place::Path,
            Part::Query { is_value: true } => Place::QueryValue,
            Part::Query { is_value: false } => Place::Query,
            Part::Fragment => Place::Fragment,
        }
    }

    fn finish(mut self) -> Origin {
        if !self.is_faulty && self.origin == Origin::Fixed && self.host.is_empty() && !self.has_host_slot {
            self.fault("a URL has a host", "write `https://host/path`");
        }
        let is_below_domain = self.host.strip_prefix('.').is_some_and(|rest| rest.trim_matches('.').contains('.'));
        if self.has_host_slot && !is_below_domain { Origin::Open } else { self.origin }
    }

    fn fault(&mut self, message: &str, help: &str) {
        self.is_faulty = true;
        self.report.add(Fault::new(self.span.clone(), message).help(help));
    }
}

/// The first character of a piece of words; something that no name has for a placeholder.
fn first_char(piece: &Piece) -> Option<char> {
    if let Piece::Literal(words) = piece { words.chars().next() } else { None }
}
