//! Events that are collected into one turn.
//!
//! After a quiet period, every waiting event but the last ends with a record that carries it and
//! all before it; the last one's turn begins with what that record carries. A crash anywhere in
//! between leaves the same behind.

use proto::event::Event;
use proto::id::EventSeq;
use proto::limit;
use proto::record::Step as RecordStep;
use proto::wire::Merged;
use tokio::time::Instant;

use super::turn::{Open, input, is_collectable};
use super::{Drain, Stop, unavailable};
use crate::conversation::{self, Arrival};
use crate::port::{Plan, Waiting};

impl Drain<'_> {
    /// Waits until it is quiet, merges what waits, and returns the last event with all that went into it on record.
    pub(super) async fn collect(&mut self, first: Waiting, plan: &Plan) -> Result<Waiting, Stop> {
        if self.has_expired(&plan.trigger, &first) {
            return Ok(first);
        }
        self.place = None;
        let until = Instant::now() + plan.trigger.quiet * limit::QUIET_TIMES_MAX;
        self.mailbox.look(|_| ());
        while Instant::now() < until && !self.desk.shutdown.is_cancelled() {
            let came = tokio::select! {
                biased;
                () = self.desk.shutdown.cancelled() => false,
                came = self.mailbox.wait(plan.trigger.quiet) => came,
            };
            if !came {
                break;
            }
            self.mailbox.look(|_| ());
        }
        self.enter().await?;
        let mut head = first;
        while self.merged.len() + 1 < limit::COLLECT_MAX {
            let after = EventSeq { epoch: self.mailbox.epoch, seq: head.event.seq };
            let next = self.desk.ports.broker.next_from_leader(&self.mailbox.session, after).await.map_err(unavailable)?;
            // One that came too late ends by itself, after this turn.
            let Some(next) = next.filter(|next| !self.has_expired(&plan.trigger, next)) else { break };
            let decoded = Event::decode(&plan.trigger.id, next.content_type.as_deref(), &next.body);
            if decoded.is_ok_and(|event| !is_collectable(&event)) {
                break; // it has a turn of its own
            }
            if !self.merge(&head, plan).await? {
                break;
            }
            head = next;
        }
        Ok(head)
    }

    /// Ends an event by carrying it into the next; whether it can be carried.
    async fn merge(&mut self, waiting: &Waiting, plan: &Plan) -> Result<bool, Stop> {
        let is_called_off = self.cancels.contains(&waiting.event.seq);
        let decoded = self.read(waiting);
        let Some(event) = decoded.ok().filter(|_| !is_called_off) else { return Ok(false) };
        let arrival = Arrival { event: waiting.event, at_ms: waiting.at_ms, fence: self.fence };
        let conversation = conversation::next(self.conversation, arrival, plan.trigger.session_duration);
        // What went before belongs to a conversation that is over: it had its chance, and goes along all the same.
        let mut inputs = self.merged.clone();
        inputs.push(input(&plan.trigger, event));
        let merged = Merged { inputs };
        if prost::Message::encoded_len(&merged) > limit::STEP_BYTES_MAX {
            return Ok(false);
        }
        let turn = Open::new(&self.mailbox.session, waiting, conversation, plan.clone());
        self.append(&turn, RecordStep::Merged(merged)).await?;
        self.settle().await;
        Ok(true)
    }
}
