//! The deliveries that a mailbox holds: pure.
//!
//! A held delivery is kept alive by progress acks, so their number is bounded; further ones are
//! put off, and only remembered. Both are settled once the cursor has passed them: the broker
//! matches an ack by sequence, so the reply of an earlier delivery serves.
//!
//! Answers from outside are held apart: they are taken in at once, and have a cursor of their own.
//! One that was taken in is kept until its turn has ended or waits again: should the owner die in
//! between, it is what wakes the session.

use std::collections::BTreeMap;

use proto::limit::{HELD_MAX, PARKED_MAX};

use crate::port::{Delivery, Inbox, Reply};

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is held.
    Held,
    /// The event is committed already: ack it.
    Settled(Reply),
    /// There is no room: deliver it again later.
    Parked(Reply),
}

/// One held delivery.
#[derive(Debug, Clone)]
pub struct Held {
    /// The delivery.
    pub delivery: Delivery,
    /// Whether another worker handed it over: it is never forwarded again.
    pub is_forwarded: bool,
}

/// The deliveries of one session and epoch.
#[derive(Debug, Default)]
pub struct Hold {
    cursor: Option<u64>,
    held: BTreeMap<u64, Held>,
    parked: BTreeMap<u64, Reply>,
    answered: Option<u64>,
    /// The last answer that was taken in, acked or not.
    heard: u64,
    answers: BTreeMap<u64, Held>,
}

impl Hold {
    /// Takes a delivery where at most `held_max` are held.
    pub fn take(&mut self, delivery: Delivery, is_forwarded: bool, held_max: usize) -> Taken {
        let seq = delivery.event.seq;
        if delivery.inbox == Inbox::Answer {
            return self.take_answer(delivery, is_forwarded);
        }
        if self.cursor.is_some_and(|cursor| seq <= cursor) {
            return Taken::Settled(delivery.reply);
        }
        if let Some(held) = self.held.get_mut(&seq) {
            // The later reply is the valid one; a redelivery is no first delivery.
            held.delivery = Delivery { is_first: held.delivery.is_first && delivery.is_first, ..delivery };
            return Taken::Held;
        }
        if self.held.len() >= held_max {
            if self.parked.len() < PARKED_MAX || self.parked.contains_key(&seq) {
                self.parked.insert(seq, delivery.reply.clone());
            }
            return Taken::Parked(delivery.reply);
        }
        self.parked.remove(&seq);
        self.held.insert(seq, Held { delivery, is_forwarded });
        Taken::Held
    }

    fn take_answer(&mut self, delivery: Delivery, is_forwarded: bool) -> Taken {
        let seq = delivery.event.seq;
        if self.answered.is_some_and(|answered| seq <= answered) {
            return Taken::Settled(delivery.reply);
        }
        if self.answers.len() >= HELD_MAX && !self.answers.contains_key(&seq) {
            return Taken::Parked(delivery.reply);
        }
        self.answers.insert(seq, Held { delivery, is_forwarded });
        Taken::Held
    }

    /// Notes that all answers up to this one were taken in.
    pub fn hear(&mut self, heard: u64) {
        self.heard = heard;
    }

    /// Moves the cursor of the answers and returns what it settles.
    pub fn answer(&mut self, answered: u64) -> Vec<Reply> {
        self.answered = Some(answered);
        let later = self.answers.split_off(&answered.saturating_add(1));
        std::mem::replace(&mut self.answers, later).into_values().map(|held| held.delivery.reply).collect()
    }

    /// Whether an answer is held that was not taken in.
    pub fn has_answer(&self) -> bool {
        self.answers.range(self.heard.saturating_add(1)..).next().is_some()
    }

    /// Forgets answers that were not taken in and that the broker no longer has.
    pub fn forget_answers(&mut self) {
        drop(self.answers.split_off(&self.heard.saturating_add(1)));
    }

    /// Whether an event behind another is held or parked.
    pub fn has_later(&self, seq: u64) -> bool {
        let later = (std::ops::Bound::Excluded(seq), std::ops::Bound::Unbounded);
        self.held.range(later).next().is_some() || self.parked.range(later).next().is_some()
    }

    /// Takes the delivery of one event out: its turn waits, and needs it no more.
    pub fn release(&mut self, seq: u64) -> Option<Reply> {
        let parked = self.parked.remove(&seq);
        self.held.remove(&seq).map(|held| held.delivery.reply).or(parked)
    }

    /// Takes the replies of events out, also of deliveries that were put off; answers stay.
    pub fn give_up_events(&mut self) -> Vec<Reply> {
        let held = std::mem::take(&mut self.held).into_values().map(|held| held.delivery.reply);
        held.chain(std::mem::take(&mut self.parked).into_values()).collect()
    }

    /// Moves the cursor and returns what it settles.
    pub fn commit(&mut self, cursor: u64) -> Vec<Reply> {
        self.cursor = Some(cursor);
        let above = cursor.saturating_add(1);
        let later = self.held.split_off(&above);
        let settled = std::mem::replace(&mut self.held, later);
        let later = self.parked.split_off(&above);
        let parked = std::mem::replace(&mut self.parked, later);
        settled.into_values().map(|held| held.delivery.reply).chain(parked.into_values()).collect()
    }

    /// The first event that is held.
    pub fn first(&self) -> Option<u64> {
        self.held.keys().next().copied()
    }

    /// Whether an event is held at all.
    pub fn has(&self, seq: u64) -> bool {
        self.held.contains_key(&seq)
    }

    /// Whether the first delivery of an event is held.
    pub fn has_first(&self, seq: u64) -> bool {
        self.held.get(&seq).is_some_and(|held| held.delivery.is_first)
    }

    /// Whether all that is held was never delivered or handed over before.
    pub fn is_fresh(&self) -> bool {
        self.held.values().all(|held| held.delivery.is_first && !held.is_forwarded)
    }

    /// Whether anything is held that entitles to the session without a lease: an answer does.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.answers.is_empty()
    }

    /// Whether something is held or parked that is not committed.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty() || !self.parked.is_empty()
    }

    /// Forgets all that waits, for events that the broker no longer has.
    pub fn forget(&mut self) {
        self.held.clear();
        self.parked.clear();
    }

    /// Takes all replies out, also of deliveries that were put off: whoever is next need not wait for those.
    pub fn give_up(&mut self) -> Vec<Reply> {
        let answers = std::mem::take(&mut self.answers).into_values().map(|held| held.delivery.reply);
        answers.chain(self.give_up_events()).collect()
    }

    /// Takes the held deliveries out.
    pub fn empty(&mut self) -> Vec<Held> {
        self.parked.clear();
        let answers = std::mem::take(&mut self.answers).into_values();
        std::mem::take(&mut self.held).into_values().chain(answers).collect()
    }

    /// The replies to keep alive.
    pub fn replies(&self) -> Vec<Reply> {
        self.held.values().chain(self.answers.values()).map(|held| held.delivery.reply.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proto::id::{Epoch, EventSeq};

    use proto::limit::HELD_MAX;

    use super::{Delivery, Hold, Inbox, Reply, Taken};

    fn delivery(seq: u64, count: u32) -> Delivery {
        let event = EventSeq { epoch: Epoch::from_second(1), seq };
        Delivery {
            session: "t.s".parse().unwrap(),
            inbox: Inbox::Event,
            event,
            is_first: count == 1,
            reply: Reply(format!("{seq}/{count}")),
        }
    }

    #[test]
    fn a_redelivery_replaces_the_reply_and_is_not_first() {
        let mut hold = Hold::default();
        assert_eq!(hold.take(delivery(5, 1), false, HELD_MAX), Taken::Held);
        assert!(hold.has_first(5));
        assert_eq!(hold.take(delivery(5, 2), false, HELD_MAX), Taken::Held);
        assert!(!hold.has_first(5));
        assert_eq!(hold.commit(5), [Reply("5/2".into())]);
    }

    #[test]
    fn what_is_committed_is_settled_on_sight() {
        let mut hold = Hold::default();
        assert_eq!(hold.commit(7), []);
        assert_eq!(hold.take(delivery(7, 3), false, HELD_MAX), Taken::Settled(Reply("7/3".into())));
        assert_eq!(hold.take(delivery(8, 1), false, HELD_MAX), Taken::Held);
    }

    #[test]
    fn a_full_hold_parks_and_settles_what_it_parked() {
        let mut hold = Hold::default();
        for seq in 1..=HELD_MAX as u64 {
            assert_eq!(hold.take(delivery(seq, 1), false, HELD_MAX), Taken::Held);
        }
        let late = HELD_MAX as u64 + 1;
        assert_eq!(hold.take(delivery(late, 1), false, HELD_MAX), Taken::Parked(Reply(format!("{late}/1"))));
        assert_eq!(hold.commit(late).len(), HELD_MAX + 1);
        assert!(!hold.is_waiting());
    }

    #[test]
    fn answers_have_a_cursor_of_their_own() {
        let mut hold = Hold::default();
        let answer = |seq| Delivery { inbox: Inbox::Answer, ..delivery(seq, 1) };
        assert_eq!(hold.take(answer(9), false, HELD_MAX), Taken::Held);
        assert_eq!(hold.take(delivery(8, 1), false, HELD_MAX), Taken::Held);
        assert_eq!(hold.commit(20), [Reply("8/1".into())]);
        assert!(hold.has_answer());
        hold.hear(9);
        assert!(!hold.has_answer() && hold.replies().len() == 1);
        assert_eq!(hold.answer(9), [Reply("9/1".into())]);
        assert_eq!(hold.take(answer(9), false, HELD_MAX), Taken::Settled(Reply("9/1".into())));
        assert!(!hold.has_answer());
    }

    proptest! {
        /// Whatever comes in whatever order: at most [`HELD_MAX`] are held, and nothing above the cursor is settled.
        #[test]
        fn the_hold_is_bounded_and_settles_only_what_is_committed(steps in proptest::collection::vec((1..60_u64, 0..3_u32), 0..200)) {
            let (mut hold, mut cursor) = (Hold::default(), 0);
            for (seq, kind) in steps {
                if kind == 0 {
                    cursor = cursor.max(seq);
                    for Reply(reply) in hold.commit(cursor) {
                        let settled: u64 = reply.split('/').next().unwrap().parse().unwrap();
                        prop_assert!(settled <= cursor);
                    }
                } else if let Taken::Settled(_) = hold.take(delivery(seq, kind), false, HELD_MAX) {
                    prop_assert!(seq <= cursor);
                }
                prop_assert!(hold.replies().len() <= HELD_MAX);
            }
        }
    }
}
