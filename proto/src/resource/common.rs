//! What all kinds of resources have in common.

use serde_json::{Map, Value};

use super::Error;
use crate::wire;

/// Who keeps a resource that the API made.
pub const API: &str = "api";
/// What the name of a file that keeps a resource is written behind.
const FILE: &str = "file:";

/// What all kinds of resources have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Common {
    /// Who keeps it: `api`, or `file:<name>`.
    pub managed_by: String,
    /// A second name, unique among resources of one kind.
    pub alias: Option<String>,
    /// What its keeper notes on it.
    pub meta: Map<String, Value>,
    /// When it was made, in milliseconds since 1970; 0 where that is not known.
    pub created_at_ms: i64,
    /// When it was last changed, in milliseconds since 1970; 0 where that is not known.
    pub updated_at_ms: i64,
    /// Fields of ChatBotKit's clients that are kept for them and mean nothing here.
    pub extra: Map<String, Value>,
}

impl Common {
    /// Nothing but who keeps it.
    pub fn of(managed_by: impl Into<String>) -> Self {
        Self { managed_by: managed_by.into(), ..Self::default() }
    }

    /// Whether a file keeps it, so that the API must not.
    pub fn is_of_file(&self) -> bool {
        self.managed_by == "file" || self.managed_by.starts_with(FILE)
    }

    pub(super) fn parse(managed_by: String, message: Option<wire::Common>) -> Result<Self, Error> {
        let wire::Common { alias, meta, created_at_ms, updated_at_ms, extra } = message.unwrap_or_default();
        Ok(Self {
            managed_by,
            alias: Some(alias).filter(|alias| !alias.is_empty()),
            meta: object(&meta)?,
            created_at_ms,
            updated_at_ms,
            extra: object(&extra)?,
        })
    }

    /// The stored message; none where there is nothing to store.
    pub(super) fn wire(&self) -> Option<wire::Common> {
        let message = wire::Common {
            alias: self.alias.clone().unwrap_or_default(),
            meta: text(&self.meta),
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
            extra: text(&self.extra),
        };
        (message != wire::Common::default()).then_some(message)
    }
}

/// Reads a stored object; an empty text is an empty one.
pub fn object(text: &str) -> Result<Map<String, Value>, Error> {
    if text.is_empty() { Ok(Map::new()) } else { serde_json::from_str(text).map_err(Error::Object) }
}

/// An object as it is stored.
pub fn text(object: &Map<String, Value>) -> String {
    if object.is_empty() { String::new() } else { Value::Object(object.clone()).to_string() }
}
