//! What somebody outside says to a turn.
//!
//! An answer lies in the session's own inbox, on `answer.<trigger>.<session>`, so that its owner
//! takes it in behind the fence like everything else. It comes as the protobuf message, or as a
//! JSON object that names the event by its receipt.

use bytes::Bytes;
use prost::Message as _;
use serde::Deserialize;

use crate::id::{Epoch, EventSeq, Receipt, SessionKey};
use crate::limit::{ANSWER_BYTES_MAX, BY_BYTES_MAX};
use crate::wire;
pub use crate::wire::answer::Kind;

/// Why nothing was changed where the conversation is not there.
pub const NO_CONVERSATION: &str = "there is no such conversation";
/// Why nothing was changed where the message is not there.
pub const NO_MESSAGE: &str = "there is no such message";

/// Why an answer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is larger than is taken.
    #[error("the answer has {bytes} bytes, at most {ANSWER_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The bytes are neither of the two encodings.
    #[error("the answer is not a {encoding} answer: {reason}")]
    Malformed {
        /// `JSON` or `protobuf`.
        encoding: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A field has a value that cannot be used.
    #[error("{field} {rule}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// Something said to a turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The event whose turn is meant.
    pub event: EventSeq,
    /// The call that is meant; empty where the whole turn is.
    pub call: String,
    /// Who says it.
    pub by: String,
    /// What is said.
    pub kind: Kind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    event: String,
    #[serde(default)]
    call: String,
    #[serde(default)]
    by: String,
    text: Option<String>,
    approve: Option<bool>,
    #[serde(default)]
    cancel: bool,
    #[serde(default)]
    reason: String,
}

impl Answer {
    /// The protobuf message.
    pub fn encode(&self) -> Bytes {
        wire::Answer::from(self.clone()).encode_to_vec().into()
    }

    /// Reads an answer that came on a subject of `session`; the first byte tells the encoding.
    pub fn decode(session: &SessionKey, body: &Bytes) -> Result<Self, Error> {
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Error::TooLarge { bytes: body.len() });
        }
        let answer = if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            Self::decode_json(session, body)?
        } else {
            let malformed = |reason: prost::DecodeError| Error::Malformed { encoding: "protobuf", reason: reason.to_string() };
            wire::Answer::decode(body.clone()).map_err(malformed)?.try_into()?
        };
        if answer.by.len() > BY_BYTES_MAX || answer.by.chars().any(char::is_control) {
            return Err(Error::Field { field: "by", rule: "must be at most 254 bytes without control characters" });
        }
        if answer.call.len() > BY_BYTES_MAX {
            return Err(Error::Field { field: "call", rule: "must be the id of a call, such as 1.0" });
        }
        Ok(answer)
    }

    fn decode_json(session: &SessionKey, body: &[u8]) -> Result<Self, Error> {
        let malformed = |reason: serde_json::Error| Error::Malformed { encoding: "JSON", reason: reason.to_string() };
        let json: Json = serde_json::from_slice(body).map_err(malformed)?;
        let receipt: Option<Receipt> = json.event.parse().ok().filter(|receipt: &Receipt| receipt.session == *session);
        let receipt = receipt.ok_or(Error::Field { field: "event", rule: "must be the receipt of an event of this session" })?;
        let reason = json.reason;
        let kind = match (json.text, json.approve, json.cancel) {
            (Some(text), None, false) => Kind::Said(wire::Said { text }),
            (None, Some(true), false) => Kind::Approved(wire::Approved { reason }),
            (None, Some(false), false) => Kind::Rejected(wire::Rejected { reason }),
            (None, None, true) => Kind::Cancel(wire::Cancel { reason }),
            _ => return Err(Error::Field { field: "text", rule: "or approve or cancel must be there, and only one of them" }),
        };
        if json.call.is_empty() && !matches!(kind, Kind::Cancel(_)) {
            return Err(Error::Field { field: "call", rule: "must be the id of the call that waits, such as 1.0" });
        }
        Ok(Self { event: receipt.event, call: json.call, by: json.by, kind })
    }
}

impl From<Answer> for wire::Answer {
    fn from(answer: Answer) -> Self {
        Self { epoch: answer.event.epoch.to_string(), event: answer.event.seq, call: answer.call, by: answer.by, kind: Some(answer.kind) }
    }
}

impl TryFrom<wire::Answer> for Answer {
    type Error = Error;

    fn try_from(message: wire::Answer) -> Result<Self, Error> {
        let epoch: Epoch = message.epoch.parse().map_err(|_| Error::Field { field: "epoch", rule: "must be 8 hex digits" })?;
        let kind = message.kind.ok_or(Error::Field { field: "kind", rule: "must be one that this version knows" })?;
        Ok(Self { event: EventSeq { epoch, seq: message.event }, call: message.call, by: message.by, kind })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Answer, Kind};
    use crate::wire;

    fn read(text: &str) -> Result<Answer, String> {
        Answer::decode(&"t.s".parse().unwrap(), &Bytes::copy_from_slice(text.as_bytes())).map_err(|error| error.to_string())
    }

    #[test]
    fn both_encodings_are_read() {
        let answer = read(r#"{"event":"evt.t.s.6a000001.7","call":"1.0","approve":true,"by":"ada","reason":"fine"}"#).unwrap();
        assert_eq!((answer.event.seq, answer.call.as_str(), answer.by.as_str()), (7, "1.0", "ada"));
        assert_eq!(answer.kind, Kind::Approved(wire::Approved { reason: "fine".into() }));
        assert_eq!(Answer::decode(&"t.s".parse().unwrap(), &answer.encode()).unwrap(), answer);
        let cancel = read(r#"{"event":"evt.t.s.6a000001.7","cancel":true}"#).unwrap();
        assert!(matches!(cancel.kind, Kind::Cancel(_)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("{", "the answer is not a JSON answer"),
            (r#"{"event":"evt.t.other.6a000001.7","cancel":true}"#, "event must be the receipt"),
            (r#"{"event":"evt.t.s.6a000001.7"}"#, "text or approve or cancel"),
            (r#"{"event":"evt.t.s.6a000001.7","cancel":true,"approve":true}"#, "text or approve or cancel"),
            (r#"{"event":"evt.t.s.6a000001.7","approve":true}"#, "call must be the id"),
            (r#"{"event":"evt.t.s.6a000001.7","cancel":true,"by":"a\nb"}"#, "by must be"),
            ("\u{1}", "the answer is not a protobuf answer"),
            ("", "epoch must be"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Answer::decode(&"t.s".parse().unwrap(), &body.into()));
        }
    }
}
