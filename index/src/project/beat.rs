//! What a record is to the figures of its time.

use std::collections::BTreeMap;

use proto::record::Step;

use super::Seen;
use crate::change::Change;
use crate::histogram::bucket;
use crate::key;
use crate::pulse::{Counts, Span};

/// What stands for less than a millisecond, in microseconds: the broker's times are told in whole ones.
const INSTANT_US: u64 = 500;

/// The counts of a batch, by span and round.
#[derive(Debug, Default)]
pub(super) struct Beat(BTreeMap<(Span, i64), BTreeMap<String, u64>>);

/// How long an event was on its way to the end of its turn, in microseconds, where it ended here.
pub(super) fn took_us(seen: &Seen) -> Option<u64> {
    let is_end = seen.record.is_terminal() && !is_noted(seen) && seen.record.received_at_ms > 0;
    let took_ms = seen.at_ms.saturating_sub(seen.record.received_at_ms).max(0).unsigned_abs();
    is_end.then(|| took_ms.saturating_mul(1_000).max(INSTANT_US))
}

/// Counts an event at the time of its acceptance, unless the index knows it.
pub(super) fn arrived(changes: &mut Vec<Change>, seen: &Seen, receipt: &str) {
    if is_noted(seen) {
        return;
    }
    let at_ms = seen.record.received_at_ms;
    changes.extend(Span::ALL.map(|span| Change::Tally {
        slot: key::pulse(span, span.round(at_ms)),
        round: span.round(at_ms),
        unless: Some(receipt.to_owned()),
        counts: vec![(Counts::EVENTS.to_owned(), 1)],
    }));
}

impl Beat {
    /// Counts what a record ended and took.
    pub(super) fn add(&mut self, seen: &Seen, took_us: Option<u64>) {
        let counts = Counts::of(&seen.record).named().map(|(name, by)| (name.to_owned(), by));
        let took = took_us.map(|us| (bucket(us).to_string(), 1));
        let counts: Vec<_> = counts.into_iter().chain(took).filter(|(_, by)| *by > 0).collect();
        if counts.is_empty() {
            return;
        }
        for span in Span::ALL {
            let slot = self.0.entry((span, span.round(seen.at_ms))).or_default();
            for (name, by) in &counts {
                let count = slot.entry(name.clone()).or_default();
                *count = count.saturating_add(*by);
            }
        }
    }

    /// The changes, one for each slot.
    pub(super) fn changes(self) -> impl Iterator<Item = Change> {
        self.0.into_iter().map(|((span, round), counts)| Change::Tally {
            slot: key::pulse(span, round),
            round,
            unless: None,
            counts: counts.into_iter().collect(),
        })
    }
}

/// What somebody put down without a turn is neither an event nor the end of one.
fn is_noted(seen: &Seen) -> bool {
    matches!(seen.record.step, Some(Step::Noted(_)))
}
