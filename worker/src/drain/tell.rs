//! What a drain tells of its turns: their stories, and how long they took.

use std::time::Duration;

use proto::id::{EventSeq, Receipt};
use proto::record::Step;
use proto::trace::Traceparent;
use telemetry::{convention, span};
use tracing::{Instrument as _, Span};

use super::turn::Open;
use super::{Drain, Stop};
use crate::port::Waiting;

impl Drain<'_> {
    /// Runs the turn of a waiting event, as a story of its own where it is told.
    pub(super) async fn tell_turn(&mut self, waiting: Waiting) -> Result<(), Stop> {
        let span = self.story(waiting.event, waiting.traceparent.as_deref());
        if span.is_none() {
            return self.turn(waiting).await;
        }
        Box::pin(self.turn(waiting).instrument(span)).await
    }

    /// The root of a turn's story, or none.
    pub(super) fn story(&self, event: EventSeq, from: Option<&str>) -> Span {
        let stories = &self.desk.ports.telemetry.stories;
        if !stories.is_told() {
            return Span::none();
        }
        let from = from.and_then(Traceparent::parse);
        if !stories.begins(from.as_ref()) {
            return Span::none();
        }
        let session = self.mailbox.session.clone();
        let receipt = Receipt { session, event }.to_string();
        span::process(&self.mailbox.session, &receipt, from.as_ref())
    }

    /// What a bot does about an event, where that is told.
    pub(super) fn agent(&self, turn: &Open) -> Span {
        if !span::is_told() {
            return Span::none();
        }
        let session = &self.mailbox.session;
        span::agent(&turn.plan.answerer, session, &turn.conversation.id(session).to_string())
    }

    /// Tells how long an event lay in its inbox, by two clocks that may differ.
    pub(super) fn tell_wait(&self, turn: &Open) {
        let waited_ms = self.desk.ports.clock.now_ms().saturating_sub(turn.received_at_ms);
        let waited = Duration::from_millis(u64::try_from(waited_ms).unwrap_or_default());
        self.desk.ports.telemetry.instruments.queue_wait(waited);
        Span::current().record(convention::ATTEMPT, turn.attempt);
    }

    /// Tells how a turn ended.
    pub(super) fn tell_end(&self, turn: &Open, outcome: &'static str, error: Option<&str>) {
        self.desk.ports.telemetry.instruments.turn(turn.began_at.elapsed(), outcome);
        let span = Span::current();
        span.record(convention::OUTCOME, outcome);
        if let Some(code) = error {
            span::fail(&span, code);
        }
    }
}

/// What a record's step is called in a story.
pub(super) fn kind(step: Option<&Step>) -> &'static str {
    match step {
        Some(Step::Started(_)) => "started",
        Some(Step::Resumed(_)) => "resumed",
        Some(Step::Intents(_)) => "intents",
        Some(Step::Outcomes(_)) => "outcomes",
        Some(Step::Checkpoint(_)) => "checkpoint",
        Some(Step::Suspended(_)) => "suspended",
        Some(Step::Received(_)) => "received",
        Some(Step::Completed(_)) => "completed",
        Some(Step::Failed(_)) => "failed",
        Some(Step::Cancelled(_)) => "cancelled",
        _ => "other",
    }
}
