//! The entries of a settings file, and what each comes to once what it names is fetched.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use action::email::{Security, Smtp};
use action::search::Search;
use action::secret::Secret;
use mcp::program::Program;
use model::provider::{Kind, Price, Provider};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::{Error, fault};
use crate::ability::message::Pattern;

/// How many millionths a US dollar has.
const MICRO: f64 = 1e6;
/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// What is said of a source that is none.
const NOT_ONE: &str = "must be one of { env: NAME } and { file: PATH }";
/// What stands for a secret while a document is checked without its secrets.
const UNREAD: &str = "unread";

/// Where secrets are fetched from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Secrets<'a> {
    /// From where the document says, with files relative to this directory.
    From(&'a Path),
    /// From nowhere: none is looked at.
    Unread,
}

/// Where a secret is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Source {
    /// An environment variable.
    env: Option<String>,
    /// A file; relative to the one that names it.
    file: Option<PathBuf>,
}

/// A provider of models.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderEntry {
    id: String,
    kind: Kind,
    base_url: Option<Url>,
    key: Option<Source>,
    /// In US dollars for a million tokens, by model.
    #[serde(default)]
    prices: BTreeMap<String, PriceEntry>,
    /// How many turns may use it at once, in one worker.
    concurrency: Option<NonZeroUsize>,
    schemas: Option<bool>,
}

/// What a model costs, in US dollars for a million tokens.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PriceEntry {
    input: f64,
    cached: Option<f64>,
    output: f64,
}

/// A secret for abilities.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretEntry {
    name: String,
    #[serde(default, rename = "type")]
    kind: SecretKind,
    env: Option<String>,
    file: Option<PathBuf>,
}

/// How a secret stands in a header.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretKind {
    /// As it is.
    #[default]
    Plain,
    /// `user:password`, as `Basic` and its base64.
    Basic,
    /// Behind `Bearer`.
    Bearer,
}

/// How a mail server is spoken to.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// In the clear; for a server on the same machine.
    None,
    /// In the clear until `STARTTLS`.
    #[default]
    #[serde(rename = "starttls")]
    Start,
    /// From the first byte.
    Implicit,
}

/// A mail server.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SmtpEntry {
    host: String,
    port: u16,
    #[serde(default)]
    tls: Tls,
    username: Option<String>,
    password: Option<Source>,
    from: String,
}

/// A search engine that answers with JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchEntry {
    url: String,
    /// The header that carries the key.
    header: Option<String>,
    key: Option<Source>,
    results: Option<String>,
    title: Option<String>,
    link: Option<String>,
    snippet: Option<String>,
}

/// A program that may be started.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramEntry {
    command: PathBuf,
    #[serde(default)]
    args: Vec<String>,
    /// Its whole environment beside `PATH`.
    #[serde(default)]
    env: BTreeMap<String, Source>,
    directory: Option<PathBuf>,
}

/// Where messages may go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NatsEntry {
    /// The subjects, as NATS writes them.
    pub allow: Vec<Pattern>,
}

impl Source {
    /// The secret, without the line end of a file.
    fn read(&self, path: &str, base: Secrets<'_>) -> Result<SecretString, Error> {
        match base {
            Secrets::From(base) => self.fetch(path, base),
            Secrets::Unread if self.env.is_some() != self.file.is_some() => Ok(UNREAD.to_owned().into()),
            Secrets::Unread => Err(fault(path, NOT_ONE)),
        }
    }

    fn fetch(&self, path: &str, base: &Path) -> Result<SecretString, Error> {
        let text = match (&self.env, &self.file) {
            (Some(name), None) => variable(name).ok_or_else(|| fault(path, format!("the environment variable {name} is not set")))?,
            (None, Some(file)) => {
                let file = base.join(file);
                let length = std::fs::metadata(&file).map(|found| found.len());
                let length = length.map_err(|error| fault(path, format!("cannot read {}: {error}", file.display())))?;
                if length > SECRET_BYTES_MAX {
                    return Err(fault(path, format!("{} has {length} bytes, at most {SECRET_BYTES_MAX} are taken", file.display())));
                }
                std::fs::read_to_string(&file).map_err(|error| fault(path, format!("cannot read {}: {error}", file.display())))?
            }
            _ => return Err(fault(path, NOT_ONE)),
        };
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() { Err(fault(path, "the secret is empty")) } else { Ok(text.to_owned().into()) }
    }
}

#[expect(clippy::disallowed_methods, reason = "a settings file names the variable")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

impl SecretEntry {
    /// The name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn resolve(self, path: &str, base: Secrets<'_>) -> Result<(String, Secret), Error> {
        let value = Source { env: self.env, file: self.file }.read(path, base)?;
        let secret = match self.kind {
            SecretKind::Plain => Secret::plain(value),
            SecretKind::Basic => Secret::basic(value),
            SecretKind::Bearer => Secret::bearer(value),
        };
        Ok((self.name, secret))
    }
}

impl ProviderEntry {
    /// The id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn resolve(self, path: &str, base: Secrets<'_>) -> Result<Provider, Error> {
        let key = self.key.map(|source| source.read(&format!("{path}.key"), base)).transpose()?;
        let mut prices = BTreeMap::new();
        for (name, entry) in self.prices {
            let price = entry
                .resolve()
                .ok_or_else(|| fault(format!("{path}.prices.{name}"), "must be US dollars for a million tokens, 0 or more"))?;
            prices.insert(name, price);
        }
        let Self { id, kind, base_url, concurrency, schemas, .. } = self;
        Ok(Provider { id, kind, base_url, key, prices, concurrency, schemas })
    }
}

impl PriceEntry {
    fn resolve(self) -> Option<Price> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, finite and not negative")]
        let micro = |usd: f64| (usd.is_finite() && (0.0..=1e6).contains(&usd)).then(|| (usd * MICRO).round() as u64);
        let cached = match self.cached {
            Some(usd) => Some(micro(usd)?),
            None => None,
        };
        Some(Price { input: micro(self.input)?, cached, output: micro(self.output)? })
    }
}

impl SmtpEntry {
    pub(super) fn resolve(self, base: Secrets<'_>) -> Result<Smtp, Error> {
        let from = self.from.parse().map_err(|error| fault("smtp.from", error))?;
        let password = self.password.map(|source| source.read("smtp.password", base)).transpose()?;
        if password.is_some() != self.username.is_some() {
            return Err(fault("smtp", "username and password go together"));
        }
        let tls = match self.tls {
            Tls::None => Security::None,
            Tls::Start => Security::StartTls,
            Tls::Implicit => Security::Implicit,
        };
        Ok(Smtp { host: self.host, port: self.port, tls, username: self.username, password, from })
    }
}

impl SearchEntry {
    pub(super) fn resolve(self, base: Secrets<'_>) -> Result<Search, Error> {
        let standard = Search::new(self.url);
        let key = match (self.header, self.key) {
            (Some(header), Some(source)) => {
                let name = header.parse().map_err(|_| fault("search.header", "is no name of a header"))?;
                Some((name, source.read("search.key", base)?))
            }
            (None, None) => None,
            _ => return Err(fault("search", "header and key go together")),
        };
        let search = Search {
            key,
            results: self.results.unwrap_or(standard.results),
            title: self.title.unwrap_or(standard.title),
            link: self.link.unwrap_or(standard.link),
            snippet: self.snippet.unwrap_or(standard.snippet),
            url: standard.url,
        };
        search.validate().map_err(|reason| fault("search", reason))?;
        Ok(search)
    }
}

impl ProgramEntry {
    pub(super) fn resolve(self, path: &str, base: Secrets<'_>) -> Result<Program, Error> {
        let mut environment = BTreeMap::new();
        for (name, source) in self.env {
            let value = source.read(&format!("{path}.env.{name}"), base)?;
            environment.insert(name, value);
        }
        let Self { command, args, directory, .. } = self;
        Ok(Program { command, arguments: args, environment, directory })
    }
}
