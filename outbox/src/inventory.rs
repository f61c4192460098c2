//! What the API shows of deliveries, and does with them.

use async_nats::{Client, HeaderMap};
use backbone::{direct, publish};
use bytes::Bytes;
use proto::id::{DestinationId, SessionKey, TriggerId};
use proto::idempotency::hex;
use proto::{header, limit, subject};
use serde_json::json;

use crate::attempt::{Attempt, State};
use crate::parcel::{DeliveryId, LOG, Label, Lane, Parcel, TEST_SESSION};
use crate::plan;

/// How many notes of a lane are looked through for one delivery's.
const NOTES_MAX: usize = 2_048;
/// How many notes one read fetches.
const BATCH: usize = 256;
/// How often a fence that did not hold is looked behind.
const FENCED_MAX: usize = 8;
/// The type of a test's payload.
pub const TEST: &str = "test";

/// Why something cannot be shown or done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker cannot be read.
    #[error("the broker cannot be read")]
    Read(#[from] direct::Error),
    /// The broker did not take it.
    #[error("the broker did not take it")]
    Publish(#[from] publish::Error),
}

/// How a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It waits for those before it.
    Queued,
    /// An attempt is being made.
    Sending,
    /// It waits for its next attempt.
    Waiting,
    /// It was told.
    Delivered,
    /// It was not told, and is not tried again by itself.
    GivenUp,
    /// The destination wants nothing more.
    Stopped,
    /// The trigger or the destination is gone, or left out.
    Removed,
}

impl Status {
    /// The name outside.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "givenUp",
            Self::Stopped => "stopped",
            Self::Removed => "removed",
        }
    }

    /// Whether nothing more happens by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending | Self::Waiting)
    }

    fn of(last: Option<&Attempt>) -> Self {
        match last.map(|last| last.state) {
            None => Self::Queued,
            Some(State::Sending) => Self::Sending,
            Some(State::Failed) => Self::Waiting,
            Some(State::Delivered) => Self::Delivered,
            Some(State::GivenUp) => Self::GivenUp,
            Some(State::Stopped) => Self::Stopped,
            Some(State::Removed) => Self::Removed,
        }
    }
}

/// A parcel with what was noted of it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What was to be told.
    pub parcel: Parcel,
    /// How it stands.
    pub status: Status,
    /// The attempts so far, in order.
    pub attempts: Vec<Attempt>,
}

/// A delivery by its id.
pub async fn fetch(client: &Client, id: &DeliveryId) -> Result<Option<Delivery>, Error> {
    let stored = direct::next_from_leader(client, subject::OUT_STREAM, &id.lane.out(), id.seq).await?;
    match stored.filter(|stored| stored.seq == id.seq).and_then(Parcel::read) {
        Some(parcel) => with_attempts(client, parcel).await.map(Some),
        None => Ok(None),
    }
}

/// Deliveries of a trigger from a sequence of OUT on, oldest first.
pub async fn list(client: &Client, trigger: &TriggerId, from: u64, take: usize) -> Result<Vec<Delivery>, Error> {
    let stored = direct::batch(client, subject::OUT_STREAM, &subject::out_of_trigger(trigger), from, take).await?;
    let mut found = Vec::with_capacity(stored.len());
    for parcel in stored.into_iter().filter_map(Parcel::read) {
        found.push(with_attempts(client, parcel).await?);
    }
    Ok(found)
}

/// The notes of one parcel: they lie behind it, and between those of its neighbours.
async fn with_attempts(client: &Client, parcel: Parcel) -> Result<Delivery, Error> {
    let (seq, sent) = (parcel.id.seq, parcel.id.lane.sent());
    let mut notes: Vec<Attempt> = Vec::new();
    let mut from = seq + 1;
    'read: for _ in 0..NOTES_MAX.div_ceil(BATCH) {
        let batch = direct::batch(client, subject::OUT_STREAM, &sent, from, BATCH).await?;
        let is_end = batch.len() < BATCH;
        for stored in batch {
            from = stored.seq + 1;
            let Ok(note) = serde_json::from_slice::<Attempt>(&stored.body) else { continue };
            if note.parcel > seq {
                break 'read;
            }
            if note.parcel == seq {
                notes.push(note);
            }
        }
        if is_end {
            break;
        }
    }
    Ok(Delivery { parcel, status: Status::of(notes.last()), attempts: fold(notes) })
}

/// Two notes of one attempt are one: the later one says more.
fn fold(notes: Vec<Attempt>) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for note in notes {
        match attempts.last_mut() {
            Some(last) if last.number == note.number => *last = note,
            _ => attempts.push(note),
        }
    }
    attempts
}

/// Puts a delivery at the end of its lane once more; the new one's id. The webhook id is the first one's.
pub async fn again(client: &Client, id: &DeliveryId) -> Result<Option<DeliveryId>, Error> {
    let stored = direct::next_from_leader(client, subject::OUT_STREAM, &id.lane.out(), id.seq).await?;
    let Some(parcel) = stored.filter(|stored| stored.seq == id.seq).and_then(Parcel::read) else { return Ok(None) };
    let label = Label { repeats: id.to_string(), ..parcel.label };
    append(client, &id.lane, label, parcel.body).await.map(Some)
}

/// Sends a test to a destination; the delivery's id.
pub async fn test(client: &Client, trigger: &TriggerId, destination: &DestinationId, now_ms: i64) -> Result<DeliveryId, Error> {
    let token = TEST_SESSION.parse().map_err(|_| publish::Error::Refused("no session for tests".into()))?;
    let lane = Lane { session: SessionKey { trigger: trigger.clone(), token }, destination: destination.clone() };
    let webhook_id = format!("msg_{}_{destination}", hex(&backbone::chance::bytes::<16>()));
    let label = Label { log: 0, webhook_id, kind: TEST.into(), receipt: String::new(), repeats: String::new() };
    let body = plan::payload(TEST, now_ms, &json!({ "trigger": trigger, "destination": destination }));
    append(client, &lane, label, body).await
}

/// Appends a parcel that tells of no new record: the lane's last one says how far the log has been told.
async fn append(client: &Client, lane: &Lane, label: Label, body: Bytes) -> Result<DeliveryId, Error> {
    for _ in 0..FENCED_MAX {
        let last = direct::last_from_leader(client, subject::OUT_STREAM, &lane.out()).await?;
        let log = last.as_ref().and_then(|last| last.headers.get(LOG)?.as_str().parse().ok()).unwrap_or(label.log);
        let mut headers: HeaderMap = Label { log, ..label.clone() }.headers();
        headers.insert(header::EXPECTED_LAST, last.map_or(0, |last| last.seq).to_string());
        match publish::confirmed(client, lane.out(), Some(headers), body.clone(), limit::PUBLISH_DEADLINE).await {
            Ok(stored) => return Ok(DeliveryId { lane: lane.clone(), seq: stored.seq }),
            Err(publish::Error::Fenced) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(publish::Error::Fenced.into())
}
