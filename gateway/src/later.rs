//! Events that come later: taken, followed and taken back.
//!
//! An answer with a receipt means that the broker has stored the event's timer. From then on the
//! event is found wherever it is (`backbone::later`): the receipt of the timer tells of it before
//! its time, and of the event itself afterwards. A call with a key has a timer made of the key, so
//! that its repeat meets the first one's.

use std::time::Duration;

use axum::http::HeaderMap;
use backbone::later::{self, Place, Sent, Set};
use backbone::{chance, direct, publish};
use proto::code::Code;
use proto::durability::Durability;
use proto::event::Event;
use proto::id::{Receipt, TimerId, TimerReceipt};
use proto::limit::TIMERS_SHARE_PERCENT;
use proto::resource::Scope;
use proto::status::Status;
use proto::subject::TIMERS_STREAM;
use serde_json::{Value, json};

use crate::api_error::ApiError;
use crate::door::Door;
use crate::fetch::{unknown, unreadable};
use crate::{auth, ingest, progress, replay, speak};

/// How often an event whose timer is just running off is looked for.
const LOOKS_MAX: u32 = 20;
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A later event that the broker has.
#[derive(Debug)]
pub(crate) struct Booked {
    /// Its receipt.
    pub(crate) receipt: TimerReceipt,
    /// When it comes, in milliseconds since 1970.
    pub(crate) due_ms: i64,
    /// Whether an earlier call sent it.
    pub(crate) is_replay: bool,
}

impl Booked {
    /// What the caller is told.
    pub(crate) fn told(&self, durability: Option<Durability>) -> Value {
        promised(told(&self.receipt, Status::Scheduled, self.due_ms), durability)
    }
}

/// Says in a receipt what it promises.
pub(crate) fn promised(mut receipt: Value, durability: Option<Durability>) -> Value {
    if let (Some(object), Some(durability)) = (receipt.as_object_mut(), durability) {
        object.insert("durability".to_owned(), durability.as_str().into());
    }
    receipt
}

fn told(receipt: &TimerReceipt, status: Status, due_ms: i64) -> Value {
    json!({ "id": receipt.to_string(), "session": receipt.session.token.as_str(), "status": status, "dueAt": due_ms })
}

/// The timer of a call's key: 16 bytes of its message id, or random ones.
pub(crate) fn timer(message_id: Option<&str>) -> TimerId {
    let of_key = message_id.and_then(|id| u128::from_str_radix(id.get(..32)?, 16).ok());
    TimerId::of_event(of_key.map_or_else(chance::bytes, u128::to_be_bytes))
}

/// Stores an event until it is due.
pub(crate) async fn book(
    door: &Door,
    receipt: TimerReceipt,
    event: Event,
    trace: Option<&str>,
    is_keyed: bool,
) -> Result<Booked, ApiError> {
    if is_keyed && let Some(place) = later::find(&door.client, &receipt).await.map_err(unreadable)? {
        return repeat(receipt, &place, &event);
    }
    let fullness = direct::fullness(&door.client, TIMERS_STREAM).await;
    let fullness = fullness.map_err(|error| ApiError::unavailable("the broker cannot be reached or is not set up", &error))?;
    if fullness >= TIMERS_SHARE_PERCENT {
        // The stream drops its oldest where it is full: that would be somebody's timer.
        return Err(ApiError::new(Code::BrokerFull, "the broker holds as many later events as it may"));
    }
    let due_ms = event.timer.as_deref().and_then(later::parts).map_or(0, |(_, due_ms)| due_ms);
    match door.publish(later::set(&door.client, &receipt, &event, trace)).await {
        Ok(()) => Ok(Booked { receipt, due_ms, is_replay: false }),
        // Two calls with one key at the same moment.
        Err(publish::Error::Fenced) => match later::find(&door.client, &receipt).await.map_err(unreadable)? {
            Some(place) => repeat(receipt, &place, &event),
            None => Err(ApiError::new(Code::Unconfirmed, "the event was being stored by another call with its key: repeat the call")),
        },
        Err(error) => Err(ingest::refusal(&error)),
    }
}

/// Answers for the event that is there, if this call says the same.
fn repeat(receipt: TimerReceipt, place: &Place, event: &Event) -> Result<Booked, ApiError> {
    let (digest, due_ms) = match place {
        Place::Set(set) | Place::TakenBack(set) | Place::Due(set) => (Some(set.event.digest()), set.due_ms()),
        Place::Sent(sent) => (sent.digest, sent.due_ms),
    };
    if digest.is_some_and(|digest| digest != event.digest()) {
        return Err(replay::reused());
    }
    Ok(Booked { receipt, due_ms, is_replay: true })
}

/// The receipt of a timer in a path, where it is one, once the caller is known to be somebody whom it concerns.
async fn admit(door: &Door, trigger: &str, receipt: &TimerReceipt, headers: &HeaderMap, scope: Scope) -> Result<(), ApiError> {
    let trigger = door.directory.trigger(Some(trigger)).await?;
    auth::admit_to(door, &trigger, scope, headers).await?;
    if receipt.session.trigger == trigger.id { Ok(()) } else { Err(unknown()) }
}

/// Tells what became of a later event.
pub(crate) async fn tell(door: &Door, trigger: &str, receipt: &TimerReceipt, headers: &HeaderMap) -> Result<Vec<u8>, ApiError> {
    admit(door, trigger, receipt, headers, Scope::Read).await?;
    let value = match later::find(&door.client, receipt).await.map_err(unreadable)? {
        None => return Err(unknown()),
        Some(Place::Set(set) | Place::Due(set)) => told(receipt, Status::Scheduled, set.due_ms()),
        Some(Place::TakenBack(set)) => told(receipt, Status::Cancelled, set.due_ms()),
        Some(Place::Sent(sent)) => of_event(door, receipt, &sent).await?,
    };
    Ok(value.to_string().into_bytes())
}

/// What is told about the event itself, under the receipt that the caller has.
async fn of_event(door: &Door, receipt: &TimerReceipt, sent: &Sent) -> Result<Value, ApiError> {
    let report = progress::of(&door.line, &sent.receipt).await.map_err(unreadable)?;
    if report.status == Status::Expired {
        return Err(unknown());
    }
    let mut value: Value = serde_json::from_slice(&progress::render(&sent.receipt, None, Some(&report))).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("id".to_owned(), receipt.to_string().into());
        object.insert("eventId".to_owned(), sent.receipt.to_string().into());
        object.insert("dueAt".to_owned(), sent.due_ms.into());
    }
    Ok(value)
}

/// What came of calling a later event off.
pub(crate) enum Off {
    /// It was taken back before it was one; what the caller is told.
    TakenBack(Value),
    /// It is an event by now, to be called off like any other.
    Event(Receipt),
}

/// Takes a later event back, or says which event it has become.
pub(crate) async fn call_off(door: &Door, trigger: &str, receipt: &TimerReceipt, headers: &HeaderMap) -> Result<Off, ApiError> {
    admit(door, trigger, receipt, headers, Scope::Operate).await?;
    for _ in 0..LOOKS_MAX {
        match later::find(&door.client, receipt).await.map_err(unreadable)? {
            None => return Err(unknown()),
            Some(Place::Sent(sent)) => return Ok(Off::Event(sent.receipt)),
            Some(Place::TakenBack(_)) => return Err(speak::ended(Status::Cancelled, "there is nothing to call off")),
            Some(Place::Due(_)) => tokio::time::sleep(LOOK_EVERY).await,
            Some(Place::Set(set)) => {
                if take_back(door, receipt, &set).await? {
                    return Ok(Off::TakenBack(told(receipt, Status::Cancelled, set.due_ms())));
                }
            }
        }
    }
    Err(ApiError::new(Code::TimerRunOff, "the event's time has come in this moment: repeat the call to call it off"))
}

/// Whether it was still there to be taken back.
async fn take_back(door: &Door, receipt: &TimerReceipt, set: &Set) -> Result<bool, ApiError> {
    match door.publish(later::take_back(&door.client, receipt, set)).await {
        Ok(()) => Ok(true),
        Err(publish::Error::Fenced) => Ok(false),
        Err(error) => Err(ingest::refusal(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::timer;

    #[test]
    fn one_key_has_one_timer_and_no_key_a_new_one() {
        let id = "00112233445566778899aabbccddeeff0123";
        assert_eq!(timer(Some(id)).as_str(), "later-00112233445566778899aabbccddeeff");
        assert_eq!(timer(Some(id)), timer(Some(id)));
        assert_ne!(timer(None), timer(None));
    }
}
