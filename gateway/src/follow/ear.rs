//! What a follower hears over the broker: a bell, and news.
//!
//! What a subscription to the log carries may have been refused, so it only says that it is time
//! to look. News of running turns are stored nowhere and are passed on as they come. Both are
//! taken off the connection at once, however slow the reader is, into a buffer that is bounded.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_nats::{Client, Subscriber};
use futures_util::{FutureExt as _, StreamExt as _};
use proto::id::{EventSeq, Receipt, SessionKey};
use proto::limit::PUBLISH_DEADLINE;
use proto::record::{Record, RecordId};
use proto::subject;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;

use crate::api_error::ApiError;

/// How many pieces of news may wait to be passed on.
const NEWS_MAX: usize = 1_024;
/// How many bytes of news may wait to be passed on, or one piece that is larger.
const NEWS_BYTES_MAX: usize = 256 * 1024;
/// The news that followers are told of; others are a later version's.
const KINDS: [&str; 5] = ["token", "reasoningToken", "restart", "operationBegin", "operationEnd"];

/// News of a turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct News {
    pub(super) kind: &'static str,
    pub(super) event: EventSeq,
    pub(super) receipt: String,
    pub(super) data: Value,
    bytes: usize,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    event: String,
    #[serde(default)]
    data: Value,
}

impl News {
    /// Reads what came on a session's subject; `None` for what nobody here would have said.
    fn parse(session: &SessionKey, payload: &[u8]) -> Option<Self> {
        let told: Told = serde_json::from_slice(payload).ok()?;
        let kind = KINDS.into_iter().find(|kind| *kind == told.kind)?;
        let receipt: Receipt = told.event.parse().ok().filter(|receipt: &Receipt| receipt.session == *session)?;
        Some(Self { kind, event: receipt.event, receipt: told.event, data: told.data, bytes: payload.len() })
    }
}

/// What was heard since it was last taken.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Heard {
    /// The last append that was heard of, refused or not.
    pub(super) rung: Option<RecordId>,
    /// What was told meanwhile.
    pub(super) news: VecDeque<News>,
    /// Whether more was told than is kept.
    pub(super) is_too_much: bool,
    bytes: usize,
}

/// Where what was heard waits.
#[derive(Debug, Default)]
pub(super) struct Memory {
    heard: Mutex<Heard>,
    wake: Notify,
}

impl Memory {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all that was heard.
    pub(super) fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard())
    }

    /// Waits until something was heard.
    pub(super) async fn wait(&self) {
        self.wake.notified().await;
    }

    fn ring(&self, payload: bytes::Bytes) {
        if let Ok(record) = Record::decode(payload) {
            self.heard().rung = Some(record.id);
            self.wake.notify_one();
        }
    }

    fn tell(&self, news: News) {
        let mut heard = self.heard();
        let is_full = heard.news.len() >= NEWS_MAX || (heard.bytes + news.bytes > NEWS_BYTES_MAX && !heard.news.is_empty());
        if is_full {
            heard.is_too_much = true;
        } else {
            heard.bytes += news.bytes;
            heard.news.push_back(news);
        }
        drop(heard);
        self.wake.notify_one();
    }
}

/// The two subscriptions.
#[derive(Debug)]
pub(super) struct Ear {
    session: SessionKey,
    bell: Subscriber,
    live: Subscriber,
}

impl Ear {
    /// Begins to listen.
    pub(super) async fn open(client: &Client, session: &SessionKey) -> Result<Self, ApiError> {
        let subscribe = async {
            let bell = client.subscribe(subject::log(session)).await?;
            let live = client.subscribe(subject::live(session)).await?;
            Ok::<_, async_nats::SubscribeError>(Self { session: session.clone(), bell, live })
        };
        let silent = |cause: &str| ApiError::unavailable("the broker cannot be listened to right now", &cause);
        let opened = tokio::time::timeout(PUBLISH_DEADLINE, subscribe).await;
        opened.map_err(|_| silent("no subscription in time"))?.map_err(|error| silent(&error.to_string()))
    }

    /// Takes in all that comes; never ends by itself.
    pub(super) async fn listen(mut self, memory: &Memory) -> Infallible {
        loop {
            let payload = tokio::select! {
                biased;
                rung = self.bell.next() => {
                    let Some(message) = rung else { break };
                    memory.ring(message.payload);
                    continue;
                }
                told = self.live.next() => {
                    let Some(message) = told else { break };
                    message.payload
                }
            };
            // A bell that rang before the news must be heard before them.
            while let Some(Some(message)) = self.bell.next().now_or_never() {
                memory.ring(message.payload);
            }
            if let Some(news) = News::parse(&self.session, &payload) {
                memory.tell(news);
            }
        }
        // The client is being closed.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{Memory, NEWS_BYTES_MAX, NEWS_MAX, News};

    fn token(text: &str) -> News {
        let told = json!({ "type": "token", "event": "evt.t.s.6a1b2c3d.7", "data": { "token": text } }).to_string();
        News::parse(&"t.s".parse().unwrap(), told.as_bytes()).unwrap()
    }

    #[test]
    fn only_known_news_of_the_session_are_read() {
        let news = token("hé");
        assert_eq!((news.kind, news.event.seq, &news.data), ("token", 7, &json!({ "token": "hé" })));
        let session = "t.s".parse().unwrap();
        for told in [
            json!({ "type": "token", "event": "evt.t.other.6a1b2c3d.7", "data": {} }),
            json!({ "type": "token", "event": "nonsense", "data": {} }),
            json!({ "type": "result", "event": "evt.t.s.6a1b2c3d.7", "data": {} }),
            json!({ "event": "evt.t.s.6a1b2c3d.7" }),
            json!([]),
        ] {
            assert_eq!(News::parse(&session, told.to_string().as_bytes()), None, "{told}");
        }
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_bytes() {
        let memory = Memory::default();
        for _ in 0..=NEWS_MAX {
            memory.tell(token("x"));
        }
        let heard = memory.take();
        assert_eq!((heard.news.len(), heard.is_too_much), (NEWS_MAX, true));
        let large = "x".repeat(NEWS_BYTES_MAX);
        memory.tell(token(&large));
        assert!(!memory.take().is_too_much, "one piece is taken however large");
        memory.tell(token("x"));
        memory.tell(token(&large));
        let heard = memory.take();
        assert_eq!((heard.news.len(), heard.is_too_much), (1, true));
        assert_eq!(memory.take(), super::Heard::default());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(News::parse(&"t.s".parse().unwrap(), &payload));
        }
    }
}
