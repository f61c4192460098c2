//! Walks the text of a placeholder.

use std::ops::Range;

/// A place in a text that knows where the text stands in the instruction.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    /// The start of a text that stands at byte `base`.
    pub(super) fn new(text: &'a str, base: usize) -> Self {
        Self { text, at: 0, base }
    }

    /// Where it is in the instruction.
    pub(super) fn place(&self) -> usize {
        self.base + self.at
    }

    /// From a place to here.
    pub(super) fn since(&self, place: usize) -> Range<usize> {
        place..self.place()
    }

    /// What is left.
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes over one character.
    pub(super) fn skip(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Goes over `words` if they come next.
    pub(super) fn eat(&mut self, words: &str) -> bool {
        let comes = self.rest().starts_with(words);
        if comes {
            self.at += words.len();
        }
        comes
    }

    /// Goes over what fits.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(|c| !fits(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    /// Goes over `bytes` bytes, which end a character.
    pub(super) fn take(&mut self, bytes: usize) -> &'a str {
        let taken = self.rest().get(..bytes).unwrap_or_default();
        self.at += taken.len();
        taken
    }
}
