//! A turn that waits for somebody outside, without holding a worker.
//!
//! The time-out is set first, then the record that stands for the event is appended, and only then
//! the event is acked: whatever is cut short, something wakes the session again.

use proto::answer::{Answer, Kind};
use proto::limit;
use proto::record::{Record, Step as RecordStep};
use proto::wire::{Call, Elapsed, Suspended};

use super::turn::Open;
use super::{Drain, Stop, unavailable};
use crate::port::{Settle, Timer};
use crate::turn::course::Next;

impl Drain<'_> {
    /// Lets the turn wait for these calls.
    pub(super) async fn suspend(&mut self, mut turn: Open, calls: &[Call]) -> Result<(), Stop> {
        for call in calls {
            let kind = Kind::Elapsed(Elapsed {});
            let answer = Answer { event: turn.event, call: call.id.clone(), by: String::new(), kind }.encode();
            let id = format!("{}-{}-{}", turn.event.epoch, turn.event.seq, call.id.replace('.', "-"));
            let timer = Timer { id, at_ms: call.wait_until_ms, answer };
            self.desk.ports.broker.schedule(&self.mailbox.session, timer).await.map_err(unavailable)?;
        }
        let until_ms = calls.iter().map(|call| call.wait_until_ms).min().unwrap_or_default();
        let input = turn.unrecorded.take();
        let suspended = Suspended { input, calls: calls.iter().map(|call| call.id.clone()).collect(), until_ms };
        self.append(&turn, RecordStep::Suspended(suspended)).await?;
        self.tell_end(&turn, "suspended", None);
        self.settle().await;
        self.release_event(turn.event.seq).await;
        Err(Stop::Wait)
    }

    /// Acks the event of a turn that waits: the log has it.
    async fn release_event(&self, event: u64) {
        if let Some(reply) = self.mailbox.hold(|hold| hold.release(event)) {
            self.desk.ports.broker.settle(&reply, Settle::Ack).await;
        }
    }

    /// Goes on with a turn that waits, if somebody has spoken.
    pub(super) async fn go_on(&mut self, last: Record) -> Result<(), Stop> {
        self.release_event(last.event.seq).await;
        if !self.mailbox.is_mine() && self.mailbox.hold(|hold| hold.is_empty()) {
            return Err(Stop::Yield(self.desk.ports.chance.below(limit::NAK_MAX)));
        }
        let Some(mut turn) = self.recovered(&last).await? else { return Err(Stop::Yield(limit::NAK_MAX)) };
        let called_off = self.hear(Some(&turn)).await?;
        self.apply_heard(&mut turn);
        // Whatever came before it was put off, so the rest of the session is looked through afterwards.
        self.is_thorough = true;
        if let Some(cancel) = called_off {
            return self.cancel(turn, cancel).await;
        }
        match turn.course.next() {
            Next::Wait(_) if !self.has_landed => Err(Stop::Wait),
            _ => self.carry_on(turn, None).await,
        }
    }

    /// Tells the turn's course what was heard meanwhile.
    pub(super) fn apply_heard(&mut self, turn: &mut Open) {
        for received in self.heard.drain(..) {
            turn.course.apply(&RecordStep::Received(received));
        }
    }
}
