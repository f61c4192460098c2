//! A conversation as it is told.

use proto::id::ConversationId;
use proto::resource::common::object;
use proto::wire::Settings;
use schemars::json_schema;
use serde_json::{Map, Value, json};

use crate::api::operation::Form;
use crate::conversation::found::Found;
use crate::door::Door;

/// A conversation as anybody may see it who may read.
pub(super) fn tell(door: &Door, id: &ConversationId, found: &Found) -> Value {
    let settings = found.settings().cloned().unwrap_or_default();
    let (created, updated) = match found {
        Found::Begun(known) => (known.conversation.opened_at_ms, known.updated_at_ms),
        Found::Queued { at_ms, .. } => (*at_ms, *at_ms),
    };
    let trigger = door.directory.catalogue.trigger(&id.session.trigger);
    let mut told = object(&settings.extra).unwrap_or_default();
    let mut meta = Map::new();
    let mut bot = settings.bot.clone();
    let (mut name, mut description) = (settings.name.clone(), settings.description.clone());
    if let Some(trigger) = &trigger {
        // As ChatBotKit has it: what comes in by a trigger is called as it is.
        meta.insert("app".into(), "trigger".into());
        meta.insert("trigger".into(), json!({ "integrationId": trigger.id }));
        told.insert("triggerId".into(), json!(trigger.id));
        if name.is_empty() {
            name.clone_from(&trigger.name);
        }
        if description.is_empty() {
            description.clone_from(&trigger.description);
        }
        if bot.is_empty() && settings.definition.is_empty() {
            bot = trigger.bot.as_ref().map(ToString::to_string).unwrap_or_default();
        }
    }
    meta.extend(object(&settings.meta).unwrap_or_default());
    told.extend(defined(&settings));
    for (field, value) in [("botId", bot), ("contactId", settings.contact)] {
        if !value.is_empty() {
            told.insert(field.into(), value.into());
        }
    }
    let plain =
        json!({ "id": id.to_string(), "name": name, "description": description, "meta": meta, "createdAt": created, "updatedAt": updated });
    if let Value::Object(plain) = plain {
        told.extend(plain);
    }
    Value::Object(told)
}

/// What a conversation defines of a bot of its own.
fn defined(settings: &Settings) -> Map<String, Value> {
    let mut definition = object(&settings.definition).unwrap_or_default();
    let named = [("model", "model"), ("backstory", "backstory"), ("skillset", "skillsetId")];
    named.into_iter().filter_map(|(own, field)| Some((field.to_owned(), definition.remove(own)?))).collect()
}

/// The form of it.
pub(super) fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "name": { "type": "string" },
                "description": { "type": "string" },
                "meta": { "type": "object" },
                "botId": { "type": "string" },
                "contactId": { "type": "string" },
                "model": { "type": "string" },
                "backstory": { "type": "string" },
                "skillsetId": { "type": "string" },
                "triggerId": { "type": "string" },
                "createdAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "updatedAt": { "type": "integer", "description": "Milliseconds since 1970." }
            },
            "required": ["id", "name", "description", "meta", "createdAt", "updatedAt"]
        })
    };
    Form { schema, example: example() }
}

fn example() -> Value {
    json!({
        "id": "cnv._api.Zk3f0aQ1.6a1b2c3d.42", "name": "Order 42", "description": "", "meta": {}, "botId": "support",
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64
    })
}
