//! What the records of a turn add up to, and what comes next: pure.
//!
//! thinking -> calling -> thinking ... until the bot replies, with waiting in between where a call
//! needs somebody outside. Outcomes match calls by id over the whole turn, never by position, and
//! the first one counts: what is known is not overwritten by "unknown".

use std::collections::BTreeSet;

use backbone::bug::{self, Bug};
use proto::record::{Record, Step as Recorded};
use proto::wire::answer::Kind;
use proto::wire::outcome::End;
use proto::wire::{Answer, Call, Input, Outcome, Received, Usage, Wait};
use serde_json::Value;

use crate::bot::Step;
use crate::budget::Spent;

/// Where a turn stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Course {
    input: Option<Input>,
    steps: Vec<Step>,
    approved: BTreeSet<String>,
    /// Calls that another drain may have begun.
    begun: BTreeSet<String>,
}

/// What comes next in a turn that has not ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Every call has an outcome: the bot thinks.
    Think,
    /// These calls are on record and nobody has begun them.
    Run(Vec<Call>),
    /// These calls may have been begun by a worker that is gone.
    Doubt(Vec<Call>),
    /// All that is left waits for somebody outside.
    Wait(Vec<Call>),
}

impl Course {
    /// Adds up the records of a turn that another drain left; what could run may have been begun.
    pub fn recover<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut course = Self::default();
        for record in records {
            if let Some(input) = record.input() {
                course.input = Some(input.clone());
            }
            if let Some(step) = &record.step {
                course.apply(step);
            }
        }
        course.begun = course.runnable().map(|call| call.id.clone()).collect();
        course
    }

    /// Takes in one record of the turn.
    pub fn apply(&mut self, step: &Recorded) {
        match step {
            Recorded::Intents(intents) => {
                self.steps.push(Step { calls: intents.calls.clone(), outcomes: Vec::new(), thought: intents.thought.clone() });
            }
            Recorded::Outcomes(step) => step.outcomes.iter().cloned().for_each(|outcome| self.conclude(outcome)),
            Recorded::Received(Received { answer: Some(answer), unwanted: false }) => self.receive(answer),
            _ => {}
        }
    }

    fn conclude(&mut self, outcome: Outcome) {
        let is_open = |step: &&mut Step| {
            step.calls.iter().any(|call| call.id == outcome.call) && step.outcomes.iter().all(|known| known.call != outcome.call)
        };
        if let Some(step) = self.steps.iter_mut().find(is_open) {
            step.outcomes.push(outcome);
        }
    }

    fn receive(&mut self, answer: &Answer) {
        if !self.wants(answer) {
            return;
        }
        let by = if answer.by.is_empty() { "somebody" } else { &answer.by };
        let end = match &answer.kind {
            Some(Kind::Approved(_)) => {
                self.approved.insert(answer.call.clone());
                return;
            }
            Some(Kind::Said(said)) => {
                if bug::is(Bug::LeaveForAll) {
                    let all: Vec<String> = self.open().map(|call| call.id.clone()).collect();
                    self.approved.extend(all);
                }
                let value = serde_json::from_str(&said.text).unwrap_or_else(|_| Value::from(said.text.clone()));
                End::Result(value.to_string())
            }
            Some(Kind::Rejected(said)) if said.reason.is_empty() => End::Error(format!("rejected by {by}")),
            Some(Kind::Rejected(said)) => End::Error(format!("rejected by {by}: {}", said.reason)),
            Some(Kind::Elapsed(_)) => End::Error("nobody answered in time".to_owned()),
            Some(Kind::Cancel(_) | Kind::Describe(_) | Kind::Edit(_) | Kind::Erase(_)) | None => return,
        };
        self.conclude(Outcome { call: answer.call.clone(), duration_ms: 0, end: Some(end) });
    }

    /// Whether an answer is one that a call of this turn waits for.
    pub fn wants(&self, answer: &Answer) -> bool {
        self.open().filter(|call| !self.is_free(call)).any(|call| {
            call.id == answer.call
                && matches!(
                    (&answer.kind, call.wait()),
                    (Some(Kind::Said(_)), Wait::Answer)
                        | (Some(Kind::Approved(_)), Wait::Approval)
                        | (Some(Kind::Rejected(_) | Kind::Elapsed(_)), Wait::Answer | Wait::Approval)
                )
        })
    }

    /// The calls without an outcome.
    fn open(&self) -> impl Iterator<Item = &Call> {
        self.steps.iter().flat_map(|step| {
            let is_open = |call: &&Call| step.outcomes.iter().all(|outcome| outcome.call != call.id);
            step.calls.iter().filter(is_open)
        })
    }

    fn is_free(&self, call: &Call) -> bool {
        call.wait() == Wait::Unspecified || (call.wait() == Wait::Approval && self.approved.contains(&call.id))
    }

    fn runnable(&self) -> impl Iterator<Item = &Call> {
        self.open().filter(|call| self.is_free(call))
    }

    /// What comes next.
    pub fn next(&self) -> Next {
        let doubtful: Vec<Call> = self.runnable().filter(|call| self.begun.contains(&call.id)).cloned().collect();
        if !doubtful.is_empty() {
            return Next::Doubt(doubtful);
        }
        let runnable: Vec<Call> = self.runnable().cloned().collect();
        if !runnable.is_empty() {
            return Next::Run(runnable);
        }
        let waiting: Vec<Call> = self.open().cloned().collect();
        if waiting.is_empty() { Next::Think } else { Next::Wait(waiting) }
    }

    /// The event as the turn took it in, where a record has it.
    pub fn input(&self) -> Option<&Input> {
        self.input.as_ref()
    }

    /// The steps so far, the outcomes of each in the order of its calls.
    pub fn steps(&self) -> Vec<Step> {
        let ordered = |step: &Step| {
            let outcome = |call: &Call| step.outcomes.iter().find(|outcome| outcome.call == call.id).cloned();
            Step { outcomes: step.calls.iter().filter_map(outcome).collect(), ..step.clone() }
        };
        self.steps.iter().map(ordered).collect()
    }

    /// How many steps were begun.
    pub fn step_count(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// What the model answers on record took, by model; `last` is one that is not on record yet.
    pub fn usage(&self, last: Option<&Usage>) -> Vec<Usage> {
        let recorded = self.steps.iter().filter_map(|step| step.thought.as_ref()?.usage.as_ref());
        let mut sums: Vec<Usage> = Vec::new();
        for usage in recorded.chain(last) {
            match sums.iter_mut().find(|sum| sum.model == usage.model) {
                Some(sum) => add(sum, usage),
                None => sums.push(usage.clone()),
            }
        }
        sums
    }

    /// What the turn took so far, but for its time.
    pub fn spent(&self) -> Spent {
        let ability_calls = self.steps.iter().map(|step| step.calls.len() as u64).sum();
        Spent { ability_calls, ..Spent::of_usage(&self.usage(None)) }
    }
}

fn add(sum: &mut Usage, usage: &Usage) {
    sum.input = sum.input.saturating_add(usage.input);
    sum.cached = sum.cached.saturating_add(usage.cached);
    sum.output = sum.output.saturating_add(usage.output);
    sum.reasoning = sum.reasoning.saturating_add(usage.reasoning);
    sum.cost_micro_usd = sum.cost_micro_usd.saturating_add(usage.cost_micro_usd);
    sum.calls = sum.calls.saturating_add(usage.calls);
}

#[cfg(test)]
mod tests;
