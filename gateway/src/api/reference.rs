//! The document, and a page that shows it.
//!
//! The page is made here, without scripts and without anything from elsewhere; its policy allows
//! nothing but its own style, by its digest.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::call::Call;
use super::document::document;
use super::operation::{Access, Answer, Operation};
use crate::api_error::ApiError;

const TAG: &str = "System";

/// Made once: it is what was built, and never changes.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&super::table()));
static JSON: LazyLock<Bytes> = LazyLock::new(|| serde_json::to_vec(&*DOCUMENT).unwrap_or_default().into());
static PAGE: LazyLock<Bytes> = LazyLock::new(|| page(&DOCUMENT).into());

/// How the page looks.
const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{background:#f5f5f5;padding:.75rem;overflow-x:auto;border-radius:4px}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e5e5e5}\
h2{margin-top:3rem}h3{margin-top:2rem}a{color:#0b57d0}.verb{font-weight:600}\
@media(prefers-color-scheme:dark){body{color:#e8e8e8;background:#161616}pre{background:#242424}td,th{border-color:#333}a{color:#8ab4f8}}";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("fetchDocument", "/openapi.json", Access::Open, json).says(TAG, "Fetch the OpenAPI document").answers(
            Answer::Object(super::operation::Form {
                schema: |_| schemars::json_schema!({ "type": "object", "required": ["openapi", "paths"] }),
                example: serde_json::json!({ "openapi": "3.1.0", "paths": {} }),
            }),
        ),
        Operation::get("readReference", "/reference", Access::Open, html)
            .says(TAG, "Read the reference")
            .answers(Answer::Other("text/html")),
    ]
}

async fn json(_: Call) -> Result<Response, ApiError> {
    Ok(answer("application/json", JSON.clone(), HeaderValue::from_static("default-src 'none'")))
}

async fn html(_: Call) -> Result<Response, ApiError> {
    let digest = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    Ok(answer("text/html; charset=utf-8", PAGE.clone(), policy))
}

fn answer(kind: &'static str, body: Bytes, policy: HeaderValue) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::OK;
    let headers: [(HeaderName, HeaderValue); 4] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_SECURITY_POLICY, policy),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    response.headers_mut().extend(headers);
    response
}

/// Text that stands in a page as it is.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn page(document: &Value) -> String {
    let mut page = String::new();
    let title = text(document, "/info/title");
    page.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">");
    push(
        &mut page,
        format_args!(
            "<title>{title}: reference</title><style>{STYLE}</style></head><body><h1>{title} {}</h1>",
            text(document, "/info/version")
        ),
    );
    push(
        &mut page,
        format_args!("<p>{}</p><p><a href=\"openapi.json\">OpenAPI document</a></p>", escape(text(document, "/info/description"))),
    );
    for tag in document.get("tags").and_then(Value::as_array).into_iter().flatten() {
        let name = text(tag, "/name");
        push(&mut page, format_args!("<h2 id=\"{name}\">{name}</h2><p>{}</p>", escape(text(tag, "/description"))));
        for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
            for (verb, operation) in item.as_object().into_iter().flatten() {
                if text(operation, "/tags/0") == name {
                    one(&mut page, document, (verb, path), operation);
                }
            }
        }
    }
    page.push_str("</body></html>");
    page
}

/// Writing into memory does not fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    drop(page.write_fmt(text));
}

fn one(page: &mut String, document: &Value, (verb, path): (&str, &str), operation: &Value) {
    let (id, verb) = (text(operation, "/operationId"), verb.to_uppercase());
    push(page, format_args!("<h3 id=\"{id}\">{}</h3>", escape(text(operation, "/summary"))));
    push(page, format_args!("<p><code><span class=\"verb\">{verb}</span> {}</code></p>", escape(path)));
    for paragraph in text(operation, "/description").split("\n\n") {
        push(page, format_args!("<p>{}</p>", escape(paragraph)));
    }
    let parameters: Vec<&Value> = operation.get("parameters").and_then(Value::as_array).into_iter().flatten().collect();
    rows(page, parameters.iter().map(|parameter| (text(parameter, "/name"), text(parameter, "/description"))));
    let body = operation.pointer("/requestBody/content/application~1json");
    if let Some(body) = body {
        let schema = text(body, "/schema/$ref").strip_prefix('#').and_then(|pointer| document.pointer(pointer));
        let schema = schema.or_else(|| body.get("schema"));
        let fields = schema.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
        rows(page, fields.into_iter().flatten().map(|(name, field)| (name.as_str(), text(field, "/description"))));
        sample(page, "Body", body.get("example"));
    }
    sample(page, "Answer", operation.pointer("/responses/200/content/application~1json/example"));
    let errors = operation.get("responses").and_then(Value::as_object).into_iter().flatten().filter(|(status, _)| *status != "200");
    rows(page, errors.map(|(status, response)| (status.as_str(), text(response, "/description"))));
}

fn rows<'a>(page: &mut String, rows: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    page.push_str("<table>");
    for (name, about) in rows {
        push(page, format_args!("<tr><td><code>{}</code></td><td>{}</td></tr>", escape(name), escape(about)));
    }
    page.push_str("</table>");
}

fn sample(page: &mut String, title: &str, example: Option<&Value>) {
    let Some(example) = example else { return };
    let example = serde_json::to_string_pretty(example).unwrap_or_default();
    push(page, format_args!("<p>{title}</p><pre>{}</pre>", escape(&example)));
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, page};
    use crate::api::table;

    #[test]
    fn every_operation_stands_on_the_page_which_runs_nothing() {
        let page = page(&DOCUMENT);
        for operation in table() {
            assert!(page.contains(&format!("<h3 id=\"{}\">", operation.id)), "{}", operation.id);
        }
        assert!(!page.contains("<script") && !page.contains("http-equiv") && !page.contains("src="));
    }
}
