//! A worker dies at each point of a turn, or only seems to.

use std::time::Duration;

use futures_util::StreamExt as _;
use proto::id::Receipt;
use proto::limit::ACK_WAIT;
use proto::record::{Record, Step};
use serde_json::json;
use tests::eventually::eventually;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;
use tests::view::Logged;
use tokio::time::Instant;

use crate::{SOON, progressed, records, shape, system};

/// How long after a death another worker has its session: long before the broker would deliver again.
const ADOPTED_WITHIN: Duration = Duration::from_secs(3);

/// A system whose bot makes one call to a sink, thinks a while before and after, and replies.
async fn calling(sink: &Sink, doubt: &str, latency: &str) -> System {
    let with = json!({ "url": sink.url("effect"), "method": "POST", "body": "effect" });
    let call = json!({ "ability": "fetch", "with": with, "doubt": doubt });
    let bot = scripted("calls", json!({ "latency": latency, "calls": [call], "reply": "done" }));
    system().with(bot).with(trigger("orders").bot("calls")).gateways(1, &Setup::here()).start().await
}

/// Whether the conversation says of a call that nobody knows how it ended.
async fn is_in_doubt(system: &System, receipt: &Receipt) -> bool {
    let fetched = system.fetch(receipt).send().await.ok();
    fetched.body.to_string().contains(r#""inDoubt":true"#)
}

/// Kills the first worker and waits until the second has a record; fails where that takes as long as a redelivery.
async fn succeed(system: &mut System, first: usize, second: usize) {
    let heir = system.worker(second).name.clone();
    let killed_at = Instant::now();
    system.worker(first).kill().await;
    let (_, seen_at) = system.logged("the second worker goes on", SOON, |logged| logged.entry.record.worker == heir).await;
    let took = seen_at - killed_at;
    assert!(took < ADOPTED_WITHIN && took < ACK_WAIT, "adopted only after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_before_its_first_record_leaves_an_event_that_is_begun_elsewhere() {
    let sink = Sink::start().await;
    let mut system = calling(&sink, "fail", "1s").await;
    let first = system.start_worker(Setup::child()).await;
    let receipt = system.call("orders").text("hi").send().await.receipt();
    eventually("the first worker has it", SOON, async || system.view().owner(&receipt.session).await).await;
    let second = system.start_worker(Setup::here()).await;
    assert_eq!(system.view().log().await.len(), 0, "nothing is on record yet");
    succeed(&mut system, first, second).await;
    let log = system.settled(SOON).await;
    assert_eq!(shape(&records(&log)), "sioC");
    assert_eq!(sink.hits().len(), 1);
    system.finish().await;
}

async fn killed_after_its_intents(doubt: &str) -> (System, Sink, Receipt, Vec<Record>) {
    let sink = Sink::start().await;
    sink.hold();
    let mut system = calling(&sink, doubt, "0ms").await;
    let first = system.start_worker(Setup::child()).await;
    let receipt = system.call("orders").text("hi").send().await.receipt();
    sink.reached(1, SOON).await;
    assert_eq!(shape(&records(&system.view().log().await)), "i", "the intent precedes the effect");
    let second = system.start_worker(Setup::here()).await;
    succeed(&mut system, first, second).await;
    sink.release();
    let records = records(&system.settled(SOON).await);
    assert_eq!((shape(&records).as_str(), records[3].attempt), ("iroC", 1));
    (system, sink, receipt, records)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_in_doubt_that_must_not_run_twice_is_marked_and_not_repeated() {
    let (system, sink, receipt, _) = killed_after_its_intents("fail").await;
    assert_eq!(sink.hits().len(), 1);
    assert!(is_in_doubt(&system, &receipt).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_in_doubt_that_may_run_again_does_so_under_the_same_key() {
    let (system, sink, receipt, _) = killed_after_its_intents("retry").await;
    let hits = sink.hits();
    assert_eq!(hits.len(), 2);
    assert!(hits[0].key == hits[1].key && !hits[0].key.is_empty(), "{hits:?}");
    assert!(!is_in_doubt(&system, &receipt).await);
    system.finish().await;
}

/// The effect has ended and the worker knows, but is cut off from the broker before it can say so.
async fn killed_before_its_outcomes(doubt: &str) -> (System, Sink, Receipt) {
    let sink = Sink::start().await;
    sink.hold();
    let mut system = calling(&sink, doubt, "0ms").await;
    let proxy = system.nats_proxy().await;
    let first = system.start_worker(Setup::child().nats_over(&proxy)).await;
    let receipt = system.call("orders").text("hi").send().await.receipt();
    sink.reached(1, SOON).await;
    proxy.cut();
    sink.release();
    let second = system.start_worker(Setup::here()).await;
    succeed(&mut system, first, second).await;
    let records = records(&system.settled(SOON).await);
    assert_eq!(shape(&records), "iroC");
    (system, sink, receipt)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_whose_outcome_was_never_recorded_is_in_doubt() {
    let (system, sink, receipt) = killed_before_its_outcomes("fail").await;
    assert_eq!(sink.hits().len(), 1);
    assert!(is_in_doubt(&system, &receipt).await);
    system.finish().await;
    let (system, sink, receipt) = killed_before_its_outcomes("retry").await;
    let hits = sink.hits();
    assert!(hits.len() == 2 && hits[0].key == hits[1].key, "{hits:?}");
    assert!(!is_in_doubt(&system, &receipt).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_whose_outcome_is_on_record_is_never_repeated() {
    for doubt in ["fail", "retry"] {
        let sink = Sink::start().await;
        let mut system = calling(&sink, doubt, "700ms").await;
        let first = system.start_worker(Setup::child()).await;
        let receipt = system.call("orders").text("hi").send().await.receipt();
        let has_outcome = |logged: &Logged| matches!(logged.entry.record.step, Some(Step::Outcomes(_)));
        system.logged("the outcome is on record", SOON, has_outcome).await;
        system.worker(first).kill().await;
        let third = system.start_worker(Setup::here()).await;
        let heir = system.worker(third).name.clone();
        system.logged("the next worker goes on", SOON, |logged| logged.entry.record.worker == heir).await;
        let records = records(&system.settled(SOON).await);
        assert_eq!(shape(&records), "iorC");
        assert_eq!(sink.hits().len(), 1);
        assert!(!is_in_doubt(&system, &receipt).await);
        system.finish().await;
    }
}

/// A worker is frozen past its lease while another takes its turn over and ends it; then it wakes.
async fn wakes_too_late(is_deaf_to_redis: bool) {
    let sink = Sink::start().await;
    sink.hold();
    let mut system = calling(&sink, "fail", "0ms").await;
    let (nats, redis) = (system.nats_proxy().await, system.redis_proxy().await);
    let first = system.start_worker(Setup::child().nats_over(&nats).redis_over(&redis)).await;
    let sleeper = system.worker(first).name.clone();
    let receipt = system.call("orders").text("hi").send().await.receipt();
    sink.reached(1, SOON).await;
    system.worker(first).freeze();
    if is_deaf_to_redis {
        redis.stall();
    }
    let second = system.start_worker(Setup::here()).await;
    let heir = system.worker(second).name.clone();
    let log = system.settled(ACK_WAIT * 3).await;
    assert_eq!((shape(&records(&log)).as_str(), &log[3].entry.record.worker), ("iroC", &heir));

    let mut overheard = system.view().client().subscribe("log.>").await.unwrap();
    system.view().client().flush().await.unwrap();
    sink.release();
    system.worker(first).thaw();
    if is_deaf_to_redis {
        // It believes in its lease, so it is the broker that refuses it.
        let late = tokio::time::timeout(SOON, overheard.next()).await.expect("the sleeper tries to append").unwrap();
        let record = Record::decode(late.payload).unwrap();
        assert_eq!((record.worker, record.event), (sleeper.clone(), receipt.event));
        redis.restore();
    }
    let other = system.call("orders").text("after").query("wait=10").send().await.ok();
    assert_eq!(other.str("/status"), "completed");
    let log = system.settled(SOON).await;
    let mine: Vec<Record> = records(&log).into_iter().filter(|record| record.event == receipt.event).collect();
    assert_eq!(shape(&mine), "iroC", "nothing of the sleeper's has landed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_past_its_lease_ends_nothing() {
    Box::pin(wakes_too_late(false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_past_its_lease_and_hears_no_redis_is_refused_by_the_fence() {
    Box::pin(wakes_too_late(true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_behind_a_dead_workers_turn_goes_on_at_once_too() {
    let bot = scripted("slow", json!({ "latency": "60ms" }));
    let mut system = system().with(bot).with(trigger("orders").bot("slow")).gateways(1, &Setup::here()).start().await;
    let first = system.start_worker(Setup::child()).await;
    for number in 0..14 {
        system.call("orders").said("s", &format!("e{number}")).send().await.receipt();
    }
    progressed(&system, 2).await;
    system.start_worker(Setup::here()).await;
    let killed_at = Instant::now();
    system.worker(first).kill().await;
    system.settled(SOON * 2).await;
    let took = killed_at.elapsed();
    // What the dead worker held is delivered again 5 s after it was delivered, or said to be in progress.
    assert!(took < Duration::from_millis(4_300), "the session was done only after {took:?}");
    system.finish().await;
}
