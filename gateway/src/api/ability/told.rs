//! An ability as it is told.

use backbone::catalogue::Revised;
use proto::resource::Skillset;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use skillset::ability::{Definition, Doubt, State};

use super::body::{Admitted, DoubtWord};
use super::function::{self, ActionWord, Function};
use crate::api::skillset::Word;

/// An ability.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Ability")]
pub(super) struct Told {
    /// The id, unique in its skillset.
    id: String,
    /// Its skillset.
    skillset_id: String,
    /// A second name, unique in its skillset.
    alias: Option<String>,
    /// What it is called.
    name: String,
    /// What it is for, as the model reads it.
    description: String,
    /// What is done.
    instruction: String,
    /// The secret that `${SECRET_DEFAULT}` stands for.
    secret_id: Option<String>,
    /// The same.
    linked_secret_id: Option<String>,
    /// Whether the model is offered it.
    state: Word,
    /// Whether somebody must agree to each call; the bot's own rule where it is null.
    approval: Option<bool>,
    /// What is done where a crash leaves the outcome unknown; the action decides where it is null.
    doubt: Option<DoubtWord>,
    /// Who may have it used.
    limits: Admitted,
    /// Addresses, networks and hosts that may be called though they are not public.
    egress: Vec<String>,
    /// What its instruction does; null where that cannot be read.
    action: Option<ActionWord>,
    /// What a model is offered of it once it is enabled; null where nothing is left of its name, and where a
    /// server's tools stand for it.
    function: Option<Function>,
    /// Notes.
    meta: Map<String, Value>,
    /// When it was made, in milliseconds since 1970; 0 where a file keeps it.
    created_at: i64,
    /// When it was last changed, in milliseconds since 1970; 0 where a file keeps it.
    updated_at: i64,
    /// The revision of its skillset, for `If-Match`.
    revision: u64,
}

/// One ability of a skillset, whose abilities are given with what is offered of each.
pub(super) fn tell(skillset: &Revised<Skillset>, (abilities, offers): (&[Definition], &[function::Offer]), index: usize) -> Value {
    let Some(ability) = abilities.get(index) else { return Value::Null };
    let object = |value: &Option<Value>| if let Some(Value::Object(object)) = value { object.clone() } else { Map::new() };
    let function::Offer { action, function } = offers.get(index).cloned().unwrap_or_default();
    let told = Told {
        id: super::id_of(abilities, index),
        skillset_id: skillset.id.to_string(),
        alias: ability.alias.clone(),
        name: ability.name.clone(),
        description: ability.description.clone(),
        instruction: ability.instruction.clone(),
        secret_id: ability.secret.clone(),
        linked_secret_id: ability.secret.clone(),
        state: if ability.state == State::Disabled { Word::Disabled } else { Word::Enabled },
        approval: ability.approval,
        doubt: ability.doubt.map(|doubt| if doubt == Doubt::Retry { DoubtWord::Retry } else { DoubtWord::Fail }),
        limits: Admitted { triggers: ability.limits.triggers.clone(), contacts: ability.limits.contacts.clone() },
        egress: ability.egress.clone(),
        action,
        function,
        meta: object(&ability.meta),
        created_at: ability.created_at.unwrap_or_default(),
        updated_at: ability.updated_at.unwrap_or_default(),
        revision: skillset.revision,
    };
    let mut all = object(&ability.extra);
    for (name, linked) in [("fileId", "linkedFileId"), ("botId", "linkedBotId"), ("spaceId", "linkedSpaceId")] {
        if let Some(value) = all.get(name).cloned() {
            all.insert(linked.to_owned(), value);
        }
    }
    if let Ok(Value::Object(told)) = serde_json::to_value(told) {
        all.extend(told);
    }
    Value::Object(all)
}

/// An ability as it might be told.
pub(super) fn example() -> Value {
    json!({
        "id": "a01k7", "skillsetId": "k01k7", "alias": null, "name": "Look up order", "description": "Looks an order up by its number.",
        "instruction": "```fetch\nGET https://shop.example.com/v1/orders/$[id! euc|the order number]\n```",
        "secretId": null, "linkedSecretId": null, "state": "enabled", "approval": null, "doubt": null,
        "limits": { "triggers": [], "contacts": [] }, "egress": [], "action": "fetch", "function": function::example(), "meta": {},
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "revision": 40
    })
}
