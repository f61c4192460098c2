//! Which path leads where.
//!
//! Everything is served under `/v1`, as ChatBotKit's hosted API has it, and under `/api/v1`, which
//! its clients ask of every other host. There are no layers: what a request needs, its operation says.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::MethodRouter;
use proto::code::Code;

use crate::api;
use crate::api::operation::Method;
use crate::api_error::ApiError;
use crate::config::Access;
use crate::door::Door;
use crate::rate::address;
use crate::traced;

/// All routes, with the dashboard's pages where there are any.
pub(crate) fn router(door: Arc<Door>, access: &Access, pages: Option<dashboard::Settings>) -> Router {
    let mut router = Router::new();
    for operation in api::table() {
        let route = match operation.method {
            // It answers HEAD and OPTIONS itself.
            Method::Any => api::route(&operation),
            Method::Get | Method::Post => inert(api::route(&operation)),
        };
        if operation.is_bare {
            router = router.route(operation.path, route.clone());
        }
        for prefix in api::PREFIXES {
            router = router.route(&format!("{prefix}{}", operation.path), route.clone());
        }
    }
    let router = match pages {
        Some(settings) => {
            let api = router.clone().fallback(unknown).method_not_allowed_fallback(not_allowed).with_state(Arc::clone(&door));
            router.merge(dashboard::router(api, settings))
        }
        None => router,
    };
    let router = router.fallback(unknown).method_not_allowed_fallback(not_allowed);
    let router = match access.rate_per_address {
        // The one layer there is, and only where it is asked for: it holds strangers, before anything is looked up.
        Some(rate) => router.layer(from_fn_with_state((Arc::clone(&door), rate, access.trusted_proxies.clone().into()), address::hold)),
        None => router,
    };
    let router = if door.telemetry.is_heard() { router.layer(from_fn_with_state(Arc::clone(&door), traced::tell)) } else { router };
    router.with_state(door)
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
