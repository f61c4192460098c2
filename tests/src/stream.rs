//! An answer that goes on, read piece by piece.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

/// How long a piece may take.
const PIECE_WITHIN: Duration = Duration::from_secs(20);

/// One piece of a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// What it is.
    pub kind: String,
    /// What to resume behind.
    pub id: Option<String>,
    /// The event that it is about, where that is not in the data.
    pub event: Option<String>,
    /// The rest.
    pub data: Value,
}

impl Piece {
    /// The piece as `type:text`, or its type alone.
    pub fn said(&self) -> String {
        let text = |name: &str| self.data.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        match self.kind.as_str() {
            "message" => match (text("type").unwrap_or_default(), text("text")) {
                (kind, Some(text)) => format!("{kind}:{text}"),
                (kind, None) => kind.to_owned(),
            },
            "result" => format!("result:{}", text("status").unwrap_or_default()),
            "token" | "reasoningToken" => format!("{}:{}", self.kind, text("token").unwrap_or_default()),
            "end" => format!("end:{}", text("reason").unwrap_or_default()),
            kind => kind.to_owned(),
        }
    }

    fn parse(json: &str) -> Self {
        let object: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{json:?}: {error}"));
        let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
        Self { kind: text("type").expect("a type"), id: text("id"), event: text("event"), data: object.get("data").cloned().expect("data") }
    }
}

/// What was read of a stream, taken apart; what is not whole yet stays.
#[derive(Debug, Default)]
pub struct Unread {
    bytes: Vec<u8>,
    is_events: bool,
}

impl Unread {
    /// Nothing yet, of server-sent events or of JSON lines.
    pub fn new(is_events: bool) -> Self {
        Self { bytes: Vec::new(), is_events }
    }

    /// Takes bytes as they come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole piece.
    pub fn whole(&mut self) -> Option<Piece> {
        let mark: &[u8] = if self.is_events { b"\n\n" } else { b"\n" };
        let end = self.bytes.windows(mark.len()).position(|window| window == mark)? + mark.len();
        let rest = self.bytes.split_off(end);
        let text = String::from_utf8(std::mem::replace(&mut self.bytes, rest)).expect("a piece is UTF-8");
        Some(if self.is_events { event(&text) } else { line(&text) })
    }

    /// Whether something is left that is no whole piece.
    pub fn is_torn(&self) -> bool {
        !self.bytes.is_empty()
    }
}

fn line(text: &str) -> Piece {
    assert!(text.is_ascii() && text.len() > 1, "{text:?}");
    Piece::parse(text)
}

fn event(text: &str) -> Piece {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let piece = Piece::parse(&field("data: ").unwrap_or_else(|| panic!("no data: {text:?}")));
    assert_eq!((field("event: "), field("id: ")), (Some(piece.kind.clone()), piece.id.clone()), "{text:?}");
    piece
}

/// A stream that is being read.
#[derive(Debug)]
pub struct Stream {
    response: Response,
    unread: Unread,
}

impl Stream {
    pub(crate) fn new(response: Response) -> Self {
        let is_events = match response.headers().get(CONTENT_TYPE).map(reqwest::header::HeaderValue::as_bytes) {
            Some(b"text/event-stream") => true,
            Some(b"application/jsonl") => false,
            other => panic!("no stream: {} {other:?}", response.status()),
        };
        Self { response, unread: Unread::new(is_events) }
    }

    /// The next piece but pings; `None` where the stream has ended in order.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            let piece = self.next_of_all().await?;
            if piece.kind != "ping" {
                return Some(piece);
            }
        }
    }

    /// The next piece.
    pub async fn next_of_all(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.unread.whole() {
                return Some(piece);
            }
            let read = tokio::time::timeout(PIECE_WITHIN, self.response.chunk()).await.expect("the stream says something in time");
            let Some(chunk) = read.expect("the stream is not cut off") else {
                assert!(!self.unread.is_torn(), "the stream ended within a piece");
                return None;
            };
            self.unread.push(&chunk);
        }
    }

    /// Reads until a piece says this, pings left out; all that was said.
    pub async fn until(&mut self, said: &str) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await {
            all.push(piece.said());
            if piece.said() == said {
                return all;
            }
        }
        panic!("{said} was never said: {all:?}");
    }

    /// Reads to the end, pings left out.
    pub async fn rest(&mut self) -> Vec<Piece> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await {
            all.push(piece);
        }
        all
    }
}
