//! The three ends of a turn, each one terminal record and then the ack.

use backbone::bug::{self, Bug};
use proto::code::Code;
use proto::limit;
use proto::record::Step as RecordStep;
use proto::wire::{Cancelled, Completed, Failed, Noted, Usage};

use super::hear::Cancel;
use super::turn::Open;
use super::{Drain, Stop, letter, unavailable};
use crate::bot::Reply;
use crate::port::Waiting;

/// Why a turn ends without a reply.
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    /// The event, where a copy goes to DEAD.
    pub(super) copy: Option<Waiting>,
    /// What a model took whose answer is on no record.
    pub(super) taken: Option<Usage>,
}

impl Failure {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), copy: None, taken: None }
    }
}

impl Drain<'_> {
    pub(super) async fn complete(&mut self, mut turn: Open, reply: Reply) -> Result<(), Stop> {
        let Reply { text, thought, is_truncated } = reply;
        if text.len() > limit::STEP_BYTES_MAX {
            let message = format!("the reply has {} bytes, at most {} are kept", text.len(), limit::STEP_BYTES_MAX);
            let taken = thought.and_then(|thought| thought.usage);
            return Box::pin(self.fail(turn, Failure { taken, ..Failure::new(Code::TurnLimit, message) })).await;
        }
        let usage = turn.course.usage(thought.as_ref().and_then(|thought| thought.usage.as_ref()));
        let input = turn.unrecorded.take();
        self.append(&turn, RecordStep::Completed(Completed { input, reply: text, thought, usage, truncated: is_truncated })).await?;
        self.tell_end(&turn, "completed", None);
        self.settle().await;
        Ok(())
    }

    /// Ends a turn without a reply: the copy first, then the record, then the ack.
    pub(super) async fn fail(&mut self, mut turn: Open, failure: Failure) -> Result<(), Stop> {
        let Failure { code, message, copy, taken } = failure;
        // The message may quote what a caller or a page said: it stands in the record, not in the log line.
        tracing::warn!(session.key = %self.mailbox.session, event.seq = turn.event.seq, code = code.as_str(), dead = copy.is_some(), "a turn failed");
        let dead = copy.is_some();
        if let Some(waiting) = copy.filter(|_| !bug::is(Bug::NoDeadCopy)) {
            let cause = letter::Cause { code, reason: message.clone(), attempts: turn.attempt };
            let place = letter::Place::Session(&self.mailbox.session);
            letter::bury(&*self.desk.ports.broker, place, &waiting, cause).await.map_err(unavailable)?;
        }
        let (input, usage) = (turn.unrecorded.take(), turn.course.usage(taken.as_ref()));
        let failed = Failed { input, code: code.as_str().to_owned(), message, dead, usage };
        self.append(&turn, RecordStep::Failed(failed)).await?;
        self.tell_end(&turn, if dead { "dead" } else { "failed" }, Some(code.as_str()));
        self.settle().await;
        Ok(())
    }

    /// Ends an event whose caller wants no turn of the bot: what it put down stands.
    pub(super) async fn note(&mut self, mut turn: Open) -> Result<(), Stop> {
        let input = turn.unrecorded.take();
        self.append(&turn, RecordStep::Noted(Noted { input })).await?;
        self.tell_end(&turn, "noted", None);
        self.settle().await;
        Ok(())
    }

    /// Ends a turn that is called off; what it has done stands on record before.
    pub(super) async fn cancel(&mut self, mut turn: Open, cancel: Cancel) -> Result<(), Stop> {
        let Cancel { by, reason } = cancel;
        let (input, usage) = (turn.unrecorded.take(), turn.course.usage(None));
        self.append(&turn, RecordStep::Cancelled(Cancelled { input, reason, by, usage })).await?;
        self.tell_end(&turn, "cancelled", None);
        self.settle().await;
        Ok(())
    }
}
