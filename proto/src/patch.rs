//! Changes of what is known of a conversation, and of its messages: pure.
//!
//! A patch is a JSON object in ChatBotKit's words. A field that is left out stays; `null` empties it.
//! The gateway checks a patch by applying it to nothing, and the session's owner applies it to what is.

use serde_json::{Map, Value};

use crate::limit::{DEFINITION_BYTES_MAX, STEP_BYTES_MAX};
use crate::message::Kind;
use crate::resource::common::{object, text};
use crate::wire::{Note, Settings};

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 1_024;
/// Longest description, in bytes.
pub const DESCRIPTION_BYTES_MAX: usize = 8 * 1_024;
/// Largest meta of one thing, in bytes of JSON.
pub const META_BYTES_MAX: usize = 16 * 1_024;
/// Longest id that is named, in bytes.
const ID_BYTES_MAX: usize = 256;
/// The key of a meta that adds to what is there rather than replacing it.
const UPDATE: &str = "$update";
/// Fields of ChatBotKit's clients that are kept for them and mean nothing here.
const KEPT: [&str; 8] = ["datasetId", "privacy", "moderation", "taskId", "spaceId", "visibility", "blueprintId", "expiresAt"];
/// The fields that an agent's definition is made of, and what each is called there.
const DEFINING: [(&str, &str); 3] = [("model", "model"), ("backstory", "backstory"), ("skillsetId", "skillset")];

/// A field of a patch that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct Fault {
    /// The field.
    pub field: String,
    /// What it must be.
    pub rule: String,
}

fn fault(field: &str, rule: impl Into<String>) -> Fault {
    Fault { field: field.to_owned(), rule: rule.into() }
}

fn words(field: &str, value: &Value, bytes_max: usize) -> Result<String, Fault> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) if text.len() <= bytes_max => Ok(text.clone()),
        _ => Err(fault(field, format!("must be a string of at most {bytes_max} bytes"))),
    }
}

/// A meta after a change; keys that begin with anything but a letter or digit are dropped.
fn meta(known: &str, patch: &Value) -> Result<String, Fault> {
    let refused = || fault("meta", format!("must be an object of at most {META_BYTES_MAX} bytes"));
    let clean = |map: &Map<String, Value>| -> Map<String, Value> {
        let kept = map.iter().filter(|(key, _)| key.starts_with(|first: char| first.is_ascii_alphanumeric()));
        kept.map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let changed = match patch {
        Value::Null => Map::new(),
        Value::Object(map) => match map.get(UPDATE) {
            Some(Value::Object(added)) => {
                let mut merged = object(known).unwrap_or_default();
                merged.extend(clean(added));
                merged
            }
            Some(_) => return Err(refused()),
            None => clean(map),
        },
        _ => return Err(refused()),
    };
    let changed = text(&changed);
    if changed.len() > META_BYTES_MAX { Err(refused()) } else { Ok(changed) }
}

/// What is known of a conversation after a change.
pub fn settings(known: &Settings, patch: &Map<String, Value>) -> Result<Settings, Fault> {
    let mut changed = known.clone();
    let mut extra = object(&known.extra).unwrap_or_default();
    let mut definition = object(&known.definition).unwrap_or_default();
    for (field, value) in patch {
        match field.as_str() {
            "name" => changed.name = words(field, value, NAME_BYTES_MAX)?,
            "description" => changed.description = words(field, value, DESCRIPTION_BYTES_MAX)?,
            "meta" => changed.meta = meta(&known.meta, value)?,
            "botId" => changed.bot = words(field, value, ID_BYTES_MAX)?,
            "contactId" => changed.contact = words(field, value, ID_BYTES_MAX)?,
            name if KEPT.contains(&name) => match value {
                Value::Null => drop(extra.remove(name)),
                value => drop(extra.insert(name.to_owned(), value.clone())),
            },
            name => {
                let own = DEFINING.iter().find(|(known, _)| *known == name).map(|(_, own)| *own);
                let own = own.ok_or_else(|| fault(name, "is not a field of a conversation"))?;
                match words(name, value, DEFINITION_BYTES_MAX)? {
                    text if text.is_empty() => drop(definition.remove(own)),
                    text => drop(definition.insert(own.to_owned(), text.into())),
                }
            }
        }
    }
    changed.extra = text(&extra);
    changed.definition = text(&definition);
    if changed.extra.len() > META_BYTES_MAX {
        return Err(fault("meta", format!("and the fields that are only kept have at most {META_BYTES_MAX} bytes")));
    }
    if changed.definition.len() > DEFINITION_BYTES_MAX {
        return Err(fault("backstory", format!("and model have at most {DEFINITION_BYTES_MAX} bytes")));
    }
    Ok(changed)
}

/// A message after a change.
pub fn note(known: &Note, patch: &Map<String, Value>) -> Result<Note, Fault> {
    let mut changed = known.clone();
    for (field, value) in patch {
        match field.as_str() {
            "type" => {
                let kind = value.as_str().and_then(Kind::parse);
                let names = || Kind::ALL.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                kind.ok_or_else(|| fault("type", format!("must be one of {}", names())))?.as_str().clone_into(&mut changed.r#type);
            }
            "text" => changed.text = words(field, value, STEP_BYTES_MAX)?,
            "name" => changed.name = words(field, value, NAME_BYTES_MAX)?,
            "description" => changed.description = words(field, value, DESCRIPTION_BYTES_MAX)?,
            "meta" => changed.meta = meta(&known.meta, value)?,
            other => return Err(fault(other, "is not a field of a message")),
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{note, settings};
    use crate::wire::{Note, Settings};

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let first = json!({ "name": "n", "meta": { "a": 1, "_b": 2, "$c": 3 }, "model": "m", "backstory": "b", "skillsetId": "s", "privacy": true });
        let first = settings(&Settings::default(), &map(&first)).unwrap();
        assert_eq!((first.name.as_str(), first.meta.as_str(), first.extra.as_str()), ("n", r#"{"a":1}"#, r#"{"privacy":true}"#));
        let definition: Value = serde_json::from_str(&first.definition).unwrap();
        assert_eq!(definition, json!({ "model": "m", "backstory": "b", "skillset": "s" }));
        let second = json!({ "description": "d", "meta": { "$update": { "c": [] } }, "skillsetId": null, "botId": "x" });
        let second = settings(&first, &map(&second)).unwrap();
        assert_eq!((second.name.as_str(), second.description.as_str(), second.bot.as_str()), ("n", "d", "x"));
        assert_eq!(second.meta, r#"{"a":1,"c":[]}"#);
        let definition: Value = serde_json::from_str(&second.definition).unwrap();
        assert_eq!(definition, json!({ "model": "m", "backstory": "b" }));
        assert_eq!(settings(&second, &map(&json!({ "meta": null, "privacy": null }))).unwrap().meta, "");
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (patch, expected) in [
            (json!({ "nam": "x" }), "nam is not a field of a conversation"),
            (json!({ "name": 5 }), "name must be a string"),
            (json!({ "meta": [] }), "meta must be an object"),
            (json!({ "meta": { "$update": 1 } }), "meta must be an object"),
            (json!({ "meta": { "a": "x".repeat(20_000) } }), "meta must be an object"),
        ] {
            assert!(settings(&Settings::default(), &map(&patch)).unwrap_err().to_string().starts_with(expected), "{patch}");
        }
        let known = Note { r#type: "user".into(), text: "a".into(), ..Note::default() };
        assert_eq!(note(&known, &map(&json!({ "text": "b" }))).unwrap(), Note { text: "b".into(), ..known.clone() });
        for (patch, expected) in [(json!({ "type": "x" }), "type must be one of user, bot"), (json!({ "id": "1.0" }), "id is not a field")]
        {
            assert!(note(&known, &map(&patch)).unwrap_err().to_string().starts_with(expected), "{patch}");
        }
    }
}
