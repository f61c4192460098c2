//! What a record is to the event log.

use proto::record::Step;
use proto::subject;
use proto::wire::outcome::End;
use serde_json::{Map, Value, json};

use super::Seen;
use crate::bound::ERROR_BYTES_MAX;
use crate::change::Change;
use crate::entry::{self, Conversation, Item, State, Turn};
use crate::key;

/// What a trigger's event is called once it has ended.
pub(super) const INTERACT: &str = "integration.trigger.interact";
/// What a direct call is called once it has ended.
pub(super) const COMPLETE: &str = "conversation.complete";
/// What the end of a call is called, before the name of its ability.
pub(super) const ACTION: &str = "action.";

/// Adds what a record is to the event log; `turn` is what was open before it.
pub(super) fn add(changes: &mut Vec<Change>, seen: &Seen, entry: &Conversation, names: (&str, &str), turn: Option<&Turn>) {
    let record = &seen.record;
    if let Some(Step::Outcomes(step)) = &record.step {
        for (index, outcome) in step.outcomes.iter().enumerate() {
            let ability = turn.and_then(|turn| turn.calls.get(&outcome.call)).map(|call| call.ability.clone()).unwrap_or_default();
            let (status, error) = match &outcome.end {
                Some(End::Result(_)) => ("completed", None),
                Some(End::Error(error)) => ("failed", Some(cut(error))),
                Some(End::Unknown(_)) | None => ("unknown", None),
            };
            let mut meta = object(&json!({ "call": outcome.call, "status": status, "duration": outcome.duration_ms }));
            meta.extend(error.map(|error| ("error".to_owned(), error.into())));
            let item = Item { ability: ability.clone(), meta, ..item(seen, entry, names, format!("{ACTION}{ability}")) };
            push(changes, seen, index, &item);
        }
    }
    // What somebody put down without a turn happened to the conversation, not to a bot.
    if !record.is_terminal() || matches!(record.step, Some(Step::Noted(_))) {
        return;
    }
    let kind = if seen.session.trigger.as_str() == subject::DIRECT { COMPLETE } else { INTERACT };
    let mut meta = object(&json!({
        "status": State::from(proto::status::Status::of(record)).name(),
        "attempts": record.attempt.max(1),
        "duration": (seen.at_ms - record.received_at_ms).max(0),
    }));
    if let Some(Step::Failed(step)) = &record.step {
        meta.insert("error".into(), json!({ "code": step.code, "message": cut(&step.message) }));
    }
    push(changes, seen, 0, &Item { is_end: true, meta, ..item(seen, entry, names, kind.to_owned()) });
}

fn item(seen: &Seen, entry: &Conversation, (conversation, receipt): (&str, &str), kind: String) -> Item {
    Item {
        kind,
        at_ms: seen.at_ms,
        trigger: seen.session.trigger.to_string(),
        conversation: conversation.to_owned(),
        receipt: receipt.to_owned(),
        is_end: false,
        bot: entry.bot.clone(),
        contact: entry.contact.clone(),
        skillset: seen.facts.skillset.as_ref().map(ToString::to_string).unwrap_or_default(),
        ability: String::new(),
        meta: Map::new(),
    }
}

fn push(changes: &mut Vec<Change>, seen: &Seen, index: usize, item: &Item) {
    let id = entry::item_id(seen.seq, index);
    changes.push(Change::put(key::ITEMS, id.clone(), entry::text(item)));
    let sets = [key::all(key::ITEMS), key::of_trigger(key::ITEMS, &item.trigger), key::of_conversation(&item.conversation)];
    changes.extend(sets.into_iter().map(|set| Change::rank(set, seen.at_ms, id.clone())));
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

fn cut(text: &str) -> String {
    super::pending::cut(text, ERROR_BYTES_MAX)
}
