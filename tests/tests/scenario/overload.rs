//! A broker that is slower than calls come in.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use proto::limit::PUBLISH_DEADLINE;
use reqwest::Method;
use serde_json::json;
use tests::eventually::eventually;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::System;
use tokio::time::Instant;

use crate::{SOON, system};

/// How many messages may be on their way.
const PUBLISHES: usize = 16;
/// How long a call may wait for a place.
const QUEUE_TIME: Duration = Duration::from_millis(150);
/// How many callers there are, each with one call at a time.
const CALLERS: usize = 96;
/// How large the bodies are, in bytes.
const BODY_BYTES: usize = 16 * 1024;
/// What a call may take beyond what it is promised, on a busy machine.
const SLACK: Duration = Duration::from_secs(2);
/// How long the broker is frozen, or slow.
const FAULT: Duration = Duration::from_secs(4);
/// What a gateway may come to have beyond what it had, in bytes: bodies in hand, and the client library's buffers.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// What came of the calls.
#[derive(Debug, Default)]
struct Tally {
    codes: BTreeMap<String, usize>,
    slowest: Duration,
    accepted_at: Vec<Instant>,
}

/// Calls until it is over; each event is repeated with its key until it is accepted.
async fn press(system: &System, over: &AtomicBool, numbers: &AtomicUsize, tally: &Mutex<Tally>) {
    let padding = "x".repeat(BODY_BYTES);
    while !over.load(Ordering::Relaxed) {
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "text": "hi", "session": format!("s{}", number % 200), "padding": padding });
        loop {
            let began = Instant::now();
            let answer = system.call("orders").json(&body).key(&format!("k{number}")).send().await;
            let took = began.elapsed();
            let code = if answer.status.is_success() { "ok".to_owned() } else { answer.str("/error").to_owned() };
            if !answer.status.is_success() {
                answer.assert_shape();
                assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"1".parse().unwrap()), "{}", answer.body);
            }
            let mut tally = tally.lock().unwrap();
            *tally.codes.entry(code).or_default() += 1;
            tally.slowest = tally.slowest.max(took);
            if answer.status.is_success() {
                tally.accepted_at.push(Instant::now());
                break;
            }
        }
    }
}

/// Presses while a fault comes and goes; what was told, how much memory it took, and how soon it was over.
async fn pressed(system: &mut System, fault: impl FnOnce(), mend: impl FnOnce()) -> (Tally, u64, Duration) {
    let (over, numbers, tally) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Tally::default()));
    let mut before = 0;
    let mut peak = 0;
    let mut mended_at = Instant::now();
    let system = &*system;
    let course = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        before = system.gateway_memory_bytes(0);
        fault();
        let until = Instant::now() + FAULT;
        while Instant::now() < until {
            peak = peak.max(system.gateway_memory_bytes(0));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        mended_at = Instant::now();
        mend();
        tokio::time::sleep(Duration::from_secs(1)).await;
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(course, join_all((0..CALLERS).map(|_| press(system, &over, &numbers, &tally))));
    let tally = tally.into_inner().unwrap();
    let recovered = tally.accepted_at.iter().find(|at| **at >= mended_at).map_or(Duration::MAX, |at| *at - mended_at);
    (tally, peak.saturating_sub(before), recovered)
}

fn bounded() -> Setup {
    Setup::child().bounds(|bounds| {
        bounds.publishes = PUBLISHES;
        bounds.queue_time = QUEUE_TIME;
    })
}

/// A system whose gateway reaches the broker over a proxy, and its proxy.
async fn proxied() -> (System, tests::proxy::Proxy) {
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).start().await;
    let proxy = system.nats_proxy().await;
    let gateway = system.start_gateway(bounded().nats_over(&proxy)).await;
    system.ready(gateway).await;
    (system, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_costs_bounded_time_and_memory_loses_nothing_and_is_forgotten_at_once() {
    let (mut system, proxy) = proxied().await;
    let (tally, grown, recovered) = pressed(&mut system, || proxy.stall(), || proxy.restore()).await;
    println!("{:?}, slowest {:?}, {} KiB more, back after {recovered:?}", tally.codes, tally.slowest, grown >> 10);
    assert!(tally.slowest <= PUBLISH_DEADLINE + QUEUE_TIME + SLACK, "{:?}", tally.slowest);
    assert!(tally.codes["CUE0509"] > CALLERS, "callers are shed while it is frozen: {:?}", tally.codes);
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more");
    assert!(recovered <= Duration::from_millis(500), "back after {recovered:?}");
    assert!(tally.codes.keys().all(|code| ["ok", "CUE0503", "CUE0509"].contains(&code.as_str())), "{:?}", tally.codes);
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_broker_is_given_no_more_than_it_takes() {
    let (mut system, proxy) = proxied().await;
    let (tally, grown, recovered) = pressed(&mut system, || proxy.delay(Duration::from_millis(100)), || proxy.restore()).await;
    println!("{:?}, slowest {:?}, {} KiB more, back after {recovered:?}", tally.codes, tally.slowest, grown >> 10);
    assert!(tally.codes["CUE0509"] > 0 && tally.codes["ok"] > 0, "{:?}", tally.codes);
    assert!(tally.slowest <= PUBLISH_DEADLINE + QUEUE_TIME + SLACK, "{:?}", tally.slowest);
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more");
    assert!(recovered <= SLACK, "back after {recovered:?}");
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_publishes_is_shed_and_nothing_that_reads() {
    let (system, proxy) = proxied().await;
    let receipt = system.call("orders").said("s", "first").query("wait=10").send().await.ok().receipt();
    proxy.stall();
    let over = AtomicBool::new(false);
    let held = async |number: usize| {
        while !over.load(Ordering::Relaxed) {
            let answer = system.call("orders").text("held").key(&format!("held{number}")).send().await;
            assert!(["CUE0503", "CUE0509"].contains(&answer.str("/error")), "{}", answer.body);
        }
    };
    let probe = async {
        // The places are taken once a call is shed, and from then on: there are four callers for each.
        let is_shed = async || (system.call("orders").text("x").key("probe").send().await.str("/error") == "CUE0509").then_some(());
        eventually("calls are shed", SOON, is_shed).await;
        let began = Instant::now();
        assert_eq!(system.request(0, Method::GET, "/livez").send().await.status, 200);
        assert!(began.elapsed() < QUEUE_TIME, "it does not wait: {:?}", began.elapsed());
        let shed = [
            system.call("orders").text("later").query("delay=20d").send().await,
            system.of_event(&receipt, Method::POST, "answer").json(&json!({ "call": "1.0", "approve": true })).send().await,
        ];
        let many = system.api("integration/trigger/orders/event/batch").json(&json!({ "events": [{ "text": "a" }, { "text": "b" }] }));
        let many = many.send().await.ok();
        let made = system.api("token/create").json(&json!({ "name": "t", "scopes": ["read"] })).send().await;
        over.store(true, Ordering::Relaxed);
        (shed, many, made)
    };
    let (_, (shed, many, made)) = tokio::join!(join_all((0..PUBLISHES * 4).map(held)), probe);
    for answer in shed {
        // What is read before it is published may be what does not answer.
        assert!(["CUE0509", "CUE0504"].contains(&answer.str("/error")), "{}", answer.body);
    }
    for place in 0..2 {
        assert_eq!(many.str(&format!("/results/{place}/error")), "CUE0509", "{}", many.body);
    }
    assert!(["CUE0504", "CUE0506", "CUE0509"].contains(&made.str("/error")), "{}", made.body);
    assert_eq!(system.readiness(0).await.status, 503);
    system.fetch(&receipt).send().await.assert_refused(503, "CUE0504");
    proxy.restore();
    system.ready(0).await;
    // What was unconfirmed was stored, and has its receipt now.
    system.call("orders").text("x").key("probe").send().await.ok();
    let again = async |number: usize| system.call("orders").text("held").key(&format!("held{number}")).send().await.ok().is_replay();
    let replayed = join_all((0..PUBLISHES * 4).map(again)).await;
    assert!(replayed.iter().filter(|is_replay| **is_replay).count() >= PUBLISHES, "{replayed:?}");
    system.settled(SOON).await;
    system.finish().await;
}
