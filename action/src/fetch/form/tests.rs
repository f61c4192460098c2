//! Requests, as tables.

use std::time::Duration;

use serde_json::{Value, json};
use skillset::invocation::{Action, Body, Part, Text, Tree};

use super::request;
use crate::call::request::Request;
use crate::fill::Fill;
use crate::pretend::{Vault, facts, http, invocation, text, tree};

fn form(parameters: Value, body: Body) -> Result<Request, String> {
    let facts = facts();
    let fill = Fill::new(&facts, &Vault);
    request(&invocation(Action::Fetch, parameters, body), &fill, "key-1", Duration::from_secs(10)).map(|(request, _)| request)
}

/// Method, URL, headers but the key, and body, in one line.
fn told(request: &Request) -> String {
    let headers = request.headers.iter().filter(|(name, value)| *name != "idempotency-key" || *value != "key-1");
    let headers = headers.map(|(name, value)| format!(" {name}={}", value.to_str().unwrap())).collect::<Vec<_>>().concat();
    let body = request.body.as_ref().map(|body| format!(" {}", String::from_utf8(body.to_vec()).unwrap())).unwrap_or_default();
    format!("{} {}{headers}{body}", request.method, request.url)
}

fn check(parameters: Value, body: Body, expected: Result<&str, &str>) {
    let told = form(parameters, body).map(|request| told(&request));
    assert_eq!(told, expected.map(str::to_owned).map_err(str::to_owned));
}

#[test]
fn every_form_makes_a_request() {
    let none = || Value::Null;
    let yaml = |written| Body::Tree(tree(written));
    check(none(), Body::Text(text("\n https://h/a?b=${CONTACT_EMAIL} \n")), Ok("GET https://h/a?b=ann@example.org"));
    check(json!({ "url": "https://h/" }), Body::Text(text("\n")), Ok("GET https://h/"));
    check(none(), http("", "https://h/", &[], None), Ok("GET https://h/"));
    let posted = http("post", "https://h/", &[("Content-Type", "application/json"), ("x", "${SECRET_PLAIN}")], Some("{\"a\":1}"));
    check(none(), posted, Ok("POST https://h/ content-type=application/json x=plain+hush/2 {\"a\":1}"));
    check(none(), http("GET", "https://h/", &[("a?", "${EMPTY}"), ("b?", "c"), ("d", "")], Some("\n")), Ok("GET https://h/ b=c d="));
    check(none(), http("PUT", "https://h/", &[], Some("a")), Ok("PUT https://h/ content-type=text/plain; charset=utf-8 a"));
    check(
        none(),
        yaml(json!({
            "method": "POST", "url": "https://h/v1/?k=v", "path": "/users/a b/é",
            "query": { "q": "a&b=c ?", "n": 1, "t?": "", "u?": "x", "l": ["a", 2, true], "none": null },
            "headers": { "X-A": 1, "X-B?": "" }, "authorization": "${SECRET_DEFAULT}",
            "body": { "a": "${CONTACT_EMAIL}", "b?": [], "c": { "d?": {}, "e?": 0 } },
        })),
        Ok("POST https://h/v1/users/a%20b/%C3%A9?k=v&q=a%26b%3Dc+%3F&n=1&u=x&l=a&l=2&l=true x-a=1 authorization=Bearer hush-hush-1 \
            content-type=application/json {\"a\":\"ann@example.org\",\"c\":{\"e\":0}}"),
    );
    check(none(), yaml(json!({ "url": "https://h", "path": ["a", "/", 1] })), Ok("GET https://h/a/1"));
    check(none(), yaml(json!({ "url": "https://h/?", "path?": "", "body?": null, "query?": {} })), Ok("GET https://h/?"));
    check(
        none(),
        yaml(json!({ "method": "PUT", "url": "https://h/", "body": [1] })),
        Ok("PUT https://h/ content-type=application/json [1]"),
    );
    let form = json!({ "content-type": "application/x-www-form-urlencoded; charset=utf-8" });
    check(
        none(),
        yaml(json!({ "method": "POST", "url": "https://h/", "headers": form, "body": { "a": "b&c", "d": [1, 2] } })),
        Ok("POST https://h/ content-type=application/x-www-form-urlencoded; charset=utf-8 a=b%26c&d=1&d=2"),
    );
    let replaced = json!({ "url": "https://h/", "headers": { "AUTHORIZATION": "a" }, "authorization": "b" });
    check(none(), yaml(replaced), Ok("GET https://h/ authorization=b"));
    check(json!({ "method": "POST", "url": "https://x/" }), yaml(json!({ "url": "https://h/" })), Ok("POST https://h/"));
    check(none(), yaml(json!({ "url": "https://h/", "headers": { "Idempotency-Key": "own" } })), Ok("GET https://h/ idempotency-key=own"));
    // A value that stands alone keeps its type, and is not looked through.
    let value = Tree::Value(json!({ "a?": "", "b": "${SECRET_PLAIN}" }));
    let tree = Tree::Map(vec![("method".into(), tree(json!("PUT"))), ("url".into(), tree(json!("https://h/"))), ("body".into(), value)]);
    check(none(), Body::Tree(tree), Ok("PUT https://h/ content-type=application/json {\"a?\":\"\",\"b\":\"${SECRET_PLAIN}\"}"));
    check(none(), Body::Tree(Tree::Value(json!({ "url": "https://h/", "path": "a" }))), Ok("GET https://h/a"));
}

#[test]
fn a_wrong_url_is_told() {
    let long = "x".repeat(9000);
    for (parameters, body, expected) in [
        (json!({}), json!({ "url": "ftp://h/" }), "url is neither http nor https"),
        (json!({}), json!({ "url": "/api" }), "url: relative URL without a base"),
        (json!({}), json!({ "path": "/api" }), "url is missing"),
        (json!({}), json!({ "url": "https://a:b@h/" }), "url is a URL with a user name or password; credentials go into headers"),
        (json!({}), json!({ "url": "https://h/\n/x" }), "url has a line break or another control character"),
        (json!({}), json!({ "url": "https://h/${BROKEN}" }), "url has a line break or another control character"),
        (json!({}), json!({ "url": "https://h/\u{0}" }), "url has a line break or another control character"),
        (json!({}), json!({ "url": format!("https://h/{long}") }), "url is over 8192 bytes"),
        (json!({}), json!({ "url": "https://h/", "query": { "q": long } }), "url is over 8192 bytes"),
        (json!({}), json!({ "url": "https://h/", "path": "a/../../b" }), "path has a control character, or a segment of dots"),
        (json!({}), json!({ "url": "https://h/", "path": "a/%2E%2e/b" }), "path has a control character, or a segment of dots"),
        (json!({}), json!({ "url": "https://h/", "path": "a\\..\\b" }), "path has a control character, or a segment of dots"),
        (json!({}), json!({ "url": "https://h/", "path": "a\nb" }), "path has a control character, or a segment of dots"),
        (json!({}), json!({ "url": "https://h/", "path": {} }), "path must be text or a list of texts"),
        (json!({}), json!({ "url": "https://h/", "query": "a=b" }), "query must be a mapping"),
        (json!({}), json!({ "url": "https://h/", "query": { "a": {} } }), "query.a must be text or a list of texts"),
    ] {
        check(parameters, Body::Tree(tree(body)), Err(expected));
    }
}

#[test]
fn a_wrong_header_is_told() {
    for (parameters, body, expected) in [
        (json!({}), json!({ "url": "https://h/", "headers": ["a"] }), "headers must be a mapping"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": ["b"] } }), "header a must be text"),
        (json!({}), json!({ "url": "https://h/", "headers": { "Host": "x" } }), "header host is set by cuepoint"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a b": "x" } }), "\"a b\" is no header name"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": "x\r\nb: c" } }), "header a has characters that no header has"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": "${BROKEN}" } }), "header a has characters that no header has"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": "${SECRET_BROKEN}" } }), "header a has characters that no header has"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": "x\u{0}" } }), "header a has characters that no header has"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": "${SECRET_NONE}" } }), "header a: there is no secret SECRET_NONE"),
        (json!({}), json!({ "url": "https://h/", "headers": { "a": "${NOBODY}" } }), "header a: NOBODY is not known here"),
    ] {
        check(parameters, Body::Tree(tree(body)), Err(expected));
    }
    check(json!({}), http("GET", "https://h/", &[("Transfer-Encoding", "x")], None), Err("header transfer-encoding is set by cuepoint"));
    let many: Vec<(String, Text)> = (0..65).map(|n| (format!("h{n}"), Text(vec![Part::Literal("x".into())]))).collect();
    let many = Tree::Map(many.into_iter().map(|(name, text)| (name, Tree::Text(text))).collect());
    let tree = Tree::Map(vec![("url".into(), tree(json!("https://h/"))), ("headers".into(), many)]);
    check(json!({}), Body::Tree(tree), Err("has 65 headers, at most 64 are taken"));
}

#[test]
fn a_secret_outside_of_a_header_is_told() {
    for (parameters, body, expected) in [
        (json!({}), json!({ "url": "https://h/${SECRET_PLAIN}" }), "url: SECRET_PLAIN may stand in a header of a fetch only"),
        (json!({}), json!({ "url": "https://h/", "path": "${SECRET_X}" }), "path: SECRET_X may stand in a header of a fetch only"),
        (
            json!({}),
            json!({ "url": "https://h/", "query": { "k": "${SECRET_X}" } }),
            "query.k: SECRET_X may stand in a header of a fetch only",
        ),
        (
            json!({}),
            json!({ "url": "https://h/", "method": "POST", "body": "${SECRET_X}" }),
            "body: SECRET_X may stand in a header of a fetch only",
        ),
        (
            json!({}),
            json!({ "url": "https://h/", "method": "POST", "body": { "a": { "b": "${SECRET_X}" } } }),
            "body.a.b: SECRET_X may stand in a header of a fetch only",
        ),
        (json!({}), json!({ "url": "https://h/", "method": "${SECRET_X}" }), "method: SECRET_X may stand in a header of a fetch only"),
    ] {
        check(parameters, Body::Tree(tree(body)), Err(expected));
    }
}

#[test]
fn any_other_fault_is_told() {
    for (parameters, body, expected) in [
        (
            json!({}),
            json!({ "url": "https://h/", "method": "TRACE" }),
            "method \"TRACE\" is not one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        (json!({}), json!({ "url": "https://h/", "body": "a" }), "a GET call has no body"),
        (
            json!({}),
            json!({ "url": "https://h/", "method": "POST", "body": "x".repeat(600_000) }),
            "body has 600000 bytes, at most 524288 are sent",
        ),
        (
            json!({}),
            json!({ "url": "https://h/", "verb": "GET" }),
            "verb is not known here: method, url, path, query, headers, authorization, body, options are",
        ),
        (
            json!({}),
            json!({ "url": "https://h/", "options": { "url": "https://x/" } }),
            "options.url is not known here: timeout, format, selectors, jsonpath, jmespath, errorJsonpath, errorJmespath are",
        ),
        (json!({}), json!({ "url": "https://h/", "options": 1 }), "options must be a mapping"),
        (json!({ "format": "toon" }), json!({ "url": "https://h/" }), "format \"toon\" is not one of text, markdown, json"),
        (json!({ "timeout": "soon" }), json!({ "url": "https://h/" }), "timeout must be a whole number, not \"soon\""),
        (json!({ "jsonpath": "$".repeat(2000) }), json!({ "url": "https://h/" }), "jsonpath is over 1024 bytes"),
        (json!({}), json!(["https://h/"]), "the body of a fetch must be a request, a URL or a mapping"),
    ] {
        check(parameters, Body::Tree(tree(body)), Err(expected));
    }
    check(
        json!({ "method": "POST" }),
        http("GET", "https://h/", &[], None),
        Err("method is not known here: timeout, format, selectors, jsonpath, jmespath, errorJsonpath, errorJmespath are"),
    );
}

#[test]
fn secrets_are_marked_and_time_is_clamped() {
    let request = form(json!({ "timeout": 1 }), http("", "https://h/", &[("a", "x ${SECRET_PLAIN}"), ("b", "c")], None)).unwrap();
    assert!(request.headers["a"].is_sensitive() && !request.headers["b"].is_sensitive());
    assert_eq!((request.timeout, &request.headers["idempotency-key"]), (Duration::from_secs(10), &"key-1".parse().unwrap()));
    for (written, expected) in [(json!(20_000), 20), (json!("30000"), 30), (json!(9_999_999), 300)] {
        let request = form(Value::Null, Body::Tree(tree(json!({ "url": "https://h/", "options": { "timeout": written } })))).unwrap();
        assert_eq!(request.timeout.as_secs(), expected);
    }
}
