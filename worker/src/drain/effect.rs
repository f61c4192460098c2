//! Calls of abilities: intents before, outcomes after.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backbone::bug::{self, Bug};
use futures_util::StreamExt as _;
use proto::idempotency::effect_key;
use proto::limit;
use proto::record::Step as RecordStep;
use proto::wire::outcome::End as OutcomeEnd;
use proto::wire::{Call, Doubt, Intents, Outcome, Outcomes, Thought, Unknown};
use telemetry::{convention, span};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::attend::Attended;
use super::turn::Open;
use super::{Drain, Stop};
use crate::ability::Facts;
use crate::bot::Request;
use crate::desk::Desk;
use crate::port::News;

impl Drain<'_> {
    /// Names and bounds the calls of the next step.
    pub(super) fn calls(&self, turn: &Open, requests: Vec<Request>) -> Result<Vec<Call>, String> {
        let number = turn.course.step_count() + 1;
        if number > limit::STEPS_MAX {
            return Err(format!("the turn wants more than {} steps", limit::STEPS_MAX));
        }
        if requests.is_empty() || requests.len() > limit::CALLS_MAX {
            return Err(format!("a step makes 1 to {} calls, this one {}", limit::CALLS_MAX, requests.len()));
        }
        let abilities = &turn.plan.abilities;
        let now_ms = self.desk.ports.clock.now_ms();
        let call = |(index, request): (usize, Request)| {
            let doubt = request.doubt.unwrap_or_else(|| abilities.doubt(&request.ability, &request.arguments));
            let wait = abilities.wait(&request.ability, &request.arguments);
            let arguments = request.arguments.to_string();
            let call =
                Call { id: format!("{number}.{index}"), ability: request.ability, arguments, doubt: doubt.into(), ..Call::default() };
            match wait {
                None => call,
                Some(wait) => {
                    let until = i64::try_from(wait.timeout.as_millis()).unwrap_or(i64::MAX);
                    Call { wait: wait.kind.into(), question: wait.question, wait_until_ms: now_ms.saturating_add(until), ..call }
                }
            }
        };
        let calls: Vec<Call> = requests.into_iter().enumerate().map(call).collect();
        let bytes: usize = calls.iter().map(|call| call.arguments.len() + call.ability.len() + call.question.len()).sum();
        if bytes > limit::STEP_BYTES_MAX {
            return Err(format!("the arguments of one step have {bytes} bytes, at most {} are kept", limit::STEP_BYTES_MAX));
        }
        Ok(calls)
    }

    /// Commits what is about to be called.
    pub(super) async fn intend(&mut self, turn: &mut Open, calls: Vec<Call>, thought: Option<Thought>) -> Result<(), Stop> {
        let step = turn.course.step_count() + 1;
        if bug::is(Bug::EffectBeforeIntent) {
            run(self.desk, turn, &calls, &Mutex::default()).await;
        }
        let intents = RecordStep::Intents(Intents { input: turn.unrecorded.take(), step, calls, thought });
        self.append(turn, intents.clone()).await?;
        turn.course.apply(&intents);
        Ok(())
    }

    /// Makes calls whose intents, or whose resumption, this worker has committed, and commits their outcomes.
    ///
    /// Where the turn is called off or its time is spent, calls that had not ended are in doubt for good.
    pub(super) async fn call(&mut self, turn: &mut Open, calls: &[Call], mut known: Vec<Outcome>) -> Result<Attended<()>, Stop> {
        let ended = Mutex::new(Vec::new());
        let desk = self.desk;
        let attended = self.attend(turn, run(desk, turn, calls, &ended)).await?;
        known.extend(ended.into_inner().unwrap_or_else(PoisonError::into_inner));
        let is_open = |call: &&Call| known.iter().all(|outcome| outcome.call != call.id);
        let unknown: Vec<Outcome> = calls.iter().filter(is_open).map(unknown).collect();
        known.extend(unknown);
        self.record_outcomes(turn, known).await?;
        Ok(attended)
    }

    /// Commits outcomes, in as many records as their size asks for.
    async fn record_outcomes(&mut self, turn: &mut Open, outcomes: Vec<Outcome>) -> Result<(), Stop> {
        let step = turn.course.step_count();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for outcome in outcomes {
            let size = prost::Message::encoded_len(&outcome);
            if !batch.is_empty() && bytes + size > limit::STEP_BYTES_MAX {
                self.record_batch(turn, step, std::mem::take(&mut batch)).await?;
                bytes = 0;
            }
            bytes += size;
            batch.push(outcome);
        }
        self.record_batch(turn, step, batch).await
    }

    async fn record_batch(&mut self, turn: &mut Open, step: u32, outcomes: Vec<Outcome>) -> Result<(), Stop> {
        let outcomes = RecordStep::Outcomes(Outcomes { step, outcomes });
        self.append(turn, outcomes.clone()).await?;
        turn.course.apply(&outcomes);
        Ok(())
    }
}

/// Makes calls side by side, and puts each outcome down as it comes.
async fn run(desk: &Desk, turn: &Open, calls: &[Call], ended: &Mutex<Vec<Outcome>>) {
    let facts = turn.facts(&*desk.ports.clock);
    let runs = calls.iter().map(|call| async {
        desk.ports.live.tell(&turn.session, turn.event, News::Begun(call));
        let outcome = make(desk, turn, call, &facts).await;
        desk.ports.live.tell(&turn.session, turn.event, News::Ended(&outcome));
        ended.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
    });
    let runs: Vec<_> = runs.collect();
    futures_util::stream::iter(runs).buffer_unordered(limit::PARALLEL_MAX).collect::<Vec<()>>().await;
}

async fn make(desk: &Desk, turn: &Open, call: &Call, facts: &Facts) -> Outcome {
    let told = span::tool(&call.ability, &call.id);
    let key = if bug::is(Bug::KeyPerAttempt) {
        effect_key(&turn.session, turn.event, &format!("{} {}", call.id, turn.attempt))
    } else {
        effect_key(&turn.session, turn.event, &call.id)
    };
    if bug::is(Bug::OutcomeBeforeEffect) {
        return Outcome { call: call.id.clone(), duration_ms: 0, end: Some(OutcomeEnd::Result("{}".to_owned())) };
    }
    let began = Instant::now();
    let end = match turn.plan.abilities.run(call, &key, facts).instrument(told.clone()).await {
        Ok(result) if result.len() > limit::RESULT_BYTES_MAX => {
            OutcomeEnd::Error(format!("the result has {} bytes, at most {} are kept", result.len(), limit::RESULT_BYTES_MAX))
        }
        Ok(result) => OutcomeEnd::Result(result),
        Err(error) => OutcomeEnd::Error(error),
    };
    tell(desk, &told, (call, &end), began.elapsed());
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Outcome { call: call.id.clone(), duration_ms, end: Some(end) }
}

/// Tells how a call went; what was said in it only where that is wanted.
fn tell(desk: &Desk, told: &Span, (call, end): (&Call, &OutcomeEnd), took: Duration) {
    let telemetry = &desk.ports.telemetry;
    let is_error = matches!(end, OutcomeEnd::Error(_));
    telemetry.instruments.ability(took, if is_error { "error" } else { "result" });
    if told.is_none() {
        return;
    }
    if is_error {
        span::fail(told, "ability_failed");
    }
    if telemetry.stories.has_content() {
        span::note_content(told, convention::GEN_AI_TOOL_ARGUMENTS, &call.arguments);
        if let OutcomeEnd::Result(text) | OutcomeEnd::Error(text) = end {
            span::note_content(told, convention::GEN_AI_TOOL_RESULT, text);
        }
    }
}

fn unknown(call: &Call) -> Outcome {
    Outcome { call: call.id.clone(), duration_ms: 0, end: Some(OutcomeEnd::Unknown(Unknown {})) }
}

/// What a call in doubt comes to without calling again; none where it is to be called again.
pub(super) fn without_calling(call: &Call) -> Option<Outcome> {
    (call.doubt() != Doubt::Retry && !bug::is(Bug::DoubtRepeated)).then(|| unknown(call))
}
