//! The abilities of a bot with a skillset.
//!
//! Each ability of the skillset is one function for the model; one that names an MCP server is as
//! many as the server has tools. A call is checked against its function here, and a violation goes
//! back to the model with the schema; only then it is done, with secrets put in where they may stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use action::filled::Filled;
use action::{Actions, Context, Outcome};
use async_trait::async_trait;
use egress::policy::Allow;
use mcp::pool::Pool;
use model::prompt::Function;
use proto::limit::{AWAIT_DEFAULT, AWAIT_MAX, AWAIT_MIN};
use proto::wire::{Call, Doubt, Wait};
use serde_json::{Value, json};
use skillset::ability::{self, Ability};
use skillset::invocation::{Action, Invocation};
use skillset::question::Question;
use skillset::set::Skillset;

use self::remote::Remote;
use super::message::{Courier, Pattern};
use super::{Abilities, Facts, WaitFor, message};
use crate::secret::Vault;

mod question;
mod remote;

/// What abilities are done with; one for the whole worker.
#[derive(Clone)]
pub struct Workshop {
    /// HTTP calls, mail, searches.
    pub actions: Arc<Actions>,
    /// Connections to MCP servers.
    pub pool: Pool,
    /// Carries messages.
    pub courier: Arc<dyn Courier>,
    /// Where messages may go.
    pub subjects: Vec<Pattern>,
    /// The secrets of the deployment.
    pub vault: Vault,
}

/// The abilities of one bot.
pub struct Toolbox {
    skillset: Skillset,
    functions: BTreeMap<String, (usize, Function)>,
    allow: Vec<Vec<Allow>>,
    /// Whether calls need leave unless their ability says otherwise.
    asks_leave: bool,
    workshop: Workshop,
    /// The functions that servers were last found to have.
    remote: Mutex<BTreeMap<String, Remote>>,
}

/// What a model is offered.
#[derive(Debug, Default)]
pub struct Offer {
    /// The functions.
    pub functions: Vec<Function>,
    /// What is amiss, for the model: servers that cannot be reached.
    pub notes: Vec<String>,
}

impl Toolbox {
    /// The abilities of a skillset; an address that an ability lists and that is none is an error.
    pub fn new(skillset: Skillset, asks_leave: bool, workshop: Workshop) -> Result<Self, String> {
        let allow = |ability: &Ability| {
            let parse = |text: &String| text.parse::<Allow>().map_err(|error| format!("{}: egress: {error}", ability.name));
            ability.egress.iter().map(parse).collect::<Result<Vec<_>, _>>()
        };
        let allow = skillset.abilities.iter().map(allow).collect::<Result<Vec<_>, _>>()?;
        let functions = skillset.functions().into_iter().map(|offered| {
            let function = Function { name: offered.name.clone(), description: offered.description, parameters: offered.parameters };
            (offered.name, (offered.ability, function))
        });
        Ok(Self { functions: functions.collect(), skillset, allow, asks_leave, workshop, remote: Mutex::default() })
    }

    /// What the abilities have in common, for the model.
    pub fn description(&self) -> &str {
        &self.skillset.description
    }

    /// What the model is offered in a turn.
    pub async fn offer(&self, facts: &Facts) -> Offer {
        let mut offer = Offer::default();
        let mut taken: BTreeSet<String> = self.functions.keys().cloned().collect();
        for (index, function) in self.functions.values() {
            let Some(ability) = self.skillset.abilities.get(*index).filter(|ability| admits(ability, facts)) else { continue };
            if ability.instruction.action() != Action::Mcp {
                offer.functions.push(function.clone());
                continue;
            }
            match self.remote_functions(*index, ability, facts, &taken).await {
                Ok(found) => {
                    taken.extend(found.iter().map(|function| function.name.clone()));
                    offer.functions.extend(found);
                }
                Err(reason) => {
                    tracing::warn!(ability.name = %ability.name, reason, "the tools of a server are not offered");
                    offer.notes.push(format!("The tools of {} cannot be reached at the moment.", ability.name));
                }
            }
        }
        offer.functions.truncate(skillset::limit::FUNCTIONS_MAX);
        offer
    }

    /// Whether a function ends the turn.
    pub fn is_abort(&self, function: &str) -> bool {
        self.ability(function).is_some_and(|(_, ability)| ability.instruction.action() == Action::Abort)
    }

    fn ability(&self, function: &str) -> Option<(usize, &Ability)> {
        let (index, _) = self.functions.get(function)?;
        Some((*index, self.skillset.abilities.get(*index)?))
    }

    fn remote(&self, function: &str) -> Option<Remote> {
        self.remote.lock().unwrap_or_else(PoisonError::into_inner).get(function).cloned()
    }

    /// The abilities whose servers may have a function that was not offered: it is known by its name alone.
    fn presumed<'a>(&'a self, function: &'a str) -> impl Iterator<Item = &'a Ability> {
        let is_known = self.ability(function).is_some_and(|(_, ability)| ability.instruction.action() != Action::Mcp);
        let abilities = self.skillset.abilities.iter().filter(move |_| !is_known);
        abilities.filter(move |ability| ability.instruction.action() == Action::Mcp && remote::may_have(ability, function))
    }

    fn filled(&self, function: &str, arguments: &Value) -> Option<(usize, &Ability, Invocation)> {
        let (index, ability) = self.ability(function)?;
        Some((index, ability, ability.fill(arguments).ok()?))
    }

    fn needs_leave(&self, ability: &Ability) -> bool {
        ability.approval.unwrap_or(self.asks_leave)
    }

    fn has_servers(&self) -> bool {
        self.skillset.abilities.iter().any(|ability| ability.instruction.action() == Action::Mcp)
    }

    fn unknown(&self, function: &str, facts: &Facts) -> String {
        let is_admitted = |index: &usize| self.skillset.abilities.get(*index).is_some_and(|ability| admits(ability, facts));
        let names: Vec<&str> = self.functions.iter().filter(|(_, (index, _))| is_admitted(index)).map(|(name, _)| name.as_str()).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("there is no function {function:?}: {names} are there")
    }

    async fn act(&self, place: (usize, &Ability), arguments: &Value, key: &str, facts: &Facts) -> Result<Value, String> {
        let (index, ability) = place;
        let invocation = ability.fill(arguments).map_err(|violation| violation.to_string())?;
        let secrets = self.workshop.vault.of_ability(ability.secret.as_deref());
        let allow = self.allow.get(index).map(Vec::as_slice).unwrap_or_default();
        let context = Context { idempotency_key: key, secrets: &secrets, facts: &facts.named, allow };
        match invocation.action {
            Action::Nats => {
                let filled = Filled::new(&context);
                message::run(&*self.workshop.courier, &self.workshop.subjects, &invocation, &filled, key).await
            }
            Action::Await => Err("this call waits for an answer from outside, and none came".to_owned()),
            Action::Mcp => Err("this stands for the tools of a server: call one of them".to_owned()),
            _ => match self.workshop.actions.run(&invocation, context).await {
                Ok(Outcome::Result(value)) => Ok(value),
                Ok(Outcome::Abort { reason }) => Ok(json!({ "aborted": reason })),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

fn admits(ability: &Ability, facts: &Facts) -> bool {
    let contact: Vec<&str> =
        ["CONTACT_ID", "CONTACT_EMAIL", "CONTACT_PHONE"].iter().filter_map(|name| facts.named.get(*name)).map(String::as_str).collect();
    let contact: Vec<&str> = contact.into_iter().filter(|name| !name.is_empty()).collect();
    ability.limits.admits(&facts.trigger, &contact)
}

fn doubt_of(said: ability::Doubt) -> Doubt {
    match said {
        ability::Doubt::Retry => Doubt::Retry,
        ability::Doubt::Fail => Doubt::Fail,
    }
}

#[async_trait]
impl Abilities for Toolbox {
    fn doubt(&self, ability: &str, arguments: &Value) -> Doubt {
        if let Some(remote) = self.remote(ability) {
            let said = self.skillset.abilities.get(remote.ability).and_then(|ability| ability.doubt);
            let by_server = if remote.is_repeatable { Doubt::Retry } else { Doubt::Fail };
            return said.map_or(by_server, doubt_of);
        }
        let mut presumed = self.presumed(ability).peekable();
        if presumed.peek().is_some() {
            // The server may be back by the time of the call.
            let may_be_repeated = presumed.all(|presumed| presumed.doubt == Some(ability::Doubt::Retry));
            return if may_be_repeated { Doubt::Retry } else { Doubt::Fail };
        }
        match self.filled(ability, arguments) {
            Some((_, ability, invocation)) => ability.doubt.map_or_else(|| action::doubt(&invocation), doubt_of),
            // Nothing is done with arguments that do not fit, so telling that again does no harm.
            None if self.ability(ability).is_some() || !self.has_servers() => Doubt::Retry,
            // It may be the tool of a server that is found only when the call is made.
            None => Doubt::Fail,
        }
    }

    fn wait(&self, function: &str, arguments: &Value) -> Option<WaitFor> {
        let remote = self.remote(function);
        let (_, ability, invocation) = match &remote {
            Some(remote) => (0, self.skillset.abilities.get(remote.ability)?, None),
            None if self.ability(function).is_none() => {
                let mut presumed = self.presumed(function);
                (0, presumed.find(|ability| ability.approval.unwrap_or(self.asks_leave))?, None)
            }
            None => self.filled(function, arguments).map(|(index, ability, invocation)| (index, ability, Some(invocation)))?,
        };
        if let Some(invocation) = invocation.filter(|invocation| invocation.action == Action::Await) {
            let question = Question::read(&invocation).ok()?;
            let timeout = question.timeout.unwrap_or(AWAIT_DEFAULT).clamp(AWAIT_MIN, AWAIT_MAX);
            let choices = question.choices.map(|choices| format!(" ({})", choices.join(" | "))).unwrap_or_default();
            let words = question.text.words().unwrap_or_default();
            return Some(WaitFor { kind: Wait::Answer, question: question::words(&format!("{words}{choices}")), timeout });
        }
        self.needs_leave(ability).then(|| WaitFor {
            kind: Wait::Approval,
            question: question::leave(function, arguments),
            timeout: AWAIT_DEFAULT,
        })
    }

    async fn run(&self, call: &Call, idempotency_key: &str, facts: &Facts) -> Result<String, String> {
        let arguments: Value = serde_json::from_str(&call.arguments).map_err(|error| format!("the arguments are no JSON: {error}"))?;
        let known = self.ability(&call.ability).filter(|(_, ability)| ability.instruction.action() != Action::Mcp);
        if let Some((index, ability)) = known {
            if !admits(ability, facts) {
                return Err(self.unknown(&call.ability, facts));
            }
            return self.act((index, ability), &arguments, idempotency_key, facts).await.map(|value| value.to_string());
        }
        if self.remote(&call.ability).is_none() {
            drop(self.offer(facts).await);
        }
        let remote = self.remote(&call.ability).ok_or_else(|| self.unknown(&call.ability, facts))?;
        let ability = self.skillset.abilities.get(remote.ability).filter(|ability| admits(ability, facts));
        let ability = ability.ok_or_else(|| self.unknown(&call.ability, facts))?;
        // Whoever named a tool that was not known yet has passed by the question for leave.
        if self.needs_leave(ability) && call.wait() != Wait::Approval {
            return Err(format!("{} needs leave, and its server was not known when it was called: call it again", call.ability));
        }
        self.call_remote(&remote, arguments, idempotency_key, facts).await.map(|value| value.to_string())
    }
}

#[cfg(test)]
mod tests;
