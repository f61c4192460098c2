//! One session is one order, and no session waits for another.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::load::Load;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::system::System;
use tests::view::Logged;
use tokio::time::Instant;

use crate::{SOON, session, system};

/// What was said in a session, in the order of its log.
fn texts(log: &[Logged], session: &proto::id::SessionKey) -> Vec<String> {
    let turns = terminals(log).filter(|logged| logged.session == *session);
    turns.map(|logged| logged.entry.record.input().expect("a simple turn has its input").text.clone()).collect()
}

/// How many times an event was delivered, on average.
async fn deliveries_per_event(system: &System, events: u32) -> f64 {
    let deliveries = u32::try_from(system.view().consumer().await.delivered.consumer_sequence).expect("a small number");
    f64::from(deliveries) / f64::from(events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_session_among_many_keeps_its_order_over_three_workers() {
    let system = system()
        .with(scripted("slow", json!({ "latency": "10ms" })))
        .with(trigger("hot").bot("slow"))
        .with(trigger("many").bot("slow"))
        .workers(3, &Setup::here())
        .gateways(2, &Setup::here())
        .start()
        .await;
    let hot = async {
        for number in 0..300 {
            system.call_at(number % 2, "hot").said("s", &format!("e{number}")).send().await.receipt();
        }
    };
    let many = Load { trigger: "many", events: 250, sessions: 50, every: Duration::from_millis(6) };
    tokio::join!(hot, many.send(&system));
    let log = system.settled(SOON * 2).await;
    let expected: Vec<String> = (0..300).map(|number| format!("e{number}")).collect();
    assert_eq!(texts(&log, &session("hot", "s")), expected, "sent one after another, done one after another");
    assert_eq!(log.len(), 550, "nothing was begun twice");
    let ratio = deliveries_per_event(&system, 550).await;
    assert!(ratio <= 1.1, "{ratio} deliveries an event");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_over_two_gateways_and_three_workers_is_one_order() {
    let builder = system().with(trigger("orders")).workers(3, &Setup::here()).gateways(2, &Setup::here());
    let system = builder.start().await;
    let calls = (0..200).map(|number| system.call_at(number % 2, "orders").said("s", &format!("e{number}")).send());
    let receipts: Vec<_> = join_all(calls).await.iter().enumerate().map(|(number, answer)| (answer.receipt(), number)).collect();
    let log = system.settled(SOON).await;
    let mut by_place = receipts.clone();
    by_place.sort_by_key(|(receipt, _)| receipt.event);
    let expected: Vec<String> = by_place.iter().map(|(_, number)| format!("e{number}")).collect();
    assert_eq!(texts(&log, &session("orders", "s")), expected, "the order is that of the stream");
    let ratio = deliveries_per_event(&system, 200).await;
    assert!(ratio <= 1.1, "{ratio} deliveries an event");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_session_with_a_backlog_delays_no_other() {
    let system = system()
        .with(scripted("slow", json!({ "latency": "500ms" })))
        .with(trigger("slow").bot("slow"))
        .with(trigger("orders"))
        .workers(1, &Setup::here().turns(2))
        .gateways(1, &Setup::here())
        .start()
        .await;
    join_all((0..12).map(|number| system.call("slow").said("s", &format!("e{number}")).send())).await;
    let slow_has_begun = async || system.view().owner(&session("slow", "s")).await;
    eventually("the slow session is at work", SOON, slow_has_begun).await;
    let mut slowest = Duration::ZERO;
    for number in 0..60 {
        let began = Instant::now();
        let answer = system.call("orders").said(&format!("o{number}"), "quick").query("wait=10").send().await.ok();
        assert_eq!(answer.str("/status"), "completed");
        slowest = slowest.max(began.elapsed());
    }
    let done = terminals(&system.view().log().await).filter(|logged| logged.session.trigger.as_str() == "slow").count();
    assert!(done < 12, "the slow session was to be at work all the while");
    assert!(slowest < Duration::from_millis(450), "another session took {slowest:?}");
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_inbox_of_many_sessions_is_drained_without_a_pause() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    Load { trigger: "orders", events: 400, sessions: 400, every: Duration::ZERO }.send(&system).await;
    let began = Instant::now();
    system.start_worker(Setup::here().turns(8)).await;
    system.settled(SOON * 2).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}: a pull that is thought to be under way is waited for");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_one_session_that_two_workers_are_given_is_worked_off_without_a_pause() {
    let builder = system().with(trigger("orders")).workers(2, &Setup::here()).gateways(1, &Setup::here());
    let system = builder.start().await;
    let session = session("orders", "s");
    for round in 0..8 {
        join_all((0..60).map(|number| system.publish(&session, None, format!(r#"{{"text":"e{round}.{number}"}}"#)))).await;
        let sent_at = Instant::now();
        system.settled(SOON * 4).await;
        let took = sent_at.elapsed();
        assert!(took < Duration::from_secs(4), "{took:?} in round {round}: what one worker put off is not seen by the other");
    }
    let emptied_at = Instant::now();
    let is_empty = async || system.view().try_waiting().await.filter(|waiting| *waiting == 0);
    eventually("what is committed is acked", SOON * 4, is_empty).await;
    assert!(emptied_at.elapsed() < Duration::from_secs(3), "{:?} until the last ack", emptied_at.elapsed());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_session_is_let_go_after_its_linger() {
    let system = crate::small().with(trigger("orders")).start().await;
    let answer = system.call("orders").text("hi").query("wait=10").send().await.ok();
    let session = answer.receipt().session;
    assert!(system.view().owner(&session).await.is_some(), "it lingers with its owner");
    let is_free = async || system.view().try_leases().await.filter(Vec::is_empty).map(drop);
    eventually("the lease is given back", proto::limit::LINGER + Duration::from_secs(1), is_free).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_of_one_trigger_holds_no_other_up() {
    let mut system = system()
        .with(scripted("slow", json!({ "latency": "200ms" })))
        .with(trigger("flood").bot("slow"))
        .with(trigger("orders").bot("slow"))
        .gateways(1, &Setup::here())
        .start()
        .await;
    Load { trigger: "flood", events: 400, sessions: 400, every: Duration::ZERO }.send(&system).await;
    system.start_worker(Setup::here().turns(16)).await;
    for number in 0..8 {
        let answer = system.call("orders").said(&format!("o{number}"), "quick").query("wait=30").send().await.ok();
        assert_eq!(answer.str("/status"), "completed");
    }
    let done = terminals(&system.view().log().await).filter(|logged| logged.session.trigger.as_str() == "flood").count();
    // In the order of the stream, every one of the flood would have been begun before the first order.
    assert!(done < 300, "{done} of the flood were done before eight orders");
    system.settled(SOON * 3).await;
    system.finish().await;
}
