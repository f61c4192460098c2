//! Who was asked to do what: the record of the management API.
//!
//! Nothing happens that is not on record. An entry is stored and confirmed *before* the change that it
//! names; where it cannot be stored, the change is refused with 503. A change that then fails leaves a
//! second entry that points to the first. An entry holds digests of what was stored before and after,
//! never the values, so whoever reads the record learns no secret.
//!
//! When it happened is what the broker stamped the entry with. The stream lets the oldest go where
//! there is no more room (`docs/operating.md`).

use std::fmt;

use async_nats::HeaderMap;
use backbone::publish;
use proto::code::Code;
use proto::id::{TokenId, TriggerId};
use proto::idempotency::hex;
use proto::limit::PUBLISH_DEADLINE;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::api_error::ApiError;
use crate::door::Door;

pub(crate) mod page;

/// Longest key that becomes part of a subject as it is, in bytes.
const KEY_BYTES_MAX: usize = 200;
/// Longest reason of a failure that is kept, in bytes.
const REASON_BYTES_MAX: usize = 512;

/// Whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Who {
    /// The token of the gateway's own configuration.
    Config,
    /// A token of the API.
    Token {
        /// Its id.
        id: TokenId,
        /// Its name at that time.
        name: String,
    },
    /// The secret of a trigger.
    Secret {
        /// The trigger.
        trigger: TriggerId,
    },
    /// Whoever signs calls of a trigger.
    Signature {
        /// The trigger.
        trigger: TriggerId,
    },
    /// Nobody in particular: the trigger asks for nothing.
    Anybody,
}

/// How whoever asked is named in conversations. Ids are far shorter than such a name may be.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("token:configured"),
            Self::Token { id, .. } => write!(f, "token:{id}"),
            Self::Secret { trigger } | Self::Signature { trigger } => write!(f, "trigger:{trigger}"),
            Self::Anybody => f.write_str("nobody"),
        }
    }
}

/// What is about to be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deed<'a> {
    /// The action, such as `trigger.update`.
    pub(crate) action: &'static str,
    /// What it is done to, such as `trigger.orders`.
    pub(crate) key: &'a str,
    /// The stored bytes before; none where nothing was there.
    pub(crate) before: Option<&'a [u8]>,
    /// The stored bytes after; none where nothing will be there, or nothing changes.
    pub(crate) after: Option<&'a [u8]>,
    /// The caller's trace.
    pub(crate) trace_id: Option<&'a str>,
}

/// How far a deed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// It was about to be done; it was, unless a later entry says otherwise.
    Begun,
    /// It was not done, or nobody knows whether it was.
    Failed,
}

/// An entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// Whoever asked.
    pub(crate) who: Who,
    /// The action.
    pub(crate) action: String,
    /// What it was done to.
    pub(crate) key: String,
    /// The digest of the stored bytes before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// The digest of the stored bytes after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// The caller's trace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
    /// How far it has come.
    pub(crate) outcome: Outcome,
    /// The sequence of the entry that this one is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) of: Option<u64>,
    /// The stable code of the failure, and its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl<'a> Deed<'a> {
    /// A deed that changes nothing that is stored under the key, such as `trigger.reveal`.
    pub(crate) fn of(action: &'static str, key: &'a str) -> Self {
        Self { action, key, before: None, after: None, trace_id: None }
    }
}

/// Does something on record: writes the entry, then makes the change, and says so where it fails.
pub(crate) async fn on_record<T>(
    door: &Door,
    who: &Who,
    deed: Deed<'_>,
    change: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let begun = begin(door, who, deed).await?;
    match change.await {
        Ok(done) => Ok(done),
        Err(error) => {
            begun.failed(door, &error).await;
            Err(error)
        }
    }
}

/// An entry that stands.
#[derive(Debug)]
#[must_use = "a deed that fails has to say so"]
pub(crate) struct Begun {
    seq: u64,
    entry: Entry,
}

/// Writes the entry of what is about to be done.
pub(crate) async fn begin(door: &Door, who: &Who, deed: Deed<'_>) -> Result<Begun, ApiError> {
    let digest = |bytes: Option<&[u8]>| bytes.map(|bytes| hex(&Sha256::digest(bytes)));
    let entry = Entry {
        who: who.clone(),
        action: deed.action.to_owned(),
        key: deed.key.to_owned(),
        before: digest(deed.before),
        after: digest(deed.after),
        trace_id: deed.trace_id.map(str::to_owned),
        outcome: Outcome::Begun,
        of: None,
        reason: None,
    };
    let seq = store(door, &entry).await.map_err(|cause| ApiError {
        cause: Some(cause),
        ..ApiError::new(Code::Unrecorded, "what was asked cannot be put on record right now, so nothing was done")
    })?;
    Ok(Begun { seq, entry })
}

impl Begun {
    /// Says that it was not done. Should that not be stored, the log of this process says it.
    pub(crate) async fn failed(self, door: &Door, error: &ApiError) {
        let mut reason = format!("{}: {}", error.code.as_str(), error.message);
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        let entry = Entry { outcome: Outcome::Failed, of: Some(self.seq), reason: Some(reason), ..self.entry };
        if let Err(cause) = store(door, &entry).await {
            tracing::error!(audit.action = entry.action, audit.of = self.seq, cause, "a failed change is on record as begun alone");
        }
    }
}

async fn store(door: &Door, entry: &Entry) -> Result<u64, String> {
    let body = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
    let headers: Option<HeaderMap> = None;
    let stored = door.publish(publish::confirmed(&door.client, subject(&entry.key), headers, body.into(), PUBLISH_DEADLINE)).await;
    stored.map(|stored| stored.seq).map_err(|error| error.to_string())
}

/// Where the entries about something lie; what is no subject is named by its digest.
pub(crate) fn subject(key: &str) -> String {
    let is_plain = key.len() <= KEY_BYTES_MAX
        && key
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')));
    if is_plain { format!("audit.{key}") } else { format!("audit.other.{}", hex(&Sha256::digest(key.as_bytes()))) }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Outcome, Who, subject};

    #[test]
    fn an_entry_lies_under_what_it_is_about() {
        assert_eq!(subject("trigger.orders"), "audit.trigger.orders");
        assert_eq!(subject("conversation.cnv.t.s.6a1b2c3d.1"), "audit.conversation.cnv.t.s.6a1b2c3d.1");
        for strange in ["", "trigger.", "trigger.*", "trigger.>", "a b", &"x".repeat(300)] {
            assert!(subject(strange).starts_with("audit.other."), "{strange}");
        }
    }

    #[test]
    fn an_entry_is_plain_json() {
        let entry = Entry {
            who: Who::Token { id: "t1".parse().unwrap(), name: "CI".into() },
            action: "trigger.update".into(),
            key: "trigger.orders".into(),
            before: None,
            after: Some("00".into()),
            trace_id: None,
            outcome: Outcome::Begun,
            of: None,
            reason: None,
        };
        let text = r#"{"who":{"type":"token","id":"t1","name":"CI"},"action":"trigger.update","key":"trigger.orders","after":"00","outcome":"begun"}"#;
        assert_eq!(serde_json::to_string(&entry).unwrap(), text);
        assert_eq!(serde_json::from_str::<Entry>(text).unwrap(), entry);
    }
}
