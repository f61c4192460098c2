//! From a response to what is wanted of it.

use encoding_rs::{Encoding, UTF_8};
use proto::limit::RESULT_BYTES_MAX;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::options::{Format, Options};
use super::page::Page;
use super::{json, too_large};
use crate::call::Answer;
use crate::fill::is_empty;
use crate::scrub::Scrub;

/// Content types that are text although their name does not begin with it.
const TEXTS: [&str; 13] = [
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/ndjson",
    "application/sql",
    "application/toml",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
];
/// How many bytes of a message that an expression finds are told.
const MESSAGE_CHARS_MAX: usize = 1000;
/// Bytes of a result around its body.
const FRAME_BYTES: usize = 64;

/// What is wanted of a response.
pub(super) fn shape(answer: &Answer, options: &Options, scrub: &Scrub) -> Result<Value, String> {
    if !answer.status.is_success() {
        let message = text(answer).ok().and_then(|text| message(&text, options).ok().flatten());
        return Err(message.map_or_else(|| answer.failure(), |message| format!("Status code: {}: {message}", answer.status.as_u16())));
    }
    let text = text(answer)?;
    if let Some(message) = message(&text, options)? {
        return Err(format!("the response is an error: {message}"));
    }
    let body = scrub.value(body(answer, text, options, scrub)?);
    let bytes = json::length(&body).saturating_add(FRAME_BYTES);
    if bytes > RESULT_BYTES_MAX { Err(too_large(bytes)) } else { Ok(body) }
}

fn body(answer: &Answer, text: String, options: &Options, scrub: &Scrub) -> Result<Value, String> {
    if options.jsonpath.is_some() || options.jmespath.is_some() {
        return select(&text, options.jsonpath.as_deref(), options.jmespath.as_deref());
    }
    let is_page = is_html(answer, &text);
    if options.selectors.is_some() || is_page && matches!(options.format, Format::Text | Format::Markdown) {
        // A page is scrubbed while the secret still stands there as the server wrote it.
        return page(&scrub.text(text), options);
    }
    match options.format {
        Format::Json => serde_json::from_str(&text).map_err(|error| format!("the response is not JSON: {error}")),
        Format::Plain if answer.is_json() => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
        Format::Plain | Format::Text | Format::Markdown => Ok(Value::String(text)),
    }
}

fn page(html: &str, options: &Options) -> Result<Value, String> {
    let page = Page::parse(html)?;
    let render = |node: &_| if options.format == Format::Markdown { Page::markdown(node) } else { Page::text(node) };
    let Some(selectors) = &options.selectors else { return Ok(Value::String(render(&page.body()))) };
    let found = page.select(selectors)?.iter().map(render).filter(|text| !text.is_empty()).collect::<Vec<_>>();
    Ok(if options.format == Format::Json { found.into() } else { found.join("\n\n").into() })
}

fn select(text: &str, jsonpath: Option<&str>, jmespath: Option<&str>) -> Result<Value, String> {
    match (jsonpath, jmespath) {
        (Some(path), None) => json::path(path, text),
        (Some(path), Some(expression)) => json::jmes(expression, &json::path(path, text)?.to_string()),
        (None, Some(expression)) => json::jmes(expression, text),
        (None, None) => serde_json::from_str(text).map_err(|error| format!("the response is not JSON: {error}")),
    }
}

/// What the expressions for errors find, if they find anything.
fn message(text: &str, options: &Options) -> Result<Option<String>, String> {
    if options.error_jsonpath.is_none() && options.error_jmespath.is_none() {
        return Ok(None);
    }
    if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return Ok(None);
    }
    let found = match (options.error_jsonpath.as_deref(), options.error_jmespath.as_deref()) {
        (Some(path), None) => json::path(path, text),
        (path, expression) => select(text, path, expression),
    };
    let found = match found.map_err(|error| format!("errors: {error}"))? {
        Value::Array(mut items) if items.len() == 1 => items.swap_remove(0),
        found => found,
    };
    if is_empty(&found) || found == Value::Bool(false) {
        return Ok(None);
    }
    let text = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    Ok(Some(text.chars().take(MESSAGE_CHARS_MAX).collect()))
}

/// The body as text, in the encoding that the content type names.
fn text(answer: &Answer) -> Result<String, String> {
    if let Some(coding) = answer.packed() {
        return Err(format!("the response is packed ({coding}), which is not read here"));
    }
    let essence = answer.essence();
    let is_text = essence.is_empty()
        || essence.starts_with("text/")
        || TEXTS.contains(&essence.as_str())
        || ["+json", "+xml", "+yaml"].iter().any(|suffix| essence.ends_with(suffix));
    if !is_text {
        return Err(format!("the response is {essence}, which is not text"));
    }
    let (decoded, _, is_broken) = charset(answer).decode(&answer.body);
    if decoded.contains('\0') || essence.is_empty() && is_broken {
        return Err("the response is not text".to_owned());
    }
    Ok(decoded.into_owned())
}

fn charset(answer: &Answer) -> &'static Encoding {
    let content_type = answer.header(&CONTENT_TYPE).unwrap_or_default();
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    named.next().and_then(|(_, label)| Encoding::for_label(label.trim().trim_matches('"').as_bytes())).unwrap_or(UTF_8)
}

fn is_html(answer: &Answer, text: &str) -> bool {
    let begins = |prefix: &str| text.trim_start().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    match answer.essence().as_str() {
        "text/html" | "application/xhtml+xml" => true,
        "" => begins("<!doctype html") || begins("<html"),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
