//! One turn: the bot thinks, its calls run, the end is committed.

use std::time::Duration;

use futures_util::future::join_all;
use proto::code::Code;
use proto::event::{self, Event};
use proto::id::EventSeq;
use proto::idempotency::effect_key;
use proto::limit;
use proto::record::{Conversation, Step as RecordStep};
use proto::resource::Trigger;
use proto::wire::outcome::End as OutcomeEnd;
use proto::wire::{Call, Checkpoint, Completed, Doubt, Failed, Input, Intents, Outcome, Outcomes, Started};
use tokio::time::Instant;

use super::{Drain, Stop, letter, unavailable};
use crate::attempt;
use crate::bot::{self, Request, Step, Thought};
use crate::conversation::{self, Arrival};
use crate::port::Waiting;
use crate::transcript::Transcript;

/// A turn that has begun.
#[derive(Debug, Clone)]
pub(super) struct Open {
    pub(super) event: EventSeq,
    pub(super) received_at_ms: i64,
    pub(super) traceparent: String,
    pub(super) attempt: u32,
    pub(super) conversation: Conversation,
    pub(super) steps: Vec<Step>,
    /// The input, until a record of the turn has it.
    pub(super) unrecorded: Option<Input>,
}

/// Why a turn ends without a reply.
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) message: String,
    /// The event, where a copy goes to DEAD.
    pub(super) copy: Option<Waiting>,
}

impl Drain<'_> {
    /// Runs the turn of a waiting event from its beginning to its end.
    pub(super) async fn turn(&mut self, waiting: Waiting) -> Result<(), Stop> {
        let event = waiting.event;
        self.entitle(event.seq)?;
        let Some(trigger) = self.desk.ports.directory.trigger(&self.mailbox.session.trigger) else {
            // Deleted while its events waited: the next delivery finds out for certain.
            return Err(Stop::Yield(limit::NAK_MAX));
        };
        let arrival = Arrival { event, at_ms: waiting.at_ms, fence: self.fence };
        let mut turn = Open {
            event,
            received_at_ms: waiting.at_ms,
            traceparent: waiting.traceparent.clone().unwrap_or_default(),
            attempt: 0,
            conversation: conversation::next(self.conversation, arrival, trigger.session_duration),
            steps: Vec::new(),
            unrecorded: None,
        };
        if self.fence == 0 && self.is_beyond_log(waiting.at_ms) {
            let message = "the event is older than the log: whether it was done is unknown".to_owned();
            return Box::pin(self.fail(turn, Failure { code: Code::OutcomeUnknown, message, copy: Some(waiting) })).await;
        }
        let has_first = self.mailbox.hold(|hold| hold.has_first(event.seq));
        if let Some(attempt) = attempt::before_first_turn(self.is_first_turn, has_first) {
            turn.attempt = attempt;
            self.append(&turn, RecordStep::Started(Started {})).await?;
        }
        self.is_first_turn = false;
        match Event::decode(&trigger.id, waiting.content_type.as_deref(), &waiting.body) {
            Ok(event) => {
                let input = input(&trigger, event);
                turn.unrecorded = Some(input.clone());
                self.carry_on(turn, &input, &trigger, waiting).await
            }
            Err(error) => {
                let code = if matches!(error, event::Error::Foreign { .. }) { Code::IdentityForeign } else { Code::EnvelopeInvalid };
                Box::pin(self.fail(turn, Failure { code, message: error.to_string(), copy: Some(waiting) })).await
            }
        }
    }

    /// Asks the bot and makes its calls until it replies.
    pub(super) async fn carry_on(&mut self, mut turn: Open, input: &Input, trigger: &Trigger, waiting: Waiting) -> Result<(), Stop> {
        let bot = match self.desk.ports.directory.bot(&trigger.bot) {
            Ok(bot) => bot,
            Err(message) => return Box::pin(self.fail(turn, Failure { code: Code::BotUnknown, message, copy: Some(waiting) })).await,
        };
        drop(waiting);
        let history = if bot.wants_history() { Box::pin(self.history(turn.conversation)).await? } else { Vec::new() };
        loop {
            let view = bot::Turn { input, ordinal: turn.conversation.turn, steps: &turn.steps, history: &history };
            let thought = self.in_time(bot.think(view)).await?;
            let requests = match thought {
                Ok(Thought::Call(requests)) => requests,
                Ok(Thought::Reply(reply)) => return self.complete(turn, reply).await,
                Err(bot::Error(message)) => {
                    return Box::pin(self.fail(turn, Failure { code: Code::BotFailed, message, copy: None })).await;
                }
            };
            let calls = match self.calls(&turn, requests) {
                Ok(calls) => calls,
                Err(message) => return Box::pin(self.fail(turn, Failure { code: Code::TurnLimit, message, copy: None })).await,
            };
            Box::pin(self.step(&mut turn, calls)).await?;
        }
    }

    /// Makes the calls of one step: intents, effects, outcomes.
    async fn step(&mut self, turn: &mut Open, calls: Vec<Call>) -> Result<(), Stop> {
        let number = step_number(turn.steps.len()) + 1;
        let intents = Intents { input: turn.unrecorded.take(), step: number, calls: calls.clone() };
        self.append(turn, RecordStep::Intents(intents)).await?;
        let outcomes = self.run_calls(turn, &calls).await?;
        self.record_outcomes(turn, number, outcomes.clone()).await?;
        turn.steps.push(Step { calls, outcomes });
        if self.desk.shutdown.is_cancelled() {
            self.append(turn, RecordStep::Checkpoint(Checkpoint {})).await?;
            return Err(Stop::Yield(Duration::ZERO));
        }
        Ok(())
    }

    async fn complete(&mut self, mut turn: Open, reply: String) -> Result<(), Stop> {
        if reply.len() > limit::STEP_BYTES_MAX {
            let message = format!("the reply has {} bytes, at most {} are kept", reply.len(), limit::STEP_BYTES_MAX);
            return Box::pin(self.fail(turn, Failure { code: Code::TurnLimit, message, copy: None })).await;
        }
        let input = turn.unrecorded.take();
        self.append(&turn, RecordStep::Completed(Completed { input, reply })).await?;
        self.settle().await;
        Ok(())
    }

    /// Ends a turn without a reply: the copy first, then the record, then the ack.
    pub(super) async fn fail(&mut self, mut turn: Open, failure: Failure) -> Result<(), Stop> {
        let Failure { code, message, copy } = failure;
        // The message may quote what a caller or a page said: it stands in the record, not in the log line.
        tracing::warn!(session.key = %self.mailbox.session, event.seq = turn.event.seq, code = code.as_str(), dead = copy.is_some(), "a turn failed");
        let dead = copy.is_some();
        if let Some(waiting) = copy {
            let cause = letter::Cause { code, reason: message.clone(), attempts: turn.attempt };
            let place = letter::Place::Session(&self.mailbox.session);
            letter::bury(&*self.desk.ports.broker, place, &waiting, cause).await.map_err(unavailable)?;
        }
        let input = turn.unrecorded.take();
        let failed = Failed { input, code: code.as_str().to_owned(), message, dead };
        self.append(&turn, RecordStep::Failed(failed)).await?;
        self.settle().await;
        Ok(())
    }

    /// Names and bounds the calls of the next step.
    fn calls(&self, turn: &Open, requests: Vec<Request>) -> Result<Vec<Call>, String> {
        let number = step_number(turn.steps.len()) + 1;
        if number > limit::STEPS_MAX {
            return Err(format!("the turn wants more than {} steps", limit::STEPS_MAX));
        }
        if requests.is_empty() || requests.len() > limit::CALLS_MAX {
            return Err(format!("a step makes 1 to {} calls, this one {}", limit::CALLS_MAX, requests.len()));
        }
        let abilities = &self.desk.ports.abilities;
        let call = |(index, request): (usize, Request)| {
            let doubt = request.doubt.unwrap_or_else(|| abilities.doubt(&request.ability, &request.arguments));
            let arguments = request.arguments.to_string();
            Call { id: format!("{number}.{index}"), ability: request.ability, arguments, doubt: doubt.into() }
        };
        let calls: Vec<Call> = requests.into_iter().enumerate().map(call).collect();
        let bytes: usize = calls.iter().map(|call| call.arguments.len() + call.ability.len()).sum();
        if bytes > limit::STEP_BYTES_MAX {
            return Err(format!("the arguments of one step have {bytes} bytes, at most {} are kept", limit::STEP_BYTES_MAX));
        }
        Ok(calls)
    }

    /// Runs calls whose intents, or whose resumption, this worker has committed.
    pub(super) async fn run_calls(&self, turn: &Open, calls: &[Call]) -> Result<Vec<Outcome>, Stop> {
        let runs = calls.iter().map(|call| async {
            let key = effect_key(&self.mailbox.session, turn.event, &call.id);
            let began = Instant::now();
            let end = match self.desk.ports.abilities.run(call, &key).await {
                Ok(result) if result.len() > limit::RESULT_BYTES_MAX => {
                    OutcomeEnd::Error(format!("the result has {} bytes, at most {} are kept", result.len(), limit::RESULT_BYTES_MAX))
                }
                Ok(result) => OutcomeEnd::Result(result),
                Err(error) => OutcomeEnd::Error(error),
            };
            let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Outcome { call: call.id.clone(), duration_ms, end: Some(end) }
        });
        self.in_time(join_all(runs)).await
    }

    /// Commits outcomes, in as many records as their size asks for.
    pub(super) async fn record_outcomes(&mut self, turn: &Open, step: u32, outcomes: Vec<Outcome>) -> Result<(), Stop> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for outcome in outcomes {
            let size = prost::Message::encoded_len(&outcome);
            if !batch.is_empty() && bytes + size > limit::STEP_BYTES_MAX {
                let outcomes = std::mem::take(&mut batch);
                self.append(turn, RecordStep::Outcomes(Outcomes { step, outcomes })).await?;
                bytes = 0;
            }
            bytes += size;
            batch.push(outcome);
        }
        self.append(turn, RecordStep::Outcomes(Outcomes { step, outcomes: batch })).await
    }

    /// What was said before in the conversation; only what is new since the last turn is read.
    async fn history(&mut self, conversation: Conversation) -> Result<Vec<proto::message::Message>, Stop> {
        let known = self.transcript.take().filter(|known| known.is_of(&conversation));
        let mut transcript = known.unwrap_or_else(|| Transcript::new(conversation));
        while transcript.upto() < self.base {
            let broker = &self.desk.ports.broker;
            let entries =
                broker.records_after(&self.mailbox.session, transcript.upto(), limit::READ_BATCH_MAX).await.map_err(unavailable)?;
            if entries.is_empty() {
                return Err(Stop::Yield(limit::NAK_MAX)); // a replica that lags behind the last record
            }
            for entry in entries.iter().take_while(|entry| entry.seq <= self.base) {
                transcript.push(&self.mailbox.session, entry);
            }
            if entries.last().is_some_and(|entry| entry.seq > self.base) {
                break;
            }
        }
        let messages = transcript.messages().to_vec();
        self.transcript = Some(transcript);
        Ok(messages)
    }

    /// Whether the log may have forgotten what became of an event of that time.
    fn is_beyond_log(&self, at_ms: i64) -> bool {
        let age_ms = self.desk.ports.clock.now_ms().saturating_sub(at_ms);
        let kept = limit::LOG_AGE_MAX.saturating_sub(limit::LOG_AGE_MARGIN);
        u128::try_from(age_ms).is_ok_and(|age| age > kept.as_millis())
    }
}

/// The event as the turn takes it in: the trigger's own text replaces the caller's.
pub(super) fn input(trigger: &Trigger, event: Event) -> Input {
    let digest = bytes::Bytes::copy_from_slice(&event.digest());
    Input {
        text: trigger.text.clone().or(event.text).unwrap_or_default(),
        payload: event.payload,
        content_type: event.content_type.unwrap_or_default(),
        session: event.session.unwrap_or_default(),
        contact: (!event.contact.is_empty()).then(|| event.contact.into()),
        digest,
    }
}

pub(super) fn step_number(steps: usize) -> u32 {
    u32::try_from(steps).unwrap_or(u32::MAX)
}

/// What a call in doubt comes to without calling again; none where it is to be called again.
pub(super) fn without_calling(call: &Call) -> Option<Outcome> {
    let unknown = Outcome { call: call.id.clone(), duration_ms: 0, end: Some(OutcomeEnd::Unknown(proto::wire::Unknown {})) };
    (call.doubt() != Doubt::Retry).then_some(unknown)
}
