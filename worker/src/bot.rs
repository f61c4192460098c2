//! Who answers an event.
//!
//! A bot is asked again after every step until it replies. It sees the event, what its calls of
//! this turn came to, and, if it wants, what was said before; it never acts by itself: calls are
//! committed as intents first, and run by the turn.

use std::sync::Arc;

use async_trait::async_trait;
use proto::message::Message;
use proto::resource;
use proto::wire::{Call, Doubt, Input, Outcome};

mod rules;
mod scripted;

/// Why a bot could not answer. The turn fails with this text; asking again would give the same.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// Why a definition makes no bot.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// This build knows no such kind.
    #[error("{0:?} is not a kind of bot: rules and scripted are")]
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
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// The event.
    pub input: &'a Input,
    /// The ordinal of the turn in its conversation, from 1.
    pub ordinal: u64,
    /// The steps taken so far in this turn.
    pub steps: &'a [Step],
    /// What was said before this turn, oldest first; empty unless [`Bot::wants_history`].
    pub history: &'a [Message],
}

/// A step that was taken: calls and what came of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The calls.
    pub calls: Vec<Call>,
    /// An outcome for each call, in the same order.
    pub outcomes: Vec<Outcome>,
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
    Call(Vec<Request>),
    /// The turn is done.
    Reply(String),
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
}

/// Makes a bot from its definition.
pub fn compile(bot: &resource::Bot) -> Result<Arc<dyn Bot>, DefinitionError> {
    match bot.kind.as_str() {
        "rules" => Ok(Arc::new(rules::Rules::parse(&bot.definition)?)),
        "scripted" => Ok(Arc::new(scripted::Scripted::parse(&bot.definition)?)),
        other => Err(DefinitionError::Kind(other.to_owned())),
    }
}
