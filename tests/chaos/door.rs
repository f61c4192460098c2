//! One try at one of the two doors.

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use backbone::{config, nats, publish};
use proto::id::{EventSeq, Receipt, SessionKey};
use proto::{limit, subject};
use serde_json::{Value, json};
use tests::resource::SECRET;

use crate::book::Door;

/// The trigger that all events are for.
pub(crate) const TRIGGER: &str = "orders";
/// How long a caller waits for an answer, before it tries another gateway.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// An event as it is sent, always the same.
#[derive(Debug)]
pub(crate) struct Letter {
    /// The key under which a repeat is known.
    pub(crate) key: String,
    /// The session string.
    pub(crate) string: String,
    /// The session.
    pub(crate) session: SessionKey,
    /// The text.
    pub(crate) text: String,
    /// Whether it is no envelope.
    pub(crate) is_torn: bool,
}

/// What a try came to.
#[derive(Debug)]
pub(crate) enum Told {
    /// It is stored.
    Stored(EventSeq),
    /// It was refused for now, or nobody answered: the same again is safe.
    Later(String),
    /// Something that neither door may say.
    Wrong(String),
}

/// Both doors.
#[derive(Debug)]
pub(crate) struct Doors {
    http: reqwest::Client,
    gateways: Vec<String>,
    nats: Client,
}

impl Doors {
    /// Gateways by their ports, and the broker by an address.
    pub(crate) async fn open(ports: &[u16], nats_url: String) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        let gateways = ports.iter().map(|port| format!("http://127.0.0.1:{port}/v1/integration/trigger/{TRIGGER}/event")).collect();
        Ok(Self { http, gateways, nats: nats::connect(&config::Nats::at(nats_url), "publishers").await? })
    }

    /// Sends an event; `turn` chooses the gateway.
    pub(crate) async fn send(&self, door: Door, letter: &Letter, turn: usize) -> Told {
        match door {
            Door::Http => self.call(letter, turn).await,
            Door::Nats => self.publish(letter).await,
        }
    }

    async fn call(&self, letter: &Letter, turn: usize) -> Told {
        let gateway = turn % self.gateways.len().max(1);
        let Some(url) = self.gateways.get(gateway) else { return Told::Wrong("there is no gateway".into()) };
        let body = json!({ "text": letter.text, "session": letter.string });
        let request = self.http.post(url).bearer_auth(SECRET).header("idempotency-key", &letter.key).json(&body);
        let answered = async {
            let response = request.send().await?;
            Ok::<_, reqwest::Error>((response.status().as_u16(), response.bytes().await?))
        };
        let (status, body) = match answered.await {
            Ok((status, body)) => (status, serde_json::from_slice::<Value>(&body).unwrap_or_default()),
            Err(error) if error.is_timeout() => return Told::Later(format!("gateway {gateway}: no answer")),
            Err(error) if error.is_connect() => return Told::Later(format!("gateway {gateway}: no connection")),
            Err(_) => return Told::Later(format!("gateway {gateway}: the connection broke")),
        };
        let code = body.get("error").and_then(Value::as_str).unwrap_or_default();
        match status {
            200 => match body.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Receipt>().ok()) {
                Some(receipt) if receipt.session == letter.session => Told::Stored(receipt.event),
                _ => Told::Wrong(format!("gateway {gateway}: 200 {body}")),
            },
            429 | 503 => Told::Later(format!("gateway {gateway}: {status} {code}")),
            _ => Told::Wrong(format!("gateway {gateway}: {status} {body}")),
        }
    }

    async fn publish(&self, letter: &Letter) -> Told {
        let field = if letter.is_torn { "torn" } else { "text" };
        let body = json!({ field: letter.text, "session": letter.string }).to_string();
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "application/json");
        headers.insert("Nats-Msg-Id", letter.key.as_str());
        let to = subject::event(&letter.session);
        match publish::confirmed(&self.nats, to, Some(headers), body.into(), limit::PUBLISH_DEADLINE).await {
            Ok(stored) => match subject::epoch_of_stream(&stored.stream) {
                Some(epoch) => Told::Stored(EventSeq { epoch, seq: stored.seq }),
                None => Told::Wrong(format!("broker: {stored:?}")),
            },
            // Whatever the broker says in trouble, the same again is safe: the id makes it one event.
            Err(error) => Told::Later(format!("broker: {error}")),
        }
    }
}
