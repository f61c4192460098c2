//! How long it took until things went on, after each fault and in all.

use std::collections::BTreeMap;

use proto::id::{EventSeq, SessionKey};
use serde_json::{Value, json};

use crate::book::Sent;
use crate::check::Ended;
use crate::fault::Fault;
use crate::strike::Struck;

/// Times in milliseconds, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<i64>);

impl Times {
    /// Of any times.
    pub(crate) fn of(times: impl IntoIterator<Item = i64>) -> Self {
        let mut times: Vec<i64> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a hundred do not exceed; none where there are none.
    pub(crate) fn percentile(&self, of: usize) -> Option<i64> {
        let place = (self.0.len() * of).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied()
    }

    /// For the report.
    pub(crate) fn json(&self) -> Value {
        let at = |of| self.percentile(of);
        json!({ "count": self.len(), "p50_ms": at(50), "p90_ms": at(90), "p99_ms": at(99), "max_ms": at(100) })
    }
}

/// What faults of one kind cost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cost {
    /// From the fault to the first commit of each session that had something waiting when it struck.
    pub(crate) resumed: Times,
    /// From the fault to the commit of the last event that was waiting when it struck, one for each fault.
    pub(crate) cleared: Times,
    /// From the first try to the commit, of events that were first tried between the fault and the end of it.
    pub(crate) meanwhile: Times,
}

/// All that was measured.
#[derive(Debug, Clone, Default)]
pub(crate) struct Measured {
    /// By kind of fault.
    pub(crate) costs: BTreeMap<Fault, Cost>,
    /// From the first try to the commit, of events no part of whose way a fault fell into.
    pub(crate) calm: Times,
    /// The same of all others.
    pub(crate) hurt: Times,
}

/// Measures.
pub(crate) fn measure(struck: &[Struck], sent: &[Sent], ended: &[Ended]) -> Measured {
    let commits: BTreeMap<EventSeq, i64> = ended.iter().map(|ended| (ended.event, ended.at_ms)).collect();
    let ways: Vec<(i64, i64)> = sent.iter().filter_map(|sent| Some((sent.first_ms(), *commits.get(&sent.event()?)?))).collect();
    let took = |(from, to): &(i64, i64)| to - from;
    let is_hurt = |(from, to): &&(i64, i64)| struck.iter().any(|fault| *from <= fault.well_ms && *to >= fault.at_ms);
    let mut measured = Measured {
        calm: Times::of(ways.iter().filter(|way| !is_hurt(way)).map(took)),
        hurt: Times::of(ways.iter().filter(is_hurt).map(took)),
        costs: BTreeMap::new(),
    };
    for fault in Fault::ALL {
        let mut resumed = Vec::new();
        let mut cleared = Vec::new();
        let mut meanwhile = Vec::new();
        for fault in struck.iter().filter(|struck| struck.fault == fault) {
            let first = resumptions(fault.at_ms, ended);
            resumed.extend(first.values().map(|(first, _)| *first));
            cleared.extend(first.values().map(|(_, last)| *last).max());
            meanwhile.extend(ways.iter().filter(|(from, _)| (fault.at_ms..=fault.well_ms).contains(from)).map(took));
        }
        if struck.iter().any(|struck| struck.fault == fault) {
            let cost = Cost { resumed: Times::of(resumed), cleared: Times::of(cleared), meanwhile: Times::of(meanwhile) };
            measured.costs.insert(fault, cost);
        }
    }
    measured
}

/// When the first and the last event that waited at a moment was committed, by session, counted from there.
fn resumptions(at_ms: i64, ended: &[Ended]) -> BTreeMap<&SessionKey, (i64, i64)> {
    let mut sessions = BTreeMap::new();
    for ended in ended.iter().filter(|ended| ended.received_ms <= at_ms && at_ms < ended.at_ms) {
        let after = ended.at_ms - at_ms;
        let times = sessions.entry(&ended.session).or_insert((after, after));
        *times = (after.min(times.0), after.max(times.1));
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::Times;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times = Times::of((1..=100).rev());
        assert_eq!([50, 90, 99, 100].map(|of| times.percentile(of)), [Some(50), Some(90), Some(99), Some(100)]);
        assert_eq!(Times::of([7]).percentile(50), Some(7));
        assert_eq!(Times::default().percentile(99), None);
    }
}
