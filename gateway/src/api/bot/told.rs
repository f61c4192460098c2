//! A bot as it is told.

use backbone::catalogue::Revised;
use proto::resource::Bot;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::shared;
use crate::api::trigger::{StateWord, state_word};

/// A bot.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Bot")]
pub(super) struct Told {
    #[serde(flatten)]
    common: shared::Common,
    /// The display name.
    name: String,
    /// What it is for.
    description: String,
    /// The kind: `agent`, `rules` or `scripted`.
    kind: String,
    /// The definition in the kind's own schema.
    definition: Map<String, Value>,
    /// The model of an agent.
    model: Option<String>,
    /// Who an agent is.
    backstory: Option<String>,
    /// What an agent may do.
    skillset_id: Option<String>,
    /// Whether it answers.
    state: StateWord,
}

/// A bot as anybody may see it who may read.
pub(super) fn tell(bot: &Revised<Bot>) -> Value {
    let definition: Map<String, Value> = serde_json::from_str(&bot.definition).unwrap_or_default();
    let text = |name: &str| definition.get(name).and_then(Value::as_str).map(str::to_owned);
    let told = Told {
        common: shared::Common::of(&bot.common, bot.id.as_str(), bot.revision),
        name: bot.name.clone(),
        description: bot.description.clone(),
        kind: bot.kind.clone(),
        model: text("model"),
        backstory: text("backstory"),
        skillset_id: text("skillset"),
        definition,
        state: state_word(bot.state),
    };
    serde_json::to_value(told).unwrap_or_default()
}

/// A bot as it might be told.
pub(super) fn example() -> Value {
    json!({
        "id": "b01k7", "alias": null, "name": "Clerk", "description": "", "meta": { "team": "shop" }, "kind": "agent",
        "definition": { "model": "openai/gpt-5.4", "backstory": "You are the clerk of a small shop." },
        "model": "openai/gpt-5.4", "backstory": "You are the clerk of a small shop.", "skillsetId": null, "state": "active",
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "managedBy": "api", "revision": 41
    })
}
