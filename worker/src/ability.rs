//! What a bot can do to the world.
//!
//! An ability runs only after its intent is committed. It gets the idempotency key of the call,
//! which is the same at every attempt, and passes it on to whatever it calls.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use proto::id::{ConversationId, EventSeq, Receipt, SessionKey};
use proto::wire::{Call, Doubt, Input, Wait};
use serde_json::Value;

mod echo;
pub mod message;
pub mod toolbox;
pub mod standard;

/// What abilities may know of a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The trigger.
    pub trigger: String,
    /// Who the event is from, by mail address, else telephone number; empty where nobody knows.
    pub contact: String,
    /// By the names that instructions refer to, such as `CONTACT_EMAIL`.
    pub named: BTreeMap<String, String>,
}

impl Facts {
    /// The facts of a turn.
    pub fn new(session: &SessionKey, event: EventSeq, conversation: &ConversationId, input: &Input, now_ms: i64) -> Self {
        let contact = input.contact.clone().unwrap_or_default();
        let receipt = Receipt { session: session.clone(), event };
        let named = [
            ("CONTACT_NAME", contact.name.clone()),
            ("CONTACT_EMAIL", contact.email.clone()),
            ("CONTACT_PHONE", contact.phone.clone()),
            ("CONVERSATION_ID", conversation.to_string()),
            ("CONVERSATION_SESSION", input.session.clone()),
            ("TASK_ID", receipt.to_string()),
            ("SPACE_TRIGGER", session.trigger.to_string()),
            ("EARTH_TIME_MS", now_ms.to_string()),
        ];
        Self {
            trigger: session.trigger.to_string(),
            contact: if contact.email.is_empty() { contact.phone } else { contact.email },
            named: named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        }
    }

    /// The same, of a conversation that is held with a contact of this id.
    #[must_use]
    pub fn with_contact(mut self, id: &str) -> Self {
        self.named.insert("CONTACT_ID".to_owned(), id.to_owned());
        self
    }
}

/// That a call needs somebody outside first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitFor {
    /// Whether it needs leave or words.
    pub kind: Wait,
    /// What that somebody is asked.
    pub question: String,
    /// How long.
    pub timeout: Duration,
}

/// Runs the calls of a turn.
#[async_trait]
pub trait Abilities: Send + Sync {
    /// What to do with a call of this ability whose outcome is unknown, unless the bot says otherwise.
    fn doubt(&self, ability: &str, arguments: &Value) -> Doubt;

    /// Whom a call of this ability waits for before, or instead of, running.
    fn wait(&self, _ability: &str, _arguments: &Value) -> Option<WaitFor> {
        None
    }

    /// Makes one call; the result as JSON, or the reason of its failure for the bot and the reader.
    async fn run(&self, call: &Call, idempotency_key: &str, facts: &Facts) -> Result<String, String>;
}
