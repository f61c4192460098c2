//! A part of an instruction with its placeholders masked.
//!
//! Each placeholder becomes a token of as many bytes: one character of a private plane that says
//! which it is, and a filler. So a parser sees plain words, its spans are those of the instruction,
//! and nothing that stands in a placeholder can change what is parsed.
//!
//! Invariant: only this module writes such a character; an instruction that has one is refused.

use std::ops::Range;

use crate::fault::{Fault, Report};
use crate::limit::PLACEHOLDERS_MAX;
use crate::placeholder::{Dialect, Found, scan};

/// The first character that stands for a placeholder.
const TOKEN_FIRST: u32 = 0x0010_E000;
/// How long its UTF-8 is, in bytes: as long as the shortest placeholder, `$[x]`.
const TOKEN_BYTES: usize = 4;
/// What fills a token up.
const FILLER: &str = "_";

/// A part of an instruction, masked.
#[derive(Debug)]
pub(crate) struct Skeleton<'a> {
    source: &'a str,
    range: Range<usize>,
    masked: String,
    found: Vec<Found>,
}

/// A bit of decoded text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bit {
    /// Words.
    Words(String),
    /// A placeholder, by its position.
    Placeholder(usize),
}

impl<'a> Skeleton<'a> {
    /// Masks a part of the instruction.
    pub(crate) fn new(source: &'a str, range: Range<usize>, dialect: Dialect, report: &mut Report<'_>) -> Self {
        let mut found = scan(source, range.clone(), dialect);
        if let Some(extra) = found.get(PLACEHOLDERS_MAX) {
            report.add(Fault::new(extra.span.clone(), format!("at most {PLACEHOLDERS_MAX} placeholders are taken")));
            found.truncate(PLACEHOLDERS_MAX);
        }
        let part = source.get(range.clone()).unwrap_or_default();
        if let Some((at, c)) = part.char_indices().find(|(_, c)| token_index(*c).is_some()) {
            let span = range.start + at..range.start + at + c.len_utf8();
            report.add(Fault::new(span, "this character is for private use, and the parser uses it itself").help("leave it out"));
        }
        let mut masked = String::with_capacity(part.len());
        let mut at = range.start;
        for (index, found) in found.iter().enumerate() {
            masked.push_str(source.get(at..found.span.start).unwrap_or_default());
            masked.extend(token(index));
            masked.push_str(&FILLER.repeat(found.span.len().saturating_sub(TOKEN_BYTES)));
            at = found.span.end;
        }
        masked.push_str(source.get(at..range.end).unwrap_or_default());
        Self { source, range, masked, found }
    }

    /// The masked text; its bytes stand where those of the instruction do.
    pub(crate) fn masked(&self) -> &str {
        &self.masked
    }

    /// Where it stands in the instruction.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// A place in the masked text as a place in the instruction.
    pub(crate) fn span(&self, masked: Range<usize>) -> Range<usize> {
        self.range.start + masked.start..self.range.start + masked.end
    }

    /// The placeholder at a position.
    pub(crate) fn found(&self, index: usize) -> Option<&Found> {
        self.found.get(index)
    }

    /// The words and placeholders of a piece of masked text, or of what a parser made of one.
    pub(crate) fn decode(&self, text: &str) -> Vec<Bit> {
        let mut bits = Vec::new();
        let mut words = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            match token_index(c).and_then(|index| Some((index, self.found.get(index)?))) {
                Some((index, found)) => {
                    if !words.is_empty() {
                        bits.push(Bit::Words(std::mem::take(&mut words)));
                    }
                    bits.push(Bit::Placeholder(index));
                    length = found.span.len().max(length);
                }
                None => words.push(c),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        if !words.is_empty() {
            bits.push(Bit::Words(words));
        }
        bits
    }

    /// The placeholders of a piece of text, in their order.
    pub(crate) fn tokens(text: &str) -> Vec<usize> {
        text.chars().filter_map(token_index).collect()
    }

    /// Decoded text as the instruction has it.
    pub(crate) fn original(&self, text: &str) -> String {
        let bit = |bit| match bit {
            Bit::Words(words) => words,
            Bit::Placeholder(index) => {
                self.found.get(index).and_then(|found| self.source.get(found.span.clone())).unwrap_or_default().to_owned()
            }
        };
        self.decode(text).into_iter().map(bit).collect()
    }
}

fn token(index: usize) -> Option<char> {
    char::from_u32(TOKEN_FIRST + u32::try_from(index).ok()?)
}

fn token_index(c: char) -> Option<usize> {
    let index = usize::try_from(u32::from(c).checked_sub(TOKEN_FIRST)?).ok()?;
    Some(index).filter(|index| *index < PLACEHOLDERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::{Bit, Skeleton};
    use crate::fault::Report;
    use crate::placeholder::Dialect;

    #[test]
    fn a_masked_text_has_the_same_bytes_and_decodes_to_what_it_was() {
        let source = "x: ä $[name! ys|a: b\nc] and ${SECRET_X}.";
        let mut report = Report::new(source);
        let skeleton = Skeleton::new(source, 0..source.len(), Dialect::Block, &mut report);
        assert!(report.is_empty());
        assert_eq!(skeleton.masked().len(), source.len());
        assert!(!skeleton.masked().contains(['$', '|', '\n']));
        let words = |words: &str| Bit::Words(words.to_owned());
        assert_eq!(
            skeleton.decode(skeleton.masked()),
            [words("x: ä "), Bit::Placeholder(0), words(" and "), Bit::Placeholder(1), words(".")]
        );
        assert_eq!(skeleton.original(skeleton.masked()), source);
    }

    #[test]
    fn the_filler_of_a_token_is_told_from_words_after_it() {
        let source = "$[abc]__$[x]_";
        let mut report = Report::new(source);
        let skeleton = Skeleton::new(source, 0..source.len(), Dialect::Block, &mut report);
        let words = |words: &str| Bit::Words(words.to_owned());
        assert_eq!(skeleton.decode(skeleton.masked()), [Bit::Placeholder(0), words("__"), Bit::Placeholder(1), words("_")]);
    }

    #[test]
    fn a_forged_token_is_refused() {
        let source = "a \u{10E000} b";
        let mut report = Report::new(source);
        let _skeleton = Skeleton::new(source, 0..source.len(), Dialect::Block, &mut report);
        assert_eq!(report.finish().unwrap_err().iter().next().map(|fault| fault.span.clone()), Some(2..6));
    }
}
