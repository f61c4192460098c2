//! The `fetch` of rules: arguments as JSON in, the response as JSON out.
//!
//! It knows no secrets and selects nothing; `docs/rules.md` describes it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use egress::Egress;
use proto::limit::{FETCH_BYTES_MAX, FETCH_TIMEOUT, FETCH_TIMEOUT_MAX, RESULT_BYTES_MAX};
use proto::wire::Doubt;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::call::request::{self, HEADERS_MAX, IDEMPOTENCY_KEY, Request};
use crate::call::{self, Answer, Bounds, SNIPPET_BYTES_MAX};

/// Longest response header that is told, in bytes.
const HEADER_BYTES_MAX: usize = 1024;
/// The response headers that are told.
const HEADERS_TOLD: [HeaderName; 6] = [CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK, LOCATION, RETRY_AFTER];

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    /// The arguments do not make a request; nothing was sent.
    #[error("arguments: {0}")]
    Arguments(String),
    /// The call has no answer.
    #[error(transparent)]
    Call(#[from] call::Error),
    /// The other side says that it did not do it.
    #[error("{0}")]
    Status(String),
    /// The response is over the cap once it is written as JSON.
    #[error("the response is over {RESULT_BYTES_MAX} bytes as JSON")]
    Result,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    method: Option<String>,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    body: Option<Value>,
    timeout: Option<u64>,
}

/// Makes one call; the result is JSON.
pub async fn fetch(egress: &Egress, arguments: Value, idempotency_key: &str) -> Result<String, Error> {
    let request = parse(arguments, idempotency_key).map_err(Kind::Arguments)?;
    let bounds = Bounds { success: FETCH_BYTES_MAX, failure: SNIPPET_BYTES_MAX };
    let answer = call::call(egress, request, bounds).await.map_err(Kind::Call)?;
    Ok(told(&answer)?)
}

/// What to do with a call whose outcome is unknown: what only reads is done again.
pub fn doubt(arguments: &Value) -> Doubt {
    match arguments.get("method").map(|method| method.as_str().map(str::to_ascii_uppercase)) {
        None => Doubt::Retry,
        Some(Some(method)) if method == "GET" || method == "HEAD" => Doubt::Retry,
        Some(_) => Doubt::Fail,
    }
}

fn parse(arguments: Value, idempotency_key: &str) -> Result<Request, String> {
    let arguments: Arguments = serde_json::from_value(arguments).map_err(|error| error.to_string())?;
    let method = request::method(arguments.method.as_deref().unwrap_or("GET"))?;
    let url = request::url(&arguments.url)?;
    let mut headers = headers(&arguments.headers)?;
    headers.insert(IDEMPOTENCY_KEY, request::idempotency_key(idempotency_key)?);
    let timeout = arguments.timeout.map_or(FETCH_TIMEOUT, Duration::from_millis);
    if timeout.is_zero() {
        return Err("timeout must be at least 1 ms".to_owned());
    }
    let mut request = Request { method, url, headers, body: None, timeout: timeout.min(FETCH_TIMEOUT_MAX) };
    match arguments.body {
        None => {}
        Some(Value::String(text)) => request.set_body("text/plain; charset=utf-8", Bytes::from(text))?,
        Some(json) => request.set_body("application/json", Bytes::from(json.to_string()))?,
    }
    Ok(request)
}

fn headers(headers: &BTreeMap<String, Value>) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("has {} headers, at most {HEADERS_MAX} are taken", headers.len()));
    }
    let mut map = HeaderMap::new();
    for (text, value) in headers {
        let name = request::header_name(text)?;
        if name == IDEMPOTENCY_KEY {
            return Err(format!("header {name} is set by cuepoint"));
        }
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(format!("header {name} must be a string")),
        };
        let value = request::header_value(&name, &value)?;
        map.append(name, value);
    }
    Ok(map)
}

fn told(answer: &Answer) -> Result<String, Kind> {
    if !answer.status.is_success() {
        return Err(Kind::Status(answer.failure()));
    }
    let short = |name: &HeaderName| answer.header(name).filter(|text| text.len() <= HEADER_BYTES_MAX);
    let headers: Map<String, Value> =
        HEADERS_TOLD.iter().filter_map(|name| Some((name.as_str().to_owned(), short(name)?.into()))).collect();
    // A content type that is too long to be told counts as none.
    let is_json = headers.contains_key(CONTENT_TYPE.as_str()) && answer.is_json();
    let parsed: Option<Value> = is_json.then(|| serde_json::from_slice(&answer.body).ok()).flatten();
    let body = parsed.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into());
    let result = json!({ "status": answer.status.as_u16(), "headers": headers, "body": body }).to_string();
    if result.len() > RESULT_BYTES_MAX { Err(Kind::Result) } else { Ok(result) }
}

#[cfg(test)]
mod tests;
