//! What the turns of some messages took.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::entry::Message;

/// What turns took together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Took {
    /// How many turns there were.
    pub(super) turns: usize,
    /// The tokens of prompts and answers.
    pub(super) tokens: u64,
    /// The cost, in millionths of a US dollar.
    pub(super) cost_micro_usd: u64,
    /// The models that were asked.
    pub(super) models: BTreeSet<String>,
}

/// The tokens of prompts and answers that one entry of a turn's usage tells.
pub(super) fn tokens(used: &Value) -> u64 {
    let of = |name: &str| used.get(name).and_then(Value::as_u64).unwrap_or_default();
    of("inputTokens").saturating_add(of("outputTokens"))
}

impl Took {
    /// What the turns of these messages took.
    pub(super) fn of(messages: &[Message]) -> Self {
        let turns: HashSet<&str> = messages.iter().map(Message::event).collect();
        let mut took = Self { turns: turns.len(), ..Self::default() };
        for used in messages.iter().flat_map(Message::usage) {
            took.tokens = took.tokens.saturating_add(tokens(used));
            took.cost_micro_usd = took.cost_micro_usd.saturating_add(used.get("costMicroUsd").and_then(Value::as_u64).unwrap_or_default());
            took.models.extend(used.get("model").and_then(Value::as_str).map(str::to_owned));
        }
        took
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Took;

    fn message(event: &str, usage: &Value) -> super::Message {
        let meta = json!({ "event": event, "usage": usage });
        serde_json::from_value(json!({ "id": "1.0", "type": "bot", "text": "", "meta": meta, "createdAt": 1, "updatedAt": 1 })).unwrap()
    }

    #[test]
    fn usage_adds_up_over_turns_and_models() {
        let one = json!([{ "model": "a/b", "inputTokens": 300, "outputTokens": 10, "costMicroUsd": 1_250 }]);
        let two = json!([{ "model": "c/d", "inputTokens": 1 }, { "model": "a/b", "outputTokens": 2, "costMicroUsd": 50 }]);
        let took = Took::of(&[message("e1", &Value::Null), message("e1", &one), message("e2", &two)]);
        assert_eq!((took.turns, took.tokens, took.cost_micro_usd), (2, 313, 1_300));
        assert_eq!(took.models.into_iter().collect::<Vec<_>>(), ["a/b", "c/d"]);
    }
}
