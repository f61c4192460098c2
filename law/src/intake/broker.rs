//! A broker and a Redis inside the process, as far as intake needs them.
//!
//! The broker takes in what is published and confirms it, knows message ids, and gives back what it
//! holds; for all else there is nobody. Redis answers everything with an error, at once.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::header::{EXPECTED_LAST, MESSAGE_ID};
use proto::id::Epoch;
use proto::subject;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// When everything is stored, as the broker tells it.
const STORED_AT: &str = "2026-09-21T14:13:20Z";
/// Largest payload that it takes, in bytes.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Another message lies on the subject than the publisher knows.
const FENCED: u32 = 10_071;
/// There is no such message.
const NO_MESSAGE: u32 = 10_037;
/// Its streams count from here, in seconds since 1970.
const EPOCH: u32 = 0x6a00_0001;

/// A message that was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// What the broker holds; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<Mutex<Store>>);

#[derive(Debug, Default)]
struct Store {
    messages: Vec<Published>,
    /// How many of them were looked at.
    seen: usize,
}

impl Held {
    /// Forgets everything.
    pub fn clear(&self) {
        *self.store() = Store::default();
    }

    /// What was stored since the last time, in its order.
    pub fn fresh(&self) -> Vec<Published> {
        let mut store = self.store();
        let all = store.messages.len();
        let seen = std::mem::replace(&mut store.seen, all);
        store.messages.get(seen..).unwrap_or_default().to_vec()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a message, and confirms it as JetStream does.
    fn take_in(&self, message: Published) -> Value {
        let stream = stream_of(&message.subject);
        let held = &mut self.store().messages;
        let last = held.iter().rposition(|earlier| earlier.subject == message.subject).map_or(0, |place| place + 1);
        let fence = message.headers.get(EXPECTED_LAST).map(async_nats::HeaderValue::as_str);
        if fence.is_some_and(|fence| fence != last.to_string()) {
            return json!({ "stream": stream, "seq": 0, "error": { "code": 400, "err_code": FENCED, "description": "wrong last sequence" } });
        }
        let known = |earlier: &Published| earlier.headers.get(MESSAGE_ID) == message.headers.get(MESSAGE_ID);
        let known = message.headers.get(MESSAGE_ID).and_then(|_| held.iter().position(known));
        let place = known.unwrap_or(held.len());
        if known.is_none() {
            held.push(message);
        }
        json!({ "stream": stream, "seq": place + 1, "duplicate": known.is_some() })
    }

    /// The first message from a sequence on, of a subject where one is asked for.
    fn get(&self, asked: &[u8]) -> Option<(usize, Published)> {
        let asked: Value = serde_json::from_slice(asked).ok()?;
        let store = self.store();
        let held = &store.messages;
        if let Some(wanted) = asked.get("last_by_subj").and_then(Value::as_str) {
            let place = held.iter().rposition(|message| message.subject == wanted)?;
            return Some((place + 1, held.get(place)?.clone()));
        }
        let from = usize::try_from(asked.get("seq")?.as_u64()?).ok()?;
        let wanted = asked.get("next_by_subj").and_then(Value::as_str);
        let mut later = held.iter().enumerate().map(|(index, message)| (index + 1, message)).filter(|(seq, _)| *seq >= from);
        let found = later.find(|(seq, message)| wanted.map_or(*seq == from, |wanted| wanted == message.subject));
        found.map(|(seq, message)| (seq, message.clone()))
    }
}

/// Serves connections of NATS, one after the other; it ends with the runtime.
pub async fn serve_nats(listener: TcpListener, held: Held) {
    while let Ok((connection, _)) = listener.accept().await {
        let session = Session { stream: BufReader::new(connection), held: held.clone(), inboxes: Vec::new() };
        // A client that has waited for too long, as behind a debugger, leaves and comes again.
        drop(session.run().await);
    }
}

/// Serves connections of Redis likewise.
pub async fn serve_redis(listener: TcpListener) {
    while let Ok((connection, _)) = listener.accept().await {
        drop(refuse(connection).await);
    }
}

async fn refuse(mut connection: TcpStream) -> io::Result<()> {
    let mut heard = [0; 4096];
    loop {
        let bytes = connection.read(&mut heard).await?;
        if bytes == 0 {
            return Ok(());
        }
        // Every command is a list, which begins with its length.
        let commands = heard.get(..bytes).unwrap_or_default().split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"*"));
        let answers = b"-ERR nothing is kept here\r\n".repeat(commands.count());
        connection.write_all(&answers).await?;
    }
}

struct Session {
    stream: BufReader<TcpStream>,
    held: Held,
    /// The subjects that the client hears answers on, less the last part of one that ends in `*`, and their numbers.
    inboxes: Vec<(String, String)>,
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        let info = json!({
            "server_id": "LAW", "server_name": "law", "version": "2.15.1", "go": "", "host": "127.0.0.1", "port": 4222, "headers": true,
            "max_payload": PAYLOAD_BYTES_MAX, "proto": 1, "client_id": 1,
        });
        self.stream.write_all(format!("INFO {info}\r\n").as_bytes()).await?;
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["PING"] => self.stream.write_all(b"PONG\r\n").await?,
                ["SUB", subject, .., sid] => self.inboxes.push((subject.trim_end_matches('*').to_owned(), (*sid).to_owned())),
                ["UNSUB", sid, ..] => self.inboxes.retain(|(_, known)| known != sid),
                ["PUB", subject, reply, bytes] => self.publish(subject, reply, "0", bytes).await?,
                ["HPUB", subject, reply, head, bytes] => self.publish(subject, reply, head, bytes).await?,
                ["PUB", _, bytes] | ["HPUB", _, _, bytes] => drop(self.payload(bytes).await?),
                _ => {}
            }
        }
    }

    /// What a command brings behind its line.
    async fn payload(&mut self, bytes: &str) -> io::Result<Vec<u8>> {
        let bytes: usize = bytes.parse().map_err(io::Error::other)?;
        let mut payload = vec![0; bytes.min(PAYLOAD_BYTES_MAX) + 2];
        self.stream.read_exact(&mut payload).await?;
        payload.truncate(bytes);
        Ok(payload)
    }

    async fn publish(&mut self, subject: &str, reply: &str, head: &str, bytes: &str) -> io::Result<()> {
        let payload = self.payload(bytes).await?;
        let head: usize = head.parse().map_err(io::Error::other)?;
        let (head, body) = payload.split_at_checked(head).unwrap_or_default();
        let is_stored = ["event.", "answer.", "timer."].iter().any(|start| subject.starts_with(start));
        if is_stored {
            let message = Published { subject: subject.to_owned(), headers: headers(head), body: Bytes::copy_from_slice(body) };
            let answer = self.held.take_in(message).to_string();
            return self.answer(reply, "", answer.as_bytes()).await;
        }
        self.ask(subject, reply, body).await
    }

    /// Answers what is asked of JetStream.
    async fn ask(&mut self, subject: &str, reply: &str, body: &[u8]) -> io::Result<()> {
        let words: Vec<&str> = subject.splitn(6, '.').collect();
        match words.as_slice() {
            ["$JS", "API", "STREAM", "INFO", _] => {
                let info = json!({ "ts": STORED_AT, "config": { "max_bytes": 1 << 30 }, "state": { "bytes": 0 } });
                self.answer(reply, "", info.to_string().as_bytes()).await
            }
            ["$JS", "API", "STREAM", "NAMES"] => {
                let names = json!({ "total": 1, "offset": 0, "limit": 1024, "streams": [stream_of("event.")] });
                self.answer(reply, "", names.to_string().as_bytes()).await
            }
            ["$JS", "API", "STREAM", "MSG", "GET", _] => {
                let told = match self.held.get(body) {
                    Some((seq, message)) => json!({ "message": {
                        "subject": message.subject, "seq": seq, "data": STANDARD.encode(&message.body), "time": STORED_AT,
                    } }),
                    None => json!({ "error": { "code": 404, "err_code": NO_MESSAGE, "description": "no message found" } }),
                };
                self.answer(reply, "", told.to_string().as_bytes()).await
            }
            ["$JS", "API", "DIRECT", "GET", ..] => match self.held.get(body) {
                Some((seq, message)) => {
                    let known = message.headers.get(MESSAGE_ID).map(|id| format!("{MESSAGE_ID}: {id}\r\n")).unwrap_or_default();
                    let (stream, subject) = (stream_of(&message.subject), &message.subject);
                    let place = format!("Nats-Stream: {stream}\r\nNats-Subject: {subject}\r\nNats-Sequence: {seq}");
                    let head = format!("NATS/1.0\r\n{place}\r\nNats-Time-Stamp: {STORED_AT}\r\n{known}\r\n");
                    self.answer(reply, &head, &message.body).await
                }
                None => self.answer(reply, "NATS/1.0 404 Message Not Found\r\n\r\n", b"").await,
            },
            _ => self.answer(reply, "NATS/1.0 503\r\n\r\n", b"").await,
        }
    }

    async fn answer(&mut self, reply: &str, head: &str, body: &[u8]) -> io::Result<()> {
        let Some((_, sid)) = self.inboxes.iter().find(|(inbox, _)| reply.starts_with(inbox)) else { return Ok(()) };
        let all = head.len() + body.len();
        let line =
            if head.is_empty() { format!("MSG {reply} {sid} {all}\r\n") } else { format!("HMSG {reply} {sid} {} {all}\r\n", head.len()) };
        let whole = [line.as_bytes(), head.as_bytes(), body, b"\r\n"].concat();
        self.stream.write_all(&whole).await
    }
}

/// The stream that takes a subject.
fn stream_of(subject: &str) -> String {
    if subject.starts_with("timer.") { subject::TIMERS_STREAM.to_owned() } else { subject::events_stream(Epoch::from_second(EPOCH)) }
}

fn headers(head: &[u8]) -> HeaderMap {
    let text = String::from_utf8_lossy(head);
    let pairs = text.split("\r\n").filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.parse::<async_nats::HeaderName>(), value.trim()))
        .filter_map(|(name, value)| Some((name.ok()?, value.into())))
        .collect()
}
