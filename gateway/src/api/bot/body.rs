//! What a body says about a bot.

use proto::limit::DEFINITION_BYTES_MAX;
use proto::resource::{Bot, State};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::definition::{self, AGENT};
use crate::api::call::Call;
use crate::api::given::Given;
use crate::api::notes::{self, Head};
use crate::api::trigger::{StateWord, put_word, state};
use crate::api::{kind, skillset};
use crate::api_error::ApiError;

/// What a body says about a bot.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "BotChange")]
pub(crate) struct Body {
    /// A second name: 1 to 128 of a-z 0-9 _ -.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,128}$"))]
    alias: Given<String>,
    /// The display name.
    #[schemars(length(max = 256))]
    name: Given<String>,
    /// What it is for.
    #[schemars(length(max = 8192))]
    description: Given<String>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
    /// The kind: `agent`, `rules` or `scripted`.
    kind: Given<KindWord>,
    /// The definition in the kind's own schema; it replaces the one that is there.
    #[schemars(schema_with = "definition::schema")]
    definition: Given<Map<String, Value>>,
    /// The model of an agent, such as `openai/gpt-5.4`, with parameters behind it if you like: `/temperature=0.2`.
    #[schemars(length(max = 512))]
    model: Given<String>,
    /// Who an agent is.
    #[schemars(length(max = 65_536))]
    backstory: Given<String>,
    /// What an agent may do.
    #[schemars(length(max = 129))]
    skillset_id: Given<String>,
    /// Whether it answers.
    state: Given<StateWord>,
    /// Only kept.
    blueprint_id: Given<Value>,
    /// Only kept.
    visibility: Given<Value>,
    /// Only kept.
    dataset_id: Given<Value>,
    /// Only kept.
    privacy: Given<Value>,
    /// Only kept.
    moderation: Given<Value>,
}

/// A kind of bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum KindWord {
    /// A model with a backstory and a skillset.
    Agent,
    /// The first rule that matches.
    Rules,
    /// A stand-in for a model.
    Scripted,
}

impl Body {
    /// The bot with what the body says.
    pub(super) async fn apply(self, call: &Call, mut bot: Bot) -> Result<Bot, ApiError> {
        let head = Head { alias: self.alias, meta: self.meta, name: self.name, description: self.description };
        head.put(&mut bot.common, &mut bot.name, &mut bot.description)?;
        let kept = [
            ("blueprintId", self.blueprint_id),
            ("visibility", self.visibility),
            ("datasetId", self.dataset_id),
            ("privacy", self.privacy),
            ("moderation", self.moderation),
        ];
        notes::keep(&mut bot.common, kept)?;
        put_word(&mut bot.state, self.state, State::Active, state);
        let was = bot.kind.clone();
        put_word(&mut bot.kind, self.kind, AGENT.to_owned(), |kind| {
            match kind {
                KindWord::Agent => AGENT,
                KindWord::Rules => "rules",
                KindWord::Scripted => "scripted",
            }
            .to_owned()
        });
        let mut definition = match self.definition.said() {
            Some(definition) => {
                let definition = definition.unwrap_or_default();
                // What stands beside it replaces some of it, and must not hide what is wrong there.
                definition::check(&definition)?;
                definition
            }
            // What another kind was has no meaning to this one.
            None if bot.kind != was => Map::new(),
            None => serde_json::from_str(&bot.definition).unwrap_or_default(),
        };
        let skillset_id = match self.skillset_id {
            Given::Value(name) if !name.is_empty() => {
                let found = kind::find::<skillset::Skillsets>(call, &name).await;
                Given::Value(found.map_err(|error| ApiError { field: Some("skillsetId".into()), ..error })?.id.to_string())
            }
            Given::Value(_) => Given::Null,
            other => other,
        };
        for (field, name, given) in
            [("model", "model", self.model), ("backstory", "backstory", self.backstory), ("skillsetId", "skillset", skillset_id)]
        {
            let Some(said) = given.said() else { continue };
            if bot.kind != AGENT {
                notes::keep(&mut bot.common, [(field, said.map_or(Given::Null, |text| Given::Value(text.into())))])?;
                continue;
            }
            match said.filter(|text| !text.is_empty()) {
                Some(text) => drop(definition.insert(name.to_owned(), text.into())),
                None => drop(definition.remove(name)),
            }
        }
        definition::check(&definition)?;
        bot.definition = Value::Object(definition).to_string();
        notes::check_size("definition", bot.definition.len(), DEFINITION_BYTES_MAX)?;
        Ok(bot)
    }
}

/// A body as somebody might send it.
pub(super) fn example() -> Value {
    json!({ "name": "Clerk", "model": "openai/gpt-5.4", "backstory": "You are the clerk of a small shop.", "meta": { "team": "shop" } })
}
