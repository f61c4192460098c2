//! Searches over a small engine on the loopback address.

use reqwest::header::HeaderName;
use serde_json::{Value, json};
use skillset::invocation::{Action, Body};

use super::Search;
use crate::Settings;
use crate::pretend::{Server, invocation, ok, result, settings, text, tree};

fn with(search: Search) -> Settings {
    Settings { search: Some(search), ..settings() }
}

async fn ask(server: &Server, parameters: Value, body: Body) -> Result<Value, String> {
    let search = Search::new(server.url("/search?q={query}&n={count}"));
    result(with(search), &invocation(Action::Search, parameters, body)).await
}

#[tokio::test]
async fn results_are_bounded_and_of_the_web() {
    let mut results = vec![
        json!({ "title": "A", "url": "https://a.example/", "snippet": "one" }),
        json!({ "title": "B", "url": "javascript:x", "snippet": "two" }),
        json!({ "url": "http://c.example/x" }),
        json!({ "title": "D" }),
        json!("E"),
        json!({ "title": "t".repeat(400), "url": "https://f.example/", "snippet": "s".repeat(2000) }),
    ];
    results.extend((0..40).map(|n| json!({ "title": n, "url": format!("https://g.example/{n}") })));
    let server = Server::of("application/json", json!({ "results": results }).to_string()).await;
    let found = ask(&server, Value::Null, Body::Text(text("a ${CONTACT_EMAIL} & b/c?\n"))).await.unwrap();
    assert_eq!(found[0], json!({ "title": "A", "url": "https://a.example/", "snippet": "one" }));
    assert_eq!(found[1], json!({ "title": "", "url": "http://c.example/x", "snippet": "" }));
    assert_eq!((found[2]["title"].as_str().unwrap().len(), found[2]["snippet"].as_str().unwrap().len()), (300, 1000));
    assert_eq!(found.as_array().unwrap().len(), 10);
    assert!(server.heard()[0].starts_with("GET /search?q=a%20ann%40example%2Eorg%20%26%20b%2Fc%3F&n=10 "), "{:?}", server.heard());
    for (count, expected) in [(0, 1), (3, 3), (500, 20)] {
        let found = ask(&server, json!({ "count": count }), Body::Tree(tree(json!({ "query": "x" })))).await.unwrap();
        assert_eq!(found.as_array().unwrap().len(), expected);
    }
}

#[tokio::test]
async fn a_key_goes_into_its_header_and_nowhere_else() {
    let echo = |request: &str| {
        let results = json!({ "web": { "items": [{ "t": request, "l": "https://a.example/?k=hush-key-1", "s": "" }] } });
        ok("application/json", results.to_string().as_bytes())
    };
    let server = Server::start(echo).await;
    let search = Search {
        key: Some((HeaderName::from_static("x-token"), "hush-key-1".into())),
        results: "/web/items".into(),
        title: "/t".into(),
        link: "/l".into(),
        snippet: "/s".into(),
        ..Search::new(server.url("/{query}"))
    };
    let call = invocation(Action::Search, Value::Null, Body::Text(text("x")));
    let found = result(with(search.clone()), &call).await.unwrap();
    assert!(server.heard()[0].contains("x-token: hush-key-1\r\n") && server.heard()[0].contains("idempotency-key: key-1\r\n"));
    assert!(found[0]["title"].as_str().unwrap().contains("x-token: [secret]"), "{found}");
    assert!(!found.to_string().contains("hush"), "{found}");
    let away = Server::of("application/json", "{}").await;
    let to = away.url("/");
    let redirecting =
        Server::start(move |_| format!("HTTP/1.1 302 X\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes())
            .await;
    let search = Search { url: redirecting.url("/{query}"), ..search };
    assert_eq!(result(with(search), &call).await, Err("the search engine's response has no list at /web/items".into()));
    assert!(!away.heard()[0].contains("hush"), "{:?}", away.heard());
}

#[tokio::test]
async fn every_fault_is_told() {
    let server = Server::of("application/json", "{}").await;
    for (parameters, body, expected) in [
        (Value::Null, Body::Text(text(" ")), "query is missing"),
        (json!({ "datasetId": "x" }), Body::Text(text("a")), "datasetId is not known here: query, count are"),
        (Value::Null, Body::Text(text(&"x".repeat(2000))), "query is over 1024 bytes"),
        (Value::Null, Body::Text(text("${SECRET_PLAIN}")), "query: SECRET_PLAIN may stand in a header of a fetch only"),
        (Value::Null, Body::Tree(tree(json!(["a"]))), "the body of a search must be a question or a mapping"),
        (json!({ "count": "many" }), Body::Text(text("a")), "count must be a whole number, not \"many\""),
        (Value::Null, Body::Text(text("a")), "the search engine's response has no list at /results"),
    ] {
        assert_eq!(ask(&server, parameters, body).await, Err(expected.into()));
    }
    let broken = Server::start(|_| b"HTTP/1.1 500 X\r\nconnection: close\r\n\r\nbusy".to_vec()).await;
    assert_eq!(ask(&broken, Value::Null, Body::Text(text("a"))).await, Err("the search engine failed: Status code: 500: busy".into()));
    let html = Server::of("text/html", "<html>").await;
    let error = ask(&html, Value::Null, Body::Text(text("a"))).await.unwrap_err();
    assert!(error.starts_with("the search engine's response is not JSON: "), "{error}");
}

#[test]
fn a_question_can_not_choose_the_host() {
    for (url, expected) in [
        ("https://h/?q={query}", true),
        ("https://h:8443/{query}/x?n={count}", true),
        ("https://{query}/", false),
        ("https://h{query}/", false),
        ("{query}", false),
        ("https://h/", false),
        ("ftp://h/{query}", false),
        ("https://u:p@h/{query}", false),
    ] {
        assert_eq!(Search::new(url).validate().is_ok(), expected, "{url}");
    }
}
