//! From an invocation to a request.
//!
//! A block says it as raw HTTP, as a bare URL, or as a mapping. Which header, which key of the
//! query and which host a value ends up in is the instruction's alone.

use std::time::Duration;

use bytes::Bytes;
use proto::limit::{FETCH_TIMEOUT, FETCH_TIMEOUT_MAX};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use serde_json::Value;
use skillset::invocation::{Body, Http, Invocation, Tree};
use url::{Url, form_urlencoded};

use super::options::{self, Options};
use crate::call::request::{self, HEADERS_MAX, IDEMPOTENCY_KEY, Request, URL_BYTES_MAX};
use crate::fields::{self, Fields};
use crate::fill::Fill;

/// Largest body that is sent, in bytes.
const BODY_BYTES_MAX: usize = 512 * 1024;
/// The fields of a mapping, for messages.
const KNOWN: &str = "method, url, path, query, headers, authorization, body, options";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The request of an invocation, and what of its response is wanted.
pub(super) fn request(
    invocation: &Invocation,
    fill: &Fill<'_>,
    idempotency_key: &str,
    timeout_min: Duration,
) -> Result<(Request, Options), String> {
    let mut fields = Fields::of(invocation, fill);
    options::unfold(&mut fields)?;
    let timeout = fields.number("timeout")?.map_or(FETCH_TIMEOUT, Duration::from_millis);
    let timeout = timeout.max(timeout_min).min(FETCH_TIMEOUT_MAX);
    let options = Options::take(&mut fields)?;
    let (mut request, body, known) = match &invocation.body {
        Body::Http(http) => raw(http, fill).map(|(request, body)| (request, body, options::KNOWN))?,
        Body::Text(text) => {
            if !fill.text(text, "url")?.trim().is_empty() {
                fields.put("url", Tree::Text(text.clone()));
            }
            mapping(&mut fields, fill).map(|(request, body)| (request, body, KNOWN))?
        }
        Body::Tree(Tree::Map(_) | Tree::Value(Value::Object(_))) => {
            mapping(&mut fields, fill).map(|(request, body)| (request, body, KNOWN))?
        }
        Body::Tree(_) => return Err("the body of a fetch must be a request, a URL or a mapping".to_owned()),
    };
    fields.finish(known)?;
    request.timeout = timeout;
    if !request.headers.contains_key(IDEMPOTENCY_KEY) {
        request.headers.insert(IDEMPOTENCY_KEY, request::idempotency_key(idempotency_key)?);
    }
    if let Some((content_type, body)) = body {
        if body.len() > BODY_BYTES_MAX {
            return Err(format!("body has {} bytes, at most {BODY_BYTES_MAX} are sent", body.len()));
        }
        request.set_body(content_type, body)?;
    }
    Ok((request, options))
}

type Parts = (Request, Option<(&'static str, Bytes)>);

fn raw(http: &Http, fill: &Fill<'_>) -> Result<Parts, String> {
    let method = request::method(fill.text(&http.method, "method")?.trim())?;
    let url = request::url(&fill.text(&http.url, "url")?)?;
    let headers = http.headers.iter().map(|(name, text)| (name.clone(), Tree::Text(text.clone()))).collect();
    let headers = self::headers(headers, fill)?;
    let body = http.body.as_ref().map(|text| fill.text(text, "body")).transpose()?;
    let reads = method == reqwest::Method::GET || method == reqwest::Method::HEAD;
    let body = body.filter(|text| !(text.is_empty() || reads && text.trim().is_empty()));
    let request = Request { method, url, headers, body: None, timeout: FETCH_TIMEOUT };
    Ok((request, body.map(|text| (TEXT, Bytes::from(text)))))
}

fn mapping(fields: &mut Fields<'_>, fill: &Fill<'_>) -> Result<Parts, String> {
    let method = request::method(fields.text("method")?.unwrap_or_default().trim())?;
    let mut url = request::url(&fields.text("url")?.ok_or("url is missing")?)?;
    if let Some(path) = fields.value("path")? {
        append_path(&mut url, path)?;
    }
    if let Some(query) = fields.value("query")? {
        append_query(&mut url, query)?;
    }
    if url.as_str().len() > URL_BYTES_MAX {
        return Err(format!("url is over {URL_BYTES_MAX} bytes"));
    }
    let mut headers = fields.tree("headers").map(|tree| fields::entries(tree, "headers")).transpose()?.unwrap_or_default();
    if let Some(authorization) = fields.tree("authorization") {
        headers.retain(|(name, _)| !fields::bare(name).eq_ignore_ascii_case(AUTHORIZATION.as_str()));
        headers.push((AUTHORIZATION.as_str().to_owned(), authorization));
    }
    let headers = self::headers(headers, fill)?;
    let body = match fields.value("body")? {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some((TEXT, Bytes::from(text))),
        Some(Value::Object(entries)) if is_form(&headers) => Some((FORM, form(entries)?)),
        Some(json) => Some((JSON, Bytes::from(json.to_string()))),
    };
    Ok((Request { method, url, headers, body: None, timeout: FETCH_TIMEOUT }, body))
}

fn headers(headers: Vec<(String, Tree)>, fill: &Fill<'_>) -> Result<HeaderMap, String> {
    if headers.len() > HEADERS_MAX {
        return Err(format!("has {} headers, at most {HEADERS_MAX} are taken", headers.len()));
    }
    let mut map = HeaderMap::new();
    for (written, tree) in headers {
        let name = request::header_name(fields::bare(&written))?;
        let value = fill.header(&fields::leaf(tree, &format!("header {name}"))?, &name)?;
        if fields::bare(&written) == written || !value.is_empty() {
            map.append(name, value);
        }
    }
    Ok(map)
}

/// Appends to the path of a URL, whose host it can not change, and above which it can not climb.
fn append_path(url: &mut Url, path: Value) -> Result<(), String> {
    let piece = |piece| fields::scalar(piece).ok_or_else(|| "path must be text or a list of texts".to_owned());
    let path = match path {
        Value::Array(pieces) => pieces.into_iter().map(piece).collect::<Result<String, _>>()?,
        path => piece(path)?,
    };
    let is_dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.contains(char::is_control) || path.split(['/', '\\']).any(is_dots) {
        return Err("path has a control character, or a segment of dots".to_owned());
    }
    let base = url.path().trim_end_matches('/');
    let whole = format!("{base}/{}", path.trim_start_matches('/'));
    url.set_path(&whole);
    Ok(())
}

/// Appends to the query of a URL; a list repeats its key.
fn append_query(url: &mut Url, query: Value) -> Result<(), String> {
    let Value::Object(entries) = query else { return Err("query must be a mapping".to_owned()) };
    let pairs = pairs(entries, "query")?;
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(())
}

fn form(entries: serde_json::Map<String, Value>) -> Result<Bytes, String> {
    let pairs = pairs(entries, "body")?;
    Ok(Bytes::from(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()))
}

fn pairs(entries: serde_json::Map<String, Value>, field: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    for (key, value) in entries {
        let values = match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in values {
            let text = fields::scalar(value).ok_or_else(|| format!("{field}.{key} must be text or a list of texts"))?;
            pairs.push((key.clone(), text));
        }
    }
    Ok(pairs)
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(FORM))
}

#[cfg(test)]
mod tests;
