//! What a file may say, as a JSON Schema for editors.
//!
//! The reader in this module's neighbours decides; this says the same in another language. Tests hold
//! the two together: the fields of each mapping, every example, and a table of what both refuse.
//! What bots of a kind and abilities say is theirs, and open here.

use proto::limit::TOKEN_CHARS_MAX;
use serde_json::{Value, json};

use super::{notes, result, trigger};

/// The JSON Schema of a file.
pub fn document() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cuepoint configuration",
        "description": "Triggers, bots, skillsets and secrets, and what a deployment lends them.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "triggers": list("trigger", "Where events come in."),
            "bots": list("bot", "Who answers them."),
            "skillsets": list("skillset", "What bots may do."),
            "secrets": list("secret", "What abilities use: with an id the deployment keeps it, without one a worker lends it."),
            "egress": {
                "description": "Private addresses that abilities may call.",
                "type": "object",
                "additionalProperties": false,
                "properties": { "allow": { "type": "array", "items": { "type": "string" } } }
            },
            "providers": list("provider", "Who serves models; the first answers to names that say no provider."),
            "smtp": { "description": "Who takes mail.", "type": "object", "required": ["host", "port", "from"] },
            "search": { "description": "Where searches go.", "type": "object", "required": ["url"] },
            "mcp": { "description": "Programs that may be started as MCP servers, by name.", "type": "object" },
            "nats": { "description": "Where messages may go.", "type": "object" }
        },
        "$defs": definitions()
    })
}

fn list(of: &str, description: &str) -> Value {
    json!({ "description": description, "type": "array", "items": { "$ref": format!("#/$defs/{of}") } })
}

fn words<T>(words: &[(&str, T)], default: &str) -> Value {
    json!({ "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>(), "default": default })
}

fn token(description: &str) -> Value {
    json!({ "description": description, "type": "string", "pattern": format!("^[A-Za-z0-9_-]{{1,{TOKEN_CHARS_MAX}}}$") })
}

fn definitions() -> Value {
    json!({
        "trigger": of_trigger(),
        "destination": of_destination(),
        "signature": {
            "description": "How signed calls are checked.",
            "type": "object",
            "additionalProperties": false,
            "required": ["scheme"],
            "properties": {
                "scheme": { "enum": result::SCHEMES.map(|(word, _)| word) },
                "key": { "$ref": "#/$defs/source" },
                "publicKey": { "type": "string" },
                "tolerance": { "$ref": "#/$defs/duration" }
            }
        },
        "rate": {
            "description": "How many events it takes in a time.",
            "type": "object",
            "additionalProperties": false,
            "required": ["count", "per"],
            "properties": { "count": { "type": "integer", "minimum": 1 }, "per": { "$ref": "#/$defs/duration" } }
        },
        "limits": { "description": "What turns may take.", "type": "object" },
        "bot": of_bot(),
        "skillset": of_skillset(),
        "secret": of_secret(),
        "provider": { "type": "object", "required": ["id", "kind"], "properties": { "id": { "type": "string" }, "kind": { "type": "string" } } },
        "source": {
            "description": "Where a secret is; it never stands in the file itself.",
            "type": "object",
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": { "env": { "type": "string", "minLength": 1 }, "file": { "type": "string", "minLength": 1 } }
        },
        "duration": {
            "description": "Such as 1d or 90s, or milliseconds.",
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]" }]
        },
        "alias": { "description": "A second name.", "type": "string", "pattern": "^[A-Za-z0-9_-]{1,128}$" }
    })
}

fn of_destination() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id"],
        "oneOf": [{ "required": ["webhook"] }, { "required": ["subject"] }],
        "properties": {
            "id": token("Names it in its trigger."),
            "webhook": {
                "description": "Signed by Standard Webhooks.",
                "type": "object",
                "additionalProperties": false,
                "required": ["url", "key"],
                "properties": { "url": { "type": "string", "pattern": "^https?://" }, "key": { "$ref": "#/$defs/source" } }
            },
            "subject": { "description": "A subject of NATS.", "type": "string", "minLength": 1 },
            "statuses": {
                "description": "Which ends are told; none means all.",
                "type": "array",
                "items": { "enum": outbox::destination::STATUSES }
            },
            "disabled": { "type": "boolean", "default": false }
        }
    })
}

fn of_bot() -> Value {
    json!({
        "type": "object",
        "required": ["id", "kind"],
        "properties": {
            "id": token("Its id."),
            "kind": { "enum": ["agent", "rules", "scripted"] },
            "name": { "type": "string" },
            "description": { "type": "string" },
            "alias": { "$ref": "#/$defs/alias" },
            "meta": { "type": "object" },
            "state": words(&notes::STATES, "active")
        }
    })
}

fn of_skillset() -> Value {
    json!({
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": token("Its id."),
            "name": { "type": "string" },
            "description": { "type": "string" },
            "alias": { "$ref": "#/$defs/alias" },
            "meta": { "type": "object" },
            "disabled": { "type": "boolean", "default": false },
            "abilities": { "type": "array", "items": { "type": "object", "required": ["name"] } }
        }
    })
}

fn of_trigger() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "bot"],
        "properties": {
            "id": token("Stands in the URL that events come to."),
            "name": { "type": "string" },
            "description": { "type": "string" },
            "alias": { "$ref": "#/$defs/alias" },
            "meta": { "type": "object" },
            "bot": token("The bot that answers."),
            "text": { "description": "Replaces the caller's text.", "type": "string" },
            "authenticate": { "description": "Whether a caller must present the secret.", "type": "boolean", "default": true },
            "secret": { "$ref": "#/$defs/source" },
            "sessionDuration": { "$ref": "#/$defs/duration" },
            "busy": words(&trigger::BUSY, "enqueue"),
            "quiet": { "$ref": "#/$defs/duration" },
            "limits": { "$ref": "#/$defs/limits" },
            "state": words(&notes::STATES, "active"),
            "schedule": { "description": "never, a named interval, five cron fields, HH:MM or an ISO 8601 time.", "type": "string" },
            "timezone": { "description": "The IANA time zone of the schedule.", "type": "string" },
            "catchUp": words(&trigger::CATCH_UP, "once"),
            "rate": { "$ref": "#/$defs/rate" },
            "signature": { "$ref": "#/$defs/signature" },
            "results": list("destination", "Where the ends of its turns are told.")
        }
    })
}

fn of_secret() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object",
        "if": { "required": ["id"] },
        "then": {
            "additionalProperties": false,
            "properties": {
                "id": token("Its id."),
                "name": text,
                "description": text,
                "alias": { "$ref": "#/$defs/alias" },
                "meta": { "type": "object" },
                "kind": { "enum": ["shared", "personal"], "default": "shared" },
                "type": { "enum": ["plain", "basic", "bearer", "jwt", "oauth", "template", "reference"], "default": "plain" },
                "value": { "$ref": "#/$defs/source" },
                "config": { "type": "object" }
            }
        },
        "else": {
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": text,
                "type": { "enum": ["plain", "basic", "bearer"], "default": "plain" },
                "env": { "type": "string" },
                "file": { "type": "string" }
            },
            "oneOf": [{ "required": ["env"] }, { "required": ["file"] }]
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::document;
    use crate::config::document::{Document, Documents};
    use crate::config::tree;

    const BOT: &str = "bots: [{ id: b, kind: rules, rules: [{ reply: hi }] }]\n";

    /// Whether the schema takes a text.
    fn takes(text: &str) -> Result<(), String> {
        let validator = jsonschema::validator_for(&document()).expect("the schema is a schema");
        let value = tree::read(text).map_err(|fault| fault.reason)?.to_json();
        validator.validate(&value).map_err(|error| format!("{}: {error}", error.instance_path()))
    }

    #[test]
    fn the_published_schema_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cuepoint.schema.json");
        let published = std::fs::read_to_string(path).unwrap_or_default();
        let wanted = serde_json::to_string_pretty(&document()).unwrap();
        assert_eq!(published.trim_end(), wanted, "run: cuepoint schema > docs/cuepoint.schema.json");
    }

    #[test]
    fn every_example_is_taken_by_the_reader_and_by_the_schema() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let mut count = 0;
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "yaml") {
                let text = std::fs::read_to_string(&path).unwrap();
                Documents::lint(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                takes(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                assert!(text.starts_with("# yaml-language-server: $schema="), "{} tells editors nothing", path.display());
                count += 1;
            }
        }
        assert!(count >= 3, "only {count} examples");
    }

    #[test]
    fn what_is_wrong_is_refused_by_both() {
        let trigger = |fields: &str| format!("triggers: [{{ id: t, bot: b, {fields} }}]\n{BOT}");
        for text in [
            "colour: red\n".to_owned(),
            "triggers: { id: t }\n".into(),
            format!("triggers: [{{ id: t }}]\n{BOT}"),
            format!("triggers: [{{ id: 't x', bot: b }}]\n{BOT}"),
            trigger("colour: red"),
            trigger("secret: hunter2"),
            trigger("secret: { env: A, file: b }"),
            trigger("secret: {}"),
            trigger("busy: never"),
            trigger("state: off"),
            trigger("catchUp: twice"),
            trigger("sessionDuration: -1"),
            trigger("sessionDuration: soon"),
            trigger("authenticate: maybe"),
            trigger("alias: 'a b'"),
            trigger("meta: [1]"),
            trigger("rate: { count: 0, per: 1s }"),
            trigger("rate: { count: 1 }"),
            trigger("signature: { scheme: pigeon, key: { env: A } }"),
            trigger("signature: { key: { env: A } }"),
            trigger("results: [{ id: a }]"),
            trigger("results: [{ id: a, subject: x, webhook: { url: 'https://e.com', key: { env: A } } }]"),
            trigger("results: [{ id: a, webhook: { url: 'https://e.com' } }]"),
            trigger("results: [{ id: a, webhook: { url: 'ftp://e.com', key: { env: A } } }]"),
            trigger("results: [{ id: a, subject: x, statuses: [running] }]"),
            "bots: [{ id: b, kind: oracle }]\n".into(),
            "bots: [{ id: b, kind: rules, rules: [{ reply: hi }], state: gone }]\n".into(),
            "skillsets: [{ id: s, disabled: 1, abilities: [] }]\n".into(),
            "secrets: [{ id: s, colour: red }]\n".into(),
            "secrets: [{ id: s, kind: public }]\n".into(),
            "secrets: [{ name: s }]\n".into(),
            "egress: { deny: [] }\n".into(),
        ] {
            assert!(Document::parse("f.yaml", &text, Path::new("")).is_err(), "the reader takes {text}");
            assert!(takes(&text).is_err(), "the schema takes {text}");
        }
        takes(&trigger("results: [{ id: a, subject: x }]")).unwrap();
    }

    /// The fields that the reader names where it meets one that it does not know.
    fn known(text: &str) -> BTreeSet<String> {
        let faults = Document::parse("f.yaml", text, Path::new("")).unwrap_err().to_string();
        let line = faults.lines().find(|line| line.contains(".zz: is not known here: ")).unwrap_or_else(|| panic!("{faults}"));
        let fields = line.split_once("is not known here: ").unwrap().1.trim_end_matches(" are");
        fields.split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn reader_and_schema_know_the_same_fields() {
        let schema = document();
        let fields = |pointer: &str| -> BTreeSet<String> {
            schema.pointer(pointer).and_then(Value::as_object).unwrap_or_else(|| panic!("{pointer}")).keys().cloned().collect()
        };
        let trigger = |fields: &str| format!("triggers: [{{ id: t, bot: b, {fields} }}]\n{BOT}");
        for (text, pointer) in [
            (trigger("zz: 1"), "/$defs/trigger/properties"),
            (trigger("rate: { zz: 1 }"), "/$defs/rate/properties"),
            (trigger("signature: { zz: 1 }"), "/$defs/signature/properties"),
            (trigger("results: [{ zz: 1 }]"), "/$defs/destination/properties"),
            (trigger("results: [{ webhook: { zz: 1 } }]"), "/$defs/destination/properties/webhook/properties"),
            (trigger("secret: { zz: 1 }"), "/$defs/source/properties"),
            ("secrets: [{ id: s, zz: 1 }]".into(), "/$defs/secret/then/properties"),
            ("egress: { zz: 1 }".into(), "/properties/egress/properties"),
        ] {
            assert_eq!(known(&text), fields(pointer), "{pointer}");
        }
    }
}
