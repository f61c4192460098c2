//! Redis holds hints: without it everything goes on, only less cleverly.

use std::time::Duration;

use serde_json::json;
use tests::eventually::eventually;
use tests::load::Load;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::system::{Builder, System};

use crate::{SOON, progressed, system};

const LOAD: Load = Load { trigger: "orders", events: 500, sessions: 40, every: Duration::from_millis(8) };

fn two_workers() -> Builder {
    let bot = scripted("slow", json!({ "latency": "15ms" }));
    system().with(bot).with(trigger("orders").bot("slow")).workers(2, &Setup::here()).gateways(1, &Setup::here())
}

async fn leases_resume(system: &System) {
    let has_some = async || system.view().try_leases().await.filter(|leases| !leases.is_empty()).map(drop);
    eventually("leases resume", SOON, has_some).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_killed_under_load_costs_time_only() {
    let system = two_workers().start().await;
    let fault = async {
        progressed(&system, 60).await;
        system.redis.kill().await;
        progressed(&system, 200).await;
        let told = async || Some(system.readiness(0).await).filter(|answer| answer.str("/status") == "degraded");
        let answer = eventually("readyz tells", SOON, told).await;
        assert_eq!(answer.status, 200, "it is degraded, not unready");
        system.redis.restart().await;
        leases_resume(&system).await;
    };
    tokio::join!(LOAD.send(&system), fault);
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_wiped_under_load_costs_time_only() {
    let system = two_workers().start().await;
    let fault = async {
        for count in [50, 100, 150, 200, 300] {
            progressed(&system, count).await;
            system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
        }
        leases_resume(&system).await;
    };
    tokio::join!(LOAD.send(&system), fault);
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_lost_in_the_middle_of_a_turn_makes_two_owners_and_one_commit() {
    let bot = scripted("slow", json!({ "latency": "700ms" }));
    let setup = Setup::here().turns(1);
    let builder = system().with(bot).with(trigger("orders").bot("slow")).workers(2, &setup).gateways(1, &Setup::here());
    let system = builder.start().await;
    let first = system.call("orders").said("s", "first").send().await.receipt();
    let owner = eventually("the session has an owner", SOON, async || system.view().owner(&first.session).await).await;
    system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
    // The owner has room for no more, so some of these meet the other worker, and it finds the session free.
    for number in 0..4 {
        system.call("orders").said("s", &format!("later {number}")).send().await.receipt();
    }
    let log = system.settled(SOON * 3).await;
    system.ledger().check(&log, &[]);
    let met = log.iter().any(|logged| logged.entry.record.event == first.event && logged.entry.record.worker != owner);
    assert!(met, "no two workers had the first event: the test has lost its point");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_frozen_under_load_costs_time_only() {
    let system = two_workers().start().await;
    let fault = async {
        for count in [60, 300] {
            progressed(&system, count).await;
            system.redis.freeze().await;
            progressed(&system, count + 100).await;
            system.redis.thaw().await;
        }
        leases_resume(&system).await;
    };
    tokio::join!(LOAD.send(&system), fault);
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_starts_without_redis_and_takes_it_up_when_it_comes() {
    let mut system = system().with(trigger("orders")).start().await;
    system.redis.kill().await;
    system.start_gateway(Setup::here()).await;
    system.start_worker(Setup::here()).await;
    system.start_worker(Setup::here()).await;
    system.ready(0).await;
    let ready = system.readiness(0).await;
    assert_eq!(ready.str("/status"), "degraded");
    assert!(ready.str("/checks/redis").contains("redis"), "{}", ready.body);
    for number in 0..20 {
        let call = system.call("orders").said(&format!("s{}", number % 3), "hi").key(&format!("k{number}"));
        assert_eq!(call.query("wait=10").send().await.ok().str("/status"), "completed");
    }
    system.redis.restart().await;
    let is_known = async || {
        system.call("orders").text("hi").send().await.receipt();
        system.view().try_leases().await.filter(|leases| !leases.is_empty()).map(drop)
    };
    eventually("leases are taken again", SOON, is_known).await;
    let is_ready = async || Some(system.readiness(0).await).filter(|answer| answer.str("/status") == "ready");
    eventually("the gateway is ready", SOON, is_ready).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_starts_without_nats_says_so_and_takes_it_up_when_it_comes() {
    let mut system = system().with(trigger("orders")).start().await;
    system.nats[0].kill().await;
    system.start_gateway(Setup::here()).await;
    system.start_worker(Setup::here()).await;
    let unready = system.readiness(0).await;
    assert_eq!((unready.status.as_u16(), unready.str("/checks/nats")), (503, "not connected"));
    assert_eq!(unready.str("/checks/catalogue"), "not loaded");
    let alive = system.request(0, reqwest::Method::GET, "/livez").send().await;
    assert_eq!(alive.status, 200);
    system.call("orders").text("too early").send().await.assert_refused(503, "CUE0504");
    system.nats[0].restart().await;
    system.ready(0).await;
    let answer = system.call("orders").text("hi").query("wait=10").send().await.ok();
    assert_eq!(answer.str("/status"), "completed");
    system.finish().await;
}
