//! The handler of an event call.
//!
//! The order of the checks is part of the surface: an unknown trigger is 404 before a wrong secret
//! is 401, and both come before the body is read.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CONTENT_TYPE, EXPECT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use proto::code::Code;
use proto::resource::{State as TriggerState, Trigger};

use crate::api_error::ApiError;
use crate::body::Reader;
use crate::call::Call;
use crate::door::Door;
use crate::ingest::{Submission, Taken};
use crate::timing::{self, Written};
use crate::wait::Watch;
use crate::{auth, progress, query, replay, route, wait};

/// Takes an event by any method but HEAD and OPTIONS.
pub(crate) async fn event(State(door): State<Arc<Door>>, id: Result<Path<String>, PathRejection>, request: Request) -> Response {
    match *request.method() {
        Method::HEAD => return route::empty().await.into_response(),
        Method::OPTIONS => return route::options().await,
        _ => {}
    }
    let (parts, body) = request.into_parts();
    let budget = match door.budget.take(&body) {
        Ok(budget) => budget,
        Err(error) => return door.refuse(error),
    };
    let mut reader = Reader::new(body);
    match accept(&door, id.ok().as_deref().map(String::as_str), &parts, &mut reader).await {
        Ok((Taken::Later(booked), _)) => answer(booked.is_replay, booked.told().to_string().into_bytes()),
        Ok((Taken::Event(accepted), None)) => answer(accepted.is_replay, progress::receipt(&accepted.receipt)),
        Ok((Taken::Event(accepted), Some(watch))) => {
            drop(budget);
            let report = Box::pin(watch.turn(&accepted)).await;
            answer(accepted.is_replay, progress::render(&accepted.receipt, report.as_ref()))
        }
        Err(error) => {
            if !parts.headers.contains_key(EXPECT) {
                Box::pin(reader.discard()).await;
            }
            door.refuse(error)
        }
    }
}

async fn accept<'a>(
    door: &'a Arc<Door>,
    id: Option<&str>,
    parts: &Parts,
    reader: &mut Reader,
) -> Result<(Taken, Option<Watch<'a>>), ApiError> {
    let trigger = door.directory.trigger(id).await?;
    auth::may_send(&trigger, &parts.headers)?;
    let key = replay::key(&parts.headers)?;
    takes_events(&trigger)?;
    let patience = wait::patience(parts.uri.query(), &parts.headers)?;
    let timing = Written::of_call(parts.uri.query(), &parts.headers)?.read(&trigger)?;
    if timing.is_later() && query::first(parts.uri.query(), "wait").is_some() {
        return Err(timing::fault("wait", "must not stand beside delay or at: there is no turn to wait for yet"));
    }
    let patience = patience.filter(|_| !timing.is_later());
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::to_str).transpose();
    let content_type = content_type.map_err(|_| ApiError::parameter("Content-Type", "must be visible ASCII"))?;
    let body = reader.read(door.budget.body_bytes).await?;
    let event = Call { query: parts.uri.query(), content_type, body, default_text: trigger.text.as_deref() }.read()?;
    let submission = Submission::new(door, &trigger, event, key.as_ref(), &parts.headers).at(timing.moments(door).await?);
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

fn answer(is_replay: bool, body: Vec<u8>) -> Response {
    let mut response = route::json(StatusCode::OK, body);
    if is_replay {
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    }
    response
}
