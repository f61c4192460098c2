//! How it goes, in rings of slots: pure.
//!
//! What happened is counted three times, in slots of a minute, of half an hour and of three hours, so
//! that each span that somebody looks at is some fifty slots, read at once. A span's slots lie in a ring:
//! a slot is used again once the ring has gone round, and says whose turn it is by its *round*, the
//! number of the slot since 1970. So there is nothing to trim and no clock to ask, and counts that come
//! for a round that has been passed are left out. What two processes count in one slot adds up.

use proto::record::{Record, Step};

use crate::bound::PULSE_SLOTS_MAX;
use crate::histogram::Histogram;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60_000;

/// A time up to now that figures are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// The last hour, by minutes.
    Hour,
    /// The last day, by half hours.
    Day,
    /// The last week, by three hours.
    Week,
}

impl Span {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    /// Its name outside and in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|span| span.name() == name)
    }

    /// How long each of its slots is, in milliseconds.
    pub fn step_ms(self) -> i64 {
        match self {
            Self::Hour => MINUTE_MS,
            Self::Day => 30 * MINUTE_MS,
            Self::Week => 180 * MINUTE_MS,
        }
    }

    /// How many slots it has, the present one included.
    pub fn slots(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 48,
            Self::Week => 56,
        }
    }

    /// The round that a time belongs to.
    pub fn round(self, at_ms: i64) -> i64 {
        at_ms.div_euclid(self.step_ms())
    }
}

/// Where a round is counted among the slots of its ring.
pub fn slot(round: i64) -> i64 {
    round.rem_euclid(PULSE_SLOTS_MAX)
}

/// What happened in a slot, besides how long it took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were accepted then and have begun since.
    pub events: u64,
    /// Turns that ended with a reply.
    pub completed: u64,
    /// Turns that ended without one, those given up included.
    pub failed: u64,
    /// Turns that were given up; a copy of each event lies in DEAD.
    pub dead: u64,
    /// Turns that were called off.
    pub cancelled: u64,
    /// Tokens of prompts and answers.
    pub tokens: u64,
}

impl Counts {
    /// Where an event is counted.
    pub(crate) const EVENTS: &str = "e";

    /// What a record adds, its event left out.
    pub(crate) fn of(record: &Record) -> Self {
        let tokens = record.usage().iter().fold(0_u64, |sum, used| sum.saturating_add(used.input).saturating_add(used.output));
        let ended = |is: bool| u64::from(is);
        Self {
            events: 0,
            completed: ended(matches!(record.step, Some(Step::Completed(_) | Step::Merged(_)))),
            failed: ended(matches!(record.step, Some(Step::Failed(_)))),
            dead: ended(matches!(&record.step, Some(Step::Failed(step)) if step.dead)),
            cancelled: ended(matches!(record.step, Some(Step::Cancelled(_)))),
            tokens,
        }
    }

    /// The counts under the names that they are stored by.
    pub(crate) fn named(self) -> [(&'static str, u64); 6] {
        [
            (Self::EVENTS, self.events),
            ("c", self.completed),
            ("f", self.failed),
            ("d", self.dead),
            ("x", self.cancelled),
            ("t", self.tokens),
        ]
    }

    /// Sets the count of a stored name; whether there is one.
    fn set(&mut self, name: &str, value: u64) -> bool {
        let count = match name {
            Self::EVENTS => &mut self.events,
            "c" => &mut self.completed,
            "f" => &mut self.failed,
            "d" => &mut self.dead,
            "x" => &mut self.cancelled,
            "t" => &mut self.tokens,
            _ => return false,
        };
        *count = value;
        true
    }

    fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.saturating_add(other.events),
            completed: self.completed.saturating_add(other.completed),
            failed: self.failed.saturating_add(other.failed),
            dead: self.dead.saturating_add(other.dead),
            cancelled: self.cancelled.saturating_add(other.cancelled),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// What is known of a slot, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// What happened.
    pub counts: Counts,
    /// From the acceptance of events to the ends of their turns, in microseconds.
    pub turns: Histogram,
    /// From the arrival of calls to their receipts, in microseconds.
    pub accepts: Histogram,
}

impl Figures {
    /// These and others.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        Self { counts: self.counts.plus(other.counts), turns: self.turns.plus(&other.turns), accepts: self.accepts.plus(&other.accepts) }
    }

    /// Takes a field of the slot of turns.
    pub(crate) fn take(&mut self, field: &str, value: u64) {
        if !self.counts.set(field, value)
            && let Ok(bucket) = field.parse()
        {
            self.turns.add(bucket, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Figures, Span, slot};
    use crate::bound::PULSE_SLOTS_MAX;

    #[test]
    fn spans_have_the_names_that_they_are_asked_by() {
        for span in Span::ALL {
            assert_eq!(Span::parse(span.name()), Some(span));
            assert!((48..=60).contains(&span.slots()), "{span:?}");
            assert!(span.slots() < PULSE_SLOTS_MAX, "a ring holds more than its span: {span:?}");
        }
        assert_eq!(Span::parse("2h"), None);
        assert_eq!(Span::ALL.map(|span| span.slots() * span.step_ms() / 3_600_000), [1, 24, 168]);
    }

    #[test]
    fn a_slot_is_used_again_once_the_ring_has_gone_round() {
        let now_ms = 1_790_000_000_000;
        for span in Span::ALL {
            let round = span.round(now_ms);
            assert_eq!(span.round(round * span.step_ms()), round);
            assert_eq!(span.round(round * span.step_ms() - 1), round - 1);
            let slots: std::collections::BTreeSet<i64> = (0..PULSE_SLOTS_MAX).map(|back| slot(round - back)).collect();
            assert_eq!(slots.len(), 64, "{span:?}");
            assert_eq!(slot(round), slot(round - PULSE_SLOTS_MAX));
        }
        assert_eq!(slot(-1), PULSE_SLOTS_MAX - 1, "a time before 1970 has a slot too");
    }

    #[test]
    fn what_is_stored_by_a_name_is_read_by_it() {
        let counts = Counts { events: 1, completed: 2, failed: 3, dead: 4, cancelled: 5, tokens: 6 };
        let mut figures = Figures::default();
        counts.named().into_iter().for_each(|(name, count)| figures.take(name, count));
        figures.take("7", 9);
        figures.take("r", 123);
        assert_eq!((figures.counts, figures.turns.counts().collect::<Vec<_>>()), (counts, vec![(7, 9)]));
        assert_eq!(figures.plus(&figures).counts.tokens, 12);
    }
}
