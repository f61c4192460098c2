//! Who serves models: the configuration of one provider.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use genai::adapter::AdapterKind;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::answer::Usage;

/// How long an id may be, in characters.
const ID_CHARS_MAX: usize = 32;
/// Tokens that a price is for.
const PRICED_TOKENS: u128 = 1_000_000;

/// One provider of models.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// Names it in model strings: a letter, then letters, digits, `_`, `-` or `.`, all in lowercase.
    pub id: String,
    /// What it speaks.
    pub kind: Kind,
    /// Where it is, as its own client library takes it; left out, where the kind's own provider is.
    #[serde(default)]
    pub base_url: Option<Url>,
    /// The key it asks for.
    #[serde(default)]
    pub key: Option<SecretString>,
    /// What its models cost, by name.
    #[serde(default)]
    pub prices: BTreeMap<String, Price>,
    /// How many calls may be under way at once; left out, any number. Whoever asks keeps to it.
    #[serde(default)]
    pub concurrency: Option<NonZeroUsize>,
    /// Whether it can hold an answer to a JSON Schema by itself; left out, as the kind does.
    #[serde(default)]
    pub schemas: Option<bool>,
}

/// What a provider speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Chat completions of `OpenAI`.
    OpenAi,
    /// Messages of Anthropic.
    Anthropic,
    /// `streamGenerateContent` of Google.
    Gemini,
    /// The native chat of Ollama.
    Ollama,
    /// Chat completions of Groq.
    Groq,
    /// Chat completions of `DeepSeek`, which wants its reasoning back.
    DeepSeek,
    /// Chat completions of anybody else.
    Compatible,
}

/// What a model costs, in micro-USD for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Price {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of the prompt that the provider had in its cache; left out, as `input`.
    #[serde(default)]
    pub cached: Option<u64>,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
}

/// What is wrong with the configuration of a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The id cannot be used.
    #[error("providers[{id:?}].id must be a lowercase letter, then lowercase letters, digits, `_`, `-` or `.`, at most {ID_CHARS_MAX}")]
    Id {
        /// The id.
        id: String,
    },
    /// Two have the same id.
    #[error("providers[{id:?}].id stands twice: give one of them another id")]
    Twice {
        /// The id.
        id: String,
    },
    /// There are too many.
    #[error("providers has {count} entries, at most {max} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many may be.
        max: usize,
    },
    /// The address is missing or cannot be used.
    #[error("providers[{id:?}].baseUrl {reason}")]
    BaseUrl {
        /// The id.
        id: String,
        /// What to do.
        reason: &'static str,
    },
    /// The key is missing or cannot be used.
    #[error("providers[{id:?}].key {reason}")]
    Key {
        /// The id.
        id: String,
        /// What to do.
        reason: &'static str,
    },
}

impl Kind {
    pub(crate) fn adapter(self) -> AdapterKind {
        match self {
            Self::OpenAi | Self::Compatible => AdapterKind::OpenAI,
            Self::Anthropic => AdapterKind::Anthropic,
            Self::Gemini => AdapterKind::Gemini,
            Self::Ollama => AdapterKind::Ollama,
            Self::Groq => AdapterKind::Groq,
            Self::DeepSeek => AdapterKind::DeepSeek,
        }
    }

    /// Its name in the conventions of OpenTelemetry, as far as it has one.
    pub(crate) fn known_as(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("openai"),
            Self::Anthropic => Some("anthropic"),
            Self::Gemini => Some("gcp.gemini"),
            Self::Groq => Some("groq"),
            Self::DeepSeek => Some("deepseek"),
            Self::Ollama | Self::Compatible => None,
        }
    }

    /// Whether it is chat completions on the wire.
    pub(crate) fn is_chat_completions(self) -> bool {
        matches!(self, Self::OpenAi | Self::Groq | Self::DeepSeek | Self::Compatible)
    }

    fn takes_schemas(self) -> bool {
        matches!(self, Self::OpenAi | Self::Anthropic | Self::Gemini | Self::Compatible)
    }

    fn home(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("https://api.openai.com/v1/"),
            Self::Anthropic => Some("https://api.anthropic.com/v1/"),
            Self::Gemini => Some("https://generativelanguage.googleapis.com/v1beta/"),
            Self::Ollama => Some("http://localhost:11434/"),
            Self::Groq => Some("https://api.groq.com/openai/v1/"),
            Self::DeepSeek => Some("https://api.deepseek.com/v1/"),
            Self::Compatible => None,
        }
    }

    /// The version that its own library puts behind a base URL that names none.
    fn version(self) -> Option<&'static str> {
        match self {
            Self::Anthropic => Some("v1"),
            Self::Gemini => Some("v1beta"),
            _ => None,
        }
    }

    fn needs_key(self) -> bool {
        !matches!(self, Self::Ollama | Self::Compatible)
    }
}

impl Provider {
    /// What calls go to, with a slash at its end; or all that is wrong with this provider.
    pub(crate) fn check(&self) -> Result<Url, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut characters = self.id.chars();
        let is_name = characters.next().is_some_and(|first| first.is_ascii_lowercase())
            && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-.".contains(c));
        if !is_name || self.id.len() > ID_CHARS_MAX {
            faults.push(Fault::Id { id: self.id.chars().take(ID_CHARS_MAX).collect() });
        }
        let key = self.key.as_ref().map(ExposeSecret::expose_secret);
        let key_fault = match key {
            None if self.kind.needs_key() && self.base_url.is_none() => Some("is missing: this provider takes no call without one"),
            Some("") => Some("is empty: leave it out where none is needed"),
            Some(key) if !key.bytes().all(|byte| byte.is_ascii_graphic()) => Some("has characters that no HTTP header takes"),
            _ => None,
        };
        faults.extend(key_fault.map(|reason| Fault::Key { id: self.id.clone(), reason }));
        match self.endpoint() {
            Ok(endpoint) if faults.is_empty() => return Ok(endpoint),
            Ok(_) => {}
            Err(reason) => faults.push(Fault::BaseUrl { id: self.id.clone(), reason }),
        }
        Err(faults)
    }

    fn endpoint(&self) -> Result<Url, &'static str> {
        let Some(base) = &self.base_url else {
            let home = self.kind.home().ok_or("is missing: say where this provider is, such as https://llm.example.com/v1")?;
            return Url::parse(home).map_err(|_| "cannot be used");
        };
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err("must be an http or https URL");
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() || base.fragment().is_some() {
            return Err("must have no user name, password, query or fragment: a key goes into `key`");
        }
        let mut base = base.clone();
        let path = base.path().trim_end_matches('/');
        let has_version = path.rsplit('/').next().is_some_and(|last| last.starts_with('v') && last.contains(|c: char| c.is_ascii_digit()));
        let path = match self.kind.version() {
            Some(version) if !has_version => format!("{path}/{version}/"),
            _ => format!("{path}/"),
        };
        base.set_path(&path);
        Ok(base)
    }

    /// Whether it can hold an answer to a JSON Schema by itself.
    pub(crate) fn takes_schemas(&self) -> bool {
        self.schemas.unwrap_or_else(|| self.kind.takes_schemas())
    }
}

impl Price {
    /// What an answer cost, in micro-USD, rounded up: a budget must not run over by what was rounded off.
    pub fn of(&self, usage: &Usage) -> u64 {
        let cached = usage.cached.min(usage.input);
        let part = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
        let sum = part(usage.input - cached, self.input)
            .saturating_add(part(cached, self.cached.unwrap_or(self.input)))
            .saturating_add(part(usage.output, self.output));
        u64::try_from(sum.div_ceil(PRICED_TOKENS)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
