//! How it goes, slot by slot.

use std::collections::BTreeMap;

use backbone::redis::Silent;

use crate::entry::State;
use crate::key;
use crate::pulse::{Figures, Span, slot};
use crate::store::Store;

/// `KEYS[1]` what all keys begin with; `ARGV` what the keys of accepted calls begin with, the names of two
/// sets and of the figures, the span, then the slots. Answers the sizes of the sets, then two hashes for each slot.
const PULSE: &str = r"
local P = KEYS[1] .. (redis.call('GET', KEYS[1] .. 'gen') or '0') .. ':'
local out = {redis.call('ZCARD', P .. ARGV[2]), redis.call('ZCARD', P .. ARGV[3])}
local turns, accepts = P .. ARGV[4] .. ':' .. ARGV[5] .. ':', ARGV[1] .. ARGV[5] .. ':'
local slots = {}
for i = 6, #ARGV do
  slots[#slots + 1] = redis.call('HGETALL', turns .. ARGV[i])
  slots[#slots + 1] = redis.call('HGETALL', accepts .. ARGV[i])
end
out[3] = slots
return out
";

/// The field that says which round a slot is of.
const ROUND: &str = "r";

/// A slot of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// When it begins, in milliseconds since 1970.
    pub at_ms: i64,
    /// What happened in it.
    pub figures: Figures,
}

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// All slots of the span, oldest first.
    pub points: Vec<Point>,
    /// Turns that have written something and have not ended.
    pub running: u64,
    /// Turns that wait for somebody.
    pub waiting: u64,
}

impl Pulse {
    /// The figures of the whole span.
    pub fn total(&self) -> Figures {
        self.points.iter().fold(Figures::default(), |sum, point| sum.plus(&point.figures))
    }
}

/// A slot as it is stored.
type Slot = BTreeMap<String, i64>;

impl Store {
    /// The figures of a span that ends now, in one round trip. What an index has that is still being built is told too.
    pub async fn pulse(&self, span: Span, now_ms: i64) -> Result<Pulse, Silent> {
        let last = span.round(now_ms);
        let rounds: Vec<i64> = (last - span.slots() + 1..=last).collect();
        let ((running, waiting, slots),): ((u64, u64, Vec<Slot>),) = self
            .call(PULSE, |command| {
                let open = [State::Running, State::Waiting].map(|state| key::open(state.name()));
                command.arg(key::ACCEPTS).arg(&open).arg(key::PULSE).arg(span.name());
                rounds.iter().fold(command, |command, round| command.arg(slot(*round)))
            })
            .await?;
        let pairs = rounds.iter().zip(slots.chunks(2));
        let points = pairs.map(|(round, slots)| Point { at_ms: round * span.step_ms(), figures: figures(*round, slots) }).collect();
        Ok(Pulse { points, running, waiting })
    }
}

/// What the two hashes of a slot say of a round.
fn figures(round: i64, slots: &[Slot]) -> Figures {
    // A slot that a round long past has is empty now.
    let counts = |at: usize| {
        let of_round = slots.get(at).filter(|slot| slot.get(ROUND) == Some(&round));
        of_round.into_iter().flatten().filter_map(|(field, count)| Some((field.as_str(), u64::try_from(*count).ok()?)))
    };
    let mut figures = Figures::default();
    counts(0).for_each(|(field, count)| figures.take(field, count));
    counts(1)
        .filter_map(|(field, count)| Some((field.parse().ok()?, count)))
        .for_each(|(bucket, count)| figures.accepts.add(bucket, count));
    figures
}

#[cfg(test)]
mod tests {
    use super::{Point, Pulse, Slot, figures};
    use crate::pulse::Counts;

    fn slot(fields: &[(&str, i64)]) -> Slot {
        fields.iter().map(|(field, value)| ((*field).to_owned(), *value)).collect()
    }

    #[test]
    fn a_slot_of_another_round_is_empty() {
        let slots = [slot(&[("r", 7), ("e", 3), ("c", 2), ("9", 2)]), slot(&[("r", 6), ("4", 5)])];
        let found = figures(7, &slots);
        assert_eq!(found.counts, Counts { events: 3, completed: 2, ..Counts::default() });
        assert_eq!((found.turns.counts().collect::<Vec<_>>(), found.accepts.counts().count()), (vec![(9, 2)], 0));
        let found = figures(6, &slots);
        assert_eq!((found.counts, found.accepts.counts().collect::<Vec<_>>()), (Counts::default(), vec![(4, 5)]));
        assert_eq!(figures(7, &[]), super::Figures::default());
        let points = [7, 6].map(|round| Point { at_ms: round, figures: figures(round, &slots) }).to_vec();
        let total = Pulse { points, running: 0, waiting: 0 }.total();
        assert_eq!((total.counts.events, total.turns.counts().count(), total.accepts.counts().count()), (3, 1, 1));
    }
}
