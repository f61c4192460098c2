//! What is made of responses, over a real server.

use std::time::Duration;

use serde_json::{Value, json};
use skillset::invocation::{Action, Body};
use tokio::net::TcpListener;

use crate::pretend::{Server, http, invocation, ok, result, settings, text, tree};

/// The body of the result of one call.
async fn get(server: &Server, options: Value) -> Result<Value, String> {
    let told = result(settings(), &invocation(Action::Fetch, options, Body::Text(text(&server.url("/"))))).await?;
    assert_eq!(told["status"], 200);
    Ok(told["body"].clone())
}

async fn check(content_type: &'static str, body: impl Into<Vec<u8>>, options: Value, expected: Result<Value, &str>) {
    let server = Server::of(content_type, body).await;
    let told = get(&server, options.clone()).await;
    match expected {
        Ok(expected) => assert_eq!(told, Ok(expected), "{content_type} {options}"),
        Err(start) => assert!(told.clone().unwrap_err().starts_with(start), "{content_type} {options}: {told:?}"),
    }
}

#[tokio::test]
async fn a_body_comes_as_it_is_asked_for() {
    let page = "<html><body><h1>A_b</h1><p class=x>one <b>two</b></p><p class=x>three</p></body></html>";
    let document = r#"{"a":[{"n":1},{"n":2}]}"#;
    for (content_type, body, options, expected) in [
        ("application/json", document, json!({}), Ok(json!({ "a": [{ "n": 1 }, { "n": 2 }] }))),
        ("application/vnd.x+json", "[1]", json!({ "format": "text" }), Ok(json!("[1]"))),
        ("application/json", "{", json!({}), Ok(json!("{"))),
        ("application/json", "{", json!({ "format": "json" }), Err("the response is not JSON: ")),
        ("text/plain", "[1]", json!({ "format": "json" }), Ok(json!([1]))),
        ("text/plain", "[1]", json!({}), Ok(json!("[1]"))),
        ("text/html", page, json!({}), Ok(json!(page))),
        ("text/html", page, json!({ "format": "text" }), Ok(json!("A_b\n\none two\n\nthree"))),
        ("text/html", page, json!({ "text": true, "debug": true }), Ok(json!("A_b\n\none two\n\nthree"))),
        ("Text/HTML; charset=utf-8", page, json!({ "format": "markdown" }), Ok(json!("# A\\_b\n\none **two**\n\nthree"))),
        ("text/html", page, json!({ "selectors": ".x" }), Ok(json!("one two\n\nthree"))),
        ("text/html", page, json!({ "selectors": ".x", "format": "markdown" }), Ok(json!("one **two**\n\nthree"))),
        ("text/html", page, json!({ "selectors": ".x", "format": "json" }), Ok(json!(["one two", "three"]))),
        ("text/html", page, json!({ "selectors": "[[" }), Err("selectors \"[[\" are no CSS")),
        ("text/plain", page, json!({ "format": "text" }), Ok(json!(page))),
        ("application/json", document, json!({ "jsonpath": "$.a[*].n" }), Ok(json!([1, 2]))),
        ("application/json", document, json!({ "jmespath": "a[0]" }), Ok(json!({ "n": 1 }))),
        ("application/json", document, json!({ "jsonpath": "$.a[*].n", "jmespath": "[0]" }), Ok(json!(1))),
        ("text/html", page, json!({ "jsonpath": "$" }), Err("jsonpath: the response is not JSON: ")),
        ("image/png", "x", json!({}), Err("the response is image/png, which is not text")),
        ("application/octet-stream", "x", json!({}), Err("the response is application/octet-stream, which is not text")),
        ("text/plain", "a\0b", json!({}), Err("the response is not text")),
        ("", "plain", json!({}), Ok(json!("plain"))),
        ("", page, json!({ "selectors": "h1" }), Ok(json!("A_b"))),
        ("", page, json!({ "format": "text" }), Ok(json!("A_b\n\none two\n\nthree"))),
    ] {
        check(content_type, body, options, expected).await;
    }
    check("", b"\xff\xfe\xfa\x00x".to_vec(), json!({}), Err("the response is not text")).await;
    check("text/plain; charset=\"ISO-8859-1\"", b"\xe9".to_vec(), json!({}), Ok(json!("é"))).await;
    check("text/plain", b"a\xffb".to_vec(), json!({}), Ok(json!("a\u{fffd}b"))).await;
    check("text/plain; charset=utf-16le", b"a\0b\0".to_vec(), json!({}), Ok(json!("ab"))).await;
}

#[tokio::test]
async fn errors_are_found_by_expression() {
    let document = r#"{"errors":[{"message":"no such city"}],"ok":false,"list":["a","b"],"none":[]}"#;
    for (options, expected) in [
        (json!({ "errorJsonpath": "$.errors[*].message" }), Err("the response is an error: no such city")),
        (json!({ "errorJmespath": "errors[0].message" }), Err("the response is an error: no such city")),
        (json!({ "errorJsonpath": "$.list" }), Err("the response is an error: [\"a\",\"b\"]")),
        (json!({ "errorJsonpath": "$.none[*]", "jmespath": "list" }), Ok(json!(["a", "b"]))),
        (json!({ "errorJmespath": "ok", "jmespath": "list" }), Ok(json!(["a", "b"]))),
        (json!({ "errorJmespath": "missing", "jmespath": "list" }), Ok(json!(["a", "b"]))),
        (json!({ "errorJmespath": "[" }), Err("errors: jmespath: ")),
    ] {
        check("application/json", document, options, expected).await;
    }
    let failing = |body: &'static str| {
        Server::start(move |_| format!("HTTP/1.1 404 X\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{body}").into_bytes())
    };
    let (told, plain) = (failing(document).await, failing("nothing").await);
    assert_eq!(get(&told, json!({ "errorJsonpath": "$.errors[0].message" })).await, Err("Status code: 404: no such city".into()));
    assert!(get(&told, json!({})).await.unwrap_err().starts_with("Status code: 404: {\"errors\":[{\"mess"));
    assert_eq!(get(&plain, json!({ "errorJsonpath": "$.a" })).await, Err("Status code: 404: nothing".into()));
    assert_eq!(get(&told, json!({ "errorJmespath": "[" })).await.unwrap_err(), get(&told, json!({})).await.unwrap_err());
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_and_after_selection() {
    let document = format!("{{\"a\":\"{}\",\"b\":1}}", "x".repeat(400_000));
    check("application/json", document.clone(), json!({ "jsonpath": "$.b" }), Ok(json!([1]))).await;
    check("application/json", document, json!({}), Err("the result has 400078 bytes as JSON")).await;
    check("text/plain", "x".repeat(160_000), json!({}), Ok(json!("x".repeat(160_000)))).await;
    check("text/plain", "\u{1}".repeat(50_000), json!({}), Err("the result has 300066 bytes as JSON, at most 163840 are kept: narrow"))
        .await;
    check("text/plain", "x".repeat(512 * 1024 + 1), json!({}), Err("the response is over 524288 bytes")).await;
}

#[tokio::test]
async fn a_packed_response_is_not_unpacked() {
    let server = Server::start(|_| {
        let head =
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\nconnection: close\r\n\r\n";
        [&head[..], b"\x1f\x8b\x08"].concat()
    });
    let server = server.await;
    assert_eq!(get(&server, json!({})).await, Err("the response is packed (gzip), which is not read here".into()));
    assert!(!server.heard()[0].to_lowercase().contains("accept-encoding"), "{:?}", server.heard());
}

#[tokio::test]
async fn secrets_are_taken_out_of_pages_and_selections() {
    let echo = |request: &str| {
        let key = request.split("x-key: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or_default().to_owned();
        if request.contains("/page") {
            ok("text/html", format!("<p>key_ {key} {}</p>", key.replace('+', "&#43;")).as_bytes())
        } else {
            ok("application/json", json!({ "key": key, (key): 1 }).to_string().as_bytes())
        }
    };
    let server = Server::start(echo).await;
    for (path, options, expected) in [
        ("/page", json!({ "format": "markdown" }), json!("key\\_ \\[secret\\] [secret]")),
        ("/page", json!({ "selectors": "p" }), json!("key_ [secret] [secret]")),
        ("/", json!({ "jsonpath": "$.key" }), json!(["[secret]"])),
        ("/", json!({}), json!({ "key": "[secret]", "[secret]": 1 })),
    ] {
        let call = invocation(Action::Fetch, options, http("", &server.url(path), &[("X-Key", "${SECRET_PLAIN}")], None));
        assert_eq!(result(settings(), &call).await.unwrap()["body"], expected, "{path}");
    }
}

#[tokio::test]
async fn a_secret_goes_to_its_origin_only() {
    let other = Server::of("text/plain", "there").await;
    let away = other.url("/");
    let server = Server::start(move |request| {
        let to = if request.contains("/away") { away.as_str() } else { "/here" };
        let redirect = format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes();
        if request.contains(" /here ") { ok("text/plain", b"here") } else { redirect }
    });
    let server = server.await;
    let headers = [("Authorization", "${SECRET_DEFAULT}"), ("User-Agent", "${SECRET_PLAIN}"), ("Accept", "a/b")];
    for (path, expected) in [("/home", "here"), ("/away", "there")] {
        let call = invocation(Action::Fetch, Value::Null, http("POST", &server.url(path), &headers, Some("x")));
        assert_eq!(result(settings(), &call).await.unwrap()["body"], expected);
    }
    let (same, elsewhere) = (server.heard()[1].clone(), other.heard()[0].clone());
    assert!(same.contains("authorization: Bearer hush-hush-1\r\n") && same.contains("user-agent: plain+hush/2\r\n"), "{same}");
    assert!(
        elsewhere.starts_with("POST / ") && elsewhere.contains("accept: a/b\r\n") && elsewhere.contains("idempotency-key: key-1"),
        "{elsewhere}"
    );
    assert!(!elsewhere.contains("hush"), "{elsewhere}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let call = invocation(Action::Fetch, json!({ "timeout": 50 }), Body::Tree(tree(json!({ "url": url }))));
    assert_eq!(result(settings(), &call).await, Err("the response did not end within 50 ms".into()));
    let mut settings = settings();
    settings.timeout_min = Duration::from_millis(80);
    assert_eq!(result(settings, &call).await, Err("the response did not end within 80 ms".into()));
}
