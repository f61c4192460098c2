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

use self::entry::{NatsEntry, ProgramEntry, ProviderEntry, SearchEntry, SecretEntry, SmtpEntry};
use crate::ability::message::Pattern;
use crate::secret::Vault;

pub mod entry;

/// What a file says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Document {
    /// Who serves models; the first one answers to names that say no provider.
    pub providers: Vec<ProviderEntry>,
    /// What abilities may use by name.
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

impl Settings {
    /// Reads a file and what it names.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|error| fault(path.display().to_string(), error))?;
        let document: Document = serde_saphyr::from_str(&text).map_err(|error| fault(path.display().to_string(), error))?;
        document.resolve(path.parent().unwrap_or_else(|| Path::new("")))
    }
}

impl Document {
    /// Fetches what the document names; files are looked for relative to `base`.
    pub fn resolve(self, base: &Path) -> Result<Settings, Error> {
        let mut providers = Vec::with_capacity(self.providers.len());
        for (index, entry) in self.providers.into_iter().enumerate() {
            providers.push(entry.resolve(&format!("providers[{index}]"), base)?);
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
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Document, Settings};

    fn read(text: &str) -> Result<Settings, String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        document.resolve(Path::new(env!("CARGO_MANIFEST_DIR"))).map_err(|error| error.to_string())
    }

    #[test]
    fn every_section_is_read() {
        let settings = read(
            "providers:\n  - { id: local, kind: compatible, baseUrl: 'http://127.0.0.1:1/v1/', key: { file: Cargo.toml }, concurrency: 4,\n      \
             prices: { small: { input: 0.1, output: 0.4 } } }\nsecrets: [{ name: t, type: bearer, file: Cargo.toml }]\n\
             smtp: { host: mail, port: 25, tls: none, from: 'Bot <bot@example.com>' }\n\
             search: { url: 'https://search.example.com/?q={query}' }\nmcp: { time: { command: mcp-time, args: [x] } }\nnats: { allow: ['jobs.>'] }\n",
        )
        .unwrap();
        assert_eq!(settings.providers[0].prices["small"].output, 400_000);
        assert!(settings.vault.get("T").is_some() && settings.smtp.is_some() && settings.search.is_some());
        assert_eq!((settings.programs.len(), settings.subjects.len()), (1, 1));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            (
                "providers: [{ id: a, kind: openai, key: { env: CUEPOINT_NOT_SET } }]",
                "providers[0].key: the environment variable CUEPOINT_NOT_SET",
            ),
            ("providers: [{ id: a, kind: openai, key: {} }]", "providers[0].key: must be one of"),
            ("providers: [{ id: a, kind: openai, prices: { m: { input: -1, output: 0 } } }]", "providers[0].prices.m: must be US dollars"),
            ("secrets: [{ name: t, file: nowhere }]", "secrets[0]: cannot read"),
            ("smtp: { host: h, port: 25, from: nobody }", "smtp.from: "),
            ("smtp: { host: h, port: 25, from: 'a@b.c', username: u }", "smtp: username and password go together"),
            ("search: { url: 'https://h/?q={query}', header: k }", "search: header and key go together"),
        ] {
            let error = read(text).map(drop).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        assert!(read("nats: { allow: ['log.>'] }").unwrap_err().contains("log"));
        assert!(read("colour: red").unwrap_err().contains("colour"));
    }
}
