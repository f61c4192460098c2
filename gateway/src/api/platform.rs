//! What this build brings: models that are in use, actions, abilities to begin with, kinds of secrets.

use std::collections::BTreeSet;

use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use skillset::ability::Definition;
use skillset::set::{self, Skillset};

use super::call::Call;
use super::list::{self, Item};
use super::operation::Operation;
use super::page;
use super::shared::{self, READS};
use crate::api_error::ApiError;

mod catalogue;

use catalogue::{ABILITIES, ACTIONS, SECRETS};

const TAG: &str = "Platform";
/// Longest text that is searched for, in characters.
const SEARCH_CHARS_MAX: usize = 1_024;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let searched = json!({ "search": "fetch" });
    vec![
        shared::listed(Operation::get("listPlatformModels", "/platform/model/list", READS, models))
            .says(TAG, "List the models that bots name")
            .more("Which others a provider has, only the provider knows. What is not known of a model is 0.")
            .lists::<PlatformModel>(json!({ "id": "openai/gpt-5.4", "name": "gpt-5.4", "description": "", "meta": {}, "provider": "openai", "family": "gpt-5.4", "maxTokens": 0, "maxInputTokens": 0, "maxOutputTokens": 0, "createdAt": 0, "updatedAt": 0 })),
        shared::listed(Operation::get("listPlatformActions", "/platform/action/list", READS, actions))
            .says(TAG, "List the actions that instructions have")
            .lists::<PlatformAction>(action(&ACTIONS[0])),
        shared::listed(Operation::get("listPlatformAbilities", "/platform/ability/list", READS, abilities))
            .says(TAG, "List abilities to begin with")
            .lists::<PlatformAbility>(beginning()),
        Operation::post("searchPlatformAbilities", "/platform/ability/search", READS, search_abilities)
            .says(TAG, "Search the abilities to begin with")
            .takes::<Search>(searched.clone())
            .lists::<PlatformAbility>(beginning())
            .refuses(&[proto::code::Code::FieldInvalid, proto::code::Code::FieldUnknown, proto::code::Code::AcceptUnknown]),
        shared::listed(Operation::get("listPlatformSecrets", "/platform/secret/list", READS, secrets))
            .says(TAG, "List the kinds of secrets")
            .lists::<PlatformSecret>(secret(&SECRETS[0])),
        Operation::post("searchPlatformSecrets", "/platform/secret/search", READS, search_secrets)
            .says(TAG, "Search the kinds of secrets")
            .takes::<Search>(searched)
            .lists::<PlatformSecret>(secret(&SECRETS[0]))
            .refuses(&[proto::code::Code::FieldInvalid, proto::code::Code::FieldUnknown, proto::code::Code::AcceptUnknown]),
    ]
}

/// What is searched for.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "PlatformSearch")]
struct Search {
    /// Words that must stand in what is found.
    #[schemars(length(max = 1024))]
    search: String,
}

macro_rules! shape {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty,)+ }) => {
        $(#[doc = $doc])+
        #[derive(JsonSchema)]
        #[schemars(rename_all = "camelCase")]
        #[expect(dead_code, reason = "only in the document")]
        struct $name {
            /// The id.
            id: String,
            /// The display name.
            name: String,
            /// What it is for.
            description: String,
            /// Notes.
            meta: serde_json::Map<String, Value>,
            /// 0: it came with this build.
            created_at: i64,
            /// 0: it came with this build.
            updated_at: i64,
            $($(#[doc = $field_doc])+ $field: $type,)+
        }
    };
}

shape! {
    /// A model.
    PlatformModel {
        /// Who serves it.
        provider: String,
        /// Its name there.
        family: String,
        /// How many tokens it takes in all; 0 where that is not known.
        max_tokens: u64,
        /// How many tokens it takes in; 0 where that is not known.
        max_input_tokens: u64,
        /// How many tokens it gives; 0 where that is not known.
        max_output_tokens: u64,
    }
}
shape! {
    /// An action.
    PlatformAction {
        /// Instructions that do it.
        examples: Vec<String>,
    }
}
shape! {
    /// An ability to begin with.
    PlatformAbility {
        /// What is done.
        instruction: String,
        /// What a call takes, as JSON Schema.
        schema: serde_json::Map<String, Value>,
        /// A picture: its name.
        icon: String,
        /// Words to find it by.
        tags: Vec<String>,
    }
}
shape! {
    /// A kind of secret.
    PlatformSecret {
        /// How its value is presented.
        r#type: String,
    }
}

fn action((name, description, example): &(&str, &str, &str)) -> Value {
    json!({ "id": name, "name": name, "description": description, "meta": {}, "examples": [example], "createdAt": 0, "updatedAt": 0 })
}

fn secret((name, description): &(&str, &str)) -> Value {
    json!({ "id": name, "name": name, "description": description, "meta": {}, "type": name, "createdAt": 0, "updatedAt": 0 })
}

/// The abilities to begin with, each with the schema of its arguments.
fn beginnings() -> Vec<Value> {
    let abilities = ABILITIES.iter().map(|(_, name, description, instruction)| Definition {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
        instruction: (*instruction).to_owned(),
        ..Definition::default()
    });
    let definition = set::Definition { name: "Abilities".to_owned(), abilities: abilities.collect(), ..set::Definition::default() };
    let functions = Skillset::parse(definition).map(|skillset| skillset.functions()).unwrap_or_default();
    let told = ABILITIES.iter().zip(functions).map(|((id, name, description, instruction), function)| {
        let tags = [id.split('/').next().unwrap_or_default()];
        json!({
            "id": id, "name": name, "description": description, "meta": {}, "instruction": instruction, "schema": function.parameters,
            "icon": "", "tags": tags, "createdAt": 0, "updatedAt": 0
        })
    });
    told.collect()
}

fn beginning() -> Value {
    beginnings().into_iter().next().unwrap_or_default()
}

/// Models by their names in bots' definitions, without parameters.
fn models_of<'a>(definitions: impl Iterator<Item = &'a str>) -> Vec<Value> {
    let mut names = BTreeSet::new();
    for definition in definitions {
        let Ok(Value::Object(definition)) = serde_json::from_str(definition) else { continue };
        let fallbacks = definition.get("fallbacks").and_then(Value::as_array).into_iter().flatten();
        let models = definition.get("model").into_iter().chain(fallbacks).filter_map(Value::as_str);
        names.extend(models.map(|model| model.split('/').take_while(|part| !part.contains('=')).collect::<Vec<_>>().join("/")));
    }
    let told = names.iter().map(|id| {
        let (provider, family) = id.split_once('/').unwrap_or(("", id));
        json!({
            "id": id, "name": family, "description": "", "meta": {}, "provider": provider, "family": family,
            "maxTokens": 0, "maxInputTokens": 0, "maxOutputTokens": 0, "createdAt": 0, "updatedAt": 0
        })
    });
    told.collect()
}

async fn told(call: &Call, all: Vec<Value>) -> Result<Response, ApiError> {
    list::answer(call, move |wanted| {
        let id = |item: &&Value| item.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let named: Vec<(String, &Value)> = all.iter().map(|item| (id(&item), item)).collect();
        let page = page::pick(named.iter(), &wanted, |(id, _)| (0, id.as_str()));
        let page: Vec<Item> = page.into_iter().map(|(id, item)| (id.clone(), (*item).clone())).collect();
        async move { Ok(page) }
    })
    .await
}

async fn models(call: Call) -> Result<Response, ApiError> {
    let snapshot = call.door.directory.catalogue.snapshot();
    let all = models_of(snapshot.bots.values().map(|bot| bot.definition.as_str()));
    told(&call, all).await
}

async fn actions(call: Call) -> Result<Response, ApiError> {
    told(&call, ACTIONS.iter().map(action).collect()).await
}

async fn abilities(call: Call) -> Result<Response, ApiError> {
    told(&call, beginnings()).await
}

async fn secrets(call: Call) -> Result<Response, ApiError> {
    told(&call, SECRETS.iter().map(secret).collect()).await
}

async fn search_abilities(call: Call) -> Result<Response, ApiError> {
    let found = found(&call, beginnings())?;
    told(&call, found).await
}

async fn search_secrets(call: Call) -> Result<Response, ApiError> {
    let found = found(&call, SECRETS.iter().map(secret).collect())?;
    told(&call, found).await
}

fn found(call: &Call, all: Vec<Value>) -> Result<Vec<Value>, ApiError> {
    let Search { search } = call.json()?;
    super::notes::check_text("search", &search, SEARCH_CHARS_MAX)?;
    let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
    let has_all = |item: &Value| {
        let text = item.to_string().to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    Ok(all.into_iter().filter(has_all).collect())
}

#[cfg(test)]
mod tests {
    use skillset::instruction::Instruction;

    use super::catalogue::{ABILITIES, ACTIONS};
    use super::{beginnings, models_of};

    #[test]
    fn every_example_can_be_read() {
        for (name, _, example) in ACTIONS {
            assert!(Instruction::parse(example).is_ok(), "{name}");
        }
        assert_eq!(beginnings().len(), ABILITIES.len());
    }

    #[test]
    fn models_are_named_without_their_parameters() {
        let definitions = [r#"{"model":"openai/gpt-5.4/temperature=0.2","fallbacks":["local/llama/3"]}"#, r#"{"rules":[]}"#, "?"];
        let ids: Vec<_> = models_of(definitions.into_iter()).iter().map(|model| model["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids, ["local/llama/3", "openai/gpt-5.4"]);
    }
}
