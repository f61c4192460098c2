//! Answers: late, large, wrong, and never.

use std::time::Duration;

use mcp::error::Error;
use mcp::pool::{Call, Config};
use mcp::server::Auth;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::fake::{DEADLINE, Fake, Reply, answer_to, call, event, pool};

/// How long is waited for what does not come.
const PATIENCE: Duration = Duration::from_millis(300);

fn on_call(reply: impl Fn(&crate::fake::Asked) -> Reply + Send + Sync + 'static) -> impl Fn(&crate::fake::Asked) -> Option<Reply> {
    move |asked| (asked.what() == "tools/call").then(|| reply(asked))
}

#[tokio::test]
async fn a_call_carries_its_arguments_and_its_key() {
    let fake = Fake::start(|_| None);
    let pool = pool(Config::default(), &[fake.address]);
    let arguments = json!({ "a": [1, "ä"] }).as_object().unwrap().clone();
    let call = Call { tool: "echo", arguments, idempotency_key: Some("key-1"), timeout: DEADLINE };
    let result = pool.call(&fake.server_with(&[("x-team", "blue")], Auth::Bearer("token-123".into())), call).await.unwrap();
    assert_eq!(result, json!({ "content": [{ "type": "text", "text": "{\"a\":[1,\"ä\"]}" }] }));
    let asked = fake.asked();
    let called = asked.iter().find(|asked| asked.what() == "tools/call").unwrap();
    assert_eq!(called.body["params"]["_meta"]["cuepoint/idempotencyKey"], "key-1");
    assert_eq!(called.header("mcp-session-id"), "session-1");
    assert_eq!(called.header("mcp-protocol-version"), "2025-06-18");
    for asked in &asked {
        assert_eq!((asked.header("x-team"), asked.header("authorization")), ("blue", "Bearer token-123"), "{asked:?}");
    }
}

#[tokio::test]
async fn a_call_that_gets_no_answer_is_late_and_the_server_hears_of_it() {
    let fake = Fake::start(on_call(|_| Reply::Hang));
    let pool = pool(Config::default(), &[fake.address]);
    let error = pool.call(&fake.server(), call(PATIENCE)).await.unwrap_err();
    assert!(matches!(error, Error::Late { .. }) && error.may_have_happened(), "{error:?}");
    let called = fake.wait(|asked| asked.what() == "tools/call").await;
    let cancelled = fake.wait(|asked| asked.what() == "notifications/cancelled").await;
    assert_eq!(cancelled.body["params"]["requestId"], called.body["id"]);
    // The connection is well: another call goes over it.
    pool.tools(&fake.server()).await.unwrap();
    assert_eq!(fake.count("initialize"), 1);
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_cancelled() {
    let fake = Fake::start(on_call(|_| Reply::Hang));
    let pool = pool(Config::default(), &[fake.address]);
    let server = fake.server();
    tokio::select! {
        ended = pool.call(&server, call(DEADLINE)) => panic!("{ended:?}"),
        called = fake.wait(|asked| asked.what() == "tools/call") => drop(called),
    }
    fake.wait(|asked| asked.what() == "notifications/cancelled").await;
}

#[tokio::test]
async fn progress_keeps_a_call_alive() {
    let fake = Fake::start(on_call(|asked| {
        let token = &asked.body["params"]["_meta"]["progressToken"];
        let progress = |step| {
            event(&json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": token, "progress": step } }))
        };
        let mut events: Vec<(u64, String)> = (0..6).map(|step| (150, progress(step))).collect();
        events.push((150, event(&answer_to(asked, &json!({ "content": [{ "type": "text", "text": "done" }] })))));
        Reply::Events(events, false)
    }));
    let pool = pool(Config::default(), &[fake.address]);
    let begun = Instant::now();
    let result = pool.call(&fake.server(), call(PATIENCE)).await.unwrap();
    assert_eq!(result["content"][0]["text"], "done");
    assert!(begun.elapsed() > 2 * PATIENCE, "{:?}", begun.elapsed());
}

async fn failure(reply: impl Fn(&crate::fake::Asked) -> Reply + Send + Sync + 'static) -> Error {
    failure_within(PATIENCE, reply).await
}

async fn failure_within(patience: Duration, reply: impl Fn(&crate::fake::Asked) -> Reply + Send + Sync + 'static) -> Error {
    let fake = Fake::start(on_call(reply));
    let pool = pool(Config::default(), &[fake.address]);
    let failed = tokio::time::timeout(DEADLINE, pool.call(&fake.server(), call(patience))).await.unwrap().unwrap_err();
    // Whatever came, the next request gets through.
    pool.tools(&fake.server()).await.unwrap();
    failed
}

#[tokio::test]
async fn an_error_of_the_tool_is_told_apart_from_an_error_of_the_server() {
    let tool =
        failure(|_| Reply::Result(json!({ "isError": true, "content": [{ "type": "text", "text": "no such\u{1b}[0m file" }] }))).await;
    assert!(matches!(&tool, Error::Tool { text } if text == "no such[0m file"), "{tool:?}");
    let refused = |asked: &crate::fake::Asked| json!({ "jsonrpc": "2.0", "id": asked.body["id"], "error": { "code": -32602, "message": "bad\narguments" } });
    let rpc = failure(move |asked| Reply::Json(refused(asked))).await;
    assert_eq!(rpc.to_string(), "the server refused: bad arguments (code -32602)");
    let over_http =
        failure(move |asked| Reply::Status(400, vec![("content-type", "application/json".into())], refused(asked).to_string())).await;
    assert!(matches!(&over_http, Error::Rpc { code: -32602, .. }), "{over_http:?}");
    assert!(!tool.may_have_happened() && !rpc.may_have_happened());
}

#[tokio::test]
async fn garbage_is_an_error_and_never_waits_for_ever() {
    type Check = fn(&Error) -> bool;
    let json = || vec![("content-type", "application/json".to_owned())];
    let cases: Vec<(Reply, Check)> = vec![
        (Reply::Status(200, json(), "{".into()), |error| matches!(error, Error::Malformed { .. })),
        (Reply::Status(200, json(), "[1]".into()), |error| matches!(error, Error::Malformed { .. })),
        (Reply::Status(200, vec![("content-type", "text/html".into())], "<html>".into()), |error| matches!(error, Error::Malformed { .. })),
        (Reply::Status(200, vec![], "x".into()), |error| matches!(error, Error::Malformed { .. })),
        (Reply::Events(vec![(0, "data: nonsense\n\n\u{0}:\n\n".into())], false), |error| matches!(error, Error::Closed)),
        (Reply::Events(vec![(0, "data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\n".into())], true), |error| {
            matches!(error, Error::Closed)
        }),
        (Reply::Status(500, vec![], "a secret".into()), |error| matches!(error, Error::Status { status: 500, text } if text.is_empty())),
        (Reply::Status(429, json(), "{}".into()), |error| matches!(error, Error::Status { status: 429, .. })),
        (
            Reply::Status(400, json(), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":\"no session\"}}".into()),
            |error| matches!(error, Error::Status { status: 400, text } if text == "no session"),
        ),
        (Reply::Status(204, vec![], String::new()), |error| matches!(error, Error::Late { .. })),
        (Reply::Result(json!({ "content": 1 })), |error| matches!(error, Error::Malformed { .. })),
        (Reply::Result(Value::Null), |error| matches!(error, Error::Malformed { .. } | Error::Late { .. })),
    ];
    for (number, (reply, is_right)) in cases.into_iter().enumerate() {
        let reply = std::sync::Mutex::new(Some(reply));
        let error = failure(move |_| reply.lock().unwrap().take().unwrap_or(Reply::Hang)).await;
        assert!(is_right(&error), "case {number}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_is_bounded_before_it_is_read() {
    let huge = || "x".repeat(5 << 20);
    let body =
        failure_within(DEADLINE, move |asked| Reply::Json(answer_to(asked, &json!({ "content": [{ "type": "text", "text": huge() }] }))))
            .await;
    assert!(matches!(body, Error::TooLarge { .. }) && body.may_have_happened(), "{body:?}");
    let stream = failure_within(DEADLINE, move |_| Reply::Events(vec![(0, format!("data: {}", huge()))], true)).await;
    assert!(matches!(stream, Error::Closed | Error::TooLarge { .. }), "{stream:?}");
}

#[tokio::test]
async fn a_large_result_is_cut_and_a_picture_is_described() {
    let fake = Fake::start(on_call(|_| {
        let picture = json!({ "type": "image", "mimeType": "image/png", "data": "A".repeat(1 << 20) });
        Reply::Result(
            json!({ "content": [picture, { "type": "text", "text": "y".repeat(1 << 20) }], "structuredContent": { "rows": [1, 2] } }),
        )
    }));
    let pool = pool(Config::default(), &[fake.address]);
    let result = pool.call(&fake.server(), call(DEADLINE)).await.unwrap();
    assert_eq!(result["content"][0], json!({ "type": "image", "mimeType": "image/png", "bytes": 786_432 }));
    assert_eq!(result["content"][1]["text"].as_str().unwrap().len(), 96 * 1024);
    assert_eq!(result["content"][1]["bytesCut"], (1 << 20) - 96 * 1024);
    assert_eq!(result["structuredContent"], json!({ "rows": [1, 2] }));
}

#[tokio::test]
async fn what_is_too_large_to_send_is_not_sent() {
    let fake = Fake::start(|_| None);
    let pool = pool(Config::default(), &[fake.address]);
    let arguments = json!({ "a": "x".repeat(300 << 10) }).as_object().unwrap().clone();
    let error = pool.call(&fake.server(), Call { arguments, ..call(DEADLINE) }).await.unwrap_err();
    assert!(error.to_string().starts_with("arguments has "), "{error}");
    let key = "k".repeat(256);
    let error = pool.call(&fake.server(), Call { idempotency_key: Some(&key), ..call(DEADLINE) }).await.unwrap_err();
    assert_eq!(error.to_string(), "idempotency key has 256 bytes, at most 255 are taken");
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn a_secret_that_the_server_repeats_does_not_come_back() {
    const SECRET: &str = "hunter2-hunter2-hunter2";
    for fails in [false, true] {
        let fake = Fake::start(move |asked| match asked.what() {
            "tools/list" => Some(Reply::Result(json!({ "tools": [{ "name": "echo", "description": SECRET, "inputSchema": {} }] }))),
            "tools/call" if fails => Some(Reply::Json(
                json!({ "jsonrpc": "2.0", "id": asked.body["id"], "error": { "code": 1, "message": asked.header("authorization") } }),
            )),
            "tools/call" => Some(Reply::Result(
                json!({ "content": [{ "type": "text", "text": asked.header("x-key") }], "structuredContent": { "h": asked.header("authorization") } }),
            )),
            _ => None,
        });
        let pool = pool(Config::default(), &[fake.address]);
        let server = fake.server_with(&[("x-key", SECRET)], Auth::Bearer(SECRET.into()));
        let told = format!("{:?} {:?} {server:?} {pool:?}", pool.tools(&server).await, pool.call(&server, call(DEADLINE)).await);
        assert!(told.contains("[secret]") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_call_may_be_dropped_when_its_runtime_is_gone() {
    let fake = Fake::start(on_call(|_| Reply::Hang));
    let server = fake.server();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let pool = runtime.block_on(async { pool(Config::default(), &[fake.address]) });
    let mut calling = Box::pin(pool.call(&server, call(DEADLINE)));
    runtime.block_on(async {
        tokio::select! {
            ended = &mut calling => panic!("{ended:?}"),
            called = fake.wait(|asked| asked.what() == "tools/call") => drop(called),
        }
    });
    runtime.shutdown_background();
    drop(calling);
}
