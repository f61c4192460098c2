//! A conversation, or an event's turn, as it goes on.
//!
//! What is committed is read from the log and told with its place there, so that a reader whose
//! connection breaks resumes without loss; news of turns that run come in between as they are
//! heard. A follower is a task of the service with a bounded buffer before its connection. It ends
//! with what it follows, with its reader, after an hour, or on shutdown, and says which.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;

use crate::api_error::ApiError;
use crate::door::Door;
use crate::{conversation, fetch};

mod format;
mod scope;
mod ending;
mod outlet;
mod ear;
mod window;
mod start;
mod follower;

use ear::Ear;
use follower::Follower;
use format::Format;
use scope::Scope;
use start::Start;

/// Follows a conversation.
pub(crate) async fn conversation(
    State(door): State<Arc<Door>>,
    id: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let scope = conversation::admit(&door, &id, &headers).await.map(Scope::Conversation);
    match scope {
        Ok(scope) => answer(&door, scope, &uri, &headers).await,
        Err(error) => door.refuse(error),
    }
}

/// Follows an event's turn.
pub(crate) async fn event(
    State(door): State<Arc<Door>>,
    path: Result<Path<(String, String)>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let (trigger, receipt) = path.map(|Path(pair)| pair).unwrap_or_default();
    let scope =
        fetch::admit(&door, &trigger, &receipt, &headers, proto::resource::Scope::Read).await.map(|(receipt, _)| Scope::Event(receipt));
    match scope {
        Ok(scope) => answer(&door, scope, &uri, &headers).await,
        Err(error) => door.refuse(error),
    }
}

async fn answer(door: &Arc<Door>, scope: Scope, uri: &Uri, headers: &HeaderMap) -> Response {
    match begin(door, scope, uri, headers).await {
        Ok((format, body)) => {
            let mut response = Response::new(body);
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // Proxies that gather an answer before they pass it on are asked not to.
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
        Err(error) => door.refuse(error),
    }
}

async fn begin(door: &Arc<Door>, scope: Scope, uri: &Uri, headers: &HeaderMap) -> Result<(Format, Body), ApiError> {
    let format = Format::of(headers)?;
    let given = start::resumption(uri, headers)?;
    let place = Arc::clone(&door.followers).try_acquire_owned();
    let place = place.map_err(|_| ApiError::unavailable("as many follow as may", &"--followers is used up"))?;
    // Listening begins before the log is read: nothing falls in between.
    let ear = Ear::open(&door.client, scope.session()).await?;
    let start = match &scope {
        Scope::Conversation(id) => Start::of_conversation(door, id, given).await?,
        Scope::Event(receipt) => Start::of_event(door, receipt, given).await?,
    };
    let (outlet, body) = outlet::outlet(place);
    let follower = Follower::new(Arc::clone(door), scope, format, start);
    // Ends by itself, with its reader or on shutdown; there is nobody to tell but the reader.
    drop(door.tracker.spawn(Box::pin(follower.run(ear, outlet))));
    Ok((format, body))
}
