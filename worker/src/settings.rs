//! What a deployment lends its bots: models, secrets, mail, search, programs, subjects.
//!
//! Plain data in one file (YAML or JSON, `--settings FILE`), the same sections that `cuepoint dev`
//! takes beside triggers and bots. A secret never stands in it: it names a variable or a file.

use std::collections::BTreeMap;
use std::path::Path;

use action::email::Smtp;
use action::search::Search;
use egress::policy::Allow;
use mcp::program::Programs;
use model::provider::Provider;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::entry::{NatsEntry, ProgramEntry, ProviderEntry, SearchEntry, SecretEntry, Secrets, SmtpEntry};
use self::print::Prints;
use crate::ability::message::Pattern;
use crate::secret::Vault;

pub mod entry;
pub mod print;

/// What a file says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Document {
    /// Who serves models; the first one answers to names that say no provider.
    pub providers: Vec<ProviderEntry>,
    /// What abilities may use by name; entries with an id are the deployment's, and not of this file.
    #[serde(deserialize_with = "secrets")]
    pub secrets: Vec<SecretEntry>,
    /// Who takes mail.
    pub smtp: Option<SmtpEntry>,
    /// Where searches go.
    pub search: Option<SearchEntry>,
    /// Programs that may be started as MCP servers, by name.
    pub mcp: BTreeMap<String, ProgramEntry>,
    /// Where messages may go.
    pub nats: NatsEntry,
    /// What else stands in a file that `cuepoint` takes whole.
    pub triggers: IgnoredAny,
    /// The same.
    pub bots: IgnoredAny,
    /// The same.
    pub skillsets: IgnoredAny,
    /// The same; a worker is told with `--egress-allow`.
    pub egress: IgnoredAny,
}

/// What a deployment lends its bots, secrets included.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Who serves models.
    pub providers: Vec<Provider>,
    /// What abilities may use by name.
    pub vault: Vault,
    /// Who takes mail.
    pub smtp: Option<Smtp>,
    /// Where searches go.
    pub search: Option<Search>,
    /// Programs that may be started as MCP servers.
    pub programs: Programs,
    /// Where messages may go.
    pub subjects: Vec<Pattern>,
    /// What is not public and may be called all the same.
    pub egress_allow: Vec<Allow>,
    /// What tells this reading of a file from another.
    pub prints: Prints,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Error {
    /// The field, or the file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

fn fault(path: impl Into<String>, reason: impl std::fmt::Display) -> Error {
    Error { path: path.into(), reason: format!("{reason}") }
}

fn secrets<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<SecretEntry>, D::Error> {
    use serde::de::Error as _;

    lent_secrets(serde_json::Value::deserialize(from)?).map_err(D::Error::custom)
}

/// Reads those of a list of secrets that a file lends: entries with an id are kept by the deployment.
pub fn lent_secrets(mut list: serde_json::Value) -> Result<Vec<SecretEntry>, serde_json::Error> {
    if let Some(entries) = list.as_array_mut() {
        entries.retain(|entry| entry.get("id").is_none());
    }
    if list.is_null() { Ok(Vec::new()) } else { serde_json::from_value(list) }
}

impl Settings {
    /// Reads a file and what it names.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| fault(path.display().to_string(), error))?;
        let document: Document = serde_saphyr::from_str(&text).map_err(|error| fault(path.display().to_string(), error))?;
        let base = path.parent().unwrap_or_else(|| Path::new(""));
        Ok(Self { prints: Prints::of(&text, base), ..document.resolve(base)? })
    }
}

impl Document {
    /// Fetches what the document names; files are looked for relative to `base`.
    pub fn resolve(self, base: &Path) -> Result<Settings, Error> {
        self.with(Secrets::From(base))
    }

    /// The ids of the providers.
    pub fn provider_ids(&self) -> Vec<String> {
        self.providers.iter().map(|entry| entry.id().to_owned()).collect()
    }

    /// The names of the secrets.
    pub fn secret_names(&self) -> Vec<String> {
        self.secrets.iter().map(|entry| entry.name().to_owned()).collect()
    }

    /// What is wrong with the document, as far as that can be told without its secrets.
    pub fn check(self) -> Result<(), Error> {
        self.with(Secrets::Unread).map(drop)
    }

    fn with(self, base: Secrets<'_>) -> Result<Settings, Error> {
        let mut providers = Vec::with_capacity(self.providers.len());
        for (index, entry) in self.providers.into_iter().enumerate() {
            providers.push(entry.resolve(&format!("providers[{index}]"), base)?);
        }
        let faults: Vec<String> = model::providers::faults(&providers).iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(fault("providers", faults.join("; ")));
        }
        let mut secrets = Vec::with_capacity(self.secrets.len());
        for (index, entry) in self.secrets.into_iter().enumerate() {
            secrets.push(entry.resolve(&format!("secrets[{index}]"), base)?);
        }
        let mut programs = Programs::new();
        for (name, entry) in self.mcp {
            let program = entry.resolve(&format!("mcp.{name}"), base)?;
            programs.insert(name, program);
        }
        Ok(Settings {
            providers,
            vault: Vault::new(secrets),
            smtp: self.smtp.map(|entry| entry.resolve(base)).transpose()?,
            search: self.search.map(|entry| entry.resolve(base)).transpose()?,
            programs,
            subjects: self.nats.allow,
            egress_allow: Vec::new(),
            prints: Prints::default(),
        })
    }
}

#[cfg(test)]
mod tests;
