//! What is common to all actions.

use egress::Egress;
use egress::policy::{Allow, Policy};
use proto::wire::Doubt;
use serde_json::{Value, json};
use skillset::invocation::{Action, Body};

use crate::pretend::{Server, Vault, facts, http, invocation, ok, result, run, settings, text, tree};
use crate::{Actions, Context, Error, Outcome, Settings, doubt};

#[tokio::test]
async fn echo_gives_its_input_back() {
    for (parameters, body, expected) in [
        (Value::Null, Body::Text(text("a ${CONTACT_EMAIL}")), Ok(json!("a ann@example.org"))),
        (json!({ "a": 1 }), Body::Text(text(" \n")), Ok(json!({ "a": 1 }))),
        (
            Value::Null,
            Body::Tree(tree(json!({ "b": ["${EMPTY}", 1], "c?": "${EMPTY}", "d?": false }))),
            Ok(json!({ "b": ["", 1], "d": false })),
        ),
        (
            Value::Null,
            http("POST", "https://h/", &[("A", "b")], Some("c")),
            Ok(json!({ "method": "POST", "url": "https://h/", "headers": { "A": "b" }, "body": "c" })),
        ),
        (Value::Null, Body::Text(text("${SECRET_DEFAULT}")), Err("the body: SECRET_DEFAULT may stand in a header of a fetch only")),
        (Value::Null, Body::Tree(tree(json!({ "a": ["${CONTACT_PHONE}"] }))), Err("the body.a: CONTACT_PHONE is not known here")),
    ] {
        let told = result(settings(), &invocation(Action::Echo, parameters, body)).await;
        assert_eq!(told, expected.map_err(str::to_owned));
    }
}

#[tokio::test]
async fn a_value_that_was_put_in_is_not_looked_through_for_references() {
    let told = result(settings(), &invocation(Action::Echo, Value::Null, Body::Text(text("${CONTACT_NAME}")))).await;
    assert_eq!(told, Ok(json!("Ann ${SECRET_DEFAULT}")));
}

#[tokio::test]
async fn a_tree_is_not_followed_for_ever() {
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let told = result(settings(), &invocation(Action::Echo, Value::Null, Body::Tree(tree(deep)))).await;
    assert_eq!(told, Err("the body is nested more than 64 deep".into()));
}

#[tokio::test]
async fn abort_ends_the_turn_with_a_reason() {
    for (body, expected) in [
        (Body::Text(text(" enough, ${CONTACT_EMAIL} ")), "enough, ann@example.org"),
        (Body::Text(text("")), ""),
        (Body::Tree(tree(json!({ "reason": "spam" }))), "spam"),
        (Body::Tree(tree(json!({ "a": 1 }))), "{\"a\":1}"),
    ] {
        let outcome = run(settings(), &invocation(Action::Abort, Value::Null, body)).await.unwrap();
        assert_eq!(outcome, Outcome::Abort { reason: expected.into() });
    }
}

#[tokio::test]
async fn what_is_not_done_here_says_so() {
    for action in [Action::Mcp, Action::Nats, Action::Await] {
        let error = run(settings(), &invocation(action, Value::Null, Body::Text(text("a")))).await.unwrap_err();
        assert!(matches!(error, Error::Elsewhere(told) if told == action), "{error}");
    }
    for (action, expected) in [(Action::Email, "no mail server is set up here"), (Action::Search, "no search engine is set up here")] {
        let error = run(settings(), &invocation(action, Value::Null, Body::Text(text("a")))).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[tokio::test]
async fn results_and_errors_are_scrubbed_of_the_secrets_that_were_used() {
    let echo = |request: &str| {
        let authorization = request.split("thorization: ").nth(1).unwrap();
        let failure = || format!("HTTP/1.1 500 X\r\nconnection: close\r\n\r\n{authorization}").into_bytes();
        if request.contains("/fail") { failure() } else { ok("text/plain", request.as_bytes()) }
    };
    let server = Server::start(echo).await;
    let headers = [("Authorization", "${SECRET_BASIC}"), ("X-Key", "k=${SECRET_PLAIN}")];
    let call = |path: &str| invocation(Action::Fetch, Value::Null, http("", &server.url(path), &headers, None));
    let told = result(settings(), &call("/")).await.unwrap().to_string();
    assert!(told.contains("authorization: Basic [secret]\\r\\n") && told.contains("x-key: k=[secret]\\r\\n"), "{told}");
    assert!(server.heard()[0].contains("authorization: Basic dXNlcjpodXNoJndvcmQ=\r\n"), "{:?}", server.heard());
    assert!(server.heard()[0].contains("x-key: k=plain+hush/2\r\n"), "{:?}", server.heard());
    let told = result(settings(), &call("/fail")).await.unwrap_err();
    assert!(told.starts_with("Status code: 500: Basic [secret]") && !told.contains("hush"), "{told}");
}

#[tokio::test]
async fn the_exceptions_of_an_ability_are_its_own() {
    let server = Server::of("text/plain", "inside").await;
    let (facts, call) = (facts(), invocation(Action::Fetch, Value::Null, Body::Text(text(&server.url("/")))));
    let actions = Actions::new(Settings { egress: Egress::new(Policy::default()).unwrap(), ..settings() });
    let run = async |allow: &[Allow]| {
        let context = Context { idempotency_key: "key-1", secrets: &Vault, facts: &facts, allow };
        actions.run(&call, context).await.map_err(|error| error.to_string())
    };
    let refused = Err("127.0.0.1 may not be called: its address is loopback, and egress.allow does not list it".to_owned());
    assert_eq!(run(&[]).await, refused);
    assert_eq!(run(&["127.0.0.1".parse().unwrap()]).await, Ok(Outcome::Result(json!({ "status": 200, "body": "inside" }))));
    assert_eq!(run(&["127.0.0.1:1".parse().unwrap()]).await, refused);
    assert_eq!(run(&[]).await, refused);
}

#[test]
fn only_what_reads_may_be_done_twice() {
    let fetch = |parameters, body| doubt(&invocation(Action::Fetch, parameters, body));
    for (method, expected) in [
        ("", Doubt::Retry),
        ("GET", Doubt::Retry),
        ("head", Doubt::Retry),
        ("POST", Doubt::Fail),
        ("${METHOD}", Doubt::Fail),
        ("G${X}", Doubt::Fail),
    ] {
        assert_eq!(fetch(Value::Null, http(method, "https://h/", &[], None)), expected, "{method}");
        assert_eq!(fetch(Value::Null, Body::Tree(tree(json!({ "method": method })))), expected, "{method}");
        assert_eq!(fetch(Value::Null, Body::Tree(tree(json!({ "method?": method })))), expected, "{method}");
    }
    assert_eq!(fetch(Value::Null, Body::Text(text("https://h/"))), Doubt::Retry);
    assert_eq!(fetch(json!({ "method": "DELETE" }), Body::Text(text("https://h/"))), Doubt::Fail);
    assert_eq!(fetch(json!({ "method": "DELETE" }), Body::Tree(tree(json!({ "method": "GET" })))), Doubt::Retry);
    assert_eq!(fetch(json!({ "method": 1 }), Body::Text(text("https://h/"))), Doubt::Fail);
    for (action, expected) in [
        (Action::Search, Doubt::Retry),
        (Action::Echo, Doubt::Retry),
        (Action::Abort, Doubt::Retry),
        (Action::Email, Doubt::Fail),
        (Action::Mcp, Doubt::Fail),
        (Action::Nats, Doubt::Fail),
        (Action::Await, Doubt::Fail),
    ] {
        assert_eq!(doubt(&invocation(action, Value::Null, Body::Text(text("")))), expected);
    }
}
