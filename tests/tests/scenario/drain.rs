//! A worker is told to end.

use std::time::Duration;

use futures_util::future::join_all;
use proto::limit;
use serde_json::json;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::{Builder, System};
use tokio::time::Instant;

use crate::{SOON, records, shape, system};

fn calling(sink: &Sink) -> Builder {
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" }, "doubt": "fail" });
    let bot = scripted("calls", json!({ "calls": [call], "reply": "done" }));
    system().with(bot).with(trigger("orders").bot("calls")).gateways(1, &Setup::here())
}

/// Tells the only worker to end, and waits until it has heard: it asks for no more events.
async fn terminate(system: &mut System, worker: usize) {
    let asks = async || system.view().try_consumer().await.filter(|consumer| consumer.num_waiting > 0).map(drop);
    tests::eventually::eventually("the worker asks for events", SOON, asks).await;
    system.worker(worker).terminate();
    let asks_no_more = async || system.view().try_consumer().await.filter(|consumer| consumer.num_waiting == 0).map(drop);
    tests::eventually::eventually("the worker asks for no more events", SOON, asks_no_more).await;
}

/// What a worker has in Redis.
async fn traces(system: &System, worker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for key in system.view().try_leases().await.expect("Redis answers") {
        let owner: Option<String> = system.view().redis(&["GET", &key]).await.expect("Redis answers");
        found.extend(owner.filter(|owner| owner == worker).map(|_| key));
    }
    let sessions: Vec<String> = system.view().redis(&["KEYS", &format!("cue:sessions:{{{worker}}}")]).await.expect("Redis answers");
    found.extend(sessions);
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_worker_hands_its_turns_on_at_a_step_boundary_uncounted() {
    let sink = Sink::start().await;
    sink.hold();
    let mut system = calling(&sink).start().await;
    let first = system.start_worker(Setup::child()).await;
    join_all((0..5).map(|number| system.call("orders").said(&format!("s{number}"), "hi").send())).await;
    sink.reached(5, SOON).await;
    terminate(&mut system, first).await;
    system.start_worker(Setup::here()).await;
    sink.release();
    let status = system.worker(first).exited().await;
    let ended_at = Instant::now();
    assert_eq!(status.code(), Some(0));
    let name = system.worker(first).name.clone();
    assert_eq!(traces(&system, &name).await, Vec::<String>::new(), "it has given everything back");
    let log = system.settled(SOON).await;
    assert!(ended_at.elapsed() < Duration::from_secs(2), "the turns went on only after {:?}", ended_at.elapsed());
    for session in (0..5).map(|number| crate::session("orders", &format!("s{number}"))) {
        let mine: Vec<_> = log.iter().filter(|logged| logged.session == session).cloned().collect();
        assert_eq!(shape(&records(&mine)), "iocrC");
        assert!(records(&mine).iter().all(|record| record.attempt == 0), "no attempt is counted");
    }
    assert_eq!(sink.hits().len(), 5, "no effect is repeated");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminated_worker_puts_back_what_it_has_not_begun() {
    let mut system = system()
        .with(scripted("slow", json!({ "latency": "200ms" })))
        .with(trigger("orders").bot("slow"))
        .gateways(1, &Setup::here())
        .start()
        .await;
    let first = system.start_worker(Setup::child().turns(4)).await;
    join_all((0..30).map(|number| system.call("orders").said(&format!("s{}", number % 6), "hi").send())).await;
    crate::progressed(&system, 2).await;
    system.start_worker(Setup::here()).await;
    system.worker(first).terminate();
    assert_eq!(system.worker(first).exited().await.code(), Some(0));
    let (ended_at, name) = (Instant::now(), system.worker(first).name.clone());
    assert_eq!(traces(&system, &name).await, Vec::<String>::new(), "it has given everything back");
    let log = system.settled(SOON).await;
    // Five turns of a session take a second.
    assert!(ended_at.elapsed() < Duration::from_secs(3), "the rest took {:?}", ended_at.elapsed());
    assert!(records(&log).iter().all(|record| record.attempt <= 1), "{log:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_outlasts_the_drain_deadline_is_named_and_goes_on_elsewhere() {
    let sink = Sink::start().await;
    sink.hold();
    let mut system = calling(&sink).start().await;
    let first = system.start_worker(Setup::child().drain_deadline(Duration::from_millis(500))).await;
    system.call("orders").text("hi").send().await.receipt();
    sink.reached(1, SOON).await;
    system.start_worker(Setup::here()).await;
    let began = Instant::now();
    system.worker(first).terminate();
    assert_eq!(system.worker(first).exited().await.code(), Some(1), "it says that something was left");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    sink.release();
    let log = system.settled(SOON * 2).await;
    assert_eq!(shape(&records(&log)), "iroC");
    assert_eq!(sink.hits().len(), 1);
    system.worker(first).expect_leftovers();
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_that_a_terminated_worker_has_put_off_goes_on_at_once() {
    let mut system = system()
        .with(scripted("slow", json!({ "latency": "20ms" })))
        .with(trigger("orders").bot("slow"))
        .gateways(1, &Setup::here())
        .start()
        .await;
    join_all((0..60).map(|_| system.call("orders").said("s", "hi").send())).await;
    let first = system.start_worker(Setup::child()).await;
    crate::progressed(&system, 2).await;
    system.start_worker(Setup::here()).await;
    system.worker(first).terminate();
    assert_eq!(system.worker(first).exited().await.code(), Some(0));
    let ended_at = Instant::now();
    system.settled(SOON * 4).await;
    assert!(ended_at.elapsed() < Duration::from_secs(4), "the rest took {:?}", ended_at.elapsed());
    system.finish().await;
}

/// A renewal that meets a lease on its way back would bring it back; where in its beat the stop falls is tried in steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_under_way_leaves_no_lease_behind() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let proxy = system.redis_proxy().await;
    for step in 0..6_u32 {
        proxy.restore();
        let began = Instant::now();
        let worker = system.start_worker(Setup::here().redis_over(&proxy)).await;
        system.call("orders").said("s", "hi").query("wait=5").send().await.ok();
        proxy.delay(Duration::from_millis(40));
        tokio::time::sleep_until(began + limit::RENEW_EVERY - Duration::from_millis(120) + Duration::from_millis(30) * step).await;
        system.worker(worker).stop().await;
        let name = system.worker(worker).name.clone();
        assert_eq!(traces(&system, &name).await, Vec::<String>::new(), "step {step}");
    }
    proxy.restore();
    system.start_worker(Setup::here()).await;
    system.finish().await;
}
