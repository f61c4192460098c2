//! What a body says about an ability.

use proto::code::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use skillset::ability::{Ability, Definition, Doubt, Error, Limits, State};
use skillset::limit::{FUNCTIONS_MAX, LABEL_BYTES_MAX};

use crate::api::given::Given;
use crate::api::notes;
use crate::api::skillset::{DESCRIPTION_CHARS_MAX, Word};
use crate::api_error::ApiError;

/// Longest name of a secret, in characters.
const SECRET_CHARS_MAX: usize = 256;

/// What a body says about an ability.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "AbilityChange")]
pub(super) struct Body {
    /// A second name, unique in its skillset: 1 to 128 of a-z 0-9 _ -.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,128}$"))]
    alias: Given<String>,
    /// What it is called; the function's name comes of it.
    #[schemars(with = "String", length(min = 1, max = 64), regex(pattern = r"\S"))]
    name: Given<String>,
    /// What it is for, as the model reads it.
    #[schemars(length(max = 1024))]
    description: Given<String>,
    /// What is done.
    #[schemars(with = "String")]
    instruction: Given<String>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
    /// The secret that `${SECRET_DEFAULT}` stands for: its id, or its name.
    #[schemars(length(max = 256))]
    secret_id: Given<String>,
    /// The same.
    #[schemars(length(max = 256))]
    linked_secret_id: Given<String>,
    /// Whether the model is offered it.
    state: Given<Word>,
    /// Whether somebody must agree to each call.
    approval: Given<bool>,
    /// What is done where a crash leaves the outcome unknown.
    doubt: Given<DoubtWord>,
    /// Who may have it used.
    limits: Given<Admitted>,
    /// Addresses, networks and hosts that may be called though they are not public.
    #[schemars(inner(length(min = 1, max = 256), regex(pattern = r"\S")))]
    egress: Given<Vec<String>>,
    /// Only kept.
    blueprint_id: Given<Value>,
    /// Only kept.
    file_id: Given<Value>,
    /// Only kept.
    linked_file_id: Given<Value>,
    /// Only kept.
    bot_id: Given<Value>,
    /// Only kept.
    linked_bot_id: Given<Value>,
    /// Only kept.
    space_id: Given<Value>,
    /// Only kept.
    linked_space_id: Given<Value>,
}

/// What is done about a call whose outcome a crash left unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Doubt")]
pub(super) enum DoubtWord {
    /// It is made again, under the same idempotency key.
    Retry,
    /// The model is told that it may have happened.
    Fail,
}

/// Who may have an ability used; empty lists admit everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Admitted {
    /// Names of triggers.
    #[schemars(inner(length(min = 1, max = 256), regex(pattern = r"\S")))]
    pub(super) triggers: Vec<String>,
    /// Contacts, by whatever they are known by.
    #[schemars(inner(length(min = 1, max = 256), regex(pattern = r"\S")))]
    pub(super) contacts: Vec<String>,
}

/// A body of which an ability is made.
pub(super) fn whole(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Body::json_schema(generator);
    schema.insert("required".to_owned(), json!(["name", "instruction"]));
    schema
}

impl Body {
    /// The ability with what the body says, once it is found to be right.
    pub(super) fn apply(self, mut ability: Definition) -> Result<Definition, ApiError> {
        notes::put_alias(&mut ability.alias, self.alias)?;
        self.name.put(&mut ability.name);
        self.description.put(&mut ability.description);
        self.instruction.put(&mut ability.instruction);
        notes::check_text("name", &ability.name, LABEL_BYTES_MAX / 4)?;
        notes::check_text("description", &ability.description, DESCRIPTION_CHARS_MAX)?;
        let mut meta = object(ability.meta.take());
        notes::put_meta(&mut meta, self.meta)?;
        ability.meta = Some(Value::Object(meta)).filter(|meta| *meta != json!({}));
        for (field, given) in [("secretId", &self.secret_id), ("linkedSecretId", &self.linked_secret_id)] {
            notes::check_text(field, given.value().map_or("", String::as_str), SECRET_CHARS_MAX)?;
        }
        self.linked_secret_id.or(self.secret_id).put_optional(&mut ability.secret);
        ability.secret = ability.secret.take().filter(|name| !name.is_empty());
        crate::api::trigger::put_word(&mut ability.state, self.state, State::Enabled, |word| match word {
            Word::Enabled => State::Enabled,
            Word::Disabled => State::Disabled,
        });
        self.approval.put_optional(&mut ability.approval);
        if let Some(doubt) = self.doubt.said() {
            ability.doubt = doubt.map(|word| if word == DoubtWord::Retry { Doubt::Retry } else { Doubt::Fail });
        }
        if let Some(limits) = self.limits.said() {
            ability.limits = limits.map(|Admitted { triggers, contacts }| Limits { triggers, contacts }).unwrap_or_default();
        }
        self.egress.put(&mut ability.egress);
        let mut common = proto::resource::Common { extra: object(ability.extra.take()), ..Default::default() };
        let kept = [
            ("blueprintId", self.blueprint_id),
            ("fileId", self.linked_file_id.or(self.file_id)),
            ("botId", self.linked_bot_id.or(self.bot_id)),
            ("spaceId", self.linked_space_id.or(self.space_id)),
        ];
        notes::keep(&mut common, kept)?;
        ability.extra = Some(Value::Object(common.extra)).filter(|extra| *extra != json!({}));
        Ability::parse(ability.clone()).map_err(|errors| fault(&errors))?;
        Ok(ability)
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    if let Some(Value::Object(object)) = value { object } else { Map::new() }
}

/// All that is wrong, told at once; the first names the field.
fn fault(errors: &[Error]) -> ApiError {
    let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match errors.first() {
        Some(Error::Field { field: "secret", .. }) => ApiError { message: message.into(), ..ApiError::field("secretId", "") },
        Some(Error::Field { field, .. }) => ApiError { message: message.into(), ..ApiError::field(*field, "") },
        Some(Error::Instruction(_)) | None => {
            ApiError { field: Some("instruction".into()), ..ApiError::new(Code::InstructionInvalid, message) }
        }
    }
}

/// An alias is one ability's alone.
pub(super) fn check_alias(abilities: &[Definition], index: usize) -> Result<(), ApiError> {
    let Some(alias) = abilities.get(index).and_then(|ability| ability.alias.as_deref()) else { return Ok(()) };
    let is_taken = abilities.iter().enumerate().any(|(other, ability)| other != index && ability.alias.as_deref() == Some(alias));
    if is_taken {
        return Err(ApiError { field: Some("alias".into()), ..ApiError::new(Code::AliasTaken, format!("the alias {alias} is taken")) });
    }
    Ok(())
}

/// A skillset has at most so many.
pub(super) fn check_count(count: usize) -> Result<(), ApiError> {
    if count <= FUNCTIONS_MAX {
        return Ok(());
    }
    let message = format!("the skillset has {FUNCTIONS_MAX} abilities, as many as it may: put further ones into another");
    Err(ApiError { limit: Some(FUNCTIONS_MAX), ..ApiError::new(Code::FieldInvalid, message) })
}

/// A body as somebody might send it.
pub(super) fn example() -> Value {
    json!({
        "name": "Look up order", "description": "Looks an order up by its number.", "secretId": "s01k7",
        "instruction": "```fetch\nGET https://shop.example.com/v1/orders/$[id! euc|the order number]\nAuthorization: ${SECRET_DEFAULT}\n```"
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use skillset::ability::Definition;

    use super::{Body, example};

    fn apply(body: Value) -> Result<Definition, (String, String)> {
        let body: Body = serde_json::from_value(body).unwrap();
        body.apply(Definition::default()).map_err(|error| (error.code.as_str().to_owned(), error.message.into_owned()))
    }

    #[test]
    fn both_names_of_the_secret_are_taken_and_what_means_nothing_is_kept() {
        assert_eq!(apply(example()).unwrap().secret.as_deref(), Some("s01k7"));
        let mut linked = example();
        linked["linkedSecretId"] = "s2".into();
        linked["spaceId"] = "x".into();
        let ability = apply(linked).unwrap();
        assert_eq!((ability.secret.as_deref(), ability.extra), (Some("s2"), Some(json!({ "spaceId": "x" }))));
    }

    #[test]
    fn a_fault_has_its_line_and_column() {
        let (code, message) = apply(json!({ "name": "a", "instruction": "```echo\n$[x\n```" })).unwrap_err();
        assert_eq!(code, "CUE0112");
        assert!(message.contains("line 2, column"), "{message}");
        assert_eq!(apply(json!({ "instruction": "```echo\n```" })).unwrap_err().0, "CUE0108");
    }
}
