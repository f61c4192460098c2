//! What bodies say about conversations, messages and calls of the bot.
//!
//! They are read field by field: what a conversation is, what is put down and what a call asks for may
//! stand in one object, as ChatBotKit's clients send it.

use proto::code::Code;
use proto::message::Kind;
use proto::patch;
use proto::wire::{Limit, Note, Settings};
use schemars::{Schema, json_schema};
use serde_json::{Map, Value};
use skillset::set::{Definition, Skillset};

use crate::api::call::{self, Call};
use crate::api_error::ApiError;

/// How many messages one call may put down.
const NOTES_MAX: usize = 1_000;
/// Longest backstory that one call may bring, in characters.
const BACKSTORY_CHARS_MAX: usize = 16 * 1024;
/// How many skillsets one call may bring.
const SKILLSETS_MAX: usize = 16;
/// What is not served, and therefore refused unless it is empty.
const UNSERVED: [&str; 2] = ["functions", "attachments"];

/// The fields of a body that were not taken yet.
#[derive(Debug)]
pub(crate) struct Fields(Map<String, Value>);

/// What a call asks for beside its words.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Its words.
    pub(crate) text: Option<String>,
    /// What the turn has beside the bot's own.
    pub(crate) extensions: String,
    /// What it may take.
    pub(crate) limits: Option<Limit>,
}

/// A fault of a patch as a refusal.
pub(crate) fn refused(fault: patch::Fault) -> ApiError {
    if fault.rule.starts_with("is not a field") {
        let message = fault.to_string();
        return ApiError { field: Some(fault.field.into()), ..ApiError::new(Code::FieldUnknown, message) };
    }
    ApiError::field(fault.field, fault.rule)
}

impl Fields {
    /// Reads a body.
    pub(crate) fn of(call: &Call) -> Result<Self, ApiError> {
        match call::read::<Value>(&call.body)? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(ApiError::new(Code::BodyMalformed, "the body must be an object")),
        }
    }

    /// Takes a field; `null` is none.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::field(name, "must be a string")),
        }
    }

    /// Takes the messages that are put down.
    pub(crate) fn notes(&mut self) -> Result<Vec<Note>, ApiError> {
        let items = match self.take("messages") {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= NOTES_MAX => items,
            Some(_) => return Err(ApiError::field("messages", format_args!("must be a list of at most {NOTES_MAX} messages"))),
        };
        let note = |(index, item): (usize, Value)| {
            let Value::Object(item) = item else { return Err(ApiError::field(format!("messages[{index}]"), "must be an object")) };
            note(item).map_err(|error| ApiError { field: error.field.map(|field| format!("messages[{index}].{field}").into()), ..error })
        };
        items.into_iter().enumerate().map(note).collect()
    }

    /// Takes what a call asks for.
    pub(crate) fn asked(&mut self) -> Result<Asked, ApiError> {
        for name in UNSERVED {
            self.unserved(name)?;
        }
        // Names in a text that ChatBotKit masks; nothing is masked here.
        drop(self.take("entities"));
        Ok(Asked { text: self.text("text")?.filter(|text| !text.is_empty()), extensions: self.extensions()?, limits: self.limits()? })
    }

    fn unserved(&mut self, name: &'static str) -> Result<(), ApiError> {
        match self.take(name) {
            None => Ok(()),
            Some(Value::Array(items)) if items.is_empty() => Ok(()),
            Some(_) => Err(ApiError::field(name, "is not served: leave it out, or use abilities")),
        }
    }

    fn extensions(&mut self) -> Result<String, ApiError> {
        let mut fields = match self.take("extensions") {
            None => return Ok(String::new()),
            Some(Value::Object(fields)) => Self(fields),
            Some(_) => return Err(ApiError::field("extensions", "must be an object")),
        };
        fields.unserved("datasets").map_err(|error| ApiError { field: Some("extensions.datasets".into()), ..error })?;
        drop(fields.take("features"));
        let mut known = Map::new();
        match fields.take("backstory") {
            None => {}
            Some(Value::String(text)) if text.chars().count() <= BACKSTORY_CHARS_MAX => {
                known.insert("backstory".into(), text.into());
            }
            Some(_) => {
                return Err(ApiError::field(
                    "extensions.backstory",
                    format_args!("must be a string of at most {BACKSTORY_CHARS_MAX} characters"),
                ));
            }
        }
        match fields.take("skillsets") {
            None => {}
            Some(Value::Array(sets)) if sets.len() <= SKILLSETS_MAX => {
                for (index, set) in sets.iter().enumerate() {
                    check_skillset(index, set)?;
                }
                known.insert("skillsets".into(), sets.into());
            }
            Some(_) => {
                return Err(ApiError::field("extensions.skillsets", format_args!("must be a list of at most {SKILLSETS_MAX} skillsets")));
            }
        }
        fields.end().map_err(|error| ApiError { field: error.field.map(|field| format!("extensions.{field}").into()), ..error })?;
        Ok(if known.is_empty() { String::new() } else { Value::Object(known).to_string() })
    }

    fn limits(&mut self) -> Result<Option<Limit>, ApiError> {
        let mut fields = match self.take("limits") {
            None => return Ok(None),
            Some(Value::Object(fields)) => Self(fields),
            Some(_) => return Err(ApiError::field("limits", "must be an object")),
        };
        let mut number = |name: &'static str| match fields.take(name) {
            None => Ok(0),
            Some(value) => {
                let number = whole(&value).and_then(|number| u32::try_from(number).ok());
                number.ok_or_else(|| ApiError::field(format!("limits.{name}"), "must be a whole number, 0 for no limit"))
            }
        };
        // An answer that was cut short is not gone on with here, so there is nothing to limit.
        number("continuations")?;
        let limits = Limit { iterations: number("iterations")?, calls: number("calls")? };
        fields.end().map_err(|error| ApiError { field: error.field.map(|field| format!("limits.{field}").into()), ..error })?;
        Ok((limits != Limit::default()).then_some(limits))
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_null())
    }

    /// Puts a field in.
    pub(crate) fn put(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// What is left, as what a conversation is.
    pub(crate) fn settings(&self) -> Result<Settings, ApiError> {
        patch::settings(&Settings::default(), &self.0).map_err(refused)
    }

    /// What is left.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.0
    }

    /// Refuses what is left.
    pub(crate) fn end(self) -> Result<(), ApiError> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((name, _)) => {
                let message = format!("{name} is no field of this call");
                Err(ApiError { field: Some(name.into()), ..ApiError::new(Code::FieldUnknown, message) })
            }
        }
    }
}

/// A whole number, also where it is written with a fraction of zero, as JSON Schema has it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, not negative and below 2^53")]
fn whole(value: &Value) -> Option<u64> {
    let is_whole = |number: &f64| number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as u64))
}

/// A message as its fields say it; a type must be there.
pub(crate) fn note(mut fields: Map<String, Value>) -> Result<Note, ApiError> {
    // What is only read of a message may be sent back with it.
    for name in ["entities", "id", "createdAt", "updatedAt"] {
        fields.remove(name);
    }
    if !fields.contains_key("type") {
        return Err(ApiError::field("type", "must be there, such as user or bot"));
    }
    patch::note(&Note::default(), &fields).map_err(refused)
}

/// A message of a user.
pub(crate) fn user(text: String) -> Note {
    Note { r#type: Kind::User.as_str().to_owned(), text, ..Note::default() }
}

fn check_skillset(index: usize, set: &Value) -> Result<(), ApiError> {
    let fault =
        |error: &dyn std::fmt::Display| ApiError::field(format!("extensions.skillsets[{index}]"), format_args!("cannot be used: {error}"));
    let definition: Definition = serde_json::from_value(set.clone()).map_err(|error| fault(&error))?;
    Skillset::parse(definition).map(drop).map_err(|errors| fault(&errors))
}

/// The fields of what a conversation is, for the document.
pub(crate) fn settings_schema(more: &Value) -> Schema {
    let mut properties = serde_json::json!({
        "name": { "type": ["string", "null"], "maxLength": 1024 },
        "description": { "type": ["string", "null"] },
        "meta": { "type": ["object", "null"] },
        "botId": { "type": ["string", "null"], "maxLength": 256 },
        "contactId": {
            "description": "The id of a contact, or what makes one known, which is then made where it is not there.",
            "anyOf": [
                { "type": ["string", "null"], "maxLength": 256 },
                {
                    "type": "object",
                    "properties": { "fingerprint": { "type": ["string", "null"], "maxLength": 1024 } },
                    "additionalProperties": false
                }
            ]
        },
        "model": { "type": ["string", "null"] },
        "backstory": { "type": ["string", "null"] },
        "skillsetId": { "type": ["string", "null"] },
        "datasetId": {}, "privacy": {}, "moderation": {}, "taskId": {}, "spaceId": {}, "visibility": {}, "blueprintId": {}, "expiresAt": {}
    });
    if let (Some(properties), Some(more)) = (properties.as_object_mut(), more.as_object()) {
        properties.extend(more.clone());
    }
    json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// The fields of what a call asks for, for the document.
pub(crate) fn asked_properties() -> Value {
    serde_json::json!({
        "text": { "type": ["string", "null"] },
        "entities": {},
        "functions": { "type": ["array", "null"], "items": {}, "maxItems": 0 },
        "attachments": { "type": ["array", "null"], "items": {}, "maxItems": 0 },
        "extensions": {
            "type": ["object", "null"],
            "properties": {
                "backstory": { "type": ["string", "null"], "maxLength": BACKSTORY_CHARS_MAX },
                "skillsets": { "type": ["array", "null"], "items": { "type": "object" }, "maxItems": 0 },
                "datasets": { "type": ["array", "null"], "items": {}, "maxItems": 0 },
                "features": {}
            },
            "additionalProperties": false
        },
        "limits": {
            "type": ["object", "null"],
            "properties": {
                "iterations": { "type": ["integer", "null"], "minimum": 0, "maximum": 4_294_967_295_u32 },
                "continuations": { "type": ["integer", "null"], "minimum": 0, "maximum": 4_294_967_295_u32 },
                "calls": { "type": ["integer", "null"], "minimum": 0, "maximum": 4_294_967_295_u32 }
            },
            "additionalProperties": false
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Fields;

    fn fields(value: &Value) -> Fields {
        Fields(value.as_object().unwrap().clone())
    }

    #[test]
    fn what_a_call_asks_for_is_read() {
        let ability = json!({ "name": "a", "instruction": "```echo\nhi\n```" });
        let mut body = fields(&json!({
            "text": "hi", "entities": [1], "functions": [], "attachments": null, "name": "n",
            "extensions": { "backstory": "b", "features": [{}], "datasets": [], "skillsets": [{ "name": "s", "abilities": [ability] }] },
            "limits": { "iterations": 3, "continuations": 9 }, "messages": [{ "type": "user", "text": "x", "entities": [] }],
        }));
        let asked = body.asked().unwrap();
        assert_eq!((asked.text.as_deref(), asked.limits.unwrap().iterations), (Some("hi"), 3));
        assert!(asked.extensions.contains("backstory") && !asked.extensions.contains("features"), "{}", asked.extensions);
        assert_eq!(body.notes().unwrap()[0].text, "x");
        assert_eq!(body.settings().unwrap().name, "n");
    }

    #[test]
    fn what_is_not_served_or_not_known_is_named() {
        for (body, field) in [
            (json!({ "functions": [{}] }), "functions"),
            (json!({ "attachments": [{}] }), "attachments"),
            (json!({ "extensions": { "datasets": [{}] } }), "extensions.datasets"),
            (json!({ "extensions": { "colour": 1 } }), "extensions.colour"),
            (
                json!({ "extensions": { "skillsets": [{ "name": "s", "abilities": [{ "name": "a", "instruction": "```nothing\n```" }] }] } }),
                "extensions.skillsets[0]",
            ),
            (json!({ "limits": { "calls": -1 } }), "limits.calls"),
            (json!({ "limits": { "call": 1 } }), "limits.call"),
            (json!({ "text": 5 }), "text"),
        ] {
            let error = fields(&body).asked().unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{body}");
        }
        for (messages, field) in [
            (json!([{ "text": "x" }]), "messages[0].type"),
            (json!([{ "type": "user" }, { "type": "x" }]), "messages[1].type"),
            (json!([5]), "messages[0]"),
            (json!({}), "messages"),
        ] {
            let error = fields(&json!({ "messages": messages })).notes().unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{messages}");
        }
    }
}
