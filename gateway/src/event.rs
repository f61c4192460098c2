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

use crate::api_error::ApiError;
use crate::body::Reader;
use crate::call::Call;
use crate::door::Door;
use crate::ingest::{Accepted, Submission};
use crate::wait::Watch;
use crate::{auth, progress, replay, route, wait};

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
        Ok((accepted, None)) => answer(&accepted, progress::receipt(&accepted.receipt)),
        Ok((accepted, Some(watch))) => {
            drop(budget);
            let report = Box::pin(watch.turn(&accepted)).await;
            answer(&accepted, progress::render(&accepted.receipt, report.as_ref()))
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
) -> Result<(Accepted, Option<Watch<'a>>), ApiError> {
    let trigger = door.directory.trigger(id).await?;
    auth::may_send(&trigger, &parts.headers)?;
    let key = replay::key(&parts.headers)?;
    let patience = wait::patience(parts.uri.query(), &parts.headers)?;
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::to_str).transpose();
    let content_type = content_type.map_err(|_| ApiError::parameter("Content-Type", "must be visible ASCII"))?;
    let body = reader.read(door.budget.body_bytes).await?;
    let event = Call { query: parts.uri.query(), content_type, body, default_text: trigger.text.as_deref() }.read()?;
    let submission = Submission::new(door, &trigger, event, key.as_ref(), &parts.headers);
    let watch = match patience {
        Some(patience) => Box::pin(Watch::open(door, &submission.session, patience)).await,
        None => None,
    };
    Ok((submission.send(door).await?, watch))
}

fn answer(accepted: &Accepted, body: Vec<u8>) -> Response {
    let mut response = route::json(StatusCode::OK, body);
    if accepted.is_replay {
        response.headers_mut().insert("idempotent-replay", HeaderValue::from_static("true"));
    }
    response
}
