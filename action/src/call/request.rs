//! A request, from its parts or from a redirect.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Method, StatusCode};
use url::Url;

use super::Error;

/// Longest URL, in bytes.
pub(crate) const URL_BYTES_MAX: usize = 8 * 1024;
/// How many headers a caller may set.
pub(crate) const HEADERS_MAX: usize = 64;
/// The methods that may be called.
const METHODS: [Method; 7] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// Headers that belong to the connection.
const RESERVED: [&str; 11] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
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
/// The header under which a receiver can tell a repeat.
pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that may be sent as far as its form goes.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Those that carry a secret are marked as sensitive.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
    /// For the whole call, redirects and the body of the response included.
    pub(crate) timeout: Duration,
}

impl Request {
    /// Puts a body in, whose content type holds unless a header says another.
    pub(crate) fn set_body(&mut self, content_type: &'static str, body: Bytes) -> Result<(), String> {
        if self.method == Method::GET || self.method == Method::HEAD {
            return Err(format!("a {} call has no body", self.method));
        }
        self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        self.body = Some(body);
        Ok(())
    }

    /// The request that a response leads to, if it is a redirect (Fetch standard, section 4.4).
    pub(crate) fn redirected(&self, status: StatusCode, response: &HeaderMap) -> Result<Option<Self>, Error> {
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
                .filter(|(name, value)| TRAVELLING.contains(name) && !value.is_sensitive())
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

/// A method by its name, in any case; an empty name is GET.
pub(crate) fn method(name: &str) -> Result<Method, String> {
    let name = if name.is_empty() { "GET" } else { name };
    let names = || METHODS.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    let found = METHODS.iter().find(|method| method.as_str().eq_ignore_ascii_case(name)).cloned();
    found.ok_or_else(|| format!("method {name:?} is not one of {}", names()))
}

/// A URL that may be called as far as its form goes.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    let text = text.trim();
    if text.len() > URL_BYTES_MAX {
        return Err(format!("url is over {URL_BYTES_MAX} bytes"));
    }
    // A parser of URLs drops line breaks and tabs: what was read would not be what is called.
    if text.contains(char::is_control) {
        return Err("url has a line break or another control character".to_owned());
    }
    let url: Url = text.parse().map_err(|error| format!("url: {error}"))?;
    check(&url).map_err(|kind| format!("url is {kind}"))?;
    Ok(url)
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

/// The name of a header that a caller may set.
pub(crate) fn header_name(text: &str) -> Result<HeaderName, String> {
    let name = HeaderName::try_from(text).map_err(|_| format!("{text:?} is no header name"))?;
    if RESERVED.contains(&name.as_str()) { Err(format!("header {name} is set by cuepoint")) } else { Ok(name) }
}

/// The value of a header: no line break can end it early.
pub(crate) fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::try_from(text).map_err(|_| format!("header {name} has characters that no header has"))
}

/// An idempotency key as a header.
pub(crate) fn idempotency_key(key: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(key).map_err(|_| "the idempotency key is no header".to_owned())
}
