//! Which path leads where.
//!
//! Everything is served under `/v1`, as ChatBotKit's hosted API has it, and under `/api/v1`, which
//! its clients ask of every other host. There are no layers: what a request needs, its handler calls.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, any, get, post};
use proto::code::Code;

use crate::api_error::ApiError;
use crate::door::Door;
use crate::{conversation, event, fetch, follow, ready, speak};

/// All routes.
pub(crate) fn router(door: Arc<Door>) -> Router {
    let mut router = Router::new();
    for prefix in ["/v1", "/api/v1"] {
        router = router
            .route(&format!("{prefix}/integration/trigger/{{id}}/event"), any(event::event))
            .route(&format!("{prefix}/integration/trigger/{{id}}/event/{{receipt}}/fetch"), inert(get(fetch::fetch)))
            .route(&format!("{prefix}/integration/trigger/{{id}}/event/{{receipt}}/cancel"), inert(post(speak::cancel)))
            .route(&format!("{prefix}/integration/trigger/{{id}}/event/{{receipt}}/answer"), inert(post(speak::answer)))
            .route(&format!("{prefix}/integration/trigger/{{id}}/event/{{receipt}}/subscribe"), inert(get(follow::event)))
            .route(&format!("{prefix}/conversation/{{id}}/message/list"), inert(get(conversation::list)))
            .route(&format!("{prefix}/conversation/{{id}}/subscribe"), inert(get(follow::conversation)));
    }
    router
        .route("/livez", inert(get(ready::livez)))
        .route("/readyz", inert(get(ready::readyz)))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(door)
}

/// HEAD and OPTIONS are answered alike everywhere and never do anything.
fn inert(route: MethodRouter<Arc<Door>>) -> MethodRouter<Arc<Door>> {
    route.head(empty).options(options)
}

/// An answer without a body.
pub(crate) async fn empty() -> StatusCode {
    StatusCode::OK
}

/// An empty object.
pub(crate) async fn options() -> Response {
    json(StatusCode::OK, "{}".to_owned())
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

async fn unknown(State(door): State<Arc<Door>>) -> Response {
    door.refuse(ApiError::new(Code::RouteUnknown, "there is nothing at this path"))
}

async fn not_allowed(State(door): State<Arc<Door>>) -> Response {
    door.refuse(ApiError::new(Code::MethodNotAllowed, "this path does not take that method"))
}

#[cfg(test)]
mod tests;
