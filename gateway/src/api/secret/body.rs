//! What a body says about a secret.

use backbone::seal::{self, Purpose};
use bytes::Bytes;
use proto::resource::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::call::Call;
use crate::api::given::Given;
use crate::api::notes::{self, Head};
use crate::api_error::ApiError;

/// Longest value, in characters.
const VALUE_CHARS_MAX: usize = 16 * 1024;
/// Largest `config`, in bytes of JSON.
const CONFIG_BYTES_MAX: usize = 16 * 1024;

/// What a body says about a secret.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "SecretChange")]
pub(crate) struct Body {
    /// A second name: 1 to 128 of a-z 0-9 _ -.
    #[schemars(regex(pattern = "^[a-z0-9_-]{1,128}$"))]
    alias: Given<String>,
    /// The display name; `${SECRET_<NAME>}` refers to it.
    #[schemars(length(max = 256))]
    name: Given<String>,
    /// What it is for.
    #[schemars(length(max = 8192))]
    description: Given<String>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
    /// Whose it is.
    kind: Given<KindWord>,
    /// How the value is presented.
    #[serde(rename = "type")]
    form: Given<FormWord>,
    /// The value; never told again.
    #[schemars(length(max = 16_384))]
    value: Given<String>,
    /// What the type needs besides.
    config: Given<Map<String, Value>>,
    /// Only kept.
    blueprint_id: Given<Value>,
    /// Only kept.
    visibility: Given<Value>,
}

/// Whose a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "SecretKind")]
pub(super) enum KindWord {
    /// Everybody's.
    Shared,
    /// A contact's own.
    Personal,
}

/// How a value is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "SecretType")]
pub(super) enum FormWord {
    /// As it is.
    Plain,
    /// `user:password`, for HTTP's basic scheme.
    Basic,
    /// Behind the word Bearer.
    Bearer,
    /// As a signed token.
    Jwt,
    /// As an access token.
    Oauth,
    /// Made of others.
    Template,
    /// Another's.
    Reference,
}

/// The word for something, as it is stored.
fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

impl Body {
    /// The secret with what the body says.
    pub(super) fn apply(self, call: &Call, mut secret: Secret) -> Result<Secret, ApiError> {
        let head = Head { alias: self.alias, meta: self.meta, name: self.name, description: self.description };
        head.put(&mut secret.common, &mut secret.name, &mut secret.description)?;
        notes::keep(&mut secret.common, [("blueprintId", self.blueprint_id), ("visibility", self.visibility)])?;
        if let Some(kind) = self.kind.said() {
            secret.kind = word(kind.unwrap_or(KindWord::Shared));
        }
        if let Some(form) = self.form.said() {
            secret.form = word(form.unwrap_or(FormWord::Plain));
        }
        if let Some(config) = self.config.said() {
            secret.config = proto::resource::common::text(&config.unwrap_or_default());
            notes::check_size("config", secret.config.len(), CONFIG_BYTES_MAX)?;
        }
        if let Some(value) = self.value.said() {
            secret.sealed = match value.filter(|value| !value.is_empty()) {
                Some(value) => {
                    notes::check_text("value", &value, VALUE_CHARS_MAX)?;
                    let sealed = seal::seal(&call.door.master, Purpose::SecretValue(&secret.id), &value);
                    sealed.map_err(|error| ApiError::unavailable("the value cannot be sealed", &error))?
                }
                None => Bytes::new(),
            };
        }
        Ok(secret)
    }
}

/// A body as somebody might send it.
pub(super) fn example() -> Value {
    json!({ "name": "Shop API", "description": "Reads orders.", "kind": "shared", "type": "bearer", "value": "not-a-real-token" })
}
