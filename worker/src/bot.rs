//! Who answers an event.
//!
//! A bot is asked again after every step until it replies. It sees the event, what its calls of
//! this turn came to, and, if it wants, what was said before; it never acts by itself: calls are
//! committed as intents first, and run by the turn.

use std::sync::Arc;

use async_trait::async_trait;
use model::answer::Delta;
use model::providers::Providers;
use proto::code::Code;
use proto::id::{EventSeq, SkillsetId};
use proto::limit::DEFINITION_BYTES_MAX;
use proto::message::Message;
use proto::resource::{self, Limits, Skillset};
use proto::wire::{self, Call, Doubt, Input, Outcome};

use self::execute::Executor;
use self::extension::{Execute, Extension};
use crate::ability::toolbox::{Toolbox, Workshop};
use crate::ability::{Abilities, Facts};
use crate::budget::Spent;

mod agent;
mod execute;
pub(crate) mod extension;
pub mod limits;
mod node;
mod rules;
mod scripted;

/// The kind of bot that asks a model.
const AGENT: &str = "agent";

/// Why a bot could not answer. The turn fails with this code and text.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// What happened, for the reader.
    pub message: String,
}

impl Error {
    /// Asking again would give the same.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: Code::BotFailed, message: message.into() }
    }
}

/// Why a definition makes no bot.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// This build knows no such kind.
    #[error("{0:?} is not a kind of bot: agent, rules and scripted are")]
    Kind(String),
    /// The definition does not fit the kind's schema.
    #[error("{path}: {reason}")]
    Invalid {
        /// The place in the definition, such as `rules[2].when.text`; empty for the whole.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// What a bot sees.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// Its place among the events.
    pub event: EventSeq,
    /// Who and where, for abilities.
    pub facts: &'a Facts,
    /// The event.
    pub input: &'a Input,
    /// The ordinal of the turn in its conversation, from 1.
    pub ordinal: u64,
    /// The steps taken so far in this turn.
    pub steps: &'a [Step],
    /// What was said before this turn, oldest first; empty unless [`Bot::wants_history`].
    pub history: &'a [Message],
    /// Hears the pieces of an answer that is on its way.
    pub told: &'a (dyn Fn(Delta) + Sync),
}

/// A step that was taken: calls and what came of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The calls.
    pub calls: Vec<Call>,
    /// An outcome for each call, in the same order.
    pub outcomes: Vec<Outcome>,
    /// What the model said when it asked for them.
    pub thought: Option<wire::Thought>,
}

/// A call that a bot wants made.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The ability.
    pub ability: String,
    /// The arguments.
    pub arguments: serde_json::Value,
    /// What to do when the outcome is unknown after a crash; none leaves it to the ability.
    pub doubt: Option<Doubt>,
}

/// What a bot wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Thought {
    /// Make these calls, then ask again. At least one.
    Call {
        /// The calls.
        requests: Vec<Request>,
        /// What the model said with them, where one did.
        thought: Option<wire::Thought>,
    },
    /// The turn is done.
    Reply(Reply),
    /// The turn is called off, for this reason.
    Abort(String),
}

/// The last words of a turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    /// The words.
    pub text: String,
    /// What the model said with them, where one did.
    pub thought: Option<wire::Thought>,
    /// Whether they were cut short by a limit.
    pub is_truncated: bool,
}

impl Thought {
    /// Calls of a bot that is no model.
    pub fn call(requests: Vec<Request>) -> Self {
        Self::Call { requests, thought: None }
    }

    /// What the model took, where one was asked.
    pub fn usage(&self) -> Option<&wire::Usage> {
        let thought = match self {
            Self::Call { thought, .. } => thought,
            Self::Reply(reply) => &reply.thought,
            Self::Abort(_) => &None,
        };
        thought.as_ref()?.usage.as_ref()
    }

    /// Words of a bot that is no model.
    pub fn reply(text: impl Into<String>) -> Self {
        Self::Reply(Reply { text: text.into(), ..Reply::default() })
    }
}

/// Who answers an event.
#[async_trait]
pub trait Bot: Send + Sync {
    /// Decides on the next step of a turn.
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error>;

    /// Whether it reads what was said before.
    fn wants_history(&self) -> bool {
        false
    }

    /// Whether it looks at [`Turn::facts`]; they are empty for one that does not.
    fn wants_facts(&self) -> bool {
        false
    }

    /// What its turns may take, whichever trigger they are of.
    fn limits(&self) -> &Limits {
        const NONE: &Limits = &Limits { turns: 0, turn: None, day: None, session_day: None, contact_day: None };
        NONE
    }

    /// What asking it once more may take at most, by estimate: reserved before, settled after.
    fn estimate(&self, _turn: &Turn<'_>) -> Spent {
        Spent::default()
    }

    /// Providers whose turns are counted together, and how many may run at once in one worker.
    fn providers(&self) -> &[(String, usize)] {
        &[]
    }
}

/// What bots are made with.
#[derive(Clone)]
pub struct Kit {
    /// The abilities of a bot without a skillset.
    pub standard: Arc<dyn Abilities>,
    /// What abilities of a skillset are done with.
    pub workshop: Workshop,
    /// Who serves models.
    pub models: Providers,
}

/// A bot that is ready to think, and what it can do.
#[derive(Clone)]
pub struct Made {
    /// The bot.
    pub bot: Arc<dyn Bot>,
    /// Its abilities.
    pub abilities: Arc<dyn Abilities>,
}

/// Makes a bot from its definition and its skillset, where it names one.
pub fn make(bot: &resource::Bot, skillset: Option<&Skillset>, kit: &Kit) -> Result<Made, DefinitionError> {
    extended(bot, skillset, &Extension::default(), kit)
}

/// The same, with what one turn has besides.
pub(crate) fn extended(
    bot: &resource::Bot,
    skillset: Option<&Skillset>,
    extension: &Extension,
    kit: &Kit,
) -> Result<Made, DefinitionError> {
    if bot.kind != AGENT {
        return Ok(Made { bot: simple(bot)?, abilities: Arc::clone(&kit.standard) });
    }
    let mut definition = agent::read(&bot.definition)?;
    definition.extend(extension);
    let toolbox = match extension.skillset(own(definition.skillset.as_deref(), skillset)?) {
        None => None,
        Some(set) => {
            let set = skillset::set::Skillset::parse(set).map_err(|errors| in_skillset(errors.to_string()))?;
            let toolbox = Toolbox::new(set, definition.asks_leave, kit.workshop.clone());
            Some(Arc::new(toolbox.map_err(in_skillset)?))
        }
    };
    let abilities = toolbox.as_ref().map_or_else(|| Arc::clone(&kit.standard), |toolbox| Arc::clone(toolbox) as Arc<dyn Abilities>);
    Ok(Made { bot: Arc::new(agent::Agent::new(definition, toolbox, kit)?), abilities })
}

/// The abilities that a bot has by the skillset that it names; none of one that is disabled.
fn own(named: Option<&str>, skillset: Option<&Skillset>) -> Result<Option<skillset::set::Definition>, DefinitionError> {
    match (named, skillset) {
        (None, _) => Ok(None),
        (Some(_), Some(skillset)) if skillset.disabled => Ok(None),
        (Some(_), Some(skillset)) => skillset_definition(skillset).map(Some),
        (Some(id), None) => Err(in_skillset(format!("the skillset {id} does not exist"))),
    }
}

fn in_skillset(reason: String) -> DefinitionError {
    DefinitionError::Invalid { path: "skillset".to_owned(), reason }
}

/// Makes what carries one call out, by its ability's skillset.
pub(crate) fn executor(skillset: &Skillset, execute: &Execute, kit: &Kit) -> Result<Made, DefinitionError> {
    let invalid = |reason: String| DefinitionError::Invalid { path: "execute".to_owned(), reason };
    if skillset.disabled {
        return Err(invalid(format!("the skillset {} is disabled", skillset.id)));
    }
    let mut set = skillset_definition(skillset)?;
    let raw: serde_json::Value = serde_json::from_str(&skillset.definition).unwrap_or_default();
    let has_id =
        |index: usize| raw.pointer(&format!("/abilities/{index}/id")).and_then(serde_json::Value::as_str) == Some(&execute.ability_id);
    let named = |(index, ability): (usize, &skillset::ability::Definition)| has_id(index) || ability.name == execute.ability_id;
    let index = set.abilities.iter().enumerate().position(named);
    let index = index.ok_or_else(|| invalid(format!("the skillset {} has no ability {}", skillset.id, execute.ability_id)))?;
    set.abilities = set.abilities.into_iter().skip(index).take(1).collect();
    let set = skillset::set::Skillset::parse(set).map_err(|errors| invalid(errors.to_string()))?;
    let function = set.functions().into_iter().next();
    let function = function.ok_or_else(|| invalid(format!("the ability {} is disabled", execute.ability_id)))?;
    let arguments = execute::arguments(execute.input.as_deref().unwrap_or_default(), &function.parameters).map_err(invalid)?;
    let toolbox = Toolbox::new(set, false, kit.workshop.clone()).map_err(invalid)?;
    Ok(Made { bot: Arc::new(Executor { function: function.name, arguments }), abilities: Arc::new(toolbox) })
}

/// Reads the abilities of a skillset.
pub fn read_skillset(skillset: &Skillset) -> Result<skillset::set::Skillset, DefinitionError> {
    let invalid = |errors: skillset::set::Errors| DefinitionError::Invalid { path: String::new(), reason: errors.to_string() };
    skillset::set::Skillset::parse(skillset_definition(skillset)?).map_err(invalid)
}

fn skillset_definition(skillset: &Skillset) -> Result<skillset::set::Definition, DefinitionError> {
    let invalid = |reason: String| DefinitionError::Invalid { path: String::new(), reason };
    if skillset.definition.len() > DEFINITION_BYTES_MAX {
        let bytes = skillset.definition.len();
        return Err(invalid(format!("the definition has {bytes} bytes, at most {DEFINITION_BYTES_MAX} are taken")));
    }
    serde_json::from_str(&skillset.definition).map_err(|error| invalid(error.to_string()))
}

/// Checks a definition, as far as that can be done without a deployment.
pub fn check(bot: &resource::Bot) -> Result<(), DefinitionError> {
    if bot.kind == AGENT { agent::read(&bot.definition).map(drop) } else { simple(bot).map(drop) }
}

/// Makes a bot that needs nothing of a deployment: one of rules, or scripted.
pub fn simple(bot: &resource::Bot) -> Result<Arc<dyn Bot>, DefinitionError> {
    match bot.kind.as_str() {
        "rules" => Ok(Arc::new(rules::Rules::parse(&bot.definition)?)),
        "scripted" => Ok(Arc::new(scripted::Scripted::parse(&bot.definition)?)),
        other => Err(DefinitionError::Kind(other.to_owned())),
    }
}

/// The skillset that a bot's definition names.
pub fn skillset_of(bot: &resource::Bot) -> Option<SkillsetId> {
    if bot.kind != AGENT {
        return None;
    }
    let definition: serde_json::Value = serde_json::from_str(&bot.definition).ok()?;
    definition.get("skillset")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proto::resource::Skillset;

    use super::own;

    #[test]
    fn a_skillset_that_is_disabled_offers_nothing() {
        let definition = r#"{"name":"shop","abilities":[{"name":"find","instruction":"```echo\nhi\n```"}]}"#;
        let mut skillset = Skillset::new("shop".parse().unwrap(), definition);
        let count = |skillset: Option<&Skillset>| own(Some("shop"), skillset).map(|set| set.map(|set| set.abilities.len()));
        assert_eq!(count(Some(&skillset)).unwrap(), Some(1));
        skillset.disabled = true;
        assert_eq!(count(Some(&skillset)).unwrap(), None);
        assert!(count(None).is_err(), "one that is not there is a fault");
        assert!(own(None, Some(&skillset)).unwrap().is_none());
    }
}
