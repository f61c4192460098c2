//! The surface as far as it needs no server: the broker of these tests is never there.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use backbone::catalogue::Catalogue;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::clock::BrokerClock;
use crate::config::Access;
use crate::fuzz::door;

mod access;

/// A gateway whose broker is away, and which knows nothing.
async fn router() -> Router {
    let client = client().await;
    let (catalogue, _follow) = Catalogue::new(client.clone(), CancellationToken::new());
    let redis = backbone::config::Redis::at("redis://127.0.0.1:1");
    super::router(Arc::new(door(client, &redis, catalogue, BrokerClock::default())), &Access::default(), None)
}

async fn client() -> async_nats::Client {
    let nats = backbone::config::Nats::at("nats://127.0.0.1:1");
    backbone::nats::connect(&nats, "test").await.unwrap()
}

/// A row is `METHOD path`, and what is expected `status error-code`, or `status body`.
async fn check(router: &Router, row: &str, expected: &str) {
    let (method, path) = row.split_once(' ').unwrap();
    let request = Request::builder().method(method).uri(path).body(Body::from("{}")).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let shown = match serde_json::from_str::<serde_json::Value>(&body) {
        Ok(json) if json["error"].is_string() => json["error"].as_str().unwrap().to_owned(),
        _ => body,
    };
    assert_eq!(format!("{status} {shown}"), expected, "{row}");
}

#[tokio::test]
async fn every_path_answers_in_its_shape() {
    let router = router().await;
    for prefix in ["/v1", "/api/v1"] {
        let event = format!("{prefix}/integration/trigger/t/event");
        for (method, expected) in
            [("HEAD", "200 "), ("OPTIONS", "200 {}"), ("GET", "503 CUE0504"), ("POST", "503 CUE0504"), ("DELETE", "503 CUE0504")]
        {
            check(&router, &format!("{method} {event}"), expected).await;
        }
        let fetch = format!("{event}/evt.t.s.6a1b2c3d.1/fetch");
        let list = format!("{prefix}/conversation/cnv.t.s.6a1b2c3d.1/message/list");
        let follow_event = format!("{event}/evt.t.s.6a1b2c3d.1/subscribe");
        let follow = format!("{prefix}/conversation/cnv.t.s.6a1b2c3d.1/subscribe");
        for path in [fetch, list, follow, follow_event] {
            for (method, expected) in [("HEAD", "200 "), ("OPTIONS", "200 {}"), ("GET", "503 CUE0504"), ("POST", "405 CUE0305")] {
                check(&router, &format!("{method} {path}"), expected).await;
            }
        }
        for verb in ["cancel", "answer"] {
            let path = format!("{event}/evt.t.s.6a1b2c3d.1/{verb}");
            for (method, expected) in [("HEAD", "200 "), ("OPTIONS", "200 {}"), ("POST", "503 CUE0504"), ("GET", "405 CUE0305")] {
                check(&router, &format!("{method} {path}"), expected).await;
            }
        }
        check(&router, &format!("POST {prefix}/integration/trigger/no%20id/event"), "404 CUE0302").await;
        check(&router, &format!("POST {prefix}/integration/trigger/%ff/event"), "404 CUE0302").await;
        check(&router, &format!("GET {prefix}/conversation/nonsense/message/list"), "404 CUE0304").await;
        check(&router, &format!("GET {prefix}/conversation/nonsense/subscribe"), "404 CUE0304").await;
    }
    check(&router, "GET /livez", r#"200 {"status":"alive"}"#).await;
    check(&router, "GET /v2/x", "404 CUE0301").await;
    check(&router, "GET /", "404 CUE0301").await;
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let router = router().await;
    let response = router.oneshot(Request::get("/readyz").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&json["status"], &json["checks"]["nats"], &json["checks"]["catalogue"]),
        (&"unready".into(), &"not connected".into(), &"not loaded".into())
    );
}
