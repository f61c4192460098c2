//! Rates are shared by gateways, and held by each of them while Redis is away.

use std::time::Duration;

use proto::resource::{Rate, Resource, Scope};
use reqwest::Method;
use serde_json::json;
use tests::resource::{token, trigger};
use tests::setup::Setup;
use tests::system::System;

use crate::system;

/// So long that nothing comes back during a test.
const LONG: Duration = Duration::from_hours(10);

/// How many of so many events are taken, sent to all gateways in turn.
async fn taken(system: &System, trigger: &str, secret: &str, events: usize) -> usize {
    let mut taken = 0;
    for event in 0..events {
        let answer = system.call_at(event % system.gateways(), trigger).secret(secret).text("hi").send().await;
        if answer.status == 200 {
            taken += 1;
            assert!(answer.headers["ratelimit"].to_str().unwrap().contains("r="), "{:?}", answer.headers);
        } else {
            answer.assert_refused(429, "CUE0211");
            assert!(answer.headers["ratelimit-policy"].to_str().unwrap().contains("q="));
            let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=LONG.as_secs()).contains(&wait), "{wait}");
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_share_the_count_of_a_trigger_and_of_a_token() {
    let limited =
        proto::resource::ApiToken { rate: Some(Rate { count: 4, per_ms: 36_000_000 }), ..token("t1", "sk-limited", &[Scope::Publish]) };
    let system = system()
        .workers(1, &Setup::here())
        .gateways(2, &Setup::here())
        .with(trigger("few").rate(6, LONG))
        .with(trigger("many"))
        .with(Resource::Token(limited))
        .start()
        .await;
    assert_eq!(taken(&system, "few", tests::resource::SECRET, 10).await, 6);
    // What the trigger refuses uses nothing of the token's.
    assert_eq!(taken(&system, "few", "sk-limited", 4).await, 0);
    assert_eq!(taken(&system, "many", "sk-limited", 8).await, 4);
    let keys: Vec<String> = system.view().redis(&["KEYS", "cue:{rate}:*"]).await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let ttl_ms: i64 = system.view().redis(&["PTTL", &key]).await.unwrap();
        assert!(ttl_ms > 0 && ttl_ms <= 36_000_000, "{ttl_ms}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_of_a_batch_counts() {
    let limited =
        proto::resource::ApiToken { rate: Some(Rate { count: 4, per_ms: 36_000_000 }), ..token("t1", "sk-limited", &[Scope::Publish]) };
    let system = system()
        .workers(1, &Setup::here())
        .gateways(1, &Setup::here())
        .with(trigger("few").rate(3, LONG))
        .with(trigger("many"))
        .with(Resource::Token(limited))
        .start()
        .await;
    let batch = json!({ "events": (0..6).map(|_| json!({ "text": "hi" })).collect::<Vec<_>>() });
    for (trigger, secret, expected) in [("few", tests::resource::SECRET, 3), ("many", "sk-limited", 4)] {
        let path = format!("/v1/integration/trigger/{trigger}/event/batch");
        let told = system.request(0, Method::POST, &path).secret(secret).json(&batch).send().await.ok();
        let results = told.body["results"].as_array().unwrap();
        results.iter().filter_map(|result| result["id"].as_str()?.parse().ok()).for_each(|receipt| system.ledger().note(receipt));
        assert!(results.iter().take(expected).all(|result| result["id"].is_string()), "{trigger}: {results:?}");
        assert!(results.iter().skip(expected).all(|result| result["error"] == "CUE0211"), "{trigger}: {results:?}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_count_comes_back_with_time() {
    let system = system()
        .workers(1, &Setup::here())
        .gateways(1, &Setup::here())
        .with(trigger("few").rate(2, Duration::from_millis(800)))
        .start()
        .await;
    assert_eq!(taken(&system, "few", tests::resource::SECRET, 3).await, 2);
    let is_taken = async || Some(system.call("few").text("hi").send().await).filter(|answer| answer.status == 200).map(drop);
    tests::eventually::eventually("one more is taken", Duration::from_secs(5), is_taken).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_away_each_gateway_holds_the_rate_for_itself() {
    let system = system().workers(1, &Setup::here()).gateways(2, &Setup::here()).with(trigger("few").rate(3, LONG)).start().await;
    system.redis.kill().await;
    assert_eq!(taken(&system, "few", tests::resource::SECRET, 12).await, 6);
    system.redis.restart().await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_held_before_anything_is_looked_up_and_probes_are_not() {
    let access = gateway::config::Access {
        rate_per_address: Some("20/10h".parse().unwrap()),
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
    };
    let system = system().workers(1, &Setup::here()).gateways(1, &Setup::here().access(access)).with(trigger("orders")).start().await;
    let from = |address: &'static str| system.call("orders").header("x-forwarded-for", address).anonymous();
    for _ in 0..20 {
        from("198.51.100.7").send().await.assert_refused(401, "CUE0201");
    }
    from("198.51.100.7").send().await.assert_refused(429, "CUE0211");
    from("203.0.113.9, 198.51.100.7").send().await.assert_refused(429, "CUE0211");
    from("198.51.100.8").send().await.assert_refused(401, "CUE0201");
    for _ in 0..30 {
        drop(system.request(0, Method::GET, "/livez").send().await.ok());
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_redis_is_not_asked() {
    let mut system = system().gateways(1, &Setup::here()).with(trigger("orders")).start().await;
    let commands = async || {
        let info: String = system.view().redis(&["INFO", "stats"]).await.unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:")).unwrap().trim().to_owned();
        line.parse::<u64>().unwrap()
    };
    let before = commands().await;
    for _ in 0..50 {
        drop(system.call("orders").text("hi").send().await.receipt());
    }
    // Our own look, and what connections say at their start.
    assert!(commands().await - before <= 8, "events without a limit ask Redis");
    system.start_worker(Setup::here()).await;
    system.finish().await;
}
