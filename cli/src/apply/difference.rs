//! What differs between two versions of a resource, in the words of a file.
//!
//! A secret is never shown: that it changed is.

use std::collections::BTreeMap;
use std::fmt;

use proto::resource::Resource;
use proto::wire::destination::To;
use serde_json::Value;

use crate::config::view;

/// Longest value that is shown whole, in characters.
const SHOWN_CHARS_MAX: usize = 60;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The field, such as `limits.turns`.
    pub field: String,
    /// What it was; none where it was not there.
    pub before: Option<String>,
    /// What it will be; none where it will not be there.
    pub after: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.after) {
            (None, Some(after)) => write!(f, "+ {}: {after}", self.field),
            (Some(before), None) => write!(f, "- {}: {before}", self.field),
            (Some(before), Some(after)) => write!(f, "~ {}: {before} -> {after}", self.field),
            (None, None) => write!(f, "~ {}", self.field),
        }
    }
}

/// What differs; a resource that is not there has no fields.
pub(super) fn between(before: Option<&Resource>, after: Option<&Resource>) -> Vec<Difference> {
    let fields = |resource: Option<&Resource>| {
        let mut fields = BTreeMap::new();
        if let Some(resource) = resource {
            flatten("", &view::of(resource), &mut fields);
            fields.extend(sealed(resource));
            fields.insert("managedBy".to_owned(), resource.common().managed_by.clone());
        }
        fields
    };
    let (before, after) = (fields(before), fields(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let differing = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differing
        .map(|name| {
            let (before, after) = (before.get(name), after.get(name));
            if name.ends_with(SECRET) {
                let shown = |value: Option<&String>| value.map(|_| "(secret)".to_owned());
                return Difference { field: name.trim_end_matches(SECRET).to_owned(), before: shown(before), after: shown(after) };
            }
            Difference { field: name.clone(), before: before.map(|text| shown(text)), after: after.map(|text| shown(text)) }
        })
        .collect()
}

/// What the name of a field ends with whose value is not shown.
const SECRET: &str = " \u{0}";

/// Digests and sealed bytes, to see whether they changed.
fn sealed(resource: &Resource) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut put = |name: String, bytes: &[u8]| {
        if !bytes.is_empty() {
            found.push((format!("{name}{SECRET}"), proto::idempotency::hex(bytes)));
        }
    };
    match resource {
        Resource::Trigger(one) => {
            put("secret".into(), &one.secret.as_ref().map(proto::resource::SecretDigest::to_bytes).unwrap_or_default());
            put("secret (sealed)".into(), &one.secret_sealed);
            put("signature.key".into(), &one.signature.as_ref().map(|one| one.key_sealed.clone()).unwrap_or_default());
            for destination in &one.results {
                if let Some(To::Webhook(webhook)) = &destination.to {
                    put(format!("results.{}.webhook.key", destination.id), &webhook.key_sealed);
                }
            }
        }
        Resource::Secret(one) => put("value".into(), &one.sealed),
        Resource::Bot(_) | Resource::Skillset(_) | Resource::Token(_) => {}
    }
    found
}

/// The leaves of a value by their paths; references to secrets are no leaves.
fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let dot = if path.is_empty() { "" } else { "." };
    match value {
        Value::Object(map) if map.len() == 1 && map.contains_key("file") => {}
        Value::Object(map) => map.iter().for_each(|(name, value)| flatten(&format!("{path}{dot}{name}"), value, into)),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| {
            let name = value.get("id").or_else(|| value.get("name")).and_then(Value::as_str);
            let name = name.map_or_else(|| format!("[{index}]"), |name| format!("{dot}{name}"));
            flatten(&format!("{path}{name}"), value, into);
        }),
        value => drop(into.insert(path.to_owned(), value.to_string())),
    }
}

fn shown(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    format!("{start}… ({} characters)", text.chars().count())
}

#[cfg(test)]
mod tests {
    use proto::resource::{Resource, SecretDigest, State, Trigger};

    use super::between;

    #[test]
    fn each_field_is_shown_and_no_secret_is() {
        let trigger = |secret: &str, name: &str| Trigger {
            name: name.into(),
            secret: Some(SecretDigest::of(secret)),
            secret_sealed: bytes::Bytes::copy_from_slice(secret.as_bytes()),
            ..Trigger::new("t".parse().unwrap(), "b".parse().ok())
        };
        let (before, after) = (trigger("hunter2", "T"), Trigger { state: State::Paused, ..trigger("hunter3", "U") });
        let (before, after) = (Resource::Trigger(before), Resource::Trigger(after));
        let lines: Vec<String> = between(Some(&before), Some(&after)).iter().map(ToString::to_string).collect();
        let expected =
            ["~ name: \"T\" -> \"U\"", "~ secret: (secret) -> (secret)", "~ secret (sealed): (secret) -> (secret)", "+ state: \"paused\""];
        assert_eq!(lines, expected);
        let all = format!("{:?}{:?}", between(None, Some(&before)), between(Some(&before), None));
        assert!(!all.contains("hunter") && !all.contains(&proto::idempotency::hex(b"hunter2")), "{all}");
    }
}
