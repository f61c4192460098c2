//! Asks the models of a choice in order, each as often as it may help, until one answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::Model;
use crate::answer::{Answer, Delta, Error, Stop, Usage};
use crate::call::call;
use crate::failure::Failure;
use crate::jitter::Jitter;
use crate::limit::Settings;
use crate::prompt::{Assistant, Message, Prompt};
use crate::retry::{Course, Next};
use crate::schema::{Shape, Violation};
use crate::target::Target;
use crate::told::Told;

/// Longer than anybody waits, and short enough to be added to a time.
const FOREVER: Duration = Duration::from_hours(24);

/// The models of a choice.
pub(crate) struct Asked {
    pub targets: Vec<Target>,
    pub settings: Settings,
    pub jitter: Arc<dyn Jitter>,
}

/// One ask that is under way.
struct Asking<'a> {
    settings: &'a Settings,
    jitter: &'a dyn Jitter,
    deadline: Instant,
    /// Until when a model that gave no answer is called again, so that the others have their time too.
    again_until: Instant,
    told: Told<'a>,
}

#[async_trait]
impl Model for Asked {
    async fn ask(&self, prompt: &Prompt, told: &mut (dyn FnMut(Delta) + Send)) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.settings.ask_within.min(FOREVER);
        let shape = match prompt.output.as_ref().map(Shape::of).transpose() {
            Ok(shape) if !prompt.messages.is_empty() => shape,
            Ok(_) => return Err(self.refused("the prompt has no message: there is nothing to answer".to_owned())),
            Err(reason) => return Err(self.refused(reason)),
        };
        let (settings, jitter) = (&self.settings, self.jitter.as_ref());
        let mut asking = Asking { settings, jitter, deadline, again_until: deadline, told: Told::new(told) };
        let mut given_up = Vec::new();
        for (target, still) in self.targets.iter().zip((1..=self.targets.len()).rev()) {
            asking.share(still);
            match asking.answer(target, prompt, shape.as_ref()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    let is_end = matches!(failure, Failure::Refused(_)) || Instant::now() >= deadline;
                    given_up.push((target.name.as_str(), failure));
                    if is_end {
                        break;
                    }
                }
            }
        }
        Err(error(&given_up))
    }
}

impl Asked {
    fn refused(&self, reason: String) -> Error {
        Error::Refused { model: self.targets.first().map(|target| target.name.clone()).unwrap_or_default(), reason }
    }
}

impl Asking<'_> {
    /// Gives the next model its share of the time that is left, with so many models still to be asked.
    fn share(&mut self, still: usize) {
        let now = Instant::now();
        let still = u32::try_from(still).unwrap_or(u32::MAX).max(1);
        self.again_until = now + self.deadline.saturating_duration_since(now) / still;
    }

    /// One model's answer, in the shape that is asked for: one that has another is sent back once.
    async fn answer(&mut self, target: &Target, prompt: &Prompt, shape: Option<&Shape>) -> Result<Answer, Failure> {
        let mut answer = self.insist(target, prompt).await?;
        let Some(shape) = shape else { return Ok(answer) };
        let Err(violation) = fit(&mut answer, shape)? else { return Ok(answer) };
        let spent = answer.usage;
        let mut again = prompt.clone();
        again.messages.extend(sent_back(answer, &violation));
        let mut answer = self.insist(target, &again).await?;
        answer.usage = sum(spent, answer.usage);
        match fit(&mut answer, shape)? {
            Ok(()) => Ok(answer),
            Err(violation) => {
                let reason = format!("the answer does not have the shape that is asked for, twice: {}", violation.shown);
                Err(Failure::Refused(reason))
            }
        }
    }

    /// Calls one model as often as it may help.
    async fn insist(&mut self, target: &Target, prompt: &Prompt) -> Result<Answer, Failure> {
        let mut course = Course::default();
        loop {
            let failure = match Box::pin(call(target, prompt, self.settings, self.deadline, &mut self.told)).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let left = self.again_until.saturating_duration_since(Instant::now());
            match course.after(&failure, left, self.settings, self.jitter) {
                Next::Again(wait) => tokio::time::sleep(wait).await,
                Next::Elsewhere | Next::Nobody => return Err(failure),
            }
        }
    }
}

/// Holds a final answer against the shape, and leaves nothing but the JSON of it.
fn fit(answer: &mut Answer, shape: &Shape) -> Result<Result<(), Violation>, Failure> {
    match answer.stop {
        Stop::Calls | Stop::Filtered => Ok(Ok(())),
        Stop::Length if !answer.calls.is_empty() => Ok(Ok(())),
        stop => match shape.check(&answer.text) {
            Ok(json) => {
                answer.text = json;
                Ok(Ok(()))
            }
            Err(_) if stop == Stop::Length => Err(Failure::Refused(
                "the answer was cut short at the maximum of tokens before it had its shape: raise maxTokens".to_owned(),
            )),
            Err(violation) => Ok(Err(violation)),
        },
    }
}

/// What an answer of another shape is sent back with.
fn sent_back(answer: Answer, violation: &Violation) -> [Message; 2] {
    let wanted = format!(
        "Your answer is not valid against the JSON Schema that it must have: {}. Answer again with the corrected JSON value and nothing else.",
        violation.told
    );
    let said = Assistant { text: answer.text, signatures: answer.signatures, calls: Vec::new() };
    [Message::Assistant(said), Message::User(wanted)]
}

fn sum(one: Usage, other: Usage) -> Usage {
    Usage {
        input: one.input.saturating_add(other.input),
        cached: one.cached.saturating_add(other.cached),
        output: one.output.saturating_add(other.output),
        reasoning: one.reasoning.saturating_add(other.reasoning),
    }
}

/// The error of an ask, with one clause for each model that was asked.
fn error(given_up: &[(&str, Failure)]) -> Error {
    if let [(model, failure @ (Failure::Refused(_) | Failure::Barred(_)))] = given_up {
        return Error::Refused { model: (*model).to_owned(), reason: failure.reason().to_owned() };
    }
    let clauses: Vec<String> = given_up.iter().map(|(model, failure)| format!("{model}: {}", failure.reason())).collect();
    let reason = clauses.join("; ");
    let mut passes = false;
    let mut retry_after: Option<Duration> = None;
    for (_, failure) in given_up {
        if let Failure::Passing { retry_after: wish, .. } = failure {
            passes = true;
            retry_after = retry_after.into_iter().chain(*wish).min();
        }
    }
    if passes {
        return Error::Unavailable { reason, retry_after };
    }
    let model = given_up.last().map(|(model, _)| (*model).to_owned()).unwrap_or_default();
    Error::Refused { model, reason: format!("no model takes the question: {reason}") }
}
