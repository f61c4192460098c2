//! One action that a bot may take.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::Faults;
use crate::instruction::Instruction;
use crate::invocation::{Action, Invocation};
use crate::limit::{DESCRIPTION_BYTES_MAX, ENTRIES_MAX, LABEL_BYTES_MAX};
use crate::violation::Violation;

/// The reference to the secret that an ability links.
const LINKED: &str = "SECRET_DEFAULT";

/// An ability as it stands in a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Definition {
    /// What it is called; the function's name comes of it.
    pub name: String,
    /// What it is for, as the model reads it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What is done.
    pub instruction: String,
    /// Whether somebody must agree to each call; left out, the bot's own rule holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<bool>,
    /// What is done where a crash leaves the outcome unknown; left out, the action decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
    /// Who may have it used.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// The secret that `${SECRET_DEFAULT}` stands for.
    #[serde(default, alias = "secretId", alias = "linkedSecretId", skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Addresses, networks and hosts that may be called though they are not public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<String>,
    /// Whether the model is offered it.
    #[serde(default, skip_serializing_if = "State::is_enabled")]
    pub state: State,
    /// Notes of whoever keeps the file; nothing reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
    /// Names it in its skillset, where one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A second name, unique in its skillset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// When it was made, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<i64>,
    /// When it was last changed, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<i64>,
    /// Fields of `ChatBotKit` that are kept for its clients; nothing reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Value>,
}

/// What is done about a call whose outcome a crash left unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doubt {
    /// It is made again, under the same idempotency key.
    Retry,
    /// The model is told that it may have happened.
    Fail,
}

/// Who may have an ability used; empty lists admit everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Names of triggers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<String>,
    /// Contacts, by whatever they are known by: an id, a mail address, a telephone number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
}

/// Whether the model is offered an ability.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    #[default]
    Enabled,
    /// It is not.
    Disabled,
}

/// An ability that can be offered and filled in.
#[derive(Debug, Clone)]
pub struct Ability {
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What is done.
    pub instruction: Instruction,
    /// Whether somebody must agree to each call; the bot's own rule where it does not say.
    pub approval: Option<bool>,
    /// What is done in doubt; the action decides where it does not say.
    pub doubt: Option<Doubt>,
    /// Who may have it used.
    pub limits: Limits,
    /// The name of the secret that `${SECRET_DEFAULT}` stands for.
    pub secret: Option<String>,
    /// Addresses, networks and hosts that may be called though they are not public.
    pub egress: Vec<String>,
    /// Whether the model is offered it.
    pub state: State,
}

/// What is wrong with the definition of an ability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is not what it must be.
    #[error("{field} {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        reason: String,
    },
    /// The instruction has faults.
    #[error("instruction:\n{0}")]
    Instruction(Faults),
}

impl Ability {
    /// Reads a definition; all that is wrong is told.
    pub fn parse(definition: Definition) -> Result<Self, Vec<Error>> {
        let mut errors = check(&definition);
        let instruction = match Instruction::parse(&definition.instruction) {
            Ok(instruction) => instruction,
            Err(faults) => {
                errors.push(Error::Instruction(faults));
                return Err(errors);
            }
        };
        let instruction = if definition.secret.is_some() { instruction.authorized() } else { instruction };
        if definition.secret.is_none() && instruction.references().iter().any(|name| name == LINKED) {
            errors.push(field("secret", format!("is missing: the instruction has ${{{LINKED}}}; write the name of a secret")));
        }
        if !definition.egress.is_empty() && !matches!(instruction.action(), Action::Fetch | Action::Mcp | Action::Search) {
            errors.push(field("egress", "belongs to fetch, search and mcp".to_owned()));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let Definition { name, description, approval, doubt, limits, secret, egress, state, .. } = definition;
        Ok(Self { name, description, instruction, approval, doubt, limits, secret, egress, state })
    }

    /// Fills the arguments of a model in.
    pub fn fill(&self, arguments: &Value) -> Result<Invocation, Violation> {
        self.instruction.fill(arguments)
    }
}

impl Limits {
    /// Whether an event of a trigger and a contact, by any of its names, may have the ability used.
    pub fn admits(&self, trigger: &str, contact: &[&str]) -> bool {
        let is_trigger = self.triggers.is_empty() || self.triggers.iter().any(|name| name == trigger);
        is_trigger && (self.contacts.is_empty() || self.contacts.iter().any(|name| contact.contains(&name.as_str())))
    }

    fn is_empty(&self) -> bool {
        self.triggers.is_empty() && self.contacts.is_empty()
    }
}

impl State {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_enabled(&self) -> bool {
        *self == Self::Enabled
    }
}

fn check(definition: &Definition) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut need = |name, text: &str, bytes_max| {
        if text.trim().is_empty() {
            errors.push(field(name, "must not be empty".to_owned()));
        } else if text.len() > bytes_max {
            errors.push(field(name, format!("has {} bytes, at most {bytes_max} are taken", text.len())));
        }
    };
    need("name", &definition.name, LABEL_BYTES_MAX);
    if !definition.description.is_empty() {
        need("description", &definition.description, DESCRIPTION_BYTES_MAX);
    }
    if let Some(secret) = &definition.secret {
        need("secret", secret, LABEL_BYTES_MAX);
    }
    let lists = [
        ("limits.triggers", &definition.limits.triggers),
        ("limits.contacts", &definition.limits.contacts),
        ("egress", &definition.egress),
    ];
    for (name, list) in lists {
        if list.len() > ENTRIES_MAX {
            errors.push(field(name, format!("has {} entries, at most {ENTRIES_MAX} are taken", list.len())));
        }
        if list.iter().any(|entry| entry.trim().is_empty() || entry.len() > LABEL_BYTES_MAX) {
            errors.push(field(name, format!("has an entry that is empty or over {LABEL_BYTES_MAX} bytes")));
        }
    }
    errors
}

fn field(field: &'static str, reason: String) -> Error {
    Error::Field { field, reason }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Ability, Definition, Doubt, Limits, State};

    fn parse(definition: Value) -> Result<Ability, String> {
        let definition: Definition = serde_json::from_value(definition).map_err(|error| error.to_string())?;
        Ability::parse(definition).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn a_whole_definition_is_read_and_written_back() {
        let definition = json!({
            "name": "Fetch Weather", "description": "Tells the weather", "instruction": "```fetch\nGET https://x/$[city!]\nA: ${SECRET_DEFAULT}\n```",
            "approval": true, "doubt": "retry", "limits": { "triggers": ["t"], "contacts": ["a@b.c"] }, "secret": "weather",
            "egress": ["10.0.0.0/8"], "state": "disabled", "meta": { "any": 1 },
        });
        let parsed: Definition = serde_json::from_value(definition.clone()).unwrap();
        assert_eq!(serde_json::to_value(&parsed).unwrap(), definition);
        let ability = parse(definition).unwrap();
        assert_eq!(
            (ability.approval, ability.doubt, ability.state, ability.secret.as_deref()),
            (Some(true), Some(Doubt::Retry), State::Disabled, Some("weather"))
        );
        let short = parse(json!({ "name": "a", "instruction": "```echo\n```", "secretId": "s" })).unwrap();
        assert_eq!((short.approval, short.doubt, short.state, short.secret.as_deref()), (None, None, State::Enabled, Some("s")));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_field() {
        for (definition, expected) in [
            (
                json!({ "name": "a", "instruction": "```echo\n```", "aproval": true }),
                "unknown field `aproval`, expected one of `name`, `description`, `instruction`, `approval`,",
            ),
            (
                json!({ "name": "a", "instruction": "```echo\n```", "limits": { "trigger": [] } }),
                "unknown field `trigger`, expected `triggers` or `contacts`",
            ),
            (json!({ "name": "a", "instruction": "```echo\n```", "doubt": "ask" }), "unknown variant `ask`, expected `retry` or `fail`"),
            (json!({ "name": "a" }), "missing field `instruction`"),
            (json!({ "name": " ", "instruction": "```echo\n```" }), "name must not be empty"),
            (json!({ "name": "a", "instruction": "```echo\n```", "egress": ["x"] }), "egress belongs to fetch, search and mcp"),
            (
                json!({ "name": "a", "instruction": "```echo\n```", "limits": { "contacts": [""] } }),
                "limits.contacts has an entry that is empty or over 256 bytes",
            ),
            (
                json!({ "name": "a", "instruction": "```fetch\nGET https://x/\nA: ${SECRET_DEFAULT}\n```" }),
                "secret is missing: the instruction has ${SECRET_DEFAULT}",
            ),
            (json!({ "name": "", "instruction": "go" }), "name must not be empty; instruction:\nline 1, column 1: there is no block"),
        ] {
            let error = parse(definition).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn limits_admit_whom_they_name() {
        let limits = Limits { triggers: vec!["t".into()], contacts: vec!["a@b.c".into()] };
        assert!(limits.admits("t", &["id7", "a@b.c"]));
        assert!(!limits.admits("u", &["a@b.c"]));
        assert!(!limits.admits("t", &["id7"]));
        assert!(!limits.admits("t", &[]));
        assert!(Limits::default().admits("t", &[]));
    }

    #[test]
    fn linked_tools_are_asked_with_the_secret() {
        let linked =
            |instruction: &str| parse(json!({ "name": "a", "instruction": instruction, "secret": "s" })).unwrap().instruction.references();
        assert_eq!(linked("```mcp\nhttps://mcp.example.com\n```"), ["SECRET_DEFAULT"]);
        assert_eq!(linked("```mcp\nurl: https://mcp.example.com\nheaders: {X-Key: '${SECRET_KEY}'}\n```"), ["SECRET_KEY"]);
        assert_eq!(linked("```mcp\nurl: https://mcp.example.com\nheaders: {authorization: x}\n```"), [""; 0]);
        assert_eq!(linked("```mcp\nurl: $[url!]\n```"), [""; 0]);
        assert_eq!(linked("```mcp\nserver: files\n```"), [""; 0]);
        assert_eq!(linked("```fetch\nGET https://example.com\n```"), [""; 0]);
    }
}
