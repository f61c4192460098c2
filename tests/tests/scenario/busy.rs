//! What becomes of events that find their session busy.

use std::time::Duration;

use proto::resource::Busy;
use serde_json::json;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::system::System;
use tokio::time::Instant;

use crate::{SOON, records, session, shape, small, system};

async fn owned(system: &System, string: &str) {
    let owned = async || system.view().owner(&session("orders", string)).await;
    eventually("the session has an owner", SOON, owned).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_event_interrupts_the_turn_that_runs() {
    let slow = scripted("slow", json!({ "latency": "3s" }));
    let system = small().with(slow).with(trigger("orders").bot("slow").busy(Busy::Interrupt)).start().await;
    let first = system.call("orders").said("s", "first").send().await.receipt();
    let other = system.call("orders").said("other", "undisturbed").send().await.receipt();
    owned(&system, "s").await;
    let second = system.call("orders").said("s", "second").send().await.receipt();
    let interrupted = Instant::now();
    let ended = async || Some(system.fetch(&first).send().await.ok()).filter(|answer| answer.str("/status") == "cancelled");
    let told = eventually("the first turn is called off", SOON, ended).await;
    assert!(interrupted.elapsed() < Duration::from_secs(1), "it took {:?}", interrupted.elapsed());
    assert_eq!(
        told.body["messages"].as_array().and_then(|messages| messages.last()).map(|last| last["meta"]["by"].clone()),
        Some(json!("policy"))
    );
    system.settled(SOON).await;
    for receipt in [&second, &other] {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), "completed");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_quick_events_are_collected_into_one_turn_and_each_is_completed() {
    let system = small().with(trigger("orders").busy(Busy::Collect).quiet(Duration::from_millis(500))).start().await;
    let mut receipts = Vec::new();
    for number in 0..5 {
        receipts.push(system.call("orders").said("s", &format!("e{number}")).send().await.receipt());
    }
    let log = system.settled(SOON).await;
    assert_eq!(shape(&records(&log)), "MMMMC", "one turn");
    let told = system.fetch(&receipts[4]).send().await.ok();
    for number in 0..5 {
        assert!(told.str("/text").contains(&format!("e{number}")), "{}", told.body);
    }
    for receipt in &receipts {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), "completed");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_session_refuses_at_the_door_and_later_takes_events_again() {
    let slow = scripted("slow", json!({ "latency": "2s" }));
    let system = small().with(slow).with(trigger("orders").bot("slow").busy(Busy::Reject)).start().await;
    let first = system.call("orders").said("s", "first").key("k1").send().await.receipt();
    for _ in 0..3 {
        let refused = system.call("orders").said("s", "second").send().await;
        refused.assert_refused(409, "CUE0403");
        assert!(refused.headers.contains_key("retry-after"));
    }
    system.call("orders").said("s", "second").key("k2").send().await.assert_refused(409, "CUE0403");
    let repeat = system.call("orders").said("s", "first").key("k1").send().await;
    assert!(repeat.is_replay(), "a repeat of what keeps the session busy is no other event: {}", repeat.body);
    assert_eq!(repeat.receipt(), first);
    let elsewhere = system.call("orders").said("other", "x").send().await.receipt();
    let fresh = [system.call("orders").text("x").send().await.receipt(), system.call("orders").text("x").send().await.receipt()];
    system.settled(SOON).await;
    let later = async || Some(system.call("orders").said("s", "third").send().await).filter(|answer| answer.status.is_success());
    let third = eventually("the session takes events again", SOON, later).await.receipt();
    system.settled(SOON).await;
    for receipt in [&first, &third, &elsewhere, &fresh[0], &fresh[1]] {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), "completed");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_told_from_a_second_event_with_redis_gone_too() {
    let slow = scripted("slow", json!({ "latency": "2s" }));
    let system = small().with(slow).with(trigger("orders").bot("slow").busy(Busy::Reject)).start().await;
    system.redis.kill().await;
    let first = system.call("orders").said("s", "first").key("k1").send().await.receipt();
    let repeat = system.call("orders").said("s", "first").key("k1").send().await;
    assert_eq!((repeat.receipt(), repeat.is_replay()), (first, true));
    system.call("orders").said("s", "second").key("k2").send().await.assert_refused(409, "CUE0403");
    system.redis.restart().await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_over_the_broker_while_the_session_is_busy_is_recorded_as_failed() {
    let slow = scripted("slow", json!({ "latency": "700ms" }));
    let system = small().with(slow).with(trigger("orders").bot("slow").busy(Busy::Reject)).start().await;
    let session = session("orders", "s");
    let first = system.publish(&session, None, r#"{"text":"first"}"#).await;
    let late = system.publish(&session, None, r#"{"text":"late"}"#).await;
    system.call("orders").said("s", "over http").send().await.assert_refused(409, "CUE0403");
    let log = system.settled(SOON).await;
    assert_eq!(terminals(&log).count(), 2);
    assert_eq!(system.fetch(&first).send().await.ok().str("/status"), "completed");
    let told = system.fetch(&late).send().await.ok();
    assert_eq!((told.str("/status"), told.str("/messages/1/meta/failure/code")), ("failed", "CUE0403"));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_only_waits_keeps_its_session_busy() {
    let mut system = system().with(trigger("orders").busy(Busy::Reject)).gateways(1, &Setup::here()).start().await;
    system.call("orders").said("s", "first").send().await.receipt();
    system.call("orders").said("s", "second").send().await.assert_refused(409, "CUE0403");
    system.start_worker(Setup::here()).await;
    system.settled(SOON).await;
    system.finish().await;
}
