//! One fenced append, and what its answer means.

use backbone::bug::{self, Bug};
use proto::limit;
use proto::record::{Conversation, Record, RecordId, Step};
use telemetry::{convention, span};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::turn::Open;
use super::{Drain, Stop, tell, unavailable};
use crate::port::NotAppended;
use crate::readback::{self, Attempted, Verdict};

impl Drain<'_> {
    /// Appends one step of a turn behind the fence; after it the fence is this record.
    pub(super) async fn append(&mut self, turn: &Open, step: Step) -> Result<(), Stop> {
        let id = RecordId(self.desk.ports.chance.bytes());
        self.cancels.retain(|seq| *seq > self.cursor);
        let opening = turn.conversation.opening;
        let settings = self.settings.filter(|(of, _)| *of == opening).map_or(turn.conversation.settings, |(_, seq)| seq);
        let record = Record {
            id,
            event: turn.event,
            cursor: self.cursor,
            answers: self.answers,
            attempt: turn.attempt,
            base: self.base,
            conversation: Conversation { settings, ..turn.conversation },
            worker: self.desk.me.to_string(),
            traceparent: turn.traceparent.clone(),
            received_at_ms: turn.received_at_ms,
            revisions: turn.plan.revisions,
            cancels: self.cancels.clone(),
            edits: self.edits,
            step: Some(step),
        };
        let is_terminal = record.is_terminal();
        let is_open = !is_terminal && !record.is_idle() && !matches!(record.step, Some(Step::Suspended(_)));
        let (says_settings, is_edit) = (record.settings().is_some(), record.edited().is_some());
        let merged = match &record.step {
            Some(Step::Merged(step)) => Some(step.inputs.clone()),
            _ => None,
        };
        let cursor = if is_terminal { turn.event.seq } else { self.cursor };
        let kind = tell::kind(record.step.as_ref());
        let bytes = Record { cursor, ..record }.encode();
        let told = span::append(kind, bytes.len());
        let landed = self.land(id, bytes).instrument(told.clone()).await;
        match &landed {
            Ok(seq) => drop(told.record(convention::STREAM_SEQUENCE, seq)),
            Err(_) => span::fail(&told, "not_appended"),
        }
        let seq = landed?;
        self.fence = seq;
        self.has_landed = true;
        self.is_open = is_open;
        let settings = if says_settings { seq } else { settings };
        if says_settings {
            self.settings = Some((opening, seq));
            self.conversation.iter_mut().filter(|last| last.opening == opening).for_each(|last| last.settings = seq);
        }
        if is_edit {
            self.edits = seq;
        }
        if is_terminal {
            self.base = seq;
            // An event that goes into a later one's turn does not count as a turn.
            let ordinal = turn.conversation.turn.saturating_sub(u64::from(merged.is_some()));
            let last = Conversation { turn: ordinal, settings, ..turn.conversation };
            self.conversation = (opening.seq > 0).then_some(last);
            self.merged = merged.unwrap_or_default();
            self.closed_at_ms = None;
            // What was said to this turn means nothing to the next, whose calls have the same names.
            self.heard.clear();
        }
        // A turn of an earlier epoch is closed without a cursor in this one.
        if turn.event.epoch == self.mailbox.epoch {
            self.cursor = cursor;
        }
        Ok(())
    }

    async fn land(&mut self, id: RecordId, bytes: bytes::Bytes) -> Result<u64, Stop> {
        let broker = &self.desk.ports.broker;
        let session = &self.mailbox.session;
        for _ in 0..limit::APPEND_TRIES_MAX {
            if Instant::now() >= self.deadline() {
                return Err(Stop::Drop("the turn deadline passed"));
            }
            let sent_at = Instant::now();
            let appended = broker.append(session, self.fence, bytes.clone()).await;
            self.desk.ports.telemetry.instruments.append(sent_at.elapsed());
            let refusal = match appended {
                Ok(seq) => {
                    self.fence_at = sent_at;
                    return Ok(seq);
                }
                Err(NotAppended::Full) => {
                    tracing::error!(session.key = %session, "the log is full: nothing is committed or acked");
                    return Err(Stop::Yield(limit::NAK_MAX));
                }
                Err(NotAppended::Unconfirmed) if bug::is(Bug::UnconfirmedIsLanded) => return Ok(self.fence + 1),
                Err(_) if bug::is(Bug::ReadBackSkipped) => return Err(Stop::Drop("refused")),
                Err(refusal) => refusal,
            };
            let last = broker.last_from_leader(session).await.map_err(unavailable)?;
            let attempted = Attempted {
                id,
                fence: self.fence,
                has_landed: self.has_landed,
                has_reread: self.has_reread,
                is_mine: self.mailbox.is_mine(),
            };
            let verdict = readback::judge(attempted, last.map(|last| (last.seq, last.record.id)));
            self.desk.ports.telemetry.instruments.fence_refusal(verdict.name());
            tracing::debug!(session.key = %session, %refusal, ?verdict, "an append was read back");
            match verdict {
                Verdict::Landed(seq) => {
                    self.fence_at = sent_at;
                    return Ok(seq);
                }
                Verdict::SendAgain => {}
                Verdict::ReadAgain => return Err(Stop::ReadAgain),
                Verdict::Stale => return Err(Stop::Drop("another worker is ahead")),
            }
        }
        // The broker neither takes nor refuses it: an append may still be in flight, so nothing is acked or released.
        Err(Stop::Drop("the log does not confirm"))
    }
}
