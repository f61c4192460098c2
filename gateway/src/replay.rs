//! What a repeated idempotency key is answered with.
//!
//! Two memories know a key. The broker refuses a second message of the same id for as long as its
//! window (2 min) and is the truth; Redis keeps digest and receipt for a day, best effort: with
//! Redis gone a repeat after the window is a new event. Whoever knows the key, the digest of the
//! first event is compared with this one's, so that a key is never answered with the receipt of
//! another payload.
//!
//! The entry in Redis is written after the answer, not before it: until it is there the broker's
//! window answers for it, and a slow Redis costs the caller nothing.

use std::sync::Arc;

use axum::http::HeaderMap;
use backbone::bug::{self, Bug};
use backbone::redis::Redis;
use proto::code::Code;
use proto::event::FieldError;
use proto::id::{Receipt, TriggerId};
use proto::idempotency::{Key, hex};
use proto::limit::IDEMPOTENCY_TTL;

use crate::api_error::ApiError;
use crate::door::Door;
use crate::ingest::Accepted;

mod original;

pub(crate) use original::original;

/// How many keys are being written to Redis at a time; past that one is left to the broker's window.
pub(crate) const REMEMBERING_MAX: usize = 256;

/// The key of a call: `Idempotency-Key`, else `webhook-id`.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<Key>, FieldError> {
    let given = ["Idempotency-Key", "webhook-id"].into_iter().find_map(|name| Some((name, headers.get(name)?)));
    let Some((name, value)) = given else { return Ok(None) };
    let fault = FieldError { field: name, rule: "must be 1 to 255 visible ASCII characters" };
    value.to_str().ok().and_then(|text| Key::parse(text).ok()).map(Some).ok_or(fault)
}

/// What Redis keeps under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    digest: String,
    receipt: Receipt,
}

impl Remembered {
    /// An entry for an event.
    pub(crate) fn new(digest: &[u8; 32], receipt: Receipt) -> Self {
        Self { digest: hex(digest), receipt }
    }

    fn parse(text: &str) -> Option<Self> {
        let (digest, receipt) = text.split_once(' ')?;
        Some(Self { digest: digest.to_owned(), receipt: receipt.parse().ok()? })
    }

    fn print(&self) -> String {
        format!("{} {}", self.digest, self.receipt)
    }

    /// Answers a repeat, if it is one.
    pub(crate) fn answer(self, digest: &[u8; 32], trigger: &TriggerId) -> Result<Accepted, ApiError> {
        if self.receipt.session.trigger != *trigger {
            Err(unknown())
        } else if self.digest == hex(digest) || bug::is(Bug::DigestIgnored) {
            Ok(Accepted { receipt: self.receipt, is_replay: true })
        } else {
            Err(reused())
        }
    }
}

fn entry(message_id: &str) -> String {
    format!("cue:idem:{{{message_id}}}")
}

/// What Redis knows of a key; nothing where it is silent.
pub(crate) async fn recall(redis: &Redis, message_id: &str) -> Option<Remembered> {
    let mut pipeline = redis::pipe();
    pipeline.get(entry(message_id));
    let (text,) = redis.run::<(Option<String>,)>(&pipeline).await.ok()?;
    Remembered::parse(&text?)
}

/// Writes an entry in the background; a failure costs only what Redis would have known beyond the broker's window.
pub(crate) fn remember(door: &Arc<Door>, message_id: &str, remembered: &Remembered) {
    let Ok(permit) = Arc::clone(&door.remembering).try_acquire_owned() else { return };
    let mut pipeline = redis::pipe();
    pipeline.set_ex(entry(message_id), remembered.print(), IDEMPOTENCY_TTL.as_secs()).ignore();
    let door = Arc::clone(door);
    drop(door.tracker.clone().spawn(async move {
        drop(door.redis.run::<()>(&pipeline).await);
        drop(permit);
    }));
}

/// A key that names another payload.
pub(crate) fn reused() -> ApiError {
    ApiError::new(Code::KeyReused, "the idempotency key was used for another payload")
}

fn unknown() -> ApiError {
    ApiError::new(Code::KeyUnknown, "the idempotency key is known, but its event is not this trigger's or is gone")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{Remembered, key};

    #[test]
    fn the_standard_header_precedes_the_webhooks() {
        let mut headers = HeaderMap::new();
        assert_eq!(key(&headers), Ok(None));
        headers.insert("webhook-id", "w".parse().unwrap());
        assert_eq!(key(&headers).unwrap().unwrap().as_str(), "w");
        headers.insert("idempotency-key", "k".parse().unwrap());
        assert_eq!(key(&headers).unwrap().unwrap().as_str(), "k");
        headers.insert("idempotency-key", "a b".parse().unwrap());
        assert_eq!(key(&headers).unwrap_err().field, "Idempotency-Key");
        headers.insert("idempotency-key", "".parse().unwrap());
        key(&headers).unwrap_err();
    }

    #[test]
    fn an_entry_answers_only_its_own_payload_and_trigger() {
        let receipt = "evt.t.s.6a1b2c3d.42";
        let entry = || Remembered::parse(&Remembered::new(&[7; 32], receipt.parse().unwrap()).print()).unwrap();
        let (mine, other) = ("t".parse().unwrap(), "u".parse().unwrap());
        let accepted = entry().answer(&[7; 32], &mine).unwrap();
        assert_eq!((accepted.receipt.to_string().as_str(), accepted.is_replay), (receipt, true));
        assert_eq!(entry().answer(&[8; 32], &mine).unwrap_err().code.as_str(), "CUE0401");
        assert_eq!(entry().answer(&[7; 32], &other).unwrap_err().code.as_str(), "CUE0402");
        assert_eq!(Remembered::parse("nonsense"), None);
    }
}
