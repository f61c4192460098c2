//! The broker as requests see it: publishes of events, and reads of the streams by subject.

use std::fmt;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{HeaderMap, Message, StatusCode};
use async_trait::async_trait;
use backbone::requests::Stage;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::{header, subject};
use serde_json::{Value, json};
use worker::port::Inbox;

use crate::state::State;
use crate::tally::Fault;
use crate::world::{self, World};

/// How long a publish may be on its way after its sender has given it up, in milliseconds.
const LATE_MAX_MS: u64 = 6_000;

/// One process's connection.
pub(crate) struct SimLine {
    world: World,
    me: String,
    kind: &'static str,
}

impl fmt::Debug for SimLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SimLine of {}", self.me)
    }
}

/// A message of a stream, as reads tell it.
struct Told {
    subject: String,
    seq: u64,
    at_ms: i64,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl SimLine {
    pub(crate) fn new(world: World, me: String, kind: &'static str) -> Self {
        Self { world, me, kind }
    }

    async fn pass(&self, point: &'static str) {
        // Whoever is no service has no awaits of ours.
        if self.kind == "gateway" {
            self.world.pass(&self.me, point).await;
        } else {
            let pause = Duration::from_micros(100 + self.world.state().random.below(4_000));
            tokio::time::sleep(pause).await;
        }
        let until = self.world.state().broker_silent_until;
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    async fn publish(&self, subject: &str, headers: Option<HeaderMap>, body: Bytes) -> Result<Message, RequestErrorKind> {
        self.pass("gateway publish").await;
        let Some(session) = subject::session_of_event(subject) else { return Err(RequestErrorKind::NoResponders) };
        let id = headers.as_ref().and_then(|headers| headers.get(header::MESSAGE_ID)).map(ToString::to_string);
        let (refused, late, lost) = {
            let mut state = self.world.state();
            (state.unlucky(40, Fault::PublishRefused), state.unlucky(40, Fault::PublishLate), state.unlucky(25, Fault::PublishAnswerLost))
        };
        if refused {
            return Err(RequestErrorKind::NoResponders);
        }
        if late {
            let (world, wait) = (self.world.clone(), Duration::from_millis(self.world.state().random.below(LATE_MAX_MS)));
            world::outside(async move {
                tokio::time::sleep(wait).await;
                world.state().store(Inbox::Event, session, body, id.as_deref());
            });
            return std::future::pending().await;
        }
        let (event, is_duplicate) = self.world.state().store(Inbox::Event, session, body, id.as_deref());
        if lost {
            return std::future::pending().await;
        }
        self.pass("gateway publish, answered").await;
        let duplicate = if is_duplicate { r#","duplicate":true"# } else { "" };
        let stream = subject::events_stream(event.epoch);
        Ok(message(Vec::new(), format!(r#"{{"stream":"{stream}","seq":{}{duplicate}}}"#, event.seq).into(), None))
    }

    async fn read(&self, stream: &str, lags: bool) -> Result<Option<Vec<Told>>, RequestErrorKind> {
        self.pass("gateway read").await;
        let (found, is_lost) = {
            let mut state = self.world.state();
            let lag = if lags { state.lag(40) } else { 0 };
            let mut found = told(&state, stream);
            if let Some(found) = &mut found {
                found.truncate(found.len().saturating_sub(lag));
            }
            (found, state.unlucky(200, Fault::ReadLost))
        };
        if is_lost {
            return std::future::pending().await;
        }
        self.pass("gateway read, answered").await;
        Ok(found)
    }
}

#[async_trait]
impl Stage for SimLine {
    async fn answer(&self, subject: String, headers: Option<HeaderMap>, body: Bytes) -> Result<Message, RequestErrorKind> {
        if let Some(rest) = subject.strip_prefix("$JS.API.DIRECT.GET.") {
            let (stream, query) = match rest.split_once('.') {
                Some((stream, last)) => (stream, json!({ "last_by_subj": last })),
                None => (rest, serde_json::from_slice(&body).unwrap_or_default()),
            };
            let found = self.read(stream, true).await?.ok_or(RequestErrorKind::NoResponders)?;
            return Ok(pick(found, &query).map_or_else(|| message(Vec::new(), Bytes::new(), Some(404)), direct));
        }
        if let Some(stream) = subject.strip_prefix("$JS.API.STREAM.MSG.GET.") {
            let query: Value = serde_json::from_slice(&body).unwrap_or_default();
            let answer = match self.read(stream, false).await? {
                None => json!({ "error": { "code": 404, "err_code": 10_059, "description": "stream not found" } }),
                Some(found) => match pick(found, &query) {
                    None => json!({ "error": { "code": 404, "err_code": 10_037, "description": "no message found" } }),
                    Some(told) => leader(&told),
                },
            };
            return Ok(message(Vec::new(), answer.to_string().into(), None));
        }
        self.publish(&subject, headers, body).await
    }

    async fn answers(&self, subject: String, body: Bytes) -> Vec<Message> {
        let stream = subject.strip_prefix("$JS.API.DIRECT.GET.").unwrap_or_default();
        let query: Value = serde_json::from_slice(&body).unwrap_or_default();
        let Ok(Some(found)) = self.read(stream, true).await else { return vec![message(Vec::new(), Bytes::new(), Some(503))] };
        let from = query.get("seq").and_then(Value::as_u64).unwrap_or(1);
        let wanted = query.get("next_by_subj").and_then(Value::as_str).unwrap_or_default();
        let batch = query.get("batch").and_then(Value::as_u64).and_then(|batch| usize::try_from(batch).ok()).unwrap_or(1);
        let some = found.into_iter().filter(|told| told.seq >= from && told.subject == wanted).take(batch);
        let mut answers: Vec<Message> = some.map(direct).collect();
        let end = if answers.is_empty() { 404 } else { 204 };
        answers.push(message(Vec::new(), Bytes::new(), Some(end)));
        answers
    }
}

/// All that a stream holds, in its order; none where there is no such stream.
fn told(state: &State, stream: &str) -> Option<Vec<Told>> {
    if stream == subject::LOG_STREAM {
        let records = state.log.iter().flat_map(|(session, log)| {
            log.iter().map(move |logged| Told {
                subject: subject::log(session),
                seq: logged.seq,
                at_ms: logged.at_ms,
                headers: Vec::new(),
                body: logged.bytes.clone(),
            })
        });
        let mut records: Vec<Told> = records.collect();
        records.sort_by_key(|told| told.seq);
        return Some(records);
    }
    if stream == subject::DEAD_STREAM {
        let mut letters: Vec<Told> = state
            .dead
            .values()
            .map(|letter| Told {
                subject: letter.subject.clone(),
                seq: letter.seq,
                at_ms: 0,
                headers: Vec::new(),
                body: letter.bytes.clone(),
            })
            .collect();
        letters.sort_by_key(|told| told.seq);
        return Some(letters);
    }
    (stream == subject::events_stream(state.epoch)).then(|| {
        let waiting = state.events.iter().filter(|(event, stored)| event.epoch == state.epoch && !stored.is_acked);
        let told = waiting.map(|(event, stored)| Told {
            subject: match stored.inbox {
                Inbox::Event => subject::event(&stored.session),
                Inbox::Answer => subject::answer(&stored.session),
            },
            seq: event.seq,
            at_ms: stored.at_ms,
            headers: stored.message_id.iter().map(|id| (header::MESSAGE_ID.to_owned(), id.clone())).collect(),
            body: stored.body.clone(),
        });
        told.collect()
    })
}

fn pick(found: Vec<Told>, query: &Value) -> Option<Told> {
    let text = |name: &str| query.get(name).and_then(Value::as_str);
    let seq = query.get("seq").and_then(Value::as_u64);
    if let Some(last) = text("last_by_subj") {
        return found.into_iter().rfind(|told| told.subject == last);
    }
    match (text("next_by_subj"), seq) {
        (Some(next), seq) => found.into_iter().find(|told| told.seq >= seq.unwrap_or(1) && told.subject == next),
        (None, Some(seq)) => found.into_iter().find(|told| told.seq == seq),
        (None, None) => None,
    }
}

fn direct(told: Told) -> Message {
    let mut headers = told.headers;
    headers.push(("Nats-Sequence".to_owned(), told.seq.to_string()));
    headers.push(("Nats-Time-Stamp".to_owned(), time(told.at_ms)));
    headers.push(("Nats-Subject".to_owned(), told.subject));
    message(headers, told.body, None)
}

fn leader(told: &Told) -> Value {
    let lines: Vec<String> = told.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let mut message = json!({ "subject": told.subject, "seq": told.seq, "data": STANDARD.encode(&told.body), "time": time(told.at_ms) });
    if let (false, Some(object)) = (lines.is_empty(), message.as_object_mut()) {
        object.insert("hdrs".to_owned(), STANDARD.encode(format!("NATS/1.0\r\n{}\r\n", lines.concat())).into());
    }
    json!({ "message": message })
}

fn time(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms).unwrap_or_default().to_string()
}

fn message(headers: Vec<(String, String)>, payload: Bytes, status: Option<u16>) -> Message {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(name.as_str(), value.as_str());
    }
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let length = payload.len();
    Message { subject: "sim".into(), reply: None, payload, headers: Some(map), status, description: None, length }
}
