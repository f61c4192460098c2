//! Who may do what, over real servers.

use proto::resource::{ApiToken, Resource, Scope};
use reqwest::Method;
use serde_json::{Value, json};
use tests::resource::{SECRET, token, trigger};
use tests::setup::Setup;
use tests::system::{API_TOKEN, System};

use crate::{SOON, system};

/// A time that has passed, and one that will not for long, in milliseconds since 1970.
const PAST_MS: i64 = 1_000_000_000_000;
const FUTURE_MS: i64 = 4_000_000_000_000;

async fn with_tokens() -> System {
    system()
        .workers(1, &Setup::here())
        .gateways(1, &Setup::here())
        .with(trigger("orders").previous("former", FUTURE_MS))
        .with(trigger("billing").secret("another").previous("gone", PAST_MS))
        .with(Resource::Token(token("pub", "sk-publish", &[Scope::Publish])))
        .with(Resource::Token(token("read", "sk-read", &[Scope::Read])))
        .with(Resource::Token(token("op", "sk-operate", &[Scope::Operate])))
        .with(Resource::Token(ApiToken { expires_at_ms: Some(PAST_MS), ..token("old", "sk-expired", &[Scope::Admin]) }))
        .with(Resource::Token(ApiToken { expires_at_ms: Some(FUTURE_MS), ..token("new", "sk-lasting", &[Scope::Publish]) }))
        .with(Resource::Token(ApiToken {
            triggers: vec!["orders".parse().unwrap()],
            ..token("one", "sk-limited", &[Scope::Publish, Scope::Operate])
        }))
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_let_in_by_secret_former_secret_and_tokens_that_may() {
    let system = with_tokens().await;
    for (trigger, secret, expected) in [
        ("orders", SECRET, None),
        ("orders", "former", None),
        ("orders", "sk-publish", None),
        ("orders", "sk-lasting", None),
        ("orders", "sk-limited", None),
        ("orders", API_TOKEN, None),
        ("orders", "another", Some((401, "CUE0201"))),
        ("orders", "sk-read", Some((403, "CUE0202"))),
        ("orders", "sk-operate", Some((403, "CUE0202"))),
        ("orders", "sk-expired", Some((401, "CUE0203"))),
        ("orders", "sk-unknown", Some((401, "CUE0203"))),
        ("billing", "gone", Some((401, "CUE0201"))),
        ("billing", "sk-limited", Some((403, "CUE0204"))),
        ("nowhere", "sk-publish", Some((404, "CUE0302"))),
    ] {
        let answer = system.call(trigger).secret(secret).text("hi").send().await;
        match expected {
            None => drop(answer.receipt()),
            Some((status, code)) => {
                answer.assert_refused(status, code);
                assert_eq!(answer.headers.get("x-failure-code").is_some(), status == 403, "{:?}", answer.headers);
            }
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_a_trigger_is_shown_to_its_secret_and_to_tokens_that_may_read_it() {
    let system = with_tokens().await;
    let mine = system.call("orders").text("hi").send().await.receipt();
    let theirs = system.call("billing").secret("another").text("hi").send().await.receipt();
    for (receipt, secret, expected) in [
        (&mine, SECRET, Ok(())),
        (&mine, "former", Ok(())),
        (&mine, "sk-read", Ok(())),
        (&mine, "sk-operate", Ok(())),
        (&mine, "sk-limited", Ok(())),
        (&mine, API_TOKEN, Ok(())),
        (&mine, "sk-publish", Err((403, "CUE0202"))),
        (&mine, "another", Err((401, "CUE0201"))),
        (&mine, "sk-expired", Err((401, "CUE0203"))),
        (&theirs, "sk-limited", Err((403, "CUE0204"))),
        (&theirs, "gone", Err((401, "CUE0201"))),
    ] {
        let answer = system.fetch(receipt).secret(secret).send().await;
        match expected {
            Ok(()) => drop(answer.ok()),
            Err((status, code)) => answer.assert_refused(status, code),
        }
    }
    let cancel = |secret: &str| system.of_event(&mine, Method::POST, "cancel").secret(secret).json(&json!({})).send();
    cancel("sk-read").await.assert_refused(403, "CUE0202");
    // By now its turn may have ended: whoever is told so was let in.
    let cancelled = cancel("sk-limited").await;
    assert!(cancelled.status == 200 || cancelled.str("/error") == "CUE0404", "{}", cancelled.body);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_of_other_triggers_are_in_no_list_of_a_limited_token() {
    let system = with_tokens().await;
    drop(system.call("orders").text("hi").send().await.receipt());
    drop(system.call("billing").secret("another").text("hi").send().await.receipt());
    let ask =
        async |secret: &str, asked: &str| system.request(0, Method::GET, &format!("/v1/conversation/{asked}")).secret(secret).send().await;
    let list = async |secret: &str, asked: &str| ask(secret, asked).await.ok().body["items"].as_array().cloned().unwrap_or_default();
    // Until the index has begun, lists are refused.
    let both = async || ask(API_TOKEN, "list").await.body["items"].as_array().filter(|items| items.len() == 2).map(drop);
    tests::eventually::eventually("both are indexed", SOON, both).await;
    for asked in ["list", "list?take=1", "list?triggerId=billing,orders", "list?search=hi", "export"] {
        let listed = list("sk-limited", asked).await;
        assert_eq!(listed.len(), 1, "{asked}: {listed:?}");
        assert!(listed[0]["id"].as_str().unwrap().starts_with("cnv.orders."), "{asked}: {listed:?}");
        assert_eq!(listed[0]["meta"]["trigger"]["integrationId"], "orders");
    }
    assert!(list("sk-limited", "list?triggerId=billing").await.is_empty());
    system.request(0, Method::GET, "/v1/contact/list").secret("sk-limited").send().await.assert_refused(403, "CUE0204");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_gone_is_refused_at_once_and_its_use_was_noted() {
    let system = with_tokens().await;
    drop(system.call("orders").secret("sk-publish").text("hi").send().await.receipt());
    let noted = async || system.view().redis::<Option<i64>>(&["HGET", "cue:token:used", "pub"]).await.ok().flatten();
    let used_ms = tests::eventually::eventually("the use is noted", SOON, noted).await;
    assert!(used_ms > PAST_MS);
    system.remove("token.pub").await;
    let is_refused = async || {
        let answer = system.call("orders").secret("sk-publish").text("hi").send().await;
        (answer.status == 401).then_some(answer)
    };
    tests::eventually::eventually("it is refused", SOON, is_refused).await.assert_refused(401, "CUE0203");
    system.finish().await;
}

/// A call to the management API by its first token.
fn post(system: &System, path: &str, token: &str, body: &Value) -> tests::call::Call {
    system.request(0, Method::POST, path).secret(token).json(body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_with_tokens_and_secrets_is_on_record_first() {
    let system = system().workers(1, &Setup::here()).gateways(1, &Setup::here()).with(trigger("billing")).start().await;
    let trigger =
        post(&system, "/v1/integration/trigger/create", API_TOKEN, &json!({ "name": "Orders", "botId": "echo" })).send().await.ok();
    let id = trigger.str("/id").to_owned();
    let fetch = format!("/v1/integration/trigger/{id}/fetch");
    let first = system.request(0, Method::GET, &fetch).secret(API_TOKEN).send().await.ok().str("/secret").to_owned();
    assert_eq!(first.len(), 64);

    let made = json!({ "name": "CI", "scopes": ["publish", "read"], "triggers": [id], "expiresAt": FUTURE_MS });
    let made = post(&system, "/v1/token/create", API_TOKEN, &made).send().await.ok();
    let (token, token_id) = (made.str("/token").to_owned(), made.str("/id").to_owned());
    assert!(token.starts_with("sk-") && token.len() == 46, "{token}");
    drop(system.call(&id).secret(&token).text("hi").send().await.receipt());
    assert!(system.request(0, Method::GET, &fetch).secret(&token).send().await.ok().body["secret"].is_null(), "read shows no secret");
    system.call("billing").secret(&token).text("hi").send().await.assert_refused(403, "CUE0204");
    let listed = system.request(0, Method::GET, "/v1/integration/trigger/list").secret(&token).send().await.ok();
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "{}", listed.body);
    system.request(0, Method::GET, "/v1/bot/list").secret(&token).send().await.assert_refused(403, "CUE0204");
    let tokens = system.request(0, Method::GET, "/v1/token/list").secret(API_TOKEN).send().await.ok();
    let (hidden, hint) = token.split_at(42);
    assert_eq!(tokens.str("/items/0/hint"), hint);
    assert!(!tokens.body.to_string().contains(hidden), "a token is told once");
    post(&system, "/v1/token/create", &token, &json!({})).send().await.assert_refused(403, "CUE0202");

    let rotated =
        post(&system, &format!("/v1/integration/trigger/{id}/rotate"), API_TOKEN, &json!({ "overlapMs": 3_600_000 })).send().await.ok();
    let second = rotated.str("/secret").to_owned();
    assert_ne!(first, second);
    for secret in [&first, &second] {
        drop(system.call(&id).secret(secret).text("hi").send().await.receipt());
    }
    drop(post(&system, &format!("/v1/integration/trigger/{id}/rotate"), API_TOKEN, &json!({ "overlapMs": 0 })).send().await.ok());
    for secret in [&first, &second] {
        system.call(&id).secret(secret).text("hi").send().await.assert_refused(401, "CUE0201");
    }
    drop(post(&system, &format!("/v1/token/{token_id}/revoke"), API_TOKEN, &json!({})).send().await.ok());
    system.call(&id).secret(&token).text("hi").send().await.assert_refused(401, "CUE0203");

    let told = system.request(0, Method::GET, "/v1/audit/list?take=50").secret(API_TOKEN).send().await.ok();
    let actions: Vec<String> = told.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| format!("{} {}", entry["action"].as_str().unwrap(), entry["outcome"].as_str().unwrap()))
        .collect();
    let expected = ["trigger.create", "trigger.reveal", "token.create", "trigger.rotate", "trigger.rotate", "token.revoke"];
    assert_eq!(actions, expected.map(|action| format!("{action} begun")));
    assert!(!told.body.to_string().contains(&second) && !told.body.to_string().contains(&token), "the record tells no secret");
    assert_eq!(told.str("/items/0/who/type"), "config");
    let some = system.request(0, Method::GET, "/v1/audit/list?action=token.&order=asc&take=1").secret(API_TOKEN).send().await.ok();
    assert_eq!(some.str("/items/0/key"), format!("token.{token_id}"));
    let next = format!("/v1/audit/list?action=token.&order=asc&cursor={}", some.str("/cursor"));
    let next = system.request(0, Method::GET, &next).secret(API_TOKEN).send().await.ok();
    assert_eq!((next.body["items"].as_array().unwrap().len(), next.str("/items/0/action")), (1, "token.revoke"));

    // Without the record nothing is done.
    system.view().context().delete_stream("AUDIT").await.unwrap();
    post(&system, "/v1/integration/trigger/create", API_TOKEN, &json!({ "name": "No" })).send().await.assert_refused(503, "CUE0506");
    let all = system.request(0, Method::GET, "/v1/integration/trigger/list").secret(API_TOKEN).send().await;
    all.assert_refused(503, "CUE0506");
    system.finish().await;
}
