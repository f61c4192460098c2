//! News of running turns, on `live.<trigger>.<session>`.
//!
//! Fire and forget: who follows a session hears it, and what is lost is in the log later.

use async_nats::Client;
use bytes::Bytes;
use model::answer::Delta;
use proto::id::{EventSeq, Receipt, SessionKey};
use proto::subject;
use proto::wire::outcome::End;
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;

use crate::port::{Live, News, Tasks};

/// How many pieces of news may be on their way at once; past that they are dropped.
const QUEUE_MAX: usize = 4_096;

/// News over one connection, in the order they are told.
#[derive(Clone)]
pub struct NatsLive {
    queue: Sender<(String, Bytes)>,
}

impl NatsLive {
    /// Uses a connection; the publishing task ends with the others.
    pub fn new(client: Client, tasks: &Tasks) -> Self {
        let (queue, mut told) = tokio::sync::mpsc::channel::<(String, Bytes)>(QUEUE_MAX);
        tasks.spawn(async move {
            while let Some((subject, body)) = told.recv().await {
                if let Err(error) = client.publish(subject, body).await {
                    tracing::debug!(%error, "news of a turn were not told");
                }
            }
        });
        Self { queue }
    }
}

/// One piece of news, in the words of ChatBotKit's event stream.
fn told(news: News<'_>) -> (&'static str, Value) {
    match news {
        News::Delta(Delta::Text(token)) => ("token", json!({ "token": token })),
        News::Delta(Delta::Reasoning(token)) => ("reasoningToken", json!({ "token": token })),
        News::Delta(Delta::Restart) => ("restart", json!({})),
        News::Begun(call) => {
            let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or(Value::Null);
            ("operationBegin", json!({ "call": call.id, "function": { "name": call.ability, "arguments": arguments } }))
        }
        News::Ended(outcome) => {
            let end = match &outcome.end {
                Some(End::Result(_)) => "result",
                Some(End::Error(_)) => "error",
                Some(End::Unknown(_)) | None => "unknown",
            };
            ("operationEnd", json!({ "call": outcome.call, "end": end, "durationMs": outcome.duration_ms }))
        }
    }
}

impl Live for NatsLive {
    fn tell(&self, session: &SessionKey, event: EventSeq, news: News<'_>) {
        let (kind, data) = told(news);
        let receipt = Receipt { session: session.clone(), event };
        let body = json!({ "type": kind, "event": receipt.to_string(), "data": data }).to_string();
        // A turn does not wait for its followers.
        drop(self.queue.try_send((subject::live(session), body.into())));
    }
}
