//! What must be true in the end, whatever was hurt.
//!
//! Pure: what was sent, and what was found, make a list of violations. `forge` shows of each that it is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use proto::id::{EventSeq, SessionKey};
use proto::status::Status;

use crate::book::{Deed, Fate, Sent};

/// How an event ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With a reply; whether that says that every call of it was answered.
    Completed { is_sure: bool },
    /// Called off, which nobody here asks for.
    Cancelled,
    /// Without a reply; whether its record says that a copy lies in DEAD, and the code of the reason.
    Failed { is_dead: bool, code: String },
}

/// A terminal record.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The session.
    pub(crate) session: SessionKey,
    /// The event.
    pub(crate) event: EventSeq,
    /// The number in the event's text, where a record of the turn has that.
    pub(crate) number: Option<u64>,
    /// Where it lies in the log.
    pub(crate) seq: u64,
    /// When the event was stored, in milliseconds since 1970.
    pub(crate) received_ms: i64,
    /// When the record was, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// How it ended.
    pub(crate) end: End,
}

/// An effect, as the service that it happened at saw it.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    /// What it was for.
    pub(crate) deed: String,
    /// The number of the event.
    pub(crate) number: u64,
    /// Its idempotency key.
    pub(crate) key: String,
}

/// All that was found in the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    /// What was sent, each session's in the order of acceptance.
    pub(crate) sent: Vec<Sent>,
    /// Answers that nobody may give.
    pub(crate) objections: Vec<String>,
    /// The terminal records, in the order of the log.
    pub(crate) ended: Vec<Ended>,
    /// Whose copies lie in DEAD.
    pub(crate) letters: Vec<EventSeq>,
    /// The effects that happened.
    pub(crate) effects: Vec<Effect>,
    /// What the API says of each receipt.
    pub(crate) statuses: BTreeMap<EventSeq, String>,
    /// Processes that ended without having been asked to.
    pub(crate) crashes: Vec<String>,
    /// Whatever is left where nothing may be: events, deliveries, leases.
    pub(crate) leftovers: Vec<String>,
}

/// What is not as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    /// An accepted event has no terminal record.
    Lost,
    /// An event has more than one, or was stored twice.
    Doubled,
    /// Events of a session ended in another order than they were accepted in.
    Reordered,
    /// A record or an effect of an event that nobody sent, or another's text.
    Stranger,
    /// It ended in a way in which it cannot have.
    Ending,
    /// An effect that may happen once happened again.
    Twice,
    /// An effect that is on record never happened.
    Missing,
    /// Effects of one call under two keys, or of two under one.
    Key,
    /// The API says another thing than the log.
    Status,
    /// DEAD and the records disagree.
    Letter,
    /// A repeat has another receipt than the first.
    Repeat,
    /// An answer that nobody may give.
    Answer,
    /// Something is left where nothing may be.
    Left,
    /// A worker or a gateway ended without having been asked to.
    Crash,
    /// Records of a session do not follow one another as they must.
    Record,
}

/// One thing that is wrong, and with which event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// What is wrong.
    pub(crate) wrong: Wrong,
    /// The number of the event.
    pub(crate) number: Option<u64>,
    /// The whole of it.
    pub(crate) text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.wrong, self.text)
    }
}

/// Everything that is wrong.
pub(crate) fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut judge = Judge { evidence, by_event: BTreeMap::new(), found: Vec::new() };
    for ended in &evidence.ended {
        judge.by_event.entry(ended.event).or_default().push(ended);
    }
    judge.ends();
    judge.strangers();
    judge.order();
    judge.effects();
    judge.statuses();
    judge.letters();
    for answer in &evidence.objections {
        judge.object(Wrong::Answer, None, answer.clone());
    }
    for crash in &evidence.crashes {
        judge.object(Wrong::Crash, None, crash.clone());
    }
    for left in &evidence.leftovers {
        judge.object(Wrong::Left, None, left.clone());
    }
    judge.found
}

struct Judge<'a> {
    evidence: &'a Evidence,
    by_event: BTreeMap<EventSeq, Vec<&'a Ended>>,
    found: Vec<Violation>,
}

impl Judge<'_> {
    fn object(&mut self, wrong: Wrong, number: Option<u64>, text: String) {
        self.found.push(Violation { wrong, number, text });
    }

    /// Every event with a receipt has one terminal record, of the kind that it can have.
    fn ends(&mut self) {
        for sent in &self.evidence.sent {
            let (number, Some(event)) = (Some(sent.number), sent.event()) else { continue };
            if let Some(repeat) = sent.repeat.filter(|repeat| *repeat != event) {
                self.object(Wrong::Repeat, number, format!("event {} is {event:?}, and {repeat:?} when it is repeated", sent.number));
            }
            let ends = self.by_event.get(&event).cloned().unwrap_or_default();
            let Some(ended) = ends.first() else {
                self.object(Wrong::Lost, number, format!("event {} has the receipt {event:?} and no terminal record", sent.number));
                continue;
            };
            if ends.len() > 1 {
                self.object(Wrong::Doubled, number, format!("event {} has {} terminal records", sent.number, ends.len()));
            }
            if ended.session != sent.session || ended.number.is_some_and(|found| found != sent.number) {
                self.object(Wrong::Stranger, number, format!("event {} at {event:?} is on record as {:?}", sent.number, ended.number));
            }
            let is_odd = match ended.end {
                End::Completed { .. } => matches!(sent.deed, Deed::Sour | Deed::Torn),
                End::Cancelled => true,
                End::Failed { is_dead, .. } => sent.deed == Deed::Torn && !is_dead,
            };
            if is_odd {
                self.object(Wrong::Ending, number, format!("event {} ({:?}) ended as {:?}", sent.number, sent.deed, ended.end));
            }
        }
    }

    /// No record of what nobody sent, and none twice by another receipt.
    fn strangers(&mut self) {
        let sent: BTreeMap<u64, &Sent> = self.evidence.sent.iter().map(|sent| (sent.number, sent)).collect();
        let receipts: BTreeSet<EventSeq> = sent.values().filter_map(|sent| sent.event()).collect();
        let mut unknown: BTreeSet<u64> = BTreeSet::new();
        for ended in self.evidence.ended.iter().filter(|ended| !receipts.contains(&ended.event)) {
            let at = format!("{:?} of {} with the number {:?}", ended.event, ended.session, ended.number);
            match ended.number.and_then(|number| sent.get(&number)) {
                None => self.object(Wrong::Stranger, ended.number, format!("nobody sent {at}")),
                Some(sent) if sent.fate != Fate::Unknown => {
                    self.object(Wrong::Doubled, ended.number, format!("stored beside its receipt once more: {at}"));
                }
                Some(sent) => {
                    if !unknown.insert(sent.number) {
                        self.object(Wrong::Doubled, ended.number, format!("never answered and stored more than once: {at}"));
                    }
                }
            }
        }
    }

    /// Receipts of a session grow as its events were accepted, and its records follow.
    fn order(&mut self) {
        let mut accepted: BTreeMap<&SessionKey, Vec<(u64, EventSeq)>> = BTreeMap::new();
        for sent in &self.evidence.sent {
            accepted.entry(&sent.session).or_default().extend(sent.event().map(|event| (sent.number, event)));
        }
        let mut sorted: Vec<&Ended> = self.evidence.ended.iter().collect();
        sorted.sort_by_key(|ended| ended.seq);
        let place: BTreeMap<EventSeq, usize> = sorted.iter().enumerate().map(|(place, ended)| (ended.event, place)).collect();
        for (session, events) in accepted {
            for pair in events.windows(2) {
                let [(one, first), (two, second)] = pair else { continue };
                if first >= second {
                    self.object(Wrong::Reordered, Some(*two), format!("{session}: {second:?} was accepted after {first:?}"));
                }
                let places = place.get(first).zip(place.get(second));
                if places.is_some_and(|(first, second)| first >= second) {
                    self.object(
                        Wrong::Reordered,
                        Some(*two),
                        format!("{session}: event {two} ended before {one}, which was accepted before it"),
                    );
                }
            }
        }
    }

    /// Effects happen under one key for each call, those that may not be repeated once at most, and those on record did.
    fn effects(&mut self) {
        let sent: BTreeMap<u64, &Sent> = self.evidence.sent.iter().map(|sent| (sent.number, sent)).collect();
        let mut keys: BTreeMap<&str, u64> = BTreeMap::new();
        let mut effects: BTreeMap<u64, Vec<&Effect>> = BTreeMap::new();
        for effect in &self.evidence.effects {
            effects.entry(effect.number).or_default().push(effect);
            let of = *keys.entry(&effect.key).or_insert(effect.number);
            if of != effect.number || effect.key.is_empty() {
                self.object(Wrong::Key, Some(effect.number), format!("events {of} and {} share the key {:?}", effect.number, effect.key));
            }
        }
        for (number, effects) in &effects {
            let about = Some(*number);
            if !sent.get(number).is_some_and(|sent| effects.iter().all(|effect| effect.deed == sent.deed.word())) {
                self.object(Wrong::Stranger, about, format!("nobody sent what has the effects {effects:?}"));
                continue;
            }
            let under: BTreeSet<&str> = effects.iter().map(|effect| effect.key.as_str()).collect();
            if under.len() > 1 {
                self.object(Wrong::Key, about, format!("event {number} made its call under the keys {under:?}"));
            }
            if effects.len() > 1 && effects.iter().any(|effect| effect.deed == Deed::Once.word()) {
                self.object(Wrong::Twice, about, format!("event {number} did {} times what may be done once", effects.len()));
            }
        }
        for sent in self.evidence.sent.iter().filter(|sent| matches!(sent.deed, Deed::Once | Deed::Again)) {
            let ends = sent.event().and_then(|event| self.by_event.get(&event)).cloned().unwrap_or_default();
            let is_sure = ends.iter().any(|ended| ended.end == End::Completed { is_sure: true });
            if is_sure && !effects.contains_key(&sent.number) {
                self.object(
                    Wrong::Missing,
                    Some(sent.number),
                    format!("event {} says that its call was made, and it was not", sent.number),
                );
            }
        }
    }

    /// What the API says is final, and what the log says.
    fn statuses(&mut self) {
        for sent in &self.evidence.sent {
            let Some(event) = sent.event() else { continue };
            let expected = self.by_event.get(&event).and_then(|ends| ends.first()).map(|ended| match &ended.end {
                End::Completed { .. } => Status::Completed,
                End::Cancelled => Status::Cancelled,
                End::Failed { is_dead: true, .. } => Status::Dead,
                End::Failed { is_dead: false, .. } => Status::Failed,
            });
            let (told, expected) = (self.evidence.statuses.get(&event).map(String::as_str), expected.map(Status::as_str));
            if told != expected {
                let text = format!("event {} is {told:?} by the API and {expected:?} by the log", sent.number);
                self.object(Wrong::Status, Some(sent.number), text);
            }
        }
    }

    /// A copy in DEAD for each record that says so, one, and for no other.
    fn letters(&mut self) {
        let mut letters: BTreeMap<EventSeq, usize> = BTreeMap::new();
        for letter in &self.evidence.letters {
            *letters.entry(*letter).or_default() += 1;
        }
        let is_dead = |ended: &&Ended| matches!(ended.end, End::Failed { is_dead: true, .. });
        let dead: BTreeMap<EventSeq, Option<u64>> =
            self.evidence.ended.iter().filter(is_dead).map(|ended| (ended.event, ended.number)).collect();
        for (event, number) in &dead {
            let copies = letters.remove(event).unwrap_or_default();
            if copies != 1 {
                self.object(Wrong::Letter, *number, format!("{event:?} is dead by its record and has {copies} copies in DEAD"));
            }
        }
        for event in letters.keys() {
            self.object(Wrong::Letter, None, format!("DEAD holds {event:?}, which is not dead by any record"));
        }
    }
}

#[cfg(test)]
mod tests;
