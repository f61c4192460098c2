//! Whether a definition is one of its kind, as far as the gateway can tell.
//!
//! The kinds themselves live in the worker, which refuses a turn whose bot has a definition that it
//! cannot use, by CUE0608. What is checked here is what people get wrong: names of fields, types,
//! bounds. A bot may stand there without a model, as ChatBotKit has it; its turns fail until it has one.

use proto::code::Code;
use serde_json::{Map, Value};

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

/// The fields of an agent.
const FIELDS: [(&str, Form); 13] = [
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
];
/// The fields of a bot of rules.
const RULES: [(&str, Form); 2] = [("rules", Form::List(256)), ("otherwise", Form::Text(64 * 1024))];
/// The fields of a stand-in.
const SCRIPTED: [(&str, Form); 5] = [
    ("latency", Form::Parameter),
    ("reply", Form::Text(64 * 1024)),
    ("calls", Form::List(32)),
    ("fail", Form::Text(64 * 1024)),
    ("historyReply", Form::Flag),
];

/// Refuses a definition that is none of its kind.
pub(super) fn check(kind: &str, definition: &Map<String, Value>) -> Result<(), ApiError> {
    let known: &[(&str, Form)] = match kind {
        AGENT => &FIELDS,
        "rules" => &RULES,
        _ => &SCRIPTED,
    };
    for (name, value) in definition {
        let Some((_, form)) = known.iter().find(|(known, _)| known == name) else {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            return Err(fault(name, &format!("is no field of a bot of kind {kind}: {}", names.join(", "))));
        };
        form.check(name, value)?;
    }
    if kind == "rules" && !definition.contains_key("rules") {
        return Err(fault("rules", "is missing"));
    }
    Ok(())
}

fn fault(name: &str, rule: &str) -> ApiError {
    let field = format!("definition.{name}");
    let message = format!("{field} {rule}");
    ApiError { field: Some(field.into()), ..ApiError::new(Code::DefinitionInvalid, message) }
}

impl Form {
    fn check(self, name: &str, value: &Value) -> Result<(), ApiError> {
        match (self, value) {
            (Self::Text(max), Value::String(text)) if text.chars().count() <= max => Ok(()),
            (Self::Text(max), _) => Err(fault(name, &format!("must be a text of at most {max} characters"))),
            (Self::List(max), Value::Array(items)) if items.len() <= max => Ok(()),
            (Self::List(max), _) => Err(fault(name, &format!("must be a list of at most {max} entries"))),
            (Self::Number, Value::Number(_)) | (Self::Flag, Value::Bool(_)) | (Self::Object, Value::Object(_)) => Ok(()),
            (Self::Parameter, Value::Number(_) | Value::String(_)) => Ok(()),
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

    fn fault(kind: &str, definition: &Value) -> Option<String> {
        check(kind, definition.as_object().unwrap()).err().map(|error| error.field.unwrap().into_owned())
    }

    #[test]
    fn a_definition_is_one_of_its_kind() {
        for (kind, definition, expected) in [
            ("agent", json!({}), None),
            ("agent", json!({ "model": "a/b", "temperature": 0.2, "approval": true, "limits": {}, "contextTokens": 5 }), None),
            ("agent", json!({ "modell": "a/b" }), Some("definition.modell")),
            ("agent", json!({ "model": 7 }), Some("definition.model")),
            ("agent", json!({ "backstory": "x".repeat(70_000) }), Some("definition.backstory")),
            ("agent", json!({ "fallbacks": ["a", "b", "c", "d", "e"] }), Some("definition.fallbacks")),
            ("rules", json!({ "rules": [] }), None),
            ("rules", json!({}), Some("definition.rules")),
            ("rules", json!({ "rules": [], "model": "a/b" }), Some("definition.model")),
            ("scripted", json!({ "reply": "hi", "latency": "5ms" }), None),
            ("scripted", json!({ "reply": [] }), Some("definition.reply")),
        ] {
            assert_eq!(fault(kind, &definition).as_deref(), expected, "{definition}");
        }
    }
}
