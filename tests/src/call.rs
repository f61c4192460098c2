//! An HTTP call and its answer.

use std::time::Duration;

use bytes::Bytes;
use proto::id::{ConversationId, Receipt};
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::ledger::Ledger;
use crate::resource::SECRET;
use crate::stream::Stream;

/// How long any call may take.
const CALL_DEADLINE: Duration = Duration::from_secs(70);

/// A client with a bound on every call.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(CALL_DEADLINE).no_proxy().build().expect("an HTTP client can be built")
}

/// A call that is being put together.
#[derive(Debug)]
#[must_use = "a call does nothing until it is sent"]
pub struct Call {
    http: reqwest::Client,
    ledger: Ledger,
    method: Method,
    url: String,
    secret: Option<String>,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Bytes,
}

impl Call {
    pub(crate) fn new(http: reqwest::Client, ledger: Ledger, method: Method, url: String) -> Self {
        Self { http, ledger, method, url, secret: Some(SECRET.to_owned()), headers: Vec::new(), body: Bytes::new() }
    }

    /// Presents another secret.
    pub fn secret(self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self }
    }

    /// Presents none.
    pub fn anonymous(self) -> Self {
        Self { secret: None, ..self }
    }

    /// Uses another method.
    pub fn method(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// Adds a query string.
    pub fn query(self, query: &str) -> Self {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        Self { url: format!("{}{mark}{query}", self.url), ..self }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    /// Adds an idempotency key.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sends JSON.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sends a text in the older form of a call.
    pub fn text(self, text: &str) -> Self {
        self.json(&serde_json::json!({ "text": text }))
    }

    /// Sends a text of a session in the older form of a call.
    pub fn said(self, session: &str, text: &str) -> Self {
        self.json(&serde_json::json!({ "text": text, "session": session }))
    }

    /// Sends bytes.
    pub fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Sends it and reads the answer; the receipt of an accepted event is noted.
    pub async fn send(self) -> Answer {
        self.try_send().await.expect("the gateway answers")
    }

    /// Sends it and reads the answer as it comes.
    pub async fn open(self) -> Stream {
        let response = self.respond().await.expect("the gateway answers");
        assert_eq!(response.status(), StatusCode::OK);
        Stream::new(response)
    }

    /// Sends it; fails where there is no answer at all.
    pub async fn try_send(self) -> reqwest::Result<Answer> {
        let is_event = self.url.split('?').next().is_some_and(|path| path.ends_with("/event"));
        let ledger = self.ledger.clone();
        let response = self.respond().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.bytes().await?;
        let answer = Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), bytes };
        if is_event && status.is_success() && answer.str("/id").starts_with("evt.") {
            ledger.note(answer.receipt());
        }
        Ok(answer)
    }

    /// Sends it; its answer is still to be read.
    pub async fn respond(self) -> reqwest::Result<Response> {
        let mut request = self.http.request(self.method, &self.url).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if let Some(secret) = self.secret {
            request = request.bearer_auth(secret);
        }
        request.send().await
    }
}

/// What the gateway said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, where it is JSON.
    pub body: Value,
    /// The body.
    pub bytes: Bytes,
}

impl Answer {
    /// A string in the body, by JSON pointer; empty where there is none.
    pub fn str(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Fails the test unless the call was accepted; then itself.
    #[expect(clippy::return_self_not_must_use, reason = "most tests want the check alone")]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self
    }

    /// The receipt of an accepted event.
    pub fn receipt(&self) -> Receipt {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.str("/id").parse().unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }

    /// The conversation that the answer names.
    pub fn conversation(&self) -> ConversationId {
        self.str("/conversationId").parse().unwrap_or_else(|error| panic!("{}: {error}", self.body))
    }

    /// Whether an earlier call sent the event.
    pub fn is_replay(&self) -> bool {
        self.headers.get("idempotent-replay").is_some_and(|value| value == "true")
    }

    /// The messages as `type:text`, with activities as `activity`.
    pub fn told(&self) -> Vec<String> {
        let messages = self.body.get("messages").or_else(|| self.body.get("items")).and_then(Value::as_array);
        let messages = messages.unwrap_or_else(|| panic!("no messages: {}", self.body));
        let part = |message: &Value, name| message.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let line = |message| match (part(message, "type"), part(message, "text")) {
            (kind, text) if text.is_empty() => kind,
            (kind, text) => format!("{kind}:{text}"),
        };
        messages.iter().map(line).collect()
    }

    /// Fails the test unless this is the one shape of a refusal, with this status and code.
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!((self.status.as_u16(), self.str("/error")), (status, code), "{}", self.body);
        self.assert_shape();
    }

    /// Fails the test unless a refusal has its one shape.
    pub fn assert_shape(&self) {
        let known = proto::code::Code::ALL.iter().find(|known| known.as_str() == self.str("/error"));
        let known = known.unwrap_or_else(|| panic!("no code of ours: {} {:?}", self.status, self.bytes));
        assert_eq!((self.status.as_u16(), self.str("/code")), (known.status(), known.class()), "{}", self.body);
        assert!(!self.str("/message").is_empty(), "{}", self.body);
        assert_eq!(self.str("/doc"), format!("docs/errors/{}.md", known.as_str()));
        let is_later =
            matches!(self.status.as_u16(), 429 | 503) || matches!(known, proto::code::Code::SessionBusy | proto::code::Code::TimerRunOff);
        assert_eq!(self.headers.contains_key("retry-after"), is_later, "{} {:?}", self.status, self.headers);
    }
}
