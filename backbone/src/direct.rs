//! Reads by subject.
//!
//! A direct get is answered by any replica and shows a consistent prefix of the stream, perhaps
//! not its end; a leader read shows the end and costs more. The client library has no batch form,
//! and its other forms fetch stream information first, so the requests are made here.
//! See <https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-31.md>.

use async_nats::client::RequestErrorKind;
use async_nats::{HeaderMap, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::limit::READ_DEADLINE;
use serde::Deserialize;
use serde_json::json;

use crate::requests::Requests;

/// Nothing matches.
const NOT_FOUND: u16 = 404;
/// The end of a batch.
const END_OF_BATCH: u16 = 204;
/// No message is found, in the words of the leader.
const NO_MESSAGE: u32 = 10_037;
/// What was to be deleted is not there, in the words of the leader.
const NOT_DELETED: u32 = 10_057;
/// The server's code for a sequence that was deleted before.
const SEQUENCE_GONE: u32 = 10_043;
/// No such stream, in the words of the leader.
const NO_STREAM: u32 = 10_059;

/// A message as a stream holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Its subject.
    pub subject: String,
    /// Its sequence.
    pub seq: u64,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its headers, those of the broker included.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// A read that gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The stream does not exist, or no server is there.
    #[error("no stream of that name answers")]
    NoStream,
    /// No answer in time.
    #[error("no answer in time")]
    Late,
    /// An answer that cannot be read, or an error of the server.
    #[error("the broker answered {0}")]
    Answer(String),
}

/// The last message of a subject, from any replica.
pub async fn last(client: &impl Requests, stream: &str, subject: &str) -> Result<Option<Stored>, Error> {
    get(client, format!("$JS.API.DIRECT.GET.{stream}.{subject}"), Bytes::new()).await
}

/// The first message of a subject at or after a sequence, from any replica.
pub async fn next(client: &impl Requests, stream: &str, subject: &str, from: u64) -> Result<Option<Stored>, Error> {
    let body = format!(r#"{{"seq":{},"next_by_subj":"{subject}"}}"#, from.max(1));
    get(client, format!("$JS.API.DIRECT.GET.{stream}"), body.into()).await
}

/// The message at a sequence, from any replica.
pub async fn at(client: &impl Requests, stream: &str, seq: u64) -> Result<Option<Stored>, Error> {
    get(client, format!("$JS.API.DIRECT.GET.{stream}"), format!(r#"{{"seq":{seq}}}"#).into()).await
}

/// Up to `batch` messages of a subject from a sequence on, from any replica.
pub async fn batch(client: &impl Requests, stream: &str, subject: &str, from: u64, batch: usize) -> Result<Vec<Stored>, Error> {
    let body = format!(r#"{{"seq":{},"next_by_subj":"{subject}","batch":{batch}}}"#, from.max(1));
    many(client, stream, body).await
}

/// Up to `batch` messages of a subject that were stored at a time or later, from any replica.
pub async fn batch_since(client: &impl Requests, stream: &str, subject: &str, since_ms: i64, batch: usize) -> Result<Vec<Stored>, Error> {
    let since = jiff::Timestamp::from_millisecond(since_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    many(client, stream, json!({ "start_time": since.to_string(), "next_by_subj": subject, "batch": batch }).to_string()).await
}

/// The last message of each subject that has one, from any replica; at most 1,024 subjects.
pub async fn last_of_each(client: &impl Requests, stream: &str, subjects: &[String]) -> Result<Vec<Stored>, Error> {
    if subjects.is_empty() {
        return Ok(Vec::new());
    }
    many(client, stream, json!({ "multi_last": subjects, "batch": subjects.len() }).to_string()).await
}

/// The same, ended early by the message that reaches so many bytes.
pub async fn batch_within(
    client: &impl Requests,
    stream: &str,
    subject: &str,
    from: u64,
    (batch, bytes): (usize, usize),
) -> Result<Vec<Stored>, Error> {
    let body = format!(r#"{{"seq":{},"next_by_subj":"{subject}","batch":{batch},"max_bytes":{bytes}}}"#, from.max(1));
    many(client, stream, body).await
}

async fn many(client: &impl Requests, stream: &str, body: String) -> Result<Vec<Stored>, Error> {
    let asked = client.request_many(format!("$JS.API.DIRECT.GET.{stream}"), body.into());
    let mut answers = asked.await.map_err(Error::Answer)?;
    let mut found = Vec::new();
    loop {
        let answer = tokio::time::timeout(READ_DEADLINE, answers.next()).await.map_err(|_| Error::Late)?;
        let message = answer.ok_or(Error::Late)?;
        match message.status.map(|status| status.as_u16()) {
            None => found.push(parse(message)?),
            Some(END_OF_BATCH | NOT_FOUND) => return Ok(found),
            Some(503) => return Err(Error::NoStream),
            Some(status) => return Err(Error::Answer(status.to_string())),
        }
    }
}

/// Takes a message out of a stream, without overwriting its bytes; one that is gone already is no fault.
pub async fn remove(client: &impl Requests, stream: &str, seq: u64) -> Result<(), Error> {
    ask(client, format!("$JS.API.STREAM.MSG.DELETE.{stream}"), json!({ "seq": seq, "no_erase": true }).to_string().into()).await.map(drop)
}

/// Takes all messages of a subject out of a stream, up to a sequence and with it.
pub async fn purge(client: &impl Requests, stream: &str, subject: &str, to: u64) -> Result<(), Error> {
    let body = json!({ "filter": subject, "seq": to.saturating_add(1) }).to_string();
    ask(client, format!("$JS.API.STREAM.PURGE.{stream}"), body.into()).await.map(drop)
}

#[derive(Deserialize)]
struct Info {
    config: InfoConfig,
    state: InfoState,
}

#[derive(Deserialize)]
struct InfoConfig {
    max_bytes: i64,
}

#[derive(Deserialize)]
struct InfoState {
    bytes: u64,
}

/// How full a stream is, in percent of what it may hold.
pub async fn fullness(client: &impl Requests, stream: &str) -> Result<u64, Error> {
    let answer = ask(client, format!("$JS.API.STREAM.INFO.{stream}"), Bytes::new()).await?;
    let info: Info = serde_json::from_slice(&answer.payload).map_err(|_| Error::NoStream)?;
    let bytes_max = u64::try_from(info.config.max_bytes).ok().filter(|bytes| *bytes > 0);
    Ok(bytes_max.map_or(0, |bytes_max| info.state.bytes.saturating_mul(100) / bytes_max))
}

async fn get(client: &impl Requests, subject: String, body: Bytes) -> Result<Option<Stored>, Error> {
    let message = ask(client, subject, body).await?;
    match message.status.map(|status| status.as_u16()) {
        None | Some(200) => parse(message).map(Some),
        Some(NOT_FOUND) => Ok(None),
        Some(status) => Err(Error::Answer(status.to_string())),
    }
}

async fn ask(client: &impl Requests, subject: String, body: Bytes) -> Result<Message, Error> {
    let asked = client.request(subject, None, body);
    tokio::time::timeout(READ_DEADLINE, asked).await.map_err(|_| Error::Late)?.map_err(fault)
}

fn fault(kind: RequestErrorKind) -> Error {
    match kind {
        RequestErrorKind::NoResponders => Error::NoStream,
        RequestErrorKind::TimedOut => Error::Late,
        other => Error::Answer(other.to_string()),
    }
}

fn parse(message: Message) -> Result<Stored, Error> {
    let headers = message.headers.ok_or_else(|| Error::Answer("no headers".into()))?;
    let text = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    let seq = text("Nats-Sequence").and_then(|text| text.parse().ok());
    let at_ms = text("Nats-Time-Stamp").and_then(millis);
    let (Some(seq), Some(at_ms)) = (seq, at_ms) else { return Err(Error::Answer("no sequence or time".into())) };
    let subject = text("Nats-Subject").unwrap_or_default().to_owned();
    Ok(Stored { subject, seq, at_ms, headers, body: message.payload })
}

/// The milliseconds since 1970 of an RFC 3339 time.
fn millis(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[derive(Deserialize)]
struct LeaderAnswer {
    message: Option<LeaderMessage>,
    error: Option<LeaderFault>,
}

#[derive(Deserialize)]
struct LeaderMessage {
    subject: String,
    seq: u64,
    #[serde(default)]
    hdrs: String,
    #[serde(default)]
    data: String,
    time: String,
}

#[derive(Deserialize)]
struct LeaderFault {
    #[serde(default)]
    err_code: u32,
    #[serde(default)]
    description: String,
}

/// The last message of a subject, from the leader.
pub async fn last_from_leader(client: &impl Requests, stream: &str, subject: &str) -> Result<Option<Stored>, Error> {
    leader(client, stream, json!({ "last_by_subj": subject })).await
}

/// The first message of a subject at or after a sequence, from the leader.
pub async fn next_from_leader(client: &impl Requests, stream: &str, subject: &str, from: u64) -> Result<Option<Stored>, Error> {
    leader(client, stream, json!({ "seq": from.max(1), "next_by_subj": subject })).await
}

#[derive(Deserialize)]
struct DeleteAnswer {
    #[serde(default)]
    success: bool,
    error: Option<LeaderFault>,
}

/// Deletes a message so that its bytes are overwritten; one that is not there is deleted.
pub async fn delete(client: &impl Requests, stream: &str, seq: u64) -> Result<(), Error> {
    let body = json!({ "seq": seq, "no_erase": false }).to_string();
    let answer = ask(client, format!("$JS.API.STREAM.MSG.DELETE.{stream}"), body.into()).await?;
    let answer: DeleteAnswer = serde_json::from_slice(&answer.payload).map_err(|error| Error::Answer(error.to_string()))?;
    match answer.error {
        None if answer.success => Ok(()),
        Some(fault) if matches!(fault.err_code, NO_MESSAGE | NOT_DELETED | SEQUENCE_GONE) => Ok(()),
        Some(fault) if fault.err_code == NO_STREAM => Err(Error::NoStream),
        Some(fault) => Err(Error::Answer(format!("{} ({})", fault.description, fault.err_code))),
        None => Err(Error::Answer("neither success nor an error".into())),
    }
}

async fn leader(client: &impl Requests, stream: &str, query: serde_json::Value) -> Result<Option<Stored>, Error> {
    let answer = ask(client, format!("$JS.API.STREAM.MSG.GET.{stream}"), query.to_string().into()).await?;
    let answer: LeaderAnswer = serde_json::from_slice(&answer.payload).map_err(|error| Error::Answer(error.to_string()))?;
    match (answer.message, answer.error) {
        (Some(message), _) => leader_message(message).map(Some),
        (None, Some(fault)) if fault.err_code == NO_MESSAGE => Ok(None),
        (None, Some(fault)) if fault.err_code == NO_STREAM => Err(Error::NoStream),
        (None, Some(fault)) => Err(Error::Answer(format!("{} ({})", fault.description, fault.err_code))),
        (None, None) => Err(Error::Answer("neither a message nor an error".into())),
    }
}

fn leader_message(message: LeaderMessage) -> Result<Stored, Error> {
    let unreadable = |what: &str| Error::Answer(format!("a message with unreadable {what}"));
    let body = STANDARD.decode(message.data).map_err(|_| unreadable("data"))?;
    let raw = STANDARD.decode(message.hdrs).map_err(|_| unreadable("headers"))?;
    let mut headers = HeaderMap::new();
    for line in String::from_utf8_lossy(&raw).lines().skip(1) {
        if let Some((name, value)) = line.split_once(':') {
            headers.append(name, value.trim());
        }
    }
    let at_ms = millis(&message.time).ok_or_else(|| unreadable("time"))?;
    Ok(Stored { subject: message.subject, seq: message.seq, at_ms, headers, body: body.into() })
}
