//! What has become due goes into its session's inbox, once.
//!
//! The event is published first, then the next time is set, then what was due is acked: whatever
//! is cut short, the broker brings it again, and all of it can be done again. Three things keep a
//! time from firing twice. Within its window the broker knows the message id, which is made of the
//! timer and the due time. Before a time that is older than that is published, EVENTS and the log
//! are searched for it. And the timer that is set next says what the last one was.
//!
//! Not guaranteed: that a process which stands still for longer than the window, exactly between
//! its search and its publish, does not publish what another has meanwhile.

use std::sync::Arc;

use backbone::catalogue::Revised;
use backbone::{alarm as timers, later};
use bytes::Bytes;
use prost::Message as _;
use proto::event::Event;
use proto::id::{SessionKey, TriggerId};
use proto::limit::REPEAT_KNOWN_MAX;
use proto::resource::{SecretDigest, Trigger};
use proto::wire::Alarm;
use proto::{header, session, subject};
use sha2::{Digest as _, Sha256};

use crate::alarm::{self, Run};
use crate::port::{Parcel, Ports, Unavailable};

/// How often the next time is tried to be set while others set it too.
const SET_TRIES_MAX: u32 = 4;
/// By how much the broker rings before the time where it rings only to be set again, at least.
const STEP_MIN_MS: i64 = 1_000;
/// How long before its due time an event is searched for, for clocks that differ.
const SEARCH_MARGIN_MS: i64 = 60_000;

/// What a timer brought.
#[derive(Debug, Clone)]
pub struct Ring {
    /// When the broker put it on its target, in milliseconds since 1970.
    pub at_ms: i64,
    /// The trace context that came with it.
    pub traceparent: Option<String>,
    /// What was set.
    pub body: Bytes,
}

/// Fires a trigger whose time has come.
pub async fn fire(ports: &Ports, id: &TriggerId, ring: &Ring) -> Result<(), Unavailable> {
    let Ok(due) = Alarm::decode(ring.body.clone()) else {
        tracing::warn!(trigger.id = %id, "what a schedule's timer brought cannot be read");
        return Ok(());
    };
    let Some(trigger) = current(ports, id, &due).await? else { return Ok(()) };
    let Ok(Some(schedule)) = timers::schedule(&trigger) else { return Ok(()) };
    if due.due_ms.saturating_sub(ring.at_ms) >= STEP_MIN_MS {
        return step(ports, &trigger, &due).await;
    }
    let run = alarm::run(&trigger, &schedule, &due, ports.clock.now_ms());
    if run.fires {
        let (session, event) = scheduled(&trigger, due.due_ms);
        let name = event.timer.clone().unwrap_or_default();
        let parcel = Parcel { message_id: message_id(&trigger, &name), traceparent: None, body: event.encode() };
        let is_new = send_once(ports, &session, (&name, due.due_ms), parcel).await?;
        tracing::debug!(trigger.id = %id, timer.name = name, is_new, "a schedule has fired");
    }
    set_next(ports, &trigger, &run, due.due_ms).await
}

/// Puts an event whose time has come into its session's inbox.
pub async fn deliver(ports: &Ports, session: &SessionKey, ring: &Ring) -> Result<(), Unavailable> {
    let event = Event::decode(&session.trigger, Some(header::PROTOBUF), &ring.body);
    let Some((name, due_ms)) =
        event.ok().and_then(|event| event.timer).and_then(|name| later::parts(&name).map(|(_, due_ms)| (name.clone(), due_ms)))
    else {
        tracing::warn!(session.key = %session, "a later event cannot be read");
        return Ok(());
    };
    // The timer of an event is a random number: nobody can take its id away.
    let message_id = format!("{}:{name}", session.trigger);
    let parcel = Parcel { message_id, traceparent: ring.traceparent.clone(), body: ring.body.clone() };
    send_once(ports, session, (&name, due_ms), parcel).await.map(drop)
}

/// The trigger whose schedule set a timer; none where it has another by now, which then has its own timer.
async fn current(ports: &Ports, id: &TriggerId, due: &Alarm) -> Result<Option<Arc<Revised<Trigger>>>, Unavailable> {
    if let Some(known) = ports.directory.trigger(id).filter(|trigger| alarm::is_of(trigger, due)) {
        return Ok(Some(known));
    }
    let Some(newest) = ports.times.trigger(id).await? else { return Ok(None) };
    if alarm::is_of(&newest, due) {
        return Ok(Some(newest));
    }
    let set = ports.times.alarm(id).await?;
    if let Ok(Some(wanted)) = alarm::wanted(&newest, set.as_ref().map(|set| &set.alarm), ports.clock.now_ms()) {
        ports.times.set_alarm(id, &wanted, set.map_or(0, |set| set.fence)).await?;
    }
    Ok(None)
}

/// The time is still far away: the same timer is set for what is left.
async fn step(ports: &Ports, trigger: &Trigger, due: &Alarm) -> Result<(), Unavailable> {
    match ports.times.alarm(&trigger.id).await? {
        Some(_) => Ok(()),
        None => ports.times.set_alarm(&trigger.id, due, 0).await.map(drop),
    }
}

/// The event of a schedule, and where it goes: its session is the schedule's own text.
fn scheduled(trigger: &Trigger, due_ms: i64) -> (SessionKey, Event) {
    let text = trigger.schedule.clone().unwrap_or_default();
    // Written out, so that every build writes the same bytes.
    let reason = serde_json::Value::from(format!("scheduled to run {text}"));
    let payload = format!(r#"{{"type":"invoke","reason":{reason}}}"#);
    let session = SessionKey { trigger: trigger.id.clone(), token: session::token(&text) };
    let event = Event {
        payload: payload.into(),
        content_type: Some(header::JSON.to_owned()),
        session: Some(text),
        timer: Some(later::name(subject::SCHEDULE, due_ms)),
        ..Event::default()
    };
    (session, event)
}

/// An id that a publisher of another trigger cannot guess, and so cannot use up, where the trigger has a secret.
fn message_id(trigger: &Trigger, name: &str) -> String {
    let secret = trigger.secret.as_ref().map(SecretDigest::to_bytes).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(name);
    hash.update(secret);
    format!("{}:{name}:{}", trigger.id, proto::idempotency::hex(hash.finalize().get(..16).unwrap_or_default()))
}

/// Publishes an event unless that was done before; whether it was not.
async fn send_once(ports: &Ports, session: &SessionKey, (name, due_ms): (&str, i64), parcel: Parcel) -> Result<bool, Unavailable> {
    let age_ms = ports.clock.now_ms().saturating_sub(due_ms);
    let is_beyond_window = u128::try_from(age_ms).is_ok_and(|age| age > REPEAT_KNOWN_MAX.as_millis());
    if is_beyond_window && ports.times.was_sent(session, name, due_ms.saturating_sub(SEARCH_MARGIN_MS)).await? {
        return Ok(false);
    }
    ports.times.send(session, parcel).await
}

async fn set_next(ports: &Ports, trigger: &Trigger, run: &Run, due_ms: i64) -> Result<(), Unavailable> {
    for _ in 0..SET_TRIES_MAX {
        let set = ports.times.alarm(&trigger.id).await?;
        if let Some(set) = &set
            && (alarm::is_settled(trigger, &set.alarm, run, due_ms) || set.alarm.revision > run.next.revision)
        {
            return Ok(());
        }
        if ports.times.set_alarm(&trigger.id, &run.next, set.map_or(0, |set| set.fence)).await? {
            return Ok(());
        }
    }
    Err(Unavailable("the next time of a schedule could not be set: others were ahead each time".to_owned()))
}
