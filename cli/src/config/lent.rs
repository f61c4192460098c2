//! The sections of a file that say what a deployment lends its bots: models, secrets, mail and the like.

use serde::de::DeserializeOwned;
use worker::settings;

use super::bot::PlacedBot;
use super::document::Lent;
use super::fault::Fault;
use super::fields::Fields;
use super::skillset::PlacedSkillset;
use super::tree::{Node, Value};

/// Takes the sections out of a file.
pub(super) fn take(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> settings::Document {
    settings::Document {
        providers: section(fields, "providers", faults).unwrap_or_default(),
        secrets: secrets(fields, faults).unwrap_or_default(),
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

/// Entries of `secrets` that the deployment keeps: those with an id.
pub(super) fn kept<'a>(fields: &Fields<'a>) -> Vec<(&'a Node, String)> {
    let is_kept = |node: &Node| matches!(&node.value, Value::Map(entries) if entries.iter().any(|entry| entry.key == "id"));
    fields.look("secrets").into_iter().filter(|(node, _)| is_kept(node)).collect()
}

/// Takes the entries of `secrets` that are lent.
fn secrets(fields: &mut Fields<'_>, faults: &mut Vec<Fault>) -> Option<Vec<settings::entry::SecretEntry>> {
    let path = fields.path_of("secrets");
    let node = fields.take("secrets")?;
    match settings::lent_secrets(node.to_json()) {
        Ok(secrets) => Some(secrets),
        Err(error) => {
            faults.push(Fault { at: node.at, path, reason: error.to_string() });
            None
        }
    }
}

/// What bots and abilities name that is lent by none of the files, where they lend anything of the kind.
pub(super) fn unlent(bots: &[PlacedBot], skillsets: &[PlacedSkillset], lent: &Lent) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (bot, (at, path)) in bots.iter().filter_map(|bot| bot.bot.as_ref().zip(bot.at.as_ref())) {
        let definition: serde_json::Value = serde_json::from_str(&bot.definition).unwrap_or_default();
        let models =
            definition.get("model").into_iter().chain(definition.get("fallbacks").and_then(|list| list.as_array()).into_iter().flatten());
        for model in models.filter_map(serde_json::Value::as_str) {
            let provider = model.split_once('/').map(|(provider, _)| provider);
            if let Some(provider) = provider.filter(|id| !lent.providers.is_empty() && !lent.providers.iter().any(|known| known == id)) {
                faults.push(Fault { at: *at, path: format!("{path}.model"), reason: format!("{model}: there is no provider {provider}") });
            }
        }
    }
    let normal =
        |name: &str| name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect::<String>();
    let known: Vec<String> = lent.secrets.iter().map(|name| normal(name)).collect();
    for skillset in skillsets {
        let definition = skillset.skillset.as_ref().map(|one| one.definition.as_str()).unwrap_or_default();
        let definition: serde_json::Value = serde_json::from_str(definition).unwrap_or_default();
        let abilities = definition.get("abilities").and_then(|list| list.as_array()).into_iter().flatten();
        for (index, secret) in abilities.enumerate().filter_map(|(index, one)| Some((index, one.get("secret")?.as_str()?))) {
            if !known.is_empty() && !known.contains(&normal(secret)) {
                let (at, path) = &skillset.at;
                let path = format!("{path}.abilities[{index}].secret");
                faults.push(Fault { at: *at, path, reason: format!("there is no secret {secret}") });
            }
        }
    }
    faults
}
