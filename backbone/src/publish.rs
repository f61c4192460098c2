//! One confirmed publish, and what a refusal means.
//!
//! JetStream answers a publish with a small JSON object. The client library maps only one of the
//! codes that matter to a kind of its own, so the answer is read here, by its stable code.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::client::RequestErrorKind;
use bytes::Bytes;
use serde::Deserialize;

use crate::requests::Requests;

/// The fence did not hold (a real mismatch).
const WRONG_LAST: u32 = 10_071;
/// The fence met a write in flight, on three replicas.
const WRONG_LAST_IN_FLIGHT: u32 = 10_164;
/// A limit of the stream; which one stands only in the text.
const STORE_FAILED: u32 = 10_077;

/// Where a message was stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// The stream.
    pub stream: String,
    /// The sequence in it; for a repeat, the first one's.
    pub seq: u64,
    /// Whether the broker had the message id already.
    #[serde(default)]
    pub duplicate: bool,
}

/// Why a publish was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The fence refused it, or met a write in flight; only reading back tells what happened.
    #[error("the fence refused the message")]
    Fenced,
    /// The subject holds as many messages as it may.
    #[error("the subject is full")]
    SubjectFull,
    /// The stream holds as much as it may.
    #[error("the stream is full: {0}")]
    StreamFull(String),
    /// No stream takes the subject, or no server is there.
    #[error("no stream takes the subject")]
    NoStream,
    /// No answer in time: the message may be stored, now or later.
    #[error("no confirmation in time")]
    Unconfirmed,
    /// Too many messages are on their way to the broker already: this one was not sent.
    #[error("too many messages are on their way to the broker")]
    Shed,
    /// The broker refused it for another reason.
    #[error("the broker refused the message: {0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    stored: Option<Stored>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

/// Publishes and waits for the confirmation.
pub async fn confirmed(
    client: &impl Requests,
    subject: String,
    headers: Option<HeaderMap>,
    body: Bytes,
    deadline: Duration,
) -> Result<Stored, Error> {
    match tokio::time::timeout(deadline, client.request(subject, headers, body)).await {
        Err(_) | Ok(Err(RequestErrorKind::TimedOut)) => Err(Error::Unconfirmed),
        Ok(Ok(message)) => read_answer(&message.payload),
        Ok(Err(RequestErrorKind::NoResponders)) => Err(Error::NoStream),
        Ok(Err(other)) => Err(Error::Refused(other.to_string())),
    }
}

fn read_answer(payload: &[u8]) -> Result<Stored, Error> {
    // The usual answer is tried first: a flattened parse costs several times as much. A refusal has sequence 0.
    if let Some(stored) = serde_json::from_slice::<Stored>(payload).ok().filter(|stored| stored.seq > 0) {
        return Ok(stored);
    }
    match serde_json::from_slice::<Answer>(payload) {
        Ok(Answer { error: Some(fault), .. }) => Err(refusal(fault)),
        Ok(Answer { stored: Some(stored), .. }) => Ok(stored),
        Ok(_) => Err(Error::Refused("an answer without a sequence".into())),
        Err(error) => Err(Error::Refused(format!("an answer that is not JSON: {error}"))),
    }
}

fn refusal(fault: Fault) -> Error {
    match fault.err_code {
        WRONG_LAST | WRONG_LAST_IN_FLIGHT => Error::Fenced,
        STORE_FAILED if fault.description.contains("per subject") => Error::SubjectFull,
        STORE_FAILED => Error::StreamFull(fault.description),
        _ => Error::Refused(format!("{} ({})", fault.description, fault.err_code)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Stored, read_answer};

    fn check(answer: &str, expected: &Result<Stored, Error>) {
        assert_eq!(&read_answer(answer.as_bytes()), expected, "{answer}");
    }

    #[test]
    fn answers_of_nats_server_2_15_are_told_apart() {
        let stored = |duplicate| Ok(Stored { stream: "LOG".into(), seq: 3, duplicate });
        check(r#"{"stream":"LOG","seq":3}"#, &stored(false));
        check(r#"{"stream":"LOG","domain":"hub","seq":3,"duplicate":true}"#, &stored(true));
        let fault = |code: u32, text: &str| {
            format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"{text}"}},"stream":"LOG","seq":0}}"#)
        };
        check(&fault(10_071, "wrong last sequence: 7"), &Err(Error::Fenced));
        check(&fault(10_164, "wrong last sequence"), &Err(Error::Fenced));
        check(&fault(10_077, "maximum messages per subject exceeded"), &Err(Error::SubjectFull));
        check(&fault(10_077, "maximum bytes exceeded"), &Err(Error::StreamFull("maximum bytes exceeded".into())));
        check(
            &fault(10_054, "message size exceeds maximum allowed"),
            &Err(Error::Refused("message size exceeds maximum allowed (10054)".into())),
        );
        assert!(matches!(read_answer(b"{}"), Err(Error::Refused(_))));
        assert!(matches!(read_answer(b""), Err(Error::Refused(_))));
    }
}
