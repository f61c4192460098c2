//! The `rules` bot: the first rule that matches makes its calls and replies.
//!
//! The language is described in `docs/rules.md`. A bot is a pure function of the turn: with k steps
//! taken it makes the rule's call k, or replies, so a turn that was cut short goes on where it stood.

use async_trait::async_trait;
use proto::limit::{DEFINITION_BYTES_MAX, STEPS_MAX};
use proto::wire::outcome;
use proto::wire::{Doubt, Outcome};
use serde_json::{Value, json};

use self::condition::{Captures, When};
use self::scope::{End, Event, Scope};
use self::template::{Engine, Names, Template, Tree};
use super::{Bot, DefinitionError, Error, Request, Step, Thought, Turn};
use crate::bot::node::Node;

mod condition;
mod scope;
mod template;

/// How many rules a bot may have.
const RULES_MAX: usize = 256;
/// How many calls a rule may make: each is a step.
pub(in crate::bot) const CALLS_MAX: usize = STEPS_MAX as usize;
/// Longest name of a rule, a call or an ability, in bytes.
pub(in crate::bot) const NAME_BYTES_MAX: usize = 64;
/// What `doubt` may say.
pub(in crate::bot) const DOUBTS: [(&str, Doubt); 2] = [("retry", Doubt::Retry), ("fail", Doubt::Fail)];
/// What the bot is told of a call whose end is unknown.
const UNKNOWN: &str = "the outcome is unknown: it may have happened or may still happen";

/// A bot that follows rules.
#[derive(Debug)]
pub(super) struct Rules {
    ordered: Vec<Rule>,
    otherwise: Option<Template>,
    engine: Engine,
}

#[derive(Debug)]
struct Rule {
    label: String,
    when: When,
    calls: Vec<Call>,
    reply: Option<Template>,
}

#[derive(Debug)]
struct Call {
    name: String,
    ability: String,
    with: Tree,
    doubt: Option<Doubt>,
    on_error: OnError,
}

/// What a failed call does to its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnError {
    Fail,
    Continue,
}

impl Rules {
    /// Reads a definition.
    pub(super) fn parse(definition: &str) -> Result<Self, DefinitionError> {
        let value = parse_json(definition)?;
        let fields = Node::root(&value).fields(&["rules", "otherwise"])?;
        let mut engine = Engine::new();
        let nodes = fields.need("rules")?.items(RULES_MAX)?;
        let ordered = nodes.iter().map(|node| Rule::parse(node, &mut engine)).collect::<Result<_, _>>()?;
        let otherwise = fields.get("otherwise").map(|node| engine.text(&node, &Names::default())).transpose()?;
        Ok(Self { ordered, otherwise, engine })
    }

    fn decide(&self, turn: &Turn<'_>) -> Result<Thought, Error> {
        let event = Event::new(turn);
        let matching = |rule| Rule::matches(rule, &event).map(|captures| (rule, captures));
        let mut scope = Scope::new(&event);
        let Some((rule, captures)) = self.ordered.iter().find_map(matching) else {
            return if turn.steps.is_empty() { self.reply(self.otherwise.as_ref(), &scope) } else { Err(changed()) };
        };
        scope.captures = captures;
        scope.ends = rule.ends(turn.steps)?;
        match rule.calls.get(turn.steps.len()) {
            Some(call) => {
                let arguments = call.with.arguments(&self.engine, &scope)?;
                Ok(Thought::call(vec![Request { ability: call.ability.clone(), arguments, doubt: call.doubt }]))
            }
            None => self.reply(rule.reply.as_ref(), &scope),
        }
    }

    fn reply(&self, template: Option<&Template>, scope: &Scope<'_>) -> Result<Thought, Error> {
        let text = template.map(|template| template.render(&self.engine, scope)).transpose()?;
        Ok(Thought::reply(text.unwrap_or_default()))
    }
}

#[async_trait]
impl Bot for Rules {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        self.decide(&turn)
    }

    fn wants_history(&self) -> bool {
        self.engine.wants_history
    }
}

impl Rule {
    fn parse(node: &Node<'_>, engine: &mut Engine) -> Result<Self, DefinitionError> {
        let fields = node.fields(&["name", "when", "do", "reply"])?;
        let label = fields.get("name").map(|node| node.word(NAME_BYTES_MAX)).transpose()?.unwrap_or(&node.path).to_owned();
        let when = fields.get("when").map(|node| When::parse(&node)).transpose()?.unwrap_or_default();
        let calls = fields.get("do").map(|node| node.items(CALLS_MAX)).transpose()?.unwrap_or_default();
        if calls.is_empty() && fields.get("reply").is_none() {
            return Err(node.fault("must have do or reply"));
        }
        let mut parsed: Vec<Call> = Vec::new();
        for (index, node) in calls.iter().enumerate() {
            let names = Names { captures: when.names().collect(), calls: parsed.iter().map(|call| call.name.as_str()).collect() };
            let call = Call::parse(node, index, &names, engine)?;
            parsed.push(call);
        }
        let names = Names { captures: when.names().collect(), calls: parsed.iter().map(|call| call.name.as_str()).collect() };
        let reply = fields.get("reply").map(|node| engine.text(&node, &names)).transpose()?;
        Ok(Self { label, when, calls: parsed, reply })
    }

    fn matches(&self, event: &Event<'_>) -> Option<Captures> {
        self.when.matches(event.text(), || event.payload())
    }

    /// What the steps taken came to, by the names of their calls.
    fn ends(&self, steps: &[Step]) -> Result<Vec<(&str, End)>, Error> {
        let mut ends = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let call = self.calls.get(index).filter(|call| step.calls.iter().map(|made| &made.ability).eq([&call.ability]));
            let call = call.ok_or_else(changed)?;
            let end = end(step.outcomes.first());
            if let (Err(error), OnError::Fail) = (&end, call.on_error) {
                return Err(Error::new(format!("{}: call {} ({}) failed: {error}", self.label, call.name, call.ability)));
            }
            ends.push((call.name.as_str(), end));
        }
        Ok(ends)
    }
}

impl Call {
    fn parse(node: &Node<'_>, index: usize, names: &Names<'_>, engine: &mut Engine) -> Result<Self, DefinitionError> {
        let fields = node.fields(&["ability", "with", "as", "doubt", "onError"])?;
        let name = match fields.get("as") {
            None => index.to_string(),
            Some(node) => {
                let name = node.word(NAME_BYTES_MAX)?;
                if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
                    return Err(node.fault("must be letters, digits and _, a letter first"));
                }
                if names.calls.contains(name) {
                    return Err(node.fault(format!("names a second call {name:?}")));
                }
                name.to_owned()
            }
        };
        let with = fields.get("with").map(|node| engine.tree(&node, names)).transpose()?;
        let doubt = fields.get("doubt").map(|node| node.choice(&DOUBTS)).transpose()?;
        let on_error = fields.get("onError").map(|node| node.choice(&[("fail", OnError::Fail), ("continue", OnError::Continue)]));
        Ok(Self {
            name,
            ability: fields.need("ability")?.word(NAME_BYTES_MAX)?.to_owned(),
            with: with.unwrap_or_else(|| Tree::Plain(json!({}))),
            doubt,
            on_error: on_error.transpose()?.unwrap_or(OnError::Fail),
        })
    }
}

/// Reads the JSON of a definition.
pub(in crate::bot) fn parse_json(definition: &str) -> Result<Value, DefinitionError> {
    let invalid = |reason| DefinitionError::Invalid { path: String::new(), reason };
    if definition.len() > DEFINITION_BYTES_MAX {
        return Err(invalid(format!("the definition has {} bytes, at most {DEFINITION_BYTES_MAX} are taken", definition.len())));
    }
    serde_json::from_str(definition).map_err(|error| invalid(format!("the definition is no JSON: {error}")))
}

fn end(outcome: Option<&Outcome>) -> End {
    match outcome.and_then(|outcome| outcome.end.as_ref()) {
        Some(outcome::End::Result(result)) => Ok(serde_json::from_str(result).unwrap_or_else(|_| result.as_str().into())),
        Some(outcome::End::Error(error)) => Err(error.clone()),
        Some(outcome::End::Unknown(_)) | None => Err(UNKNOWN.to_owned()),
    }
}

fn changed() -> Error {
    Error::new("the rules were changed while this turn was open: its steps are not those of the rule that matches now".to_owned())
}

#[cfg(test)]
mod tests;
