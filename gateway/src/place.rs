//! Places in a session's log, as readers name them.

use std::fmt;

/// The place of something that a reader is shown: its record, and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The log sequence of the record.
    pub(crate) seq: u64,
    /// The index in it.
    pub(crate) index: usize,
}

impl Place {
    /// The end of a record: behind all that it shows.
    pub(crate) fn behind(seq: u64) -> Self {
        Self { seq, index: usize::MAX }
    }

    /// Reads the id of a message: `<log sequence>.<index>`.
    pub(crate) fn of_message(text: &str) -> Option<Self> {
        let (seq, index) = text.split_once('.')?;
        Some(Self { seq: seq.parse().ok()?, index: index.parse().ok()? })
    }

    /// Reads the id of a message, or the sequence of a record for what is behind it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains('.') { Self::of_message(text) } else { text.parse().ok().map(Self::behind) }
    }

    /// The log sequence after which whatever is behind this place begins.
    pub(crate) fn read_from(self) -> u64 {
        if self.index == usize::MAX { self.seq } else { self.seq.saturating_sub(1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.index == usize::MAX { write!(f, "{}", self.seq) } else { write!(f, "{}.{}", self.seq, self.index) }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn a_place_prints_itself_and_says_where_to_read_on() {
        for (text, read_from) in [("12.0", 11), ("12.3", 11), ("12", 12), ("0", 0), ("0.1", 0)] {
            let place = Place::parse(text).unwrap();
            assert_eq!((place.to_string().as_str(), place.read_from()), (text, read_from));
        }
        assert!(Place::parse("12.3") < Place::parse("12") && Place::parse("12") < Place::parse("13.0"));
        for text in ["", "x", "1.", ".1", "1.x", "-1", "1.0.0", "99999999999999999999"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
        assert_eq!(Place::of_message("12"), None);
    }
}
