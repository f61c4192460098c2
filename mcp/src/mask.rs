//! Keeps a server's secrets out of what the server says.
//!
//! A server may repeat what it was sent: a header in an error, a token in a result. Both end in a
//! log, in a conversation or before a model. Each secret is looked for as it is; a server that
//! encodes it first is not stopped.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::limit::{SECRET_BYTES_MIN, SECRETS_MAX};

/// What stands where a secret stood.
const MASKED: &str = "[secret]";

/// The secrets of one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mask {
    secrets: Arc<RwLock<Vec<SecretString>>>,
}

impl Mask {
    /// Remembers a secret; a value such as `Bearer abc` counts as its last word too.
    pub(crate) fn add(&self, secret: &str) {
        let word = secret.rsplit(' ').next().filter(|word| word.len() < secret.len());
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        for part in [Some(secret), word].into_iter().flatten().filter(|part| part.len() >= SECRET_BYTES_MIN) {
            if secrets.iter().any(|known| known.expose_secret() == part) {
                continue;
            }
            // The oldest go first: tokens that were replaced.
            if secrets.len() >= SECRETS_MAX {
                secrets.remove(0);
            }
            secrets.push(SecretString::from(part));
        }
    }

    /// The text without the secrets.
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secrets = self.secrets.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = Cow::Borrowed(text);
        for secret in secrets.iter().map(ExposeSecret::expose_secret) {
            if text.contains(secret) {
                text = Cow::Owned(text.replace(secret, MASKED));
            }
        }
        text
    }

    /// The value with every text and name in it masked.
    pub(crate) fn apply_to(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.apply(&text).into_owned()),
            Value::Array(items) => items.into_iter().map(|item| self.apply_to(item)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (self.apply(&name).into_owned(), self.apply_to(value))).collect()
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Mask;
    use crate::limit::SECRETS_MAX;

    #[test]
    fn a_secret_that_comes_back_is_masked_with_and_without_its_scheme() {
        let mask = Mask::default();
        mask.add("Bearer s3cr3t-t0ken");
        assert_eq!(mask.apply("got Bearer s3cr3t-t0ken"), "got [secret]");
        assert_eq!(mask.apply("got s3cr3t-t0ken!"), "got [secret]!");
        assert_eq!(mask.apply("got nothing"), "got nothing");
        let value = json!({ "s3cr3t-t0ken": ["x s3cr3t-t0ken", 1, null] });
        assert_eq!(mask.apply_to(value), json!({ "[secret]": ["x [secret]", 1, null] }));
    }

    #[test]
    fn short_values_are_left_and_old_ones_forgotten() {
        let mask = Mask::default();
        mask.add("json");
        assert_eq!(mask.apply("json"), "json");
        for number in 0..=SECRETS_MAX {
            mask.add(&format!("secret-{number:04}"));
        }
        assert_eq!(mask.apply("secret-0000 secret-0001"), "secret-0000 [secret]");
    }
}
