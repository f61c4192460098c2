//! Many events in one call, each with a result of its own.
//!
//! Events of one session are published one after the other, in the order of the list; sessions go
//! side by side. A fault of one event is told in its place and does not stop the others. Faults
//! of the form (no list, too long, a field that is not known) refuse the call before anything is
//! published. Each event counts against the limits of the trigger and of the token; one that is over
//! them is refused in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use proto::code::Code;
use proto::event::{Contact, Event, parse_session};
use proto::header;
use proto::id::SessionKey;
use proto::idempotency::Key;
use proto::limit::{BATCH_EVENTS_MAX, BODY_BYTES_MAX};
use proto::resource::Trigger;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::api::call::{Call, give};
use crate::api::given::Whole;
use crate::api_error::ApiError;
use crate::auth::Caller;
use crate::door::Door;
use crate::ingest::{Submission, Taken};
use crate::timing::Written;
use crate::{auth, event, later};

/// How many sessions of one call are published to at the same time.
const SESSIONS_MAX: usize = 16;

/// What the call takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Events {
    /// One to a hundred events.
    #[schemars(length(min = 1, max = 100))]
    events: Vec<One>,
}

/// One event of many.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct One {
    /// What the bot reads.
    text: Option<String>,
    /// Anything; it is kept byte for byte.
    #[schemars(with = "Option<Value>")]
    payload: Option<Box<RawValue>>,
    /// Events of one session are handled in order and share a conversation.
    session: Option<String>,
    /// Who the event is from.
    contact: Option<From>,
    /// Events of one key are one event.
    idempotency_key: Option<String>,
    /// How long the event is put off.
    delay: Option<Length>,
    /// When it comes.
    at: Option<Length>,
    /// How long it may wait for its turn.
    expires_in: Option<Length>,
}

/// Who an event is from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct From {
    /// The display name.
    name: Option<String>,
    /// The mail address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
}

/// Milliseconds, or a text.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Length {
    /// Milliseconds.
    Millis(Whole),
    /// Such as `90s`, or a time.
    Text(String),
}

impl Length {
    fn text(&self) -> String {
        match self {
            Self::Millis(Whole(millis)) => millis.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// Takes many events.
pub(crate) async fn send(mut call: Call) -> Result<Response, ApiError> {
    let trigger = call.door.directory.trigger(Some(call.place("id"))).await?;
    event::takes_events(&trigger)?;
    let Events { events } = call.json()?;
    if events.is_empty() || events.len() > BATCH_EVENTS_MAX {
        let fault = ApiError::new(Code::BatchInvalid, format!("events must have 1 to {BATCH_EVENTS_MAX} entries"));
        return Err(ApiError { field: Some("events".into()), limit: Some(BATCH_EVENTS_MAX), ..fault });
    }
    let mut results: Vec<Option<Value>> = events.iter().map(|_| None).collect();
    let mut sessions: BTreeMap<SessionKey, Vec<(usize, Submission)>> = BTreeMap::new();
    for (place, one) in events.iter().enumerate() {
        // The call itself was counted against the token when it came in, and stands for its first event.
        let is_held = if place == 0 {
            auth::hold(&call.door, &Caller::Nobody, Some(&trigger)).await
        } else {
            auth::hold(&call.door, &call.caller, Some(&trigger)).await
        };
        if let Err(error) = is_held {
            set(&mut results, place, refused(&call.door, &error));
            continue;
        }
        match submission(&call.door, &trigger, one, &call.headers).await {
            Ok(submission) => sessions.entry(submission.session.clone()).or_default().push((place, submission)),
            Err(error) => set(&mut results, place, refused(&call.door, &error)),
        }
    }
    call.body = Bytes::new();
    let publishing = sessions.into_values().map(|submissions| in_order(Arc::clone(&call.door), submissions)).map(Box::pin);
    let mut published = stream::iter(publishing).buffer_unordered(SESSIONS_MAX);
    while let Some(told) = published.next().await {
        for (place, result) in told {
            set(&mut results, place, result);
        }
    }
    give(&json!({ "results": results }))
}

fn set(results: &mut [Option<Value>], place: usize, result: Value) {
    if let Some(slot) = results.get_mut(place) {
        *slot = Some(result);
    }
}

fn refused(door: &Door, error: &ApiError) -> Value {
    door.complaints.note(error);
    error.told()
}

async fn submission(door: &Door, trigger: &Trigger, one: &One, headers: &HeaderMap) -> Result<Submission, ApiError> {
    let written = Written {
        delay: one.delay.as_ref().map(Length::text),
        at: one.at.as_ref().map(Length::text),
        expires_in: one.expires_in.as_ref().map(Length::text),
    };
    let timing = written.read(trigger)?;
    let event = read(trigger, one)?;
    let key = one.idempotency_key.as_deref().map(Key::parse).transpose()?;
    let mut traced = HeaderMap::new();
    if let Some(trace) = headers.get(header::TRACEPARENT).cloned() {
        traced.insert(header::TRACEPARENT, trace);
    }
    Ok(Submission::new(door, trigger, event, key.as_ref(), &traced).at(timing.moments(door).await?))
}

fn read(trigger: &Trigger, one: &One) -> Result<Event, ApiError> {
    let payload = one.payload.as_ref().map(|raw| Bytes::copy_from_slice(raw.get().as_bytes()));
    if payload.as_ref().is_some_and(|payload| payload.len() > BODY_BYTES_MAX) {
        return Err(ApiError { field: Some("payload".into()), ..ApiError::too_large("the payload", BODY_BYTES_MAX) });
    }
    let contact = one.contact.as_ref();
    let part = |of: fn(&From) -> &Option<String>| contact.and_then(|contact| of(contact).clone());
    Ok(Event {
        text: trigger.text.clone().or_else(|| one.text.clone()).filter(|text| !text.is_empty()),
        content_type: payload.as_ref().map(|_| header::JSON.to_owned()),
        payload: payload.unwrap_or_default(),
        session: parse_session(one.session.clone())?,
        contact: Contact::parse(part(|from| &from.name), part(|from| &from.email), part(|from| &from.phone))?,
        ..Event::default()
    })
}

/// Publishes the events of one session.
async fn in_order(door: Arc<Door>, submissions: Vec<(usize, Submission)>) -> Vec<(usize, Value)> {
    let mut told = Vec::with_capacity(submissions.len());
    for (place, submission) in submissions {
        let result = match Box::pin(submission.take(&door)).await {
            Ok(Taken::Later(booked)) => replayed(booked.told(door.promise.now()), booked.is_replay),
            Ok(Taken::Event(accepted)) => {
                let receipt = &accepted.receipt;
                let told = json!({ "id": receipt.to_string(), "session": receipt.session.token.as_str() });
                replayed(later::promised(told, door.promise.now()), accepted.is_replay)
            }
            Err(error) => refused(&door, &error),
        };
        told.push((place, result));
    }
    told
}

/// What the header `Idempotent-Replay` says of a single event.
fn replayed(mut result: Value, is_replay: bool) -> Value {
    if let Some(object) = result.as_object_mut().filter(|_| is_replay) {
        object.insert("idempotentReplay".to_owned(), true.into());
    }
    result
}

#[cfg(test)]
mod tests {
    use proto::resource::Trigger;

    use super::{Events, read};
    use crate::api::call;

    #[test]
    fn an_event_keeps_its_payload_and_takes_the_triggers_text() {
        let body = br#"{"events":[{"text":"hi","payload":{"b": 1.50},"contact":{"email":"ada@example.com"},"delay":5,"expiresIn":"5m"}]}"#;
        let Events { events } = call::read(body).unwrap();
        let mut trigger = Trigger::new("t".parse().unwrap(), None);
        let event = read(&trigger, &events[0]).unwrap();
        assert_eq!((event.text.as_deref(), event.payload.as_ref()), (Some("hi"), br#"{"b": 1.50}"#.as_slice()));
        assert_eq!(event.content_type.as_deref(), Some("application/json"));
        trigger.text = Some("do it".into());
        assert_eq!(read(&trigger, &events[0]).unwrap().text.as_deref(), Some("do it"));
    }

    #[test]
    fn a_fault_of_the_form_names_its_place() {
        for (body, field) in [
            (r#"{"events":[{},{"colour":1}]}"#, "events[1].colour"),
            (r#"{"event":[]}"#, "event"),
            (r#"{"events":[{"contact":{"mail":"x"}}]}"#, "events[0].contact.mail"),
            (r#"{"events":[{"session":5}]}"#, "events[0].session"),
        ] {
            let error = call::read::<Events>(body.as_bytes()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{body}: {}", error.message);
        }
    }
}
