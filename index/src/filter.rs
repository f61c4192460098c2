//! Which entries a list wants: pure.

use std::collections::BTreeSet;

use proto::id::ConversationId;
use proto::subject;
use serde_json::{Map, Value, json};

use crate::entry::{Conversation, Item, State};
use crate::key;

/// The path of `meta` that names the trigger of a conversation, unless somebody noted other things on it.
const TRIGGER_PATH: &str = "trigger.integrationId";

/// Where a value stands in `meta`, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaIs {
    /// The names on the way, joined by dots.
    pub path: String,
    /// The value as text.
    pub value: String,
}

impl MetaIs {
    /// Whether an object has it.
    pub fn holds(&self, meta: &Map<String, Value>) -> bool {
        let mut names = self.path.split('.');
        let first = names.next().and_then(|name| meta.get(name));
        match names.try_fold(first, |at, name| at.map(|at| at.get(name))).flatten() {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Bool(value)) => self.value == if *value { "true" } else { "false" },
            Some(Value::Number(value)) => self.value == *value.to_string(),
            Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
        }
    }
}

/// Which conversations are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversations {
    /// Of these triggers.
    pub triggers: Vec<String>,
    /// Of these bots.
    pub bots: Vec<String>,
    /// Held with these contacts.
    pub contacts: Vec<String>,
    /// Whose last turn is so.
    pub states: Vec<State>,
    /// With these values noted on them.
    pub meta: Vec<MetaIs>,
    /// With these words in name, description, meta or id, in lower case.
    pub words: Option<String>,
    /// Those that have the words in a message.
    pub said_in: BTreeSet<String>,
    /// Made at or after, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Made at or before, in milliseconds since 1970.
    pub to_ms: Option<i64>,
}

/// What is noted on a conversation: of a trigger's, where nobody noted anything, which trigger.
pub fn meta_of(id: &ConversationId, entry: &Conversation) -> Map<String, Value> {
    let trigger = id.session.trigger.as_str();
    if !entry.meta.is_empty() || trigger == subject::DIRECT {
        return entry.meta.clone();
    }
    let default = json!({ "app": "trigger", "trigger": { "integrationId": trigger } });
    default.as_object().cloned().unwrap_or_default()
}

impl Conversations {
    /// The narrowest set that has all that are wanted.
    pub fn set(&self) -> String {
        let one = |ids: &[String]| if let [id] = ids { Some(id.clone()) } else { None };
        // What is noted on a trigger's conversation names the trigger; what somebody else noted is not in that set.
        if let Some(contact) = one(&self.contacts) {
            key::of_contact(&contact)
        } else if let Some(trigger) = one(&self.triggers) {
            key::of_trigger(key::CONVERSATIONS, &trigger)
        } else if let Some(bot) = one(&self.bots) {
            key::of_bot(&bot)
        } else if let Some(meta) = self.meta.iter().find(|meta| meta.path == TRIGGER_PATH) {
            key::of_trigger(key::CONVERSATIONS, &meta.value)
        } else {
            key::all(key::CONVERSATIONS)
        }
    }

    /// Whether every entry of that set is wanted.
    pub fn is_exact(&self) -> bool {
        let listed = [&self.triggers, &self.bots, &self.contacts].into_iter().filter(|ids| !ids.is_empty()).count();
        let several = [&self.triggers, &self.bots, &self.contacts].into_iter().any(|ids| ids.len() > 1);
        listed <= 1 && !several && self.states.is_empty() && self.meta.is_empty() && self.words.is_none()
    }

    /// Whether an entry is wanted.
    pub fn wants(&self, id: &ConversationId, entry: &Conversation) -> bool {
        let among = |ids: &[String], id: &str| ids.is_empty() || ids.iter().any(|wanted| wanted == id);
        among(&self.triggers, id.session.trigger.as_str())
            && among(&self.bots, &entry.bot)
            && among(&self.contacts, &entry.contact)
            && (self.states.is_empty() || self.states.contains(&entry.state))
            && (self.meta.is_empty() || {
                let meta = meta_of(id, entry);
                self.meta.iter().all(|wanted| wanted.holds(&meta))
            })
            && self.words.as_deref().is_none_or(|words| has_words(id, entry, words) || self.said_in.contains(&id.to_string()))
    }
}

fn has_words(id: &ConversationId, entry: &Conversation, words: &str) -> bool {
    let texts = [entry.name.to_lowercase(), entry.description.to_lowercase(), id.to_string().to_lowercase()];
    texts.iter().any(|text| text.contains(words)) || Value::Object(entry.meta.clone()).to_string().to_lowercase().contains(words)
}

/// Which entries of the event log are wanted; none means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Items {
    /// Of these kinds.
    pub kinds: Vec<String>,
    /// Of this conversation.
    pub conversation: Option<String>,
    /// Of this trigger.
    pub trigger: Option<String>,
    /// Of this bot.
    pub bot: Option<String>,
    /// Of this contact.
    pub contact: Option<String>,
    /// Of this skillset.
    pub skillset: Option<String>,
    /// Of this ability.
    pub ability: Option<String>,
    /// With these values noted on them.
    pub meta: Vec<MetaIs>,
}

impl Items {
    /// The narrowest set that has all that are wanted.
    pub fn set(&self) -> String {
        match (&self.conversation, &self.trigger) {
            (Some(conversation), _) => key::of_conversation(conversation),
            (None, Some(trigger)) => key::of_trigger(key::ITEMS, trigger),
            (None, None) => key::all(key::ITEMS),
        }
    }

    /// Whether an entry is wanted.
    pub fn wants(&self, item: &Item) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        (self.kinds.is_empty() || self.kinds.contains(&item.kind))
            && is(&self.conversation, &item.conversation)
            && is(&self.trigger, &item.trigger)
            && is(&self.bot, &item.bot)
            && is(&self.contact, &item.contact)
            && is(&self.skillset, &item.skillset)
            && is(&self.ability, &item.ability)
            && self.meta.iter().all(|wanted| wanted.holds(&item.meta))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Conversations, MetaIs};
    use crate::entry::{Conversation, State};

    fn wants(filter: &Conversations, entry: &Conversation) -> bool {
        filter.wants(&"cnv.orders.s.6a1b2c3d.1".parse().unwrap(), entry)
    }

    fn noted(path: &str, value: &str) -> Conversations {
        Conversations { meta: vec![MetaIs { path: path.into(), value: value.into() }], ..Conversations::default() }
    }

    #[test]
    fn a_triggers_conversation_names_it_unless_somebody_noted_other_things() {
        let filter = noted("trigger.integrationId", "orders");
        assert_eq!(filter.set(), "c:t:orders");
        assert!(wants(&filter, &Conversation::default()));
        let meta = json!({ "trigger": { "integrationId": "x" } }).as_object().cloned().unwrap();
        assert!(!wants(&filter, &Conversation { meta, ..Conversation::default() }));
    }

    #[test]
    fn values_are_compared_as_text() {
        let meta = json!({ "a": { "b": true, "n": 7, "t": "7", "o": {} } }).as_object().cloned().unwrap();
        let entry = Conversation { meta, ..Conversation::default() };
        for (path, value, expected) in
            [("a.b", "true", true), ("a.n", "7", true), ("a.t", "7", true), ("a.o", "{}", false), ("a.x", "7", false), ("a", "7", false)]
        {
            assert_eq!(wants(&noted(path, value), &entry), expected, "{path}");
        }
    }

    #[test]
    fn the_narrowest_set_is_read_and_the_rest_is_looked_at() {
        let one = Conversations { bots: vec!["b".into()], ..Conversations::default() };
        assert!(one.is_exact() && one.set() == "c:b:b");
        let two = Conversations { contacts: vec!["p".into()], states: vec![State::Failed], ..one.clone() };
        assert!(!two.is_exact() && two.set() == "c:p:p");
        assert!(!Conversations { bots: vec!["a".into(), "b".into()], ..one }.is_exact());
        let words = Conversations { words: Some("refund".into()), ..Conversations::default() };
        assert!(wants(&words, &Conversation { name: "A Refund".into(), ..Conversation::default() }));
        assert!(!wants(&words, &Conversation::default()));
    }
}
