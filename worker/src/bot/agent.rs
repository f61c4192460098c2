//! The `agent` bot: a model, a backstory and a skillset.
//!
//! It is asked after every step with the whole turn so far; what it answers becomes calls or the
//! reply. It holds nothing between two questions, so a turn that is taken up elsewhere goes on as if
//! nothing had happened: what is on record is not asked again.

use std::sync::Arc;

use async_trait::async_trait;
use model::answer::{self, Stop};
use model::prompt::Prompt;
use proto::code::Code;
use proto::resource::Limits;
use proto::wire;
use proto::wire::outcome::End;
use serde_json::Value;

use self::definition::Definition;
use self::prompt::Persona;
use super::{Bot, DefinitionError, Error, Kit, Reply, Request, Thought, Turn};
use crate::ability::Facts;
use crate::ability::toolbox::{Offer, Toolbox};
use crate::budget::Spent;

mod definition;
mod prompt;

/// How many tokens an answer is thought to have where the bot sets no maximum.
const ANSWER_TOKENS: u64 = 1_024;

/// A bot that asks a model.
pub(super) struct Agent {
    persona: Persona,
    model: Arc<dyn model::Model>,
    toolbox: Option<Arc<Toolbox>>,
    limits: Limits,
    providers: Vec<(String, usize)>,
    answer_tokens: u64,
    /// The first model that is asked, as prices name it.
    priced: String,
    kit: Kit,
}

impl Agent {
    /// Makes the bot of a definition.
    pub(super) fn new(definition: Definition, toolbox: Option<Arc<Toolbox>>, kit: &Kit) -> Result<Self, DefinitionError> {
        let fault = |error: &dyn std::fmt::Display| DefinitionError::Invalid { path: "model".to_owned(), reason: error.to_string() };
        let model = kit.models.model(&definition.choice).map_err(|error| fault(&error))?;
        let called = kit.models.called_by(&definition.choice).map_err(|error| fault(&error))?;
        let width = |id: &&str| Some(((*id).to_owned(), kit.models.provider(id)?.concurrency?.get()));
        let providers = called.iter().filter_map(width).collect();
        let priced = priced(&called, definition.choice.wanted().first().map(|wanted| wanted.name.as_str()).unwrap_or_default());
        let answer_tokens = definition.choice.wanted().iter().filter_map(|wanted| wanted.parameters.max_tokens).max();
        let persona = Persona {
            backstory: definition.backstory,
            skills: toolbox.as_ref().map(|toolbox| toolbox.description().to_owned()).unwrap_or_default(),
            output: definition.output,
            context_tokens: definition.context_tokens,
        };
        Ok(Self {
            persona,
            model,
            toolbox,
            limits: definition.limits,
            providers,
            answer_tokens: answer_tokens.map_or(ANSWER_TOKENS, u64::from),
            priced,
            kit: kit.clone(),
        })
    }

    fn prompt(&self, turn: &Turn<'_>, offer: Offer) -> Prompt {
        if offer.notes.is_empty() {
            return prompt::build(&self.persona, turn, offer.functions);
        }
        let skills = [std::slice::from_ref(&self.persona.skills), offer.notes.as_slice()].concat().join("\n");
        prompt::build(&Persona { skills, ..self.persona.clone() }, turn, offer.functions)
    }

    /// Why the last step ends the turn, if one of its calls was to.
    fn aborted(&self, turn: &Turn<'_>) -> Option<String> {
        let (toolbox, step) = (self.toolbox.as_ref()?, turn.steps.last()?);
        let ended = step
            .calls
            .iter()
            .zip(&step.outcomes)
            .find(|(call, outcome)| toolbox.is_abort(&call.ability) && matches!(outcome.end, Some(End::Result(_))));
        let Some(End::Result(result)) = &ended?.1.end else { return None };
        let result: Value = serde_json::from_str(result).unwrap_or_default();
        let reason = result.get("aborted").and_then(Value::as_str).unwrap_or_default();
        Some(if reason.is_empty() { "the bot called the turn off".to_owned() } else { reason.to_owned() })
    }

    fn usage(&self, answer: &answer::Answer) -> wire::Usage {
        let used = answer.usage;
        wire::Usage {
            model: answer.model.clone(),
            input: used.input,
            cached: used.cached,
            output: used.output,
            reasoning: used.reasoning,
            cost_micro_usd: self.kit.models.cost(&answer.model, &used).unwrap_or_default(),
            calls: 1,
        }
    }

    fn thought(&self, answer: answer::Answer) -> Result<Thought, Error> {
        let usage = self.usage(&answer);
        let answer::Answer { text, reasoning, calls, signatures, stop, .. } = answer;
        let words = if calls.is_empty() { String::new() } else { text.clone() };
        let thought = wire::Thought { text: words, reasoning, signatures, usage: Some(usage) };
        match stop {
            Stop::Filtered if text.is_empty() => Err(Error::new("the model's provider withheld the answer")),
            // A call that was cut short is not made.
            Stop::End | Stop::Calls if !calls.is_empty() => {
                let request = |call: model::prompt::Call| Request { ability: call.name, arguments: call.arguments, doubt: None };
                Ok(Thought::Call { requests: calls.into_iter().map(request).collect(), thought: Some(thought) })
            }
            Stop::Length if text.is_empty() => Err(Error::new("the model reached its maximum of tokens before it said anything")),
            _ => Ok(Thought::Reply(Reply { text, thought: Some(thought), is_truncated: matches!(stop, Stop::Length | Stop::Filtered) })),
        }
    }

    async fn offer(&self, facts: &Facts) -> Offer {
        match &self.toolbox {
            Some(toolbox) => toolbox.offer(facts).await,
            None => Offer::default(),
        }
    }
}

/// A model's name with its provider in front.
fn priced(called: &[&str], name: &str) -> String {
    let provider = called.first().copied().unwrap_or_default();
    let is_named = name.split('/').next() == Some(provider);
    if is_named { name.to_owned() } else { format!("{provider}/{name}") }
}

#[async_trait]
impl Bot for Agent {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        if let Some(reason) = self.aborted(&turn) {
            return Ok(Thought::Abort(reason));
        }
        let prompt = self.prompt(&turn, self.offer(turn.facts).await);
        let mut told = |delta| (turn.told)(delta);
        match self.model.ask(&prompt, &mut told).await {
            Ok(answer) => self.thought(answer),
            Err(error) => Err(Error { code: Code::ModelUnavailable, message: error.to_string() }),
        }
    }

    fn wants_history(&self) -> bool {
        true
    }

    fn wants_facts(&self) -> bool {
        true
    }

    fn limits(&self) -> &Limits {
        &self.limits
    }

    fn estimate(&self, turn: &Turn<'_>) -> Spent {
        let input = prompt::estimate(&prompt::build(&self.persona, turn, Vec::new()));
        let input = u64::try_from(input).unwrap_or(u64::MAX);
        let usage = answer::Usage { input, output: self.answer_tokens, ..answer::Usage::default() };
        let cost_micro_usd = self.kit.models.cost(&self.priced, &usage).unwrap_or_default();
        Spent { model_calls: 1, tokens: input.saturating_add(self.answer_tokens), cost_micro_usd, ..Spent::default() }
    }

    fn providers(&self) -> &[(String, usize)] {
        &self.providers
    }
}

/// Reads the definition of an agent.
pub(super) fn read(definition: &str) -> Result<Definition, DefinitionError> {
    Definition::parse(definition)
}
