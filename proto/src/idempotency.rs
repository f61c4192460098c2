//! Keys under which a repeat is known.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::event::FieldError;
use crate::id::{EventSeq, SessionKey, TriggerId};
use crate::limit::IDEMPOTENCY_KEY_CHARS_MAX;

/// A caller's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Takes 1 to 255 visible ASCII characters.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if (1..=IDEMPOTENCY_KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(FieldError { field: "Idempotency-Key", rule: "must be 1 to 255 visible ASCII characters" })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The deployment's key: makes message ids that an outsider cannot guess.
#[derive(Clone, PartialEq, Eq)]
pub struct DeploymentKey(Vec<u8>);

impl DeploymentKey {
    /// Takes at least 16 bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= 16).then(|| Self(bytes.to_vec()))
    }

    /// The bytes, for keys that are derived from it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for DeploymentKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeploymentKey(..)")
    }
}

/// The broker's message id for a caller's key.
///
/// Broker deduplication spans the whole stream, so a guessable id would let one publisher swallow
/// another trigger's event.
pub fn message_id(deployment: &DeploymentKey, trigger: &TriggerId, key: &Key) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(&deployment.0).expect("any key length");
    mac.update(trigger.as_str().as_bytes());
    mac.update(b":");
    mac.update(key.0.as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// The key under which one call of one turn is known to the service it calls, at every attempt.
pub fn effect_key(session: &SessionKey, event: EventSeq, call: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{session}.{}.{}.{call}", event.epoch, event.seq));
    hex(&hash.finalize())
}

/// Lower-case hex digits of some bytes.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        #[expect(clippy::let_underscore_must_use, reason = "writing to a string cannot fail")]
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{DeploymentKey, Key, message_id};

    #[test]
    fn one_key_of_two_triggers_gives_two_ids() {
        let deployment = DeploymentKey::parse(&[1; 16]).unwrap();
        let key = Key::parse("k").unwrap();
        let id = |trigger: &str| message_id(&deployment, &trigger.parse().unwrap(), &key);
        assert_ne!(id("a"), id("b"));
        assert_eq!(id("a"), id("a"));
    }

    #[test]
    fn keys_outside_the_alphabet_are_refused() {
        for text in ["", " ", "a b", "ä", &"x".repeat(256)] {
            Key::parse(text).unwrap_err();
        }
        Key::parse(&"x".repeat(255)).unwrap();
    }
}
