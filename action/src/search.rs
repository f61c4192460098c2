//! The action `search`: one question to the deployment's search engine.

use egress::Egress;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proto::limit::FETCH_TIMEOUT;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use skillset::invocation::{Body, Invocation, Tree};
use url::Url;

use crate::Error;
use crate::call::request::{self, IDEMPOTENCY_KEY, Request};
use crate::call::{self, Answer, Bounds, SNIPPET_BYTES_MAX};
use crate::fields::Fields;
use crate::fill::Fill;
use crate::secret::Secret;

/// Longest question, in bytes.
const QUERY_BYTES_MAX: usize = 1024;
/// How many results are asked for, unless the instruction says otherwise.
const COUNT: u64 = 10;
/// How many results are given back at most.
const COUNT_MAX: u64 = 20;
/// Largest response that is read, in bytes.
const BODY_BYTES_MAX: usize = 512 * 1024;
/// Longest title that is given back, in characters.
const TITLE_CHARS_MAX: usize = 300;
/// Longest snippet that is given back, in characters.
const SNIPPET_CHARS_MAX: usize = 1000;
/// Longest URL that is given back, in characters.
const URL_CHARS_MAX: usize = 2048;

/// A search engine that answers with JSON.
#[derive(Debug, Clone)]
pub struct Search {
    /// Its URL; `{query}` in it stands for the question and `{count}` for how many results are wanted.
    pub url: String,
    /// The header that carries its key, and the key.
    pub key: Option<(HeaderName, SecretString)>,
    /// Where in the response the list of results lies (RFC 6901), such as `/web/results`.
    pub results: String,
    /// Where in a result its title lies.
    pub title: String,
    /// Where in a result its URL lies.
    pub link: String,
    /// Where in a result its text lies.
    pub snippet: String,
}

impl Search {
    /// An engine without a key, whose results lie at `/results` and have `title`, `url` and `snippet`.
    pub fn new(url: impl Into<String>) -> Self {
        let [results, title, link, snippet] = ["/results", "/title", "/url", "/snippet"].map(str::to_owned);
        Self { url: url.into(), key: None, results, title, link, snippet }
    }

    /// What is wrong with the settings, if anything.
    pub fn validate(&self) -> Result<(), String> {
        self.url_for("query", COUNT).map(drop)
    }

    pub(crate) async fn run(
        &self,
        egress: &Egress,
        invocation: &Invocation,
        fill: &Fill<'_>,
        idempotency_key: &str,
    ) -> Result<Value, Error> {
        let (query, count) = question(invocation, fill).map_err(Error::Invalid)?;
        let request = self.request(&query, count, fill, idempotency_key).map_err(Error::Invalid)?;
        let scrub = fill.scrub();
        let bounds = Bounds { success: BODY_BYTES_MAX, failure: SNIPPET_BYTES_MAX };
        let answer = call::call(egress, request, bounds).await.map_err(|error| Error::Failed(error.to_string()))?;
        let limit = usize::try_from(count).unwrap_or(usize::MAX);
        self.read(&answer, limit).map(|found| scrub.value(found)).map_err(Error::Failed)
    }

    fn request(&self, query: &str, count: u64, fill: &Fill<'_>, idempotency_key: &str) -> Result<Request, String> {
        let url = self.url_for(query, count)?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(IDEMPOTENCY_KEY, request::idempotency_key(idempotency_key)?);
        if let Some((name, key)) = &self.key {
            let mut value = request::header_value(name, key.expose_secret())?;
            value.set_sensitive(true);
            headers.insert(name, value);
            fill.use_secret(Secret::plain(key.clone()));
        }
        Ok(Request { method: Method::GET, url, headers, body: None, timeout: FETCH_TIMEOUT })
    }

    fn url_for(&self, query: &str, count: u64) -> Result<Url, String> {
        let before = self.url.split('{').next().unwrap_or_default();
        let host_ends = before.splitn(4, '/').count() == 4;
        if !host_ends || !self.url.contains("{query}") {
            return Err("the search engine's url must have {query} in its path or query".to_owned());
        }
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC).to_string();
        request::url(&self.url.replace("{count}", &count.to_string()).replace("{query}", &query))
    }

    fn read(&self, answer: &Answer, limit: usize) -> Result<Value, String> {
        if !answer.status.is_success() {
            return Err(format!("the search engine failed: {}", answer.failure()));
        }
        let document: Value =
            serde_json::from_slice(&answer.body).map_err(|error| format!("the search engine's response is not JSON: {error}"))?;
        let found = document.pointer(&self.results).and_then(Value::as_array);
        let found = found.ok_or_else(|| format!("the search engine's response has no list at {}", self.results))?;
        Ok(found.iter().filter_map(|result| self.result(result)).take(limit).collect())
    }

    /// One result; none if it has no URL of the web.
    fn result(&self, result: &Value) -> Option<Value> {
        let text = |pointer: &str, chars_max| {
            let text = result.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            text.chars().take(chars_max).collect::<String>()
        };
        let url: Url = text(&self.link, URL_CHARS_MAX).parse().ok()?;
        let (title, snippet) = (text(&self.title, TITLE_CHARS_MAX), text(&self.snippet, SNIPPET_CHARS_MAX));
        matches!(url.scheme(), "http" | "https").then(|| json!({ "title": title, "url": url.as_str(), "snippet": snippet }))
    }
}

/// What is asked, and how many results are wanted.
fn question(invocation: &Invocation, fill: &Fill<'_>) -> Result<(String, u64), String> {
    let mut fields = Fields::of(invocation, fill);
    match &invocation.body {
        Body::Text(text) if fill.text(text, "query")?.trim().is_empty() => {}
        Body::Text(text) | Body::Tree(Tree::Text(text)) => fields.put("query", Tree::Text(text.clone())),
        Body::Tree(Tree::Map(_) | Tree::Value(Value::Object(_))) => {}
        Body::Tree(_) | Body::Http(_) => return Err("the body of a search must be a question or a mapping".to_owned()),
    }
    let query = fields.text("query")?.unwrap_or_default();
    let count = fields.number("count")?.unwrap_or(COUNT).clamp(1, COUNT_MAX);
    fields.finish("query, count")?;
    match query.trim() {
        "" => Err("query is missing".to_owned()),
        query if query.len() > QUERY_BYTES_MAX => Err(format!("query is over {QUERY_BYTES_MAX} bytes")),
        query => Ok((query.to_owned(), count)),
    }
}

#[cfg(test)]
mod tests;
