//! The broker over NATS.

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request};
use async_trait::async_trait;
use backbone::direct::{self, Stored};
use backbone::journal::{self, Entry};
use backbone::{publish, topology};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use prost::Message as _;
use proto::id::{EventSeq, SessionKey, TriggerId, WorkerId};
use proto::{header, limit, subject, wire};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::adapter::offer;
use crate::port::{Broker, Delivery, HandOver, NotAppended, Reply, Settle, Timer, Unavailable, Waiting};

/// How many deletions are asked for at a time.
const DELETING_MAX: usize = 16;

/// The broker over one connection.
#[derive(Debug)]
pub struct Nats {
    client: Client,
    /// Whether there was room, and when that was seen.
    room: Mutex<Option<(Instant, bool)>>,
}

impl Nats {
    /// Uses a connection.
    pub fn new(client: Client) -> Self {
        Self { client, room: Mutex::default() }
    }
}

impl From<journal::Error> for Unavailable {
    fn from(error: journal::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<direct::Error> for Unavailable {
    fn from(error: direct::Error) -> Self {
        Self(error.to_string())
    }
}

/// A stored event as the core knows it.
fn waiting(stored: Stored, after: EventSeq) -> Waiting {
    let text = |name: &str| stored.headers.get(name).map(|value| value.as_str().to_owned());
    Waiting {
        event: EventSeq { epoch: after.epoch, seq: stored.seq },
        at_ms: stored.at_ms,
        content_type: text(header::CONTENT_TYPE),
        traceparent: text(header::TRACEPARENT).filter(|text| proto::trace::Traceparent::parse(text).is_some()),
        body: stored.body,
    }
}

#[async_trait]
impl Broker for Nats {
    async fn last(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        Ok(journal::last(&self.client, session).await?)
    }

    async fn last_from_leader(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        Ok(journal::last_from_leader(&self.client, session).await?)
    }

    async fn records_after(&self, session: &SessionKey, seq: u64, batch: usize) -> Result<Vec<Entry>, Unavailable> {
        Ok(journal::after(&self.client, session, seq, batch).await?)
    }

    async fn next(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        let stream = subject::events_stream(after.epoch);
        let found = direct::next(&self.client, &stream, &subject::event(session), after.seq + 1).await?;
        Ok(found.map(|stored| waiting(stored, after)))
    }

    async fn next_from_leader(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        let stream = subject::events_stream(after.epoch);
        let found = direct::next_from_leader(&self.client, &stream, &subject::event(session), after.seq + 1).await?;
        Ok(found.map(|stored| waiting(stored, after)))
    }

    async fn first_of(&self, trigger: &TriggerId, after: EventSeq) -> Result<Option<(SessionKey, u64)>, Unavailable> {
        let stream = subject::events_stream(after.epoch);
        let found = direct::next(&self.client, &stream, &format!("event.{trigger}.*"), after.seq + 1).await?;
        Ok(found.and_then(|stored| Some((subject::session_of_event(&stored.subject)?, stored.seq))))
    }

    async fn next_answer(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        let stream = subject::events_stream(after.epoch);
        let found = direct::next_from_leader(&self.client, &stream, &subject::answer(session), after.seq + 1).await?;
        Ok(found.map(|stored| waiting(stored, after)))
    }

    async fn schedule(&self, session: &SessionKey, timer: Timer) -> Result<(), Unavailable> {
        let at = Timestamp::from_millisecond(timer.at_ms).map_err(|error| Unavailable(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert(header::SCHEDULE, format!("@at {at}"));
        headers.insert(header::SCHEDULE_TARGET, subject::due(session, &timer.id));
        let subject = subject::timer(session, &timer.id);
        let stored = publish::confirmed(&self.client, subject, Some(headers), timer.answer, limit::PUBLISH_DEADLINE).await;
        stored.map(drop).map_err(|error| Unavailable(error.to_string()))
    }

    async fn append(&self, session: &SessionKey, fence: u64, record: Bytes) -> Result<u64, NotAppended> {
        let mut headers = HeaderMap::new();
        headers.insert(header::EXPECTED_LAST, fence.to_string());
        match publish::confirmed(&self.client, subject::log(session), Some(headers), record, limit::PUBLISH_DEADLINE).await {
            Ok(stored) => Ok(stored.seq),
            Err(publish::Error::Fenced) => Err(NotAppended::Fenced),
            Err(publish::Error::StreamFull(_) | publish::Error::SubjectFull) => Err(NotAppended::Full),
            Err(error) => {
                tracing::debug!(session.key = %session, %error, "an append has no confirmation");
                Err(NotAppended::Unconfirmed)
            }
        }
    }

    async fn bury(&self, subject: String, id: String, letter: Bytes) -> Result<(), Unavailable> {
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, id);
        let stored = publish::confirmed(&self.client, subject, Some(headers), letter, limit::PUBLISH_DEADLINE).await;
        stored.map(drop).map_err(|error| Unavailable(error.to_string()))
    }

    async fn has_room(&self) -> Result<bool, Unavailable> {
        // Whoever comes meanwhile waits for the same look.
        let mut room = self.room.lock().await;
        if let Some((_, has_room)) = room.filter(|(seen_at, _)| seen_at.elapsed() < limit::ROOM_KNOWN) {
            return Ok(has_room);
        }
        let context = topology::context(&self.client);
        let look = async |stream| topology::has_room(&context, stream).await.map_err(|error| Unavailable(error.to_string()));
        let has_room = look(subject::LOG_STREAM).await? && look(subject::DEAD_STREAM).await?;
        *room = Some((Instant::now(), has_room));
        Ok(has_room)
    }

    async fn delete(&self, seqs: &[u64]) -> Result<(), Unavailable> {
        let deletions: Vec<_> = seqs.iter().map(|seq| direct::delete(&self.client, subject::LOG_STREAM, *seq)).collect();
        futures_util::stream::iter(deletions).buffer_unordered(DELETING_MAX).try_collect::<()>().await?;
        Ok(())
    }

    async fn unbury(&self, session: &SessionKey, events: &[EventSeq]) -> Result<(), Unavailable> {
        let mut from = 1;
        loop {
            let letters = direct::batch(&self.client, subject::DEAD_STREAM, &subject::dead(session), from, limit::READ_BATCH_MAX).await?;
            for stored in &letters {
                let Ok(letter) = wire::DeadLetter::decode(stored.body.clone()) else { continue };
                let is_it = |event: &EventSeq| letter.event == event.seq && letter.epoch == event.epoch.to_string();
                if events.iter().any(is_it) {
                    direct::delete(&self.client, subject::DEAD_STREAM, stored.seq).await?;
                }
            }
            match letters.last() {
                Some(last) if letters.len() == limit::READ_BATCH_MAX => from = last.seq + 1,
                _ => return Ok(()),
            }
        }
    }

    async fn settle(&self, reply: &Reply, settle: Settle) {
        let body = match settle {
            Settle::Ack => Bytes::from_static(b"+ACK"),
            Settle::Progress => Bytes::from_static(b"+WPI"),
            Settle::Nak(delay) if delay.is_zero() => Bytes::from_static(b"-NAK"),
            Settle::Nak(delay) => format!(r#"-NAK {{"delay":{}}}"#, delay.as_nanos()).into(),
        };
        if let Err(error) = self.client.publish(reply.0.clone(), body).await {
            tracing::debug!(%error, "a delivery was not settled: the broker brings it again");
        }
    }

    async fn hand_over(&self, to: &WorkerId, delivery: &Delivery) -> HandOver {
        let request = Request::new().payload(offer::encode(delivery)).timeout(Some(limit::HAND_OVER_DEADLINE));
        match self.client.send_request(subject::worker(to), request).await {
            Ok(answer) if answer.payload == offer::TAKEN => HandOver::Taken,
            Ok(_) => HandOver::Refused,
            Err(error) if error.kind() == RequestErrorKind::NoResponders => HandOver::NoResponders,
            Err(_) => HandOver::Late,
        }
    }

    async fn is_alive(&self, worker: &WorkerId) -> Option<bool> {
        let request = Request::new().timeout(Some(limit::HAND_OVER_DEADLINE));
        match self.client.send_request(subject::worker(worker), request).await {
            Ok(_) => Some(true),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Some(false),
            Err(_) => None,
        }
    }
}
