//! What pages are told while they are open: that something changed, and what a model says.
//!
//! A page that is told of a change fetches itself again, so what it shows has one way in. Streams of the
//! API are followed in this process; one that breaks is begun again by the browser, from where it was.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::BodyDataStream;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Ask, Failure};
use crate::path;
use crate::ui::Ui;
use crate::visit::{Visit, page};

/// Longest line of a stream that is read, in bytes; a page needs none of a longer one but that it came.
const LINE_BYTES_MAX: usize = 4 << 20;
/// How long a browser waits until it begins again, in milliseconds.
const RETRY_MS: u32 = 1_000;
/// How often it is looked at what waits, and how often in one stream: an hour long.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS_MAX: u32 = 1_800;
/// How often a page is told that its stream still goes on.
const PING_EVERY: Duration = Duration::from_secs(20);

/// The routes of the group.
pub(crate) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/live/all", page(all))
        .route("/ui/live/approvals", page(approvals))
        .route("/ui/live/conversation/{id}", page(conversation))
}

/// The stream of a conversation.
pub(crate) fn of_conversation(id: &str) -> String {
    format!("/ui/live/conversation/{}", path::part(id))
}

/// The stream of all that happens.
pub(crate) const ALL: &str = "/ui/live/all";

/// The stream of what waits for somebody: what happened tells of turns that end, not of one that begins to wait.
pub(crate) const APPROVALS: &str = "/ui/live/approvals";

/// A piece of a stream, as far as a page needs it.
#[derive(Debug, Deserialize)]
struct Piece {
    r#type: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    event: String,
    #[serde(default)]
    data: Value,
}

async fn all(visit: Arc<Visit>) -> Result<Response, Failure> {
    let body = json!({ "historyLength": 0 });
    let ask = Ask { accept: "application/jsonl", ..Ask::post("/event/log/subscribe", &body) };
    follow(&visit, ask, |_| Some("event: changed\ndata: null\n\n".to_owned())).await
}

async fn approvals(visit: Arc<Visit>) -> Result<Response, Failure> {
    let known = waiting(&visit).await?;
    let looks = stream::unfold((visit, known, 0), |(visit, known, looks)| async move {
        let is_over = tokio::time::timeout(LOOK_EVERY, visit.ui.shutdown.cancelled()).await.is_ok();
        // A stream that ends is begun again by the browser, which then learns what is wrong.
        let now = waiting(&visit).await.ok().filter(|_| looks < LOOKS_MAX && !is_over)?;
        let piece = if now == known { ": still here\n\n" } else { "event: changed\ndata: null\n\n" };
        Some((Bytes::from_static(piece.as_bytes()), (visit, now, looks + 1)))
    });
    Ok(streamed(looks))
}

/// The ids of what waits.
async fn waiting(visit: &Visit) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    #[derive(Deserialize)]
    struct Listed {
        items: Vec<Named>,
    }
    let listed: Listed = visit.get("/approval/list?take=100").await?;
    Ok(listed.items.into_iter().map(|named| named.id).collect())
}

async fn conversation(visit: Arc<Visit>) -> Result<Response, Failure> {
    let last = visit.headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let path = format!("/conversation/{}/subscribe", path::part(visit.place("id")));
    let path = path::with(&path, &[("after", last)]);
    let ask = Ask { method: Method::GET, accept: "application/jsonl", ..Ask::get(&path) };
    follow(&visit, ask, told).await
}

async fn follow(visit: &Visit, ask: Ask<'_>, told: fn(&str) -> Option<String>) -> Result<Response, Failure> {
    let answer = visit.ui.api.send(&visit.session.token, ask).await?;
    let lines = Lines { stream: answer.into_body().into_data_stream(), buffer: BytesMut::new() };
    let pieces = stream::unfold(lines, move |mut lines| async move {
        loop {
            let line = match tokio::time::timeout(PING_EVERY, lines.next()).await {
                Ok(line) => line?,
                Err(_) => return Some((Bytes::from_static(b": still here\n\n"), lines)),
            };
            if let Some(piece) = told(&line) {
                return Some((Bytes::from(piece), lines));
            }
        }
    });
    Ok(streamed(pieces))
}

/// Pieces as a browser reads them.
fn streamed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let begin = stream::iter([Bytes::from(format!("retry: {RETRY_MS}\n\n"))]);
    let body: Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>> = Box::pin(begin.chain(pieces).map(Ok));
    let mut response = Response::new(axum::body::Body::from_stream(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// A stream, line by line.
struct Lines {
    stream: BodyDataStream,
    buffer: BytesMut,
}

impl Lines {
    /// The next line; none at the end. It may be waited for anew: nothing is lost by giving up.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(at + 1);
                return Some(String::from_utf8_lossy(line.trim_ascii()).into_owned());
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                return None;
            }
            let chunk = self.stream.next().await?.ok()?;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}

/// What a page is told of a line of a conversation's stream.
fn told(line: &str) -> Option<String> {
    let piece: Piece = serde_json::from_str(line).ok()?;
    let words = |text: Option<&str>| {
        let data = json!({ "event": piece.event, "text": text });
        Some(format!("event: token\ndata: {data}\n\n"))
    };
    // An id of the API is a place in the log, and so no syntax of a stream.
    let id = piece.id.as_deref().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'));
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    match piece.r#type.as_str() {
        "message" | "result" | "operationBegin" | "operationEnd" => {
            Some(format!("{id}event: changed\ndata: {}\n\n", said(&piece).unwrap_or(Value::Null)))
        }
        "token" => words(piece.data.get("token")?.as_str()),
        "restart" => words(None),
        "end" if matches!(piece.data.get("reason").and_then(Value::as_str), Some("expired" | "done")) => {
            Some("event: end\ndata: 1\n\n".to_owned())
        }
        _ => None,
    }
}

/// The event of which the bot has said all that it was saying, where this piece is that.
fn said(piece: &Piece) -> Option<Value> {
    let of = |path: &str| piece.data.pointer(path).and_then(Value::as_str);
    match (piece.r#type.as_str(), of("/type")) {
        ("message", Some("bot")) => of("/meta/event").map(|event| json!({ "said": event })),
        ("result", _) => of("/id").map(|event| json!({ "said": event })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn a_page_is_told_of_changes_words_and_the_end() {
        for (line, expected) in [
            (r#"{"type":"message","id":"7.0","data":{}}"#, Some("id: 7.0\nevent: changed\ndata: null\n\n")),
            (r#"{"type":"message","id":"7\nevent: x","data":{"type":"user"}}"#, Some("event: changed\ndata: null\n\n")),
            (r#"{"type":"message","data":{"type":"bot","meta":{"event":"e"}}}"#, Some("event: changed\ndata: {\"said\":\"e\"}\n\n")),
            (r#"{"type":"result","data":{"id":"e"}}"#, Some("event: changed\ndata: {\"said\":\"e\"}\n\n")),
            (
                r#"{"type":"token","event":"e","data":{"token":"a\nb"}}"#,
                Some("event: token\ndata: {\"event\":\"e\",\"text\":\"a\\nb\"}\n\n"),
            ),
            (r#"{"type":"restart","event":"e","data":{}}"#, Some("event: token\ndata: {\"event\":\"e\",\"text\":null}\n\n")),
            (r#"{"type":"end","data":{"reason":"expired"}}"#, Some("event: end\ndata: 1\n\n")),
            (r#"{"type":"end","data":{"reason":"time"}}"#, None),
            (r#"{"type":"ping","id":"7.0"}"#, None),
            ("nonsense", None),
        ] {
            assert_eq!(told(line).as_deref(), expected, "{line}");
        }
    }
}
