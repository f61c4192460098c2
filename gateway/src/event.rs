//! The handler of an event call.
//!
//! The order of the checks is part of the surface: an unknown trigger is 404 before a wrong secret
//! is 401, and both come before the body is read. A signed call is the exception, for it is the body
//! that is signed: its headers are looked at before, its signature right after.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use proto::code::Code;
use proto::idempotency::Key;
use proto::resource::{State as TriggerState, Trigger};
use serde_json::json;
use telemetry::instrument::Call as Outcome;
use tokio::time::Instant;

use crate::api_error::ApiError;
use crate::auth::Caller;
use crate::body::Reader;
use crate::call::Call;
use crate::door::Door;
use crate::ingest::{Submission, Taken};
use crate::rate::{Standing, policy};
use crate::signed::Signed;
use crate::timing::{self, Written};
use crate::wait::Watch;
use crate::{auth, progress, query, replay, route, signed, wait};

/// What became of a call.
enum Told<'a> {
    /// It is an event.
    Event { taken: Taken, watch: Option<Watch<'a>>, standings: Vec<Standing> },
    /// It asks for something to be given back, so that its sender sees whom it reaches.
    Challenge(String),
}

/// What is known of a call before its event is read.
struct Entry {
    signed: Option<Signed>,
    standings: Vec<Standing>,
    /// The body, where it had to be read to know the sender.
    body: Option<Bytes>,
}

/// Takes an event by any method but HEAD and OPTIONS.
pub(crate) async fn event(State(door): State<Arc<Door>>, id: Result<Path<String>, PathRejection>, request: Request) -> Response {
    match *request.method() {
        Method::HEAD => return route::empty().await.into_response(),
        Method::OPTIONS => return route::options().await,
        _ => {}
    }
    let arrived = Instant::now();
    let (parts, body) = request.into_parts();
    let budget = match door.budget.take(&body) {
        Ok(budget) => budget,
        Err(error) => return door.refuse(error),
    };
    let mut reader = Reader::new(body);
    let told = accept(&door, id.ok().as_deref().map(String::as_str), &parts, &mut reader).await;
    if let Ok(Told::Event { taken: Taken::Event(_), .. }) = &told {
        door.accepts.note(arrived.elapsed());
    }
    if let Some(call) = outcome(&told) {
        door.telemetry.instruments.call(arrived.elapsed(), call);
    }
    match told {
        Ok(Told::Event { taken: Taken::Later(booked), standings, .. }) => {
            answer(booked.is_replay, booked.told(door.promise.now()).to_string().into_bytes(), &standings)
        }
        Ok(Told::Event { taken: Taken::Event(accepted), watch: None, standings }) => {
            answer(accepted.is_replay, progress::receipt(&accepted.receipt, door.promise.now()), &standings)
        }
        Ok(Told::Event { taken: Taken::Event(accepted), watch: Some(watch), standings }) => {
            drop(budget);
            let report = Box::pin(watch.turn(&accepted)).await;
            answer(accepted.is_replay, progress::render(&accepted.receipt, door.promise.now(), report.as_ref()), &standings)
        }
        Ok(Told::Challenge(challenge)) => route::json(StatusCode::OK, json!({ "challenge": challenge }).to_string()),
        Err(error) => {
            if !parts.headers.contains_key(EXPECT) {
                Box::pin(reader.discard()).await;
            }
            door.refuse(error)
        }
    }
}

/// What the metrics say of a call; an answer to a challenge is no call of an event.
fn outcome<'a>(told: &'a Result<Told<'_>, ApiError>) -> Option<Outcome<'a>> {
    Some(match told {
        Ok(Told::Event { taken, .. }) if taken.is_replay() => Outcome::Replayed,
        Ok(Told::Event { taken: Taken::Event(_), .. }) => Outcome::Accepted,
        Ok(Told::Event { taken: Taken::Later(_), .. }) => Outcome::Later,
        Ok(Told::Challenge(_)) => return None,
        Err(error) => Outcome::Refused(error.code.as_str()),
    })
}

async fn accept<'a>(door: &'a Arc<Door>, id: Option<&str>, parts: &Parts, reader: &mut Reader) -> Result<Told<'a>, ApiError> {
    let trigger = door.directory.trigger(id).await?;
    let mut entry = enter(door, &trigger, parts, reader).await?;
    if let Some(challenge) = entry.signed.as_mut().and_then(|signed| signed.challenge.take()) {
        return Ok(Told::Challenge(challenge));
    }
    let (signed, body) = (entry.signed.take(), entry.body.take());
    let claim = match &signed {
        Some(signed) => Some(signed::claim(door, &trigger, signed).await?),
        None => None,
    };
    let key = signed.as_ref().zip(claim.as_ref()).map(|(signed, claim)| signed.key(claim));
    let sent = Box::pin(send(door, &trigger, (parts, reader), (key, body))).await;
    match (sent, claim) {
        (Err(error), Some(claim)) => {
            if !matches!(error.code, Code::Unconfirmed | Code::Internal) {
                signed::release(door, claim).await;
            }
            Err(error)
        }
        (Ok((taken, _)), Some(claim)) if taken.is_replay() && signed.is_some_and(|signed| signed.is_by_digest(&claim)) => {
            Err(signed::replayed())
        }
        (Ok((taken, watch)), _) => Ok(Told::Event { taken, watch, standings: entry.standings }),
        (Err(error), None) => Err(error),
    }
}

/// Finds out who calls, and holds the call to the limits that apply.
async fn enter(door: &Door, trigger: &Trigger, parts: &Parts, reader: &mut Reader) -> Result<Entry, ApiError> {
    match auth::sender(door, trigger, &parts.headers).await? {
        auth::Sender::Known(caller) => {
            let standings = auth::hold(door, &caller, Some(trigger)).await?;
            Ok(Entry { signed: None, standings, body: None })
        }
        auth::Sender::Signed => Box::pin(enter_signed(door, trigger, parts, reader)).await,
    }
}

async fn enter_signed(door: &Door, trigger: &Trigger, parts: &Parts, reader: &mut Reader) -> Result<Entry, ApiError> {
    let presented = signed::present(door, trigger, &parts.headers).await?;
    let body = reader.read(&door.budget, door.budget.body_bytes).await?;
    let signed = signed::check(door, trigger, presented, &body)?;
    let standings = auth::hold(door, &Caller::Nobody, Some(trigger)).await?;
    Ok(Entry { signed: Some(signed), standings, body: Some(body) })
}

/// Reads the event and publishes it, under the caller's key or else the sender's.
async fn send<'a>(
    door: &'a Arc<Door>,
    trigger: &Trigger,
    (parts, reader): (&Parts, &mut Reader),
    (sender_key, body): (Option<Result<Key, ApiError>>, Option<Bytes>),
) -> Result<(Taken, Option<Watch<'a>>), ApiError> {
    let key = match (replay::key(&parts.headers)?, sender_key) {
        (Some(key), _) => Some(key),
        (None, sender_key) => sender_key.transpose()?,
    };
    takes_events(trigger)?;
    let patience = wait::patience(parts.uri.query(), &parts.headers)?;
    let timing = Written::of_call(parts.uri.query(), &parts.headers)?.read(trigger)?;
    if timing.is_later() && query::first(parts.uri.query(), "wait").is_some() {
        return Err(timing::fault("wait", "must not stand beside delay or at: there is no turn to wait for yet"));
    }
    let patience = patience.filter(|_| !timing.is_later());
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::to_str).transpose();
    let content_type = content_type.map_err(|_| ApiError::parameter("Content-Type", "must be visible ASCII"))?;
    let body = match body {
        Some(body) => body,
        None => reader.read(&door.budget, door.budget.body_bytes).await?,
    };
    let event = Call { query: parts.uri.query(), content_type, body, default_text: trigger.text.as_deref() }.read()?;
    let submission = Submission::new(door, trigger, event, key.as_ref(), &parts.headers).at(timing.moments(door).await?);
    let watch = match patience {
        Some(patience) => Box::pin(Watch::open(door, &submission.session, patience)).await,
        None => None,
    };
    Ok((submission.take(door).await?, watch))
}

/// Refuses events of a trigger that works off what it has.
pub(crate) fn takes_events(trigger: &Trigger) -> Result<(), ApiError> {
    if trigger.state == TriggerState::Draining {
        return Err(ApiError::new(Code::TriggerDraining, "the trigger works off what it has, and takes no new events"));
    }
    Ok(())
}

fn answer(is_replay: bool, body: Vec<u8>, standings: &[Standing]) -> Response {
    let mut response = route::json(StatusCode::OK, body);
    policy::tell(response.headers_mut(), standings);
    if is_replay {
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    }
    response
}
