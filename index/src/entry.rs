//! What is kept of a conversation, an event, a call that waits, and of the rest.
//!
//! Names are short and what is empty is left out: there may be millions of these in memory.

use std::collections::BTreeMap;

use proto::id::{ConversationId, EventSeq, Receipt, SessionKey};
use proto::status::Status;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Conversation {
    /// The bot that answers, where one is named.
    #[serde(rename = "b", skip_serializing_if = "String::is_empty")]
    pub bot: String,
    /// The contact that it is held with.
    #[serde(rename = "p", skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// The display name.
    #[serde(rename = "n", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is about.
    #[serde(rename = "d", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What its keeper notes on it.
    #[serde(rename = "m", skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
    /// Fields of ChatBotKit's clients that are kept for them.
    #[serde(rename = "x", skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// When its first event was stored, in milliseconds since 1970.
    #[serde(rename = "w")]
    pub created_at_ms: i64,
    /// When its last record was stored, in milliseconds since 1970.
    #[serde(rename = "u")]
    pub updated_at_ms: i64,
    /// The log sequence of its last record.
    #[serde(rename = "q")]
    pub last: u64,
    /// The status of its last turn.
    #[serde(rename = "s", skip_serializing_if = "is_default")]
    pub state: State,
    /// How many turns have ended.
    #[serde(rename = "k", skip_serializing_if = "is_default")]
    pub turns: u64,
    /// How many of them without a reply.
    #[serde(rename = "f", skip_serializing_if = "is_default")]
    pub failures: u64,
    /// How many messages were said by the user or the bot.
    #[serde(rename = "g", skip_serializing_if = "is_default")]
    pub messages: u64,
    /// How many calls of abilities were made.
    #[serde(rename = "l", skip_serializing_if = "is_default")]
    pub calls: u64,
    /// Tokens of prompts.
    #[serde(rename = "i", skip_serializing_if = "is_default")]
    pub tokens_in: u64,
    /// Tokens of answers.
    #[serde(rename = "o", skip_serializing_if = "is_default")]
    pub tokens_out: u64,
    /// The estimated cost, in millionths of a US dollar.
    #[serde(rename = "e", skip_serializing_if = "is_default")]
    pub cost_micro_usd: u64,
}

/// A status in one letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum State {
    /// A turn runs.
    #[serde(rename = "r")]
    Running,
    /// The turn waits for somebody.
    #[serde(rename = "w")]
    Waiting,
    /// The turn ended with a reply.
    #[default]
    #[serde(rename = "c")]
    Completed,
    /// The turn ended without one.
    #[serde(rename = "f")]
    Failed,
    /// The turn was called off.
    #[serde(rename = "x")]
    Cancelled,
    /// Given up; a copy lies in DEAD.
    #[serde(rename = "d")]
    Dead,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Running, Self::Waiting, Self::Completed, Self::Failed, Self::Cancelled, Self::Dead];

    /// Its name outside.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }

    /// The one of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether it can still change.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Running | Self::Waiting)
    }
}

impl From<Status> for State {
    fn from(status: Status) -> Self {
        match status {
            Status::Scheduled | Status::Queued | Status::Running => Self::Running,
            Status::Waiting => Self::Waiting,
            Status::Completed => Self::Completed,
            Status::Failed | Status::Expired => Self::Failed,
            Status::Cancelled => Self::Cancelled,
            Status::Dead => Self::Dead,
        }
    }
}

/// An open turn that has made calls.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Turn {
    /// Its calls that have not ended, by id.
    #[serde(rename = "c")]
    pub calls: BTreeMap<String, Call>,
}

/// A call that has not ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Call {
    /// The ability.
    #[serde(rename = "a")]
    pub ability: String,
    /// Whom it waits for.
    #[serde(rename = "w", skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// Whom a call waits for, and since when.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Waits {
    /// Whether an approval is enough; otherwise words are wanted.
    #[serde(rename = "p")]
    pub approval: bool,
    /// What is asked.
    #[serde(rename = "q")]
    pub question: String,
    /// The arguments of the call, cut where they are long.
    #[serde(rename = "g")]
    pub arguments: String,
    /// Since when, in milliseconds since 1970.
    #[serde(rename = "s")]
    pub since_ms: i64,
    /// Until when, in milliseconds since 1970.
    #[serde(rename = "u")]
    pub until_ms: i64,
}

/// A call that waits for somebody, as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The conversation.
    #[serde(rename = "c")]
    pub conversation: String,
    /// The bot.
    #[serde(rename = "b", default, skip_serializing_if = "String::is_empty")]
    pub bot: String,
    /// The contact.
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// The ability.
    #[serde(rename = "a")]
    pub ability: String,
    /// Whom it waits for.
    #[serde(flatten)]
    pub waits: Waits,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where it is on its way.
    #[serde(rename = "s")]
    pub state: State,
    /// How many attempts were begun.
    #[serde(rename = "a")]
    pub attempts: u32,
    /// When it was stored, in milliseconds since 1970.
    #[serde(rename = "w")]
    pub received_at_ms: i64,
    /// When its last record was stored, in milliseconds since 1970: its end, where it has ended.
    #[serde(rename = "u")]
    pub updated_at_ms: i64,
    /// The conversation.
    #[serde(rename = "c")]
    pub conversation: String,
}

/// An entry of the event log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What happened.
    #[serde(rename = "y")]
    pub kind: String,
    /// When, in milliseconds since 1970.
    #[serde(rename = "w")]
    pub at_ms: i64,
    /// The trigger token of the session.
    #[serde(rename = "t")]
    pub trigger: String,
    /// The conversation.
    #[serde(rename = "c")]
    pub conversation: String,
    /// The receipt of the event.
    #[serde(rename = "r")]
    pub receipt: String,
    /// Whether the event ended with it.
    #[serde(rename = "f", default, skip_serializing_if = "is_default")]
    pub is_end: bool,
    /// The bot.
    #[serde(rename = "b", default, skip_serializing_if = "String::is_empty")]
    pub bot: String,
    /// The contact.
    #[serde(rename = "p", default, skip_serializing_if = "String::is_empty")]
    pub contact: String,
    /// The skillset.
    #[serde(rename = "k", default, skip_serializing_if = "String::is_empty")]
    pub skillset: String,
    /// The ability.
    #[serde(rename = "a", default, skip_serializing_if = "String::is_empty")]
    pub ability: String,
    /// Everything else.
    #[serde(rename = "m", default, skip_serializing_if = "Map::is_empty")]
    pub meta: Map<String, Value>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The id of an entry of the event log: in the order of the log.
pub fn item_id(seq: u64, index: usize) -> String {
    format!("l{seq:012x}{index:03x}")
}

/// The id of a call that waits: its receipt and its own.
pub fn approval_id(receipt: &Receipt, call: &str) -> String {
    format!("{receipt}.{call}")
}

/// The receipt and the call in such an id.
pub fn approval_of(id: &str) -> Option<(Receipt, &str)> {
    let (at, _) = id.match_indices('.').nth(4)?;
    let (receipt, call) = id.split_at_checked(at)?;
    Some((receipt.parse().ok()?, call.strip_prefix('.')?)).filter(|(_, call)| !call.is_empty())
}

/// The receipt of an event.
pub fn receipt(session: &SessionKey, event: EventSeq) -> Receipt {
    Receipt { session: session.clone(), event }
}

/// The id of a conversation.
pub fn conversation_id(session: &SessionKey, opening: EventSeq) -> String {
    ConversationId { session: session.clone(), event: opening }.to_string()
}

/// An entry as it is stored.
pub(crate) fn text(entry: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Conversation, approval_id, approval_of, item_id, text};

    #[test]
    fn what_is_empty_takes_no_room() {
        let entry = Conversation { created_at_ms: 1, updated_at_ms: 2, last: 3, ..Conversation::default() };
        assert_eq!(String::from_utf8(text(&entry)).unwrap(), r#"{"w":1,"u":2,"q":3}"#);
        assert_eq!(serde_json::from_slice::<Conversation>(&text(&entry)).unwrap(), entry);
    }

    #[test]
    fn the_id_of_a_waiting_call_comes_apart_again() {
        let receipt = "evt.t.s.6a1b2c3d.42".parse().unwrap();
        let id = approval_id(&receipt, "1.0");
        assert_eq!(approval_of(&id), Some((receipt, "1.0")));
        for other in ["", "evt.t.s.6a1b2c3d.42", "evt.t.s.6a1b2c3d.42.", "cnv.t.s.6a1b2c3d.42.1.0"] {
            assert_eq!(approval_of(other), None, "{other}");
        }
    }

    #[test]
    fn ids_of_the_event_log_are_in_the_order_of_the_log() {
        assert!(item_id(9, 200) < item_id(10, 0));
        assert!(item_id(255, 15) < item_id(256, 0));
    }
}
