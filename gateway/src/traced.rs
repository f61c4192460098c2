//! What a call over HTTP tells: the root of its story, and how long it took.
//!
//! A layer of its own, and only where somebody hears of it: without a receiver no call passes it.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use proto::header;
use proto::trace::Traceparent;
use telemetry::{convention, span};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use crate::door::Door;

/// The route of a call that leads nowhere.
const NOWHERE: &str = "unknown";

/// What orchestrators and load balancers ask every few seconds: of no story.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Tells of a call.
pub(crate) async fn tell(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NOWHERE, MatchedPath::as_str);
    let method = known(request.method().as_str());
    let from = request.headers().get(header::TRACEPARENT).and_then(|value| Traceparent::parse(value.to_str().ok()?));
    let is_story = !PROBES.contains(&route) && door.telemetry.stories.begins(from.as_ref());
    let span = if is_story { span::request(method, route, from.as_ref()) } else { Span::none() };
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    if !span.is_none() {
        span.record(convention::HTTP_STATUS, status.as_u16());
        if status.is_server_error() {
            span::fail(&span, status.as_str());
        }
    }
    door.telemetry.instruments.request(arrived.elapsed(), (method, route, status.as_u16()));
    response
}

/// A method by its name; callers may make up as many as they like, which are one.
fn known(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}
