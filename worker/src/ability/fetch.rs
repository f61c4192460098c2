//! The ability `fetch`: one HTTP call.
//!
//! It goes only where the egress policy lets it, over every redirect; it takes a bounded time and
//! keeps a bounded part of the response; and it says under which idempotency key it is made, so
//! that a receiver can tell a repeat. The worker's proxy settings are not used: a proxy would
//! resolve names out of the policy's sight.

use std::error::Error as _;

use egress::Egress;
use egress::policy::{Policy, Refusal};
use proto::limit::{FETCH_BYTES_MAX, FETCH_REDIRECTS_MAX, RESULT_BYTES_MAX};
use proto::wire::Doubt;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderName, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER};
use serde_json::{Map, Value, json};

use self::request::Request;

mod request;

/// How many characters of the body of an error response are told.
const SNIPPET_CHARS_MAX: usize = 200;
/// Longest response header that is told, in bytes.
const HEADER_BYTES_MAX: usize = 1024;
/// The response headers that are told.
const HEADERS_TOLD: [HeaderName; 6] = [CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER];

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The arguments do not make a request; nothing was sent.
    #[error("arguments: {0}")]
    Arguments(String),
    /// The policy refuses an address.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The response did not end in time.
    #[error("the response did not end within {0} ms")]
    Late(u128),
    /// A redirect leads where no call goes.
    #[error("redirected to {0}")]
    Location(&'static str),
    /// Redirects do not end.
    #[error("redirected more than {FETCH_REDIRECTS_MAX} times")]
    Redirects,
    /// The other side says that it did not do it.
    #[error("Status code: {status}{snippet}")]
    Status { status: u16, snippet: String },
    /// The response is over the cap.
    #[error("the response is over {FETCH_BYTES_MAX} bytes")]
    Body,
    /// The response is over the cap once it is written as JSON.
    #[error("the response is over {RESULT_BYTES_MAX} bytes as JSON")]
    Result,
    /// No connection, or it broke.
    #[error("the call broke: {0}")]
    Broken(String),
}

/// Makes HTTP calls.
#[derive(Debug)]
pub(super) struct Fetch {
    egress: Egress,
}

/// What to do with a call whose outcome is unknown: what only reads is done again.
pub(super) fn doubt(arguments: &Value) -> Doubt {
    match arguments.get("method").map(|method| method.as_str().map(str::to_ascii_uppercase)) {
        None => Doubt::Retry,
        Some(Some(method)) if method == "GET" || method == "HEAD" => Doubt::Retry,
        Some(_) => Doubt::Fail,
    }
}

impl Fetch {
    /// Sets the connections up.
    pub(super) fn new(policy: Policy) -> Result<Self, reqwest::Error> {
        Ok(Self { egress: Egress::new(policy)? })
    }

    /// Makes one call.
    pub(super) async fn run(&self, arguments: Value, idempotency_key: &str) -> Result<String, String> {
        let request = Request::parse(arguments, idempotency_key).map_err(|error| error.to_string())?;
        let timeout = request.timeout;
        let late = |_| Error::Late(timeout.as_millis());
        let ended = tokio::time::timeout(timeout, self.follow(request)).await.map_err(late);
        ended.flatten().map_err(|error| error.to_string())
    }

    async fn follow(&self, mut request: Request) -> Result<String, Error> {
        for _ in 0..=FETCH_REDIRECTS_MAX {
            let response = self.send(&request).await?;
            match request.redirected(response.status(), response.headers())? {
                Some(next) => request = next,
                None => return read(response).await,
            }
        }
        Err(Error::Redirects)
    }

    async fn send(&self, request: &Request) -> Result<Response, Error> {
        let client = self.egress.client(&request.url)?;
        let mut call = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            call = call.body(body.clone());
        }
        Ok(call.send().await?)
    }
}

impl From<reqwest::Error> for Error {
    /// The innermost reasons, without the URL: it may carry a secret.
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if let Some(refusal) = Refusal::within(&error) {
            return Self::Refused(refusal.clone());
        }
        let mut reasons = vec![error.to_string()];
        let mut source = error.source();
        while let Some(inner) = source {
            reasons.push(inner.to_string());
            source = inner.source();
        }
        Self::Broken(reasons.join(": "))
    }
}

async fn read(mut response: Response) -> Result<String, Error> {
    let status = response.status();
    if !status.is_success() {
        return Err(Error::Status { status: status.as_u16(), snippet: snippet(response).await });
    }
    let headers = told(&response);
    let is_json = headers.get(CONTENT_TYPE.as_str()).and_then(Value::as_str).is_some_and(is_json);
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > FETCH_BYTES_MAX {
            return Err(Error::Body);
        }
        bytes.extend_from_slice(&chunk);
    }
    let parsed: Option<Value> = is_json.then(|| serde_json::from_slice(&bytes).ok()).flatten();
    let body = parsed.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into());
    let result = json!({ "status": status.as_u16(), "headers": headers, "body": body }).to_string();
    if result.len() > RESULT_BYTES_MAX { Err(Error::Result) } else { Ok(result) }
}

fn told(response: &Response) -> Map<String, Value> {
    let short = |name: &HeaderName| response.headers().get(name)?.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX);
    HEADERS_TOLD.iter().filter_map(|name| Some((name.as_str().to_owned(), short(name)?.into()))).collect()
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// The beginning of the body of an error response, as far as it comes.
async fn snippet(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= 4 * SNIPPET_CHARS_MAX {
            break;
        }
    }
    let text: String = String::from_utf8_lossy(&bytes).trim().chars().take(SNIPPET_CHARS_MAX).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

#[cfg(test)]
mod tests;
