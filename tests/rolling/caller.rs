//! Callers that keep their connections, each one call at a time, at a fixed rate together.
//!
//! Over plain sockets: a client library repeats by itself what a broken connection had begun, and
//! would hide what is to be counted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use proto::id::Receipt;
use serde_json::Value;
use tests::ledger::Ledger;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many callers there are.
const CALLERS: u64 = 64;
/// How many sessions each writes to.
const SESSIONS: u64 = 4;
/// The pause before a call is repeated.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a call is repeated.
const TRIES_MAX: u32 = 100;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What callers were told.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many events have a receipt.
    pub(crate) accepted: u64,
    /// How many calls were answered 503.
    pub(crate) refused: u64,
    /// How many calls were repeated.
    pub(crate) retried: u64,
    /// How many connections broke under a call.
    pub(crate) resets: u64,
    /// The codes of refusals.
    pub(crate) codes: BTreeMap<String, u64>,
    /// How connections broke.
    pub(crate) breaks: Vec<String>,
    /// Answers that are neither.
    pub(crate) others: Vec<String>,
    latencies_ms: Vec<f64>,
}

impl Tally {
    fn add(&mut self, mut other: Self) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.retried += other.retried;
        self.resets += other.resets;
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.breaks.append(&mut other.breaks);
        self.others.append(&mut other.others);
        self.latencies_ms.append(&mut other.latencies_ms);
    }

    /// How long calls took from when they were due, at a quantile.
    pub(crate) fn quantile_ms(&self, at: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a list")]
        let place = ((self.latencies_ms.len().saturating_sub(1)) as f64 * at) as usize;
        self.latencies_ms.get(place).copied().unwrap_or_default()
    }

    /// How many were accepted a second.
    pub(crate) fn rate(&self, took: Duration) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let accepted = self.accepted as f64;
        accepted / took.as_secs_f64()
    }
}

/// Callers at work.
pub(crate) struct Callers(JoinSet<Tally>);

impl Callers {
    /// Begins to call.
    pub(crate) fn start(address: SocketAddr, secret: &'static str, rate: u64, time: Duration, ledger: &Ledger) -> Self {
        let began = Instant::now();
        let mut callers = JoinSet::new();
        for lane in 0..CALLERS {
            let ledger = ledger.clone();
            callers.spawn(async move {
                let mut caller = Caller { address, secret, ledger, stream: None, tally: Tally::default() };
                for number in (lane..).step_by(usize::try_from(CALLERS).unwrap_or(1)) {
                    #[expect(clippy::cast_precision_loss, reason = "a small number")]
                    let due = Duration::from_secs_f64(number as f64 / rate as f64);
                    if due >= time {
                        break;
                    }
                    tokio::time::sleep_until(began + due).await;
                    caller.insist(number, lane).await;
                    caller.tally.latencies_ms.push((began + due).elapsed().as_secs_f64() * 1_000.0);
                }
                caller.tally
            });
        }
        Self(callers)
    }

    /// Waits until all have called for as long as they were to.
    pub(crate) async fn ended(self) -> Tally {
        let mut tally = Tally::default();
        for one in self.0.join_all().await {
            tally.add(one);
        }
        tally.latencies_ms.sort_by(f64::total_cmp);
        tally
    }
}

struct Caller {
    address: SocketAddr,
    secret: &'static str,
    ledger: Ledger,
    stream: Option<TcpStream>,
    tally: Tally,
}

impl Caller {
    /// Sends an event until it is accepted, always under its key.
    async fn insist(&mut self, number: u64, lane: u64) {
        let session = format!("s{lane}-{}", number / CALLERS % SESSIONS);
        let body = format!(r#"{{"text":"{number}","session":"{session}"}}"#);
        let request = format!(
            "POST /v1/integration/trigger/orders/event HTTP/1.1\r\nHost: cuepoint\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nIdempotency-Key: k{number}\r\nContent-Length: {}\r\n\r\n{body}",
            self.secret,
            body.len()
        );
        for tried in 0..TRIES_MAX {
            if tried > 0 {
                self.tally.retried += 1;
                tokio::time::sleep(AGAIN).await;
            }
            match tokio::time::timeout(ANSWER_WITHIN, self.call(&request)).await {
                Ok(Ok((200, body))) => {
                    self.tally.accepted += 1;
                    let receipt = body.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Receipt>().ok());
                    match receipt {
                        Some(receipt) => self.ledger.note(receipt),
                        None => self.tally.others.push(body.to_string()),
                    }
                    return;
                }
                Ok(Ok((503, body))) => {
                    self.tally.refused += 1;
                    let code = body.get("error").and_then(Value::as_str).unwrap_or("of haproxy").to_owned();
                    *self.tally.codes.entry(code).or_default() += 1;
                }
                Ok(Ok((status, body))) => self.tally.others.push(format!("{status} {body}")),
                Ok(Err(error)) => self.broke(&format!("{error:#}")),
                Err(_) => self.broke("no answer in time"),
            }
        }
        self.tally.others.push(format!("event {number} was never accepted"));
    }

    fn broke(&mut self, how: &str) {
        self.stream = None;
        self.tally.resets += 1;
        self.tally.breaks.push(how.to_owned());
    }

    async fn call(&mut self, request: &str) -> anyhow::Result<(u16, Value)> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await.context("it cannot connect")?,
        };
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await.context("it cannot send")?;
        let (mut answer, mut filled) = (vec![0; 8 * 1024], 0);
        loop {
            let space = answer.get_mut(filled..).filter(|space| !space.is_empty()).context("the answer is too large")?;
            let read = stream.read(space).await.context("it cannot read")?;
            if read == 0 {
                bail!("closed after {filled} bytes of an answer");
            }
            filled += read;
            let text = std::str::from_utf8(answer.get(..filled).unwrap_or_default())?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let lower = head.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if length.is_some_and(|length| body.len() < length) {
                continue;
            }
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status")?;
            let body = serde_json::from_str(body).unwrap_or_default();
            if length.is_some() && !lower.contains("connection: close") {
                self.stream = Some(stream);
            }
            return Ok((status, body));
        }
    }
}
