//! References put in for actions that are done elsewhere: MCP servers and messages.

use reqwest::header::HeaderName;
use secrecy::SecretString;
use serde_json::Value;
use skillset::invocation::{Text, Tree};

use crate::fill::Fill;
use crate::{Context, Error};

/// The texts of one invocation, filled in; what comes back of it can be scrubbed of its secrets.
pub struct Filled<'a>(Fill<'a>);

impl<'a> Filled<'a> {
    /// Fills in with what one invocation runs with.
    pub fn new(context: &Context<'a>) -> Self {
        Self(Fill::new(context.facts, context.secrets))
    }

    /// A text where no secret may stand.
    pub fn words(&self, text: &Text, field: &str) -> Result<String, Error> {
        self.0.text(text, field).map_err(Error::Invalid)
    }

    /// A tree where no secret may stand.
    pub fn value(&self, tree: &Tree, field: &str) -> Result<Value, Error> {
        self.0.value(tree, field).map_err(Error::Invalid)
    }

    /// The value of a header, secrets included.
    pub fn header(&self, name: &str, text: &Text) -> Result<SecretString, Error> {
        let name: HeaderName = name.parse().map_err(|_| Error::Invalid(format!("{name:?} is no name of a header")))?;
        let value = self.0.header(text, &name).map_err(Error::Invalid)?;
        let text = value.to_str().map_err(|_| Error::Invalid(format!("header {name}: must be visible ASCII")))?;
        Ok(text.to_owned().into())
    }

    /// A text without the secrets that were put in.
    pub fn scrub(&self, text: String) -> String {
        self.0.scrub().text(text)
    }

    /// A value without the secrets that were put in.
    pub fn scrub_value(&self, value: Value) -> Value {
        self.0.scrub().value(value)
    }
}
