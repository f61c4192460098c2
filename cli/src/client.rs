//! The HTTP API, as a caller outside uses it.

use std::time::Duration;

use proto::id::{Receipt, TriggerId};
use proto::limit::WAIT_MAX;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

pub mod follow;

/// How long a connection may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer may take beyond the time that it was asked to wait.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How often an event is asked after, once the gateway itself waits no longer.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("{address:?} is no address of the API")]
    Address {
        /// The address.
        address: String,
        /// Why.
        source: reqwest::Error,
    },
    /// Nobody answers.
    #[error("no answer from {base}: is cuepoint dev, or a gateway, running there?")]
    Unreachable {
        /// The address.
        base: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The secret is missing or wrong.
    #[error(
        "{message} ({code}): give the trigger's secret with --secret or CUEPOINT_SECRET, or a token with --token or CUEPOINT_API_TOKEN"
    )]
    NotAuthenticated {
        /// The stable code.
        code: String,
        /// What the gateway said.
        message: String,
    },
    /// The gateway is there, and cannot do it now.
    #[error("{message} ({code}): try again")]
    Busy {
        /// The stable code.
        code: String,
        /// What the gateway said.
        message: String,
    },
    /// The gateway refused.
    #[error("{message} ({code})")]
    Refused {
        /// The stable code.
        code: String,
        /// What the gateway said.
        message: String,
    },
    /// The answer cannot be read.
    #[error("the answer of {base} cannot be read: is it Cuepoint?")]
    Foreign {
        /// The address.
        base: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The gateway says nothing.
    #[error("{base} says nothing: is it Cuepoint?")]
    Silent {
        /// The address.
        base: String,
    },
    /// A piece of a stream cannot be read.
    #[error("what {base} says cannot be read: is it Cuepoint?")]
    Nonsense {
        /// The address.
        base: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A piece of a stream is larger than is read.
    #[error("a piece of the stream has more than {bytes} bytes: list the messages instead")]
    TooLarge {
        /// The limit.
        bytes: usize,
    },
}

/// What is said to a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is called off.
    Cancel,
    /// One of its calls has an answer.
    Answer,
}

/// What the gateway tells of an event.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The receipt.
    pub id: String,
    /// Where the event is on its way; absent where nobody waited.
    #[serde(default)]
    pub status: Option<String>,
    /// The conversation, once it is known.
    #[serde(default)]
    pub conversation_id: Option<String>,
    /// What was said in the turn.
    #[serde(default)]
    pub messages: Vec<Message>,
}

impl Progress {
    /// Whether it can still change.
    pub fn is_final(&self) -> bool {
        self.status.as_deref().is_some_and(|status| !matches!(status, "queued" | "running" | "waiting"))
    }
}

/// One entry of a conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Who speaks.
    #[serde(rename = "type")]
    pub kind: String,
    /// The words.
    #[serde(default)]
    pub text: String,
    /// Everything else.
    #[serde(default)]
    pub meta: Value,
}

impl Message {
    /// The message for a reader: its words, or what was called and what came of it.
    pub fn summary(&self) -> String {
        let activity = self.meta.get("activity");
        let function = activity.and_then(|activity| activity.get("function"));
        match (activity.and_then(|activity| activity.get("type")).and_then(Value::as_str), function) {
            (Some("request"), Some(function)) => {
                let name = function.get("name").and_then(Value::as_str).unwrap_or("?");
                format!("calls {name} {}", function.get("arguments").unwrap_or(&Value::Null))
            }
            (Some("response"), Some(function)) => match (function.get("result"), function.get("error").and_then(Value::as_str)) {
                (Some(result), _) => format!("got {result}"),
                (None, Some(error)) => format!("failed: {error}"),
                (None, None) => "outcome unknown".to_owned(),
            },
            _ => self.text.trim_end().to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
    #[serde(default)]
    error: String,
}

/// An event on its way in.
#[derive(Debug, Clone)]
pub struct Sending {
    /// The body.
    pub body: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
    /// The session string.
    pub session: Option<String>,
    /// The idempotency key.
    pub key: Option<String>,
}

/// A caller of one deployment.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    secret: Option<SecretString>,
}

impl Client {
    /// Prepares calls to `127.0.0.1:8787` or `https://host`.
    pub fn new(address: &str, secret: Option<SecretString>) -> Result<Self, Error> {
        let base = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let unusable = |source| Error::Address { address: address.to_owned(), source };
        let http = reqwest::Client::builder().connect_timeout(CONNECT_DEADLINE).build().map_err(unusable)?;
        let base = http.get(base).build().map_err(unusable)?.url().clone();
        Ok(Self { http, base, secret })
    }

    /// Sends an event and waits up to `wait` for the end of its turn.
    pub async fn send(&self, trigger: &TriggerId, sending: Sending, wait: Duration) -> Result<Progress, Error> {
        let since = Instant::now();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(sending.content_type));
        let asked = wait.min(WAIT_MAX).as_secs_f64().ceil();
        let mut url = self.url(&format!("v1/integration/trigger/{trigger}/event"));
        if !wait.is_zero() {
            url.query_pairs_mut().append_pair("wait", &asked.to_string());
        }
        if let Some(session) = &sending.session {
            url.query_pairs_mut().append_pair("session", session);
        }
        let mut request = self.http.post(url).headers(headers).timeout(ANSWER_DEADLINE + wait.min(WAIT_MAX)).body(sending.body);
        if let Some(key) = sending.key {
            request = request.header("Idempotency-Key", key);
        }
        let progress: Progress = self.answer(request).await?;
        self.settled(trigger, progress, since, wait).await
    }

    /// Says something to an event's turn and waits up to `wait` for its end.
    pub async fn say(&self, receipt: &Receipt, verb: Verb, body: &Value, wait: Duration) -> Result<Progress, Error> {
        let since = Instant::now();
        let trigger = &receipt.session.trigger;
        let verb = if verb == Verb::Cancel { "cancel" } else { "answer" };
        let mut url = self.url(&format!("v1/integration/trigger/{trigger}/event/{receipt}/{verb}"));
        if !wait.is_zero() {
            url.query_pairs_mut().append_pair("wait", &wait.min(WAIT_MAX).as_secs_f64().ceil().to_string());
        }
        let request = self.http.post(url).timeout(ANSWER_DEADLINE + wait.min(WAIT_MAX)).json(body);
        let progress: Progress = self.answer(request).await?;
        self.settled(trigger, progress, since, wait).await
    }

    /// Asks after an event until its turn has ended, or the time is up.
    async fn settled(&self, trigger: &TriggerId, mut progress: Progress, since: Instant, wait: Duration) -> Result<Progress, Error> {
        while !progress.is_final() && since.elapsed() < wait {
            tokio::time::sleep(ASK_EVERY.min(wait.saturating_sub(since.elapsed()))).await;
            progress = self.fetch(trigger, &progress.id).await?;
        }
        Ok(progress)
    }

    /// Asks after an event.
    pub async fn fetch(&self, trigger: &TriggerId, receipt: &str) -> Result<Progress, Error> {
        self.answer(self.http.get(self.url(&format!("v1/integration/trigger/{trigger}/event/{receipt}/fetch"))).timeout(ANSWER_DEADLINE))
            .await
    }

    /// Reads a path of the API.
    pub async fn get<T: for<'de> Deserialize<'de>>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Error> {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        self.answer(self.http.get(url).timeout(ANSWER_DEADLINE)).await
    }

    /// Posts to a path of the API.
    pub async fn post<T: for<'de> Deserialize<'de>>(&self, path: &str, body: &Value) -> Result<T, Error> {
        self.answer(self.http.post(self.url(path)).timeout(ANSWER_DEADLINE).json(body)).await
    }

    /// Whether the gateway can do its work.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(self.url("readyz")).timeout(ANSWER_DEADLINE).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// A path below the address, which may itself have one.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        url
    }

    async fn answer<T: for<'de> Deserialize<'de>>(&self, request: RequestBuilder) -> Result<T, Error> {
        self.accepted(request).await?.json().await.map_err(|source| self.foreign(source))
    }

    /// The answer to a call that was not refused, its body still to be read.
    async fn accepted(&self, request: RequestBuilder) -> Result<Response, Error> {
        let request = match &self.secret {
            Some(secret) => request.bearer_auth(secret.expose_secret()),
            None => request,
        };
        let answer =
            request.send().await.map_err(|source| Error::Unreachable { base: self.base.to_string(), source: source.without_url() })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let Refusal { message, error } = answer.json().await.map_err(|source| self.foreign(source))?;
        match status {
            StatusCode::UNAUTHORIZED => Err(Error::NotAuthenticated { code: error, message }),
            StatusCode::SERVICE_UNAVAILABLE => Err(Error::Busy { code: error, message }),
            _ => Err(Error::Refused { code: error, message }),
        }
    }

    fn foreign(&self, source: reqwest::Error) -> Error {
        Error::Foreign { base: self.base.to_string(), source: source.without_url() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Message;

    #[test]
    fn each_message_has_a_summary() {
        let check = |meta, text: &str, expected| {
            assert_eq!(Message { kind: "activity".into(), text: text.into(), meta }.summary(), expected);
        };
        check(json!({}), "hello", "hello");
        let activity = |kind, function| json!({ "activity": { "type": kind, "call": "1.0", "function": function } });
        check(activity("request", json!({ "name": "echo", "arguments": { "order": "7" } })), "", r#"calls echo {"order":"7"}"#);
        check(activity("response", json!({ "result": [1] })), "", "got [1]");
        check(activity("response", json!({ "error": "no route" })), "", "failed: no route");
        check(activity("response", json!({ "inDoubt": true })), "", "outcome unknown");
    }
}
