//! Arguments and redirects, as tables.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, LOCATION};
use serde_json::{Value, json};

use crate::call::request::Request;

fn parse(arguments: Value) -> Result<Request, String> {
    crate::arguments::parse(arguments, "key").map_err(|error| format!("arguments: {error}"))
}

#[test]
fn every_fault_of_the_arguments_is_told() {
    for (arguments, expected) in [
        (json!([]), "arguments: invalid"),
        (json!({}), "arguments: missing field `url`"),
        (json!({ "url": "http://h/", "verb": 1 }), "arguments: unknown field `verb`"),
        (json!({ "url": "h/x" }), "arguments: url: relative URL without a base"),
        (json!({ "url": "http://" }), "arguments: url: empty host"),
        (json!({ "url": format!("http://h/{}", "x".repeat(9000)) }), "arguments: url is over 8192 bytes"),
        (json!({ "url": "file:///etc/passwd" }), "arguments: url is neither http nor https"),
        (json!({ "url": "gopher://h/" }), "arguments: url is neither http nor https"),
        (json!({ "url": "http://user:pw@h/" }), "arguments: url is a URL with a user name"),
        (json!({ "url": "http://example.com@127.0.0.1/" }), "arguments: url is a URL with a user name"),
        (json!({ "url": "http://h/", "method": "TRACE" }), "arguments: method \"TRACE\" is not one of GET, HEAD"),
        (json!({ "url": "http://h/", "body": "x" }), "arguments: a GET call has no body"),
        (json!({ "url": "http://h/", "timeout": 0 }), "arguments: timeout must be at least 1 ms"),
        (json!({ "url": "http://h/", "timeout": -1 }), "arguments: invalid value"),
        (json!({ "url": "http://h/", "headers": { "Host": "x" } }), "arguments: header host is set by cuepoint"),
        (json!({ "url": "http://h/", "headers": { "Content-Length": 1 } }), "arguments: header content-length is set"),
        (json!({ "url": "http://h/", "headers": { "TRANSFER-ENCODING": "x" } }), "arguments: header transfer-encoding is set"),
        (json!({ "url": "http://h/", "headers": { "connection": "x" } }), "arguments: header connection is set"),
        (json!({ "url": "http://h/", "headers": { "idempotency-Key": "x" } }), "arguments: header idempotency-key is set"),
        (json!({ "url": "http://h/", "headers": { "a b": "x" } }), "arguments: \"a b\" is no header name"),
        (json!({ "url": "http://h/", "headers": { "a": "x\r\nb: y" } }), "arguments: header a has characters"),
        (json!({ "url": "http://h/", "headers": { "a": ["x"] } }), "arguments: header a must be a string"),
    ] {
        let error = parse(arguments.clone()).unwrap_err();
        assert!(error.starts_with(expected), "{arguments}: {error}");
        assert!(!error.contains("pw"), "{error}");
    }
}

#[test]
fn defaults_are_filled_in_and_the_timeout_clamped() {
    let request = parse(json!({ "url": "HTTP://H:80/x" })).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str(), request.timeout.as_secs()), ("GET", "http://h/x", 10));
    assert_eq!(request.headers["idempotency-key"], "key");
    let request = parse(json!({ "url": "http://h", "method": "post", "body": { "a": 1 }, "timeout": 999_999_999 })).unwrap();
    assert_eq!((request.headers["content-type"].as_bytes(), request.timeout.as_secs()), (&b"application/json"[..], 300));
    assert_eq!(request.body.unwrap(), r#"{"a":1}"#);
    let typed = json!({ "url": "http://h", "method": "PUT", "body": "a", "headers": { "Content-Type": "text/csv", "x": 1 } });
    assert_eq!(parse(typed).unwrap().headers["content-type"], "text/csv");
}

#[test]
fn a_redirect_changes_method_and_headers_as_browsers_do() {
    let secret = json!({ "authorization": "s", "cookie": "s", "x-api-key": "s", "accept": "a/b" });
    for (method, status, location, expected) in [
        ("GET", 301, "/b", Some("GET http://h/b secret")),
        ("POST", 301, "/b", Some("GET http://h/b secret")),
        ("POST", 302, "b", Some("GET http://h/b secret")),
        ("PUT", 302, "/b", Some("PUT http://h/b body secret")),
        ("POST", 303, "/b", Some("GET http://h/b secret")),
        ("HEAD", 303, "/b", Some("HEAD http://h/b secret")),
        ("DELETE", 303, "/b", Some("GET http://h/b secret")),
        ("POST", 307, "/b", Some("POST http://h/b body secret")),
        ("POST", 308, "//other/b", Some("POST http://other/b body")),
        ("GET", 302, "https://h/b", Some("GET https://h/b")),
        ("GET", 302, "http://h:8080/b", Some("GET http://h:8080/b")),
        ("GET", 300, "/b", None),
        ("GET", 304, "/b", None),
        ("GET", 200, "/b", None),
    ] {
        let mut arguments = json!({ "url": "http://h/a", "method": method, "headers": secret });
        if method == "POST" || method == "PUT" {
            arguments["body"] = "body".into();
        }
        let response: HeaderMap = [(LOCATION, location.parse().unwrap())].into_iter().collect();
        let next = parse(arguments).unwrap().redirected(StatusCode::from_u16(status).unwrap(), &response).unwrap();
        let told = next.map(|next| {
            assert_eq!((&next.headers["accept"], &next.headers["idempotency-key"]), (&"a/b".parse().unwrap(), &"key".parse().unwrap()));
            assert_eq!(next.headers.contains_key("content-type"), next.body.is_some());
            let secrets = ["authorization", "cookie", "x-api-key"].map(|name| next.headers.contains_key(name));
            assert!(secrets == [true; 3] || secrets == [false; 3]);
            let body = if next.body.is_some() { " body" } else { "" };
            format!("{} {}{body}{}", next.method, next.url, if secrets[0] { " secret" } else { "" })
        });
        assert_eq!(told.as_deref(), expected, "{method} {status} {location}");
    }
}

#[test]
fn a_redirect_leads_to_http_only() {
    for (location, expected) in [
        ("file:///etc/passwd", "redirected to neither http nor https"),
        ("http://user:pw@h/", "redirected to a URL with a user name or password; credentials go into headers"),
        ("http://[", "redirected to what is no URL"),
    ] {
        let response: HeaderMap = [(LOCATION, location.parse().unwrap())].into_iter().collect();
        let error = parse(json!({ "url": "http://h/a" })).unwrap().redirected(StatusCode::FOUND, &response).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}
