//! A turn as lines or events, in ChatBotKit's words.
//!
//! What a follower tells is passed on as it comes; the end of the turn becomes `usage` for each model,
//! `completeEnd`, and `result` last.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::format::Format;
use crate::conversation::say::{HangUp, Said};
use crate::door::Door;

/// A turn that is told, as far as it has come.
pub(crate) struct Turn {
    said: Option<Said>,
    /// The last words of the bot.
    reply: Option<(String, String)>,
    /// What was told of its next words, piece by piece.
    tokens: String,
    /// Ends with the gateway.
    _door: Arc<Door>,
}

#[derive(Deserialize)]
struct Piece {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

impl Turn {
    /// A turn of which nothing was told.
    pub(crate) fn new(said: Said, door: Arc<Door>) -> Self {
        Self { said: Some(said), reply: None, tokens: String::new(), _door: door }
    }

    /// What a piece that a follower tells becomes, and whether it is the last.
    fn pass(&mut self, line: &[u8]) -> (Vec<(String, Value)>, bool) {
        let Ok(Piece { kind, data }) = serde_json::from_slice(line) else { return (Vec::new(), false) };
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            "ping" => (vec![(kind, json!({}))], false),
            "result" => (self.end(&data), true),
            "end" => {
                let words =
                    format!("the turn is not followed any longer ({}): fetch the event, or follow the conversation", text("reason"));
                (vec![("error".to_owned(), json!({ "message": words, "code": "TIMEOUT" }))], true)
            }
            "error" => (vec![(kind, data)], true),
            "message" if text("type") == "bot" => {
                let words = text("text");
                let mut told = missed(&std::mem::take(&mut self.tokens), &words);
                self.reply = Some((text("id"), words));
                told.push((kind, data));
                (told, false)
            }
            "token" => {
                self.tokens.push_str(&text("token"));
                (vec![(kind, data)], false)
            }
            "restart" => {
                self.tokens.clear();
                (vec![(kind, data)], false)
            }
            _ => (vec![(kind, data)], false),
        }
    }

    fn end(&mut self, result: &Value) -> Vec<(String, Value)> {
        let mut told: Vec<(String, Value)> = Vec::new();
        let models = result.pointer("/usage/models").and_then(Value::as_array).cloned().unwrap_or_default();
        for model in models {
            let part = |name: &str| model.get(name).cloned().unwrap_or_default();
            let used = json!({ "model": part("model"), "inputTokensUsed": part("inputTokens"), "outputTokensUsed": part("outputTokens") });
            told.push(("usage".to_owned(), used));
        }
        if result.pointer("/end/reason").and_then(Value::as_str) == Some("abort") {
            told.push(("abort".to_owned(), json!({})));
        }
        told.push(("completeEnd".to_owned(), json!({})));
        let Some(said) = self.said.take() else { return told };
        let receipt = said.accepted.receipt.to_string();
        let is_complete = result.get("status").and_then(Value::as_str) == Some("completed");
        let (id, text) = self.reply.take().filter(|_| is_complete).unwrap_or_else(|| (receipt.clone(), String::new()));
        let end = json!({
            "id": id, "text": text, "usage": result.get("usage"), "end": result.get("end"),
            "conversationId": said.conversation.to_string(), "eventId": receipt
        });
        told.push(("result".to_owned(), end));
        told
    }
}

/// What tokens have not told of the bot's words: they are stored nowhere, and may come late or not at all.
///
/// With this the tokens of a message together are its text, for whoever shows nothing else.
fn missed(tokens: &str, words: &str) -> Vec<(String, Value)> {
    let token = |rest: &str| ("token".to_owned(), json!({ "token": rest }));
    match words.strip_prefix(tokens) {
        Some("") => Vec::new(),
        Some(rest) => vec![token(rest)],
        None => vec![("restart".to_owned(), json!({})), token(words)],
    }
}

struct Telling {
    turn: Turn,
    guard: HangUp,
    lines: BodyDataStream,
    waiting: VecDeque<Bytes>,
    is_over: bool,
    format: Format,
    /// Whether each piece is the data of a message of a channel.
    is_channel: bool,
}

impl Telling {
    fn put(&mut self, kind: &str, data: &Value) {
        let piece = if self.is_channel {
            self.format.piece("message", &json!({ "type": kind, "data": data }))
        } else {
            self.format.piece(kind, data)
        };
        self.waiting.push_back(piece);
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.waiting.pop_front() {
                return Some(piece);
            }
            if self.is_over {
                return None;
            }
            let Some(Ok(line)) = self.lines.next().await else {
                self.is_over = true;
                continue;
            };
            let (told, is_last) = self.turn.pass(&line);
            for (kind, data) in told {
                self.put(&kind, &data);
            }
            if is_last {
                // What ended, or goes on without being followed, is not called off.
                self.guard.disarm();
                self.is_over = true;
            }
        }
    }
}

/// The answer that tells a turn; `lines` are a follower's.
pub(crate) fn response(format: Format, turn: Turn, (lines, guard): (Body, HangUp)) -> Response {
    told(format, turn, (lines, guard), false)
}

/// The same, as messages of a channel.
pub(crate) fn channel(format: Format, turn: Turn, (lines, guard): (Body, HangUp)) -> Response {
    told(format, turn, (lines, guard), true)
}

fn told(format: Format, turn: Turn, (lines, guard): (Body, HangUp), is_channel: bool) -> Response {
    let mut telling =
        Telling { turn, guard, lines: lines.into_data_stream(), waiting: VecDeque::new(), is_over: false, format, is_channel };
    telling.put("completeBegin", &json!({}));
    let pieces = stream::unfold(telling, |mut telling| async move {
        let piece = telling.next().await?;
        Some((Ok::<_, Infallible>(piece), telling))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::missed;

    #[test]
    fn tokens_together_are_the_words() {
        let told = |tokens, words| missed(tokens, words).into_iter().map(|(kind, data)| format!("{kind} {data}")).collect::<Vec<_>>();
        assert_eq!(told("It is on its way.", "It is on its way."), [""; 0]);
        assert_eq!(told("It is", "It is on its way."), [r#"token {"token":" on its way."}"#]);
        assert_eq!(told("", "It is"), [r#"token {"token":"It is"}"#]);
        assert_eq!(told("Is it", "It is"), ["restart {}", r#"token {"token":"It is"}"#]);
    }
}
