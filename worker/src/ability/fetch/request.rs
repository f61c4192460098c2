//! A request, from arguments or from a redirect.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use proto::limit::{FETCH_TIMEOUT, FETCH_TIMEOUT_MAX};
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::Error;

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 8 * 1024;
/// How many headers a caller may set.
const HEADERS_MAX: usize = 64;
/// The methods that may be called.
const METHODS: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// Headers that belong to the connection or to the worker.
const RESERVED: [&str; 12] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "idempotency-key",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];
/// Headers that follow a redirect to another origin; any other may be a credential.
const TRAVELLING: [HeaderName; 5] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, USER_AGENT, IDEMPOTENCY_KEY];
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that may be sent as far as its form goes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) timeout: Duration,
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

impl Request {
    /// Reads the arguments of a call.
    pub(super) fn parse(arguments: Value, idempotency_key: &str) -> Result<Self, Error> {
        let invalid = |reason: String| Error::Arguments(reason);
        let arguments: Arguments = serde_json::from_value(arguments).map_err(|error| invalid(error.to_string()))?;
        let method = method(arguments.method.as_deref()).map_err(invalid)?;
        if arguments.url.len() > URL_BYTES_MAX {
            return Err(invalid(format!("url is over {URL_BYTES_MAX} bytes")));
        }
        let url: Url = arguments.url.parse().map_err(|error| invalid(format!("url: {error}")))?;
        check(&url).map_err(|kind| invalid(format!("url is {kind}")))?;
        let mut headers = headers(&arguments.headers).map_err(invalid)?;
        let key = HeaderValue::from_str(idempotency_key).map_err(|_| invalid("the idempotency key is no header".to_owned()))?;
        headers.insert(IDEMPOTENCY_KEY, key);
        let body = arguments.body.map(|body| match body {
            Value::String(text) => ("text/plain; charset=utf-8", Bytes::from(text)),
            json => ("application/json", Bytes::from(json.to_string())),
        });
        if let Some((content_type, _)) = &body {
            if method == Method::GET || method == Method::HEAD {
                return Err(invalid(format!("a {method} call has no body")));
            }
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        }
        let timeout = arguments.timeout.map_or(FETCH_TIMEOUT, Duration::from_millis);
        if timeout.is_zero() {
            return Err(invalid("timeout must be at least 1 ms".to_owned()));
        }
        Ok(Self { method, url, headers, body: body.map(|(_, body)| body), timeout: timeout.min(FETCH_TIMEOUT_MAX) })
    }

    /// The request that a response leads to, if it is a redirect (Fetch standard, section 4.4).
    pub(super) fn redirected(&self, status: StatusCode, response: &HeaderMap) -> Result<Option<Self>, Error> {
        let (Some(location), 301..=303 | 307 | 308) = (response.get(LOCATION), status.as_u16()) else {
            return Ok(None);
        };
        let location = std::str::from_utf8(location.as_bytes()).map_err(|_| Error::Location("what is no URL"))?;
        let url = self.url.join(location).map_err(|_| Error::Location("what is no URL"))?;
        check(&url).map_err(Error::Location)?;
        let mut headers = self.headers.clone();
        if url.origin() != self.url.origin() {
            headers = headers
                .into_iter()
                .filter_map(|(name, value)| Some((name?, value)))
                .filter(|(name, _)| TRAVELLING.contains(name))
                .collect();
        }
        let is_get = match status.as_u16() {
            301 | 302 => self.method == Method::POST,
            303 => self.method != Method::HEAD,
            _ => false,
        };
        if is_get {
            headers.remove(CONTENT_TYPE);
        }
        let method = if is_get { Method::GET } else { self.method.clone() };
        let body = self.body.clone().filter(|_| !is_get);
        Ok(Some(Self { method, url, headers, body, timeout: self.timeout }))
    }
}

fn method(name: Option<&str>) -> Result<Method, String> {
    let name = name.unwrap_or("GET");
    let names = || METHODS.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let found = METHODS.iter().find(|method| method.as_str().eq_ignore_ascii_case(name)).cloned();
    found.ok_or_else(|| format!("method {name:?} is not one of {}", names()))
}

/// What is wrong with a URL, if anything. Credentials in it would end up in logs.
fn check(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("neither http nor https");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL with a user name or password; credentials go into headers");
    }
    Ok(())
}

fn headers(headers: &BTreeMap<String, Value>) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("has {} headers, at most {HEADERS_MAX} are taken", headers.len()));
    }
    let mut map = HeaderMap::new();
    for (text, value) in headers {
        let name = HeaderName::try_from(text).map_err(|_| format!("{text:?} is no header name"))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(format!("header {name} is set by cuepoint"));
        }
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(format!("header {name} must be a string")),
        };
        map.append(&name, HeaderValue::try_from(value).map_err(|_| format!("header {name} has characters that no header has"))?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests;
