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
use tokio::time::Instant;

use crate::api::{Ask, Failure};
use crate::page::list::{List, Named};
use crate::path;
use crate::ui::Ui;
use crate::visit::{Visit, page};

/// Longest line of a stream that is read, in bytes; a page needs none of a longer one but that it came.
const LINE_BYTES_MAX: usize = 4 << 20;
/// How long a browser waits until it begins again, in milliseconds.
const RETRY_MS: u32 = 1_000;
/// How long what happens is gathered until a page of all that happens is told once more.
const GATHER: Duration = Duration::from_millis(500);
/// How often it is looked at what waits, and how often in one stream: an hour long.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOKS_MAX: u32 = 1_800;
/// How often a page is told that its stream still goes on.
const PING_EVERY: Duration = Duration::from_secs(20);

/// What a page is told where nothing happens, and where something changed.
const STILL_HERE: Bytes = Bytes::from_static(b": still here\n\n");
const CHANGED: Bytes = Bytes::from_static(b"event: changed\ndata: null\n\n");

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
    Ok(streamed(gathered(lines(&visit, ask).await?)))
}

/// Tells the first that happens at once, and what follows together: a page that shows all cannot show each.
fn gathered(lines: Lines) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold((lines, None), |(mut lines, told_at): (_, Option<Instant>)| async move {
        loop {
            match tokio::time::timeout(PING_EVERY, lines.next()).await {
                Err(_) => return Some((STILL_HERE, (lines, told_at))),
                Ok(line) => {
                    if is_item(&line?) {
                        break;
                    }
                }
            }
        }
        if let Some(told_at) = told_at {
            while let Ok(line) = tokio::time::timeout_at(told_at + GATHER, lines.next()).await {
                line?;
            }
        }
        Some((CHANGED, (lines, Some(Instant::now()))))
    })
}

/// Whether a line of the stream of all tells of something that happened.
fn is_item(line: &str) -> bool {
    serde_json::from_str::<Piece>(line).is_ok_and(|piece| piece.r#type == "item")
}

async fn approvals(visit: Arc<Visit>) -> Result<Response, Failure> {
    let known = waiting(&visit).await?;
    let looks = stream::unfold((visit, known, 0), |(visit, known, looks)| async move {
        let is_over = tokio::time::timeout(LOOK_EVERY, visit.ui.shutdown.cancelled()).await.is_ok();
        // A stream that ends is begun again by the browser, which then learns what is wrong.
        let now = waiting(&visit).await.ok().filter(|_| looks < LOOKS_MAX && !is_over)?;
        let piece = if now == known { STILL_HERE } else { CHANGED };
        Some((piece, (visit, now, looks + 1)))
    });
    Ok(streamed(looks))
}

/// The ids of what waits.
async fn waiting(visit: &Visit) -> Result<Vec<String>, Failure> {
    let listed: List<Named> = visit.get("/approval/list?take=100").await?;
    Ok(listed.items.into_iter().map(|named| named.id).collect())
}

async fn conversation(visit: Arc<Visit>) -> Result<Response, Failure> {
    let last = visit.headers.get("last-event-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let path = format!("/conversation/{}/subscribe", path::part(visit.place("id")));
    let path = path::with(&path, &[("after", last)]);
    let ask = Ask { method: Method::GET, accept: "application/jsonl", ..Ask::get(&path) };
    let pieces = stream::unfold(lines(&visit, ask).await?, |mut lines| async move {
        loop {
            let line = match tokio::time::timeout(PING_EVERY, lines.next()).await {
                Ok(line) => line?,
                Err(_) => return Some((STILL_HERE, lines)),
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

async fn lines(visit: &Visit, ask: Ask<'_>) -> Result<Lines, Failure> {
    let answer = visit.ui.api.send(&visit.session.token, ask).await?;
    Ok(Lines { stream: answer.into_body().into_data_stream(), buffer: BytesMut::new() })
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
    use std::convert::Infallible;
    use std::time::Duration;

    use axum::body::Body;
    use bytes::{Bytes, BytesMut};
    use futures_util::StreamExt as _;
    use futures_util::stream;
    use tokio::time::Instant;

    use super::{CHANGED, GATHER, Lines, STILL_HERE, gathered, told};

    #[tokio::test(start_paused = true)]
    async fn what_happens_together_is_told_together_and_a_ping_is_nothing() {
        let line = |text: &'static str| Ok::<_, Infallible>(Bytes::from_static(text.as_bytes()));
        let items = stream::iter((0..1_000).map(move |_| line("{\"type\":\"item\",\"data\":{}}\n")));
        let pings = stream::unfold((), move |()| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            Some((line("{\"type\":\"ping\",\"data\":{}}\n"), ()))
        });
        let stream = Body::from_stream(items.chain(pings)).into_data_stream();
        let mut pieces = Box::pin(gathered(Lines { stream, buffer: BytesMut::new() }));
        let began = Instant::now();
        assert_eq!(pieces.next().await, Some(CHANGED));
        assert_eq!(began.elapsed(), Duration::ZERO, "the first is told at once");
        assert_eq!(pieces.next().await, Some(CHANGED));
        assert!((GATHER..GATHER * 2).contains(&began.elapsed()), "the others once, after {:?}", began.elapsed());
        let next = tokio::time::timeout(Duration::from_mins(1), async { pieces.next().await }).await;
        assert!(next.is_err() || next == Ok(Some(STILL_HERE)), "a ping is no change: {next:?}");
    }

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
