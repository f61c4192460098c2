//! The sections of a file that say what a deployment lends its bots: models, secrets, mail and the like.

use serde::de::DeserializeOwned;
use worker::settings;

use super::fault::Fault;
use super::fields::Fields;

/// Takes the sections out of a file.
pub(super) fn take(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> settings::Document {
    settings::Document {
        providers: section(fields, "providers", faults).unwrap_or_default(),
        secrets: section(fields, "secrets", faults).unwrap_or_default(),
        smtp: section(fields, "smtp", faults),
        search: section(fields, "search", faults),
        mcp: section(fields, "mcp", faults).unwrap_or_default(),
        nats: section(fields, "nats", faults).unwrap_or_default(),
        ..settings::Document::default()
    }
}

fn section<T: DeserializeOwned>(fields: &mut Fields<'_>, name: &'static str, faults: &mut Vec<Fault>) -> Option<T> {
    let path = fields.path_of(name);
    let node = fields.take(name)?;
    match serde_json::from_value(node.to_json()) {
        Ok(section) => Some(section),
        Err(error) => {
            faults.push(Fault { at: node.at, path, reason: error.to_string() });
            None
        }
    }
}
