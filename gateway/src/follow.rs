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
use proto::id::{Receipt, SessionKey};
use tokio::sync::OwnedSemaphorePermit;

use crate::api_error::ApiError;
use crate::door::Door;
use crate::{conversation, fetch};

mod format;
mod scope;
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
    let scope = fetch::admit(&door, &trigger, &receipt, &headers, proto::resource::Scope::Read).await.map(Scope::Event);
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

/// A follower that listens to a session and does not know yet what it is to follow there.
pub(crate) struct Listening {
    ear: Ear,
    place: OwnedSemaphorePermit,
}

/// Begins to listen to a session, before an event of it is sent.
pub(crate) async fn listen(door: &Arc<Door>, session: &SessionKey) -> Result<Listening, ApiError> {
    let place = Arc::clone(&door.followers).try_acquire_owned();
    let place = place.map_err(|_| ApiError::unavailable("as many follow as may", &"--followers is used up"))?;
    Ok(Listening { ear: Ear::open(&door.client, session).await?, place })
}

impl Listening {
    /// Follows an event's turn in JSON lines, one piece of the body each.
    pub(crate) async fn event(self, door: &Arc<Door>, receipt: Receipt) -> Result<Body, ApiError> {
        let start = Start::of_event(door, &receipt, None).await?;
        let (outlet, body) = outlet::outlet(self.place);
        let follower = Follower::new(Arc::clone(door), Scope::Event(receipt), Format::Lines, start);
        // Ends by itself, with its reader or on shutdown; there is nobody to tell but the reader.
        drop(door.tracker.spawn(Box::pin(follower.run(self.ear, outlet))));
        Ok(body)
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
