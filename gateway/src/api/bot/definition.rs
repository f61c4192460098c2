//! Whether a definition is one, as far as the gateway can tell.
//!
//! The kinds themselves live in the worker, which refuses a turn whose bot has a definition that it
//! cannot use, by CUE0608. What is checked here is what people get wrong: names of fields, types,
//! bounds. A bot may stand there without a model, as
//! ChatBotKit has it, or without rules; its turns fail until it has them.

use proto::code::Code;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::api_error::ApiError;

/// The kind of bot that asks a model.
pub(super) const AGENT: &str = "agent";
/// Longest backstory, in characters.
const BACKSTORY_CHARS_MAX: usize = 64 * 1024;
/// Longest model string, in characters.
const MODEL_CHARS_MAX: usize = 512;
/// How many models may stand in.
const FALLBACKS_MAX: usize = 4;

/// What a field must be.
#[derive(Clone, Copy)]
enum Form {
    Text(usize),
    Number,
    Flag,
    Object,
    List(usize),
    Parameter,
}

/// The fields of all kinds: of an agent, of rules, of a stand-in. No two kinds share a name.
const FIELDS: [(&str, Form); 20] = [
    ("model", Form::Text(MODEL_CHARS_MAX)),
    ("fallbacks", Form::List(FALLBACKS_MAX)),
    ("temperature", Form::Parameter),
    ("maxTokens", Form::Parameter),
    ("topP", Form::Parameter),
    ("reasoningEffort", Form::Parameter),
    ("seed", Form::Parameter),
    ("backstory", Form::Text(BACKSTORY_CHARS_MAX)),
    ("skillset", Form::Text(64)),
    ("approval", Form::Flag),
    ("limits", Form::Object),
    ("output", Form::Object),
    ("contextTokens", Form::Number),
    ("rules", Form::List(256)),
    ("otherwise", Form::Text(64 * 1024)),
    ("latency", Form::Parameter),
    ("reply", Form::Text(64 * 1024)),
    ("calls", Form::List(32)),
    ("fail", Form::Text(64 * 1024)),
    ("historyReply", Form::Flag),
];

/// Refuses a definition with a field that no kind has, or with something else in it.
pub(super) fn check(definition: &Map<String, Value>) -> Result<(), ApiError> {
    for (name, value) in definition {
        let Some((_, form)) = FIELDS.iter().find(|(known, _)| known == name) else {
            let names: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
            return Err(fault(name, &format!("is no field of a bot: {}", names.join(", "))));
        };
        form.check(name, value)?;
    }
    Ok(())
}

/// What a definition may say, for the document.
pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    let properties: Map<String, Value> = FIELDS.iter().map(|(name, form)| ((*name).to_owned(), form.schema())).collect();
    json_schema!({
        "description": "The definition in the kind's own schema; it replaces the one that is there. Of an agent: model to contextTokens; of rules: rules and otherwise; of a stand-in: the rest.",
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false
    })
}

fn fault(name: &str, rule: &str) -> ApiError {
    let field = format!("definition.{name}");
    let message = format!("{field} {rule}");
    ApiError { field: Some(field.into()), ..ApiError::new(Code::DefinitionInvalid, message) }
}

impl Form {
    fn schema(self) -> Value {
        match self {
            Self::Text(max) => json!({ "type": "string", "maxLength": max }),
            Self::Number => json!({ "type": "number" }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Object => json!({ "type": "object" }),
            Self::List(max) => json!({ "type": "array", "items": {}, "maxItems": max }),
            Self::Parameter => json!({ "type": ["number", "string"] }),
        }
    }

    fn check(self, name: &str, value: &Value) -> Result<(), ApiError> {
        match (self, value) {
            (Self::Text(max), Value::String(text)) if text.chars().count() <= max => Ok(()),
            (Self::List(max), Value::Array(items)) if items.len() <= max => Ok(()),
            (Self::Text(max), _) => Err(fault(name, &format!("must be a text of at most {max} characters"))),
            (Self::List(max), _) => Err(fault(name, &format!("must be a list of at most {max} entries"))),
            (Self::Number | Self::Parameter, Value::Number(_))
            | (Self::Parameter, Value::String(_))
            | (Self::Flag, Value::Bool(_))
            | (Self::Object, Value::Object(_)) => Ok(()),
            (Self::Number, _) => Err(fault(name, "must be a number")),
            (Self::Flag, _) => Err(fault(name, "must be true or false")),
            (Self::Object, _) => Err(fault(name, "must be an object")),
            (Self::Parameter, _) => Err(fault(name, "must be a number or a text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::check;

    fn fault(definition: &Value) -> Option<String> {
        check(definition.as_object().unwrap()).err().map(|error| error.field.unwrap().into_owned())
    }

    #[test]
    fn a_field_is_known_and_has_its_form() {
        for (definition, expected) in [
            (json!({}), None),
            (json!({ "model": "a/b", "temperature": 0.2, "approval": true, "limits": {}, "contextTokens": 5 }), None),
            (json!({ "modell": "a/b" }), Some("definition.modell")),
            (json!({ "model": 7 }), Some("definition.model")),
            (json!({ "backstory": "x".repeat(70_000) }), Some("definition.backstory")),
            (json!({ "fallbacks": ["a", "b", "c", "d", "e"] }), Some("definition.fallbacks")),
            (json!({ "rules": [] }), None),
            (json!({ "reply": "hi", "latency": "5ms" }), None),
            (json!({ "reply": [] }), Some("definition.reply")),
        ] {
            assert_eq!(fault(&definition).as_deref(), expected, "{definition}");
        }
    }
}
