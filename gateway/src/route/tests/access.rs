//! Every route of the table refuses whoever may not, and lets in whoever may.
//!
//! The cases are made from the table, so that a new operation is held to them by itself. The broker is
//! away: whoever is let in meets that, and nothing is done.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use backbone::catalogue::Snapshot;
use proto::resource::Scope::{Admin, Operate, Publish, Read};
use proto::resource::{ApiToken, Common, Resource, Scope, SecretDigest, Trigger};
use tower::ServiceExt as _;

use super::client;
use crate::api;
use crate::api::operation::{Access, Method, Operation};
use crate::fuzz;

/// The time, in milliseconds since 1970.
const NOW_MS: i64 = 1_790_000_000_000;
/// What anybody may call.
const OPEN: [&str; 4] = ["/livez", "/readyz", "/openapi.json", "/reference"];
/// Lists that show a token that is limited to triggers what is of these.
const SHOWN_IN_PART: [&str; 4] = ["/integration/trigger/list", "/conversation/list", "/conversation/export", "/self/fetch"];

fn token(id: &str, scopes: &[Scope]) -> ApiToken {
    ApiToken {
        id: id.parse().unwrap(),
        common: Common::of("api"),
        name: id.to_owned(),
        digest: SecretDigest::of(&format!("sk-{id}")),
        scopes: scopes.to_vec(),
        triggers: Vec::new(),
        expires_at_ms: None,
        hint: String::new(),
        rate: None,
    }
}

/// The scopes that a scope is not within, and the one itself, as names of tokens.
fn tokens_for(scope: Scope) -> (&'static str, &'static str) {
    match scope {
        Admin => ("sk-all-but-admin", "sk-admin"),
        Operate => ("sk-read-publish", "sk-operate"),
        Read => ("sk-publish", "sk-read"),
        Publish => ("sk-operate", "sk-publish"),
        Scope::Unspecified => panic!("an operation without a stated scope"),
    }
}

async fn gateway() -> Router {
    let mut snapshot = Snapshot::default();
    for (revision, (id, secret)) in [(1, ("orders", "mine")), (2, ("billing", "theirs"))] {
        let secret = Some(SecretDigest::of(secret));
        let previous = Some((SecretDigest::of("former"), NOW_MS - 1));
        let trigger = Trigger { secret, previous, ..Trigger::new(id.parse().unwrap(), None) };
        snapshot.insert(revision, Resource::Trigger(trigger));
    }
    let expired = ApiToken { expires_at_ms: Some(NOW_MS - 1), ..token("expired", &[Admin]) };
    let limited = ApiToken { triggers: vec!["billing".parse().unwrap()], ..token("limited", &[Operate, Publish]) };
    for token in [
        token("admin", &[Admin]),
        token("operate", &[Operate]),
        token("read", &[Read]),
        token("publish", &[Publish]),
        token("all-but-admin", &[Operate, Read, Publish]),
        token("read-publish", &[Read, Publish]),
        token("revoked", &[Admin]),
        expired,
        limited,
    ] {
        snapshot.insert(3, Resource::Token(token));
    }
    snapshot.remove("token.revoked");
    fuzz::router(client().await, &backbone::config::Redis::at("redis://127.0.0.1:1"), snapshot, NOW_MS)
}

/// The path of an operation, of the trigger `orders` where it is of one.
fn path(operation: &Operation) -> String {
    let id = match operation.path {
        path if path.starts_with("/integration/trigger/") => "orders",
        path if path.starts_with("/conversation/") => "cnv.orders.s.6a1b2c3d.1",
        _ => "x1",
    };
    let mut filled = String::new();
    for part in operation.path.split('/').skip(1) {
        filled.push('/');
        filled.push_str(match part {
            "{id}" => id,
            "{receipt}" => "evt.orders.s.6a1b2c3d.1",
            part if part.starts_with('{') => "x2",
            part => part,
        });
    }
    if operation.is_bare { filled } else { format!("/v1{filled}") }
}

/// The status, and the code where it is a refusal.
async fn ask(router: &Router, operation: &Operation, presented: Option<&str>) -> (u16, String) {
    let method = if operation.method == Method::Get { "GET" } else { "POST" };
    let mut request = Request::builder().method(method).uri(path(operation)).header("content-type", "application/json");
    if let Some(presented) = presented {
        request = request.header("authorization", format!("Bearer {presented}"));
    }
    // A signature by which somebody is known to one trigger alone, and to no operation of the API.
    request = request.header("x-hub-signature-256", "sha256=00").header("x-github-delivery", "d");
    let response = router.clone().oneshot(request.body(Body::from("{}")).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let failure = response.headers().contains_key("x-failure-code");
    assert_eq!(failure, status == 403, "{}: X-Failure-Code goes with 403", operation.id);
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    (status, json["error"].as_str().unwrap_or_default().to_owned())
}

async fn check(router: &Router, operation: &Operation, presented: Option<&str>, expected: (u16, &str)) {
    let (status, code) = ask(router, operation, presented).await;
    assert_eq!((status, code.as_str()), expected, "{} {} with {presented:?}", operation.id, operation.path);
}

#[tokio::test]
async fn every_route_refuses_whoever_may_not() {
    let router = gateway().await;
    let mut open = Vec::new();
    for operation in api::table() {
        let scope = match operation.access {
            Access::Scope(scope) | Access::Trigger(scope) => scope,
            Access::Event => Publish,
            Access::Open => {
                open.push(operation.path);
                continue;
            }
        };
        for presented in [None, Some("wrong"), Some(""), Some("former")] {
            // The former secret's overlap is over; it is still some trigger's, so a conversation is not there for it.
            let is_hidden = presented == Some("former") && is_of_conversation(&operation) && matches!(operation.access, Access::Trigger(_));
            check(&router, &operation, presented, if is_hidden { (404, "CUE0304") } else { (401, "CUE0201") }).await;
        }
        for presented in ["sk-unknown", "sk-revoked", "sk-expired"] {
            check(&router, &operation, Some(presented), (401, "CUE0203")).await;
        }
        let (without, _) = tokens_for(scope);
        check(&router, &operation, Some(without), (403, "CUE0202")).await;
        foreign(&router, &operation).await;
    }
    assert_eq!(open, OPEN, "what is open to anybody is named here");
}

fn is_of_conversation(operation: &Operation) -> bool {
    operation.path.starts_with("/conversation/{id}/")
}

/// The secret of another trigger, and a token that is limited to another.
async fn foreign(router: &Router, operation: &Operation) {
    let is_conversation = is_of_conversation(operation);
    let is_hidden = is_conversation && matches!(operation.access, Access::Trigger(_));
    check(router, operation, Some("theirs"), if is_hidden { (404, "CUE0304") } else { (401, "CUE0201") }).await;
    let (status, code) = ask(router, operation, Some("sk-limited")).await;
    let is_filtered = SHOWN_IN_PART.contains(&operation.path);
    let is_refused = match (status, code.as_str()) {
        (403, "CUE0204" | "CUE0202") => true,
        (404, "CUE0304") => is_conversation,
        _ => false,
    };
    assert!(is_refused || is_filtered, "{} with a token of another trigger: {status} {code}", operation.id);
}

#[tokio::test]
async fn every_route_lets_in_whoever_may() {
    let router = gateway().await;
    let table = api::table();
    let mut cases = Vec::new();
    for operation in &table {
        let (scope, is_of_trigger) = match operation.access {
            Access::Scope(scope) => (scope, false),
            Access::Trigger(scope) => (scope, true),
            Access::Event => (Publish, true),
            Access::Open => continue,
        };
        let (_, with) = tokens_for(scope);
        let presented = [Some(with), Some("sk-admin"), is_of_trigger.then_some("mine")];
        cases.extend(presented.into_iter().flatten().map(|presented| (operation, presented)));
    }
    // The broker is away, and each waits for it: all at once, then.
    let asked = cases.iter().map(|(operation, presented)| ask(&router, operation, Some(presented)));
    let answers = futures_util::future::join_all(asked).await;
    for ((operation, presented), (status, code)) in cases.iter().zip(answers) {
        assert!(!matches!(status, 401 | 403), "{} with {presented}: {status} {code}", operation.id);
    }
}
