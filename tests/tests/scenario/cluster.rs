//! Three nats-servers: one may go, and leaders may change.

use std::time::Duration;

use proto::subject::LOG_STREAM;
use serde_json::json;
use tests::load::Load;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::system::{Builder, System};

use crate::{SOON, progressed, system};

/// Makes the leader of a stream step down; an election that has just been may make the broker refuse.
async fn step_down(system: &System, stream: &str) {
    let done = async || {
        let answer = system.view().ask(&format!("STREAM.LEADER.STEPDOWN.{stream}"), "").await?;
        (answer.pointer("/success") == Some(&json!(true))).then_some(())
    };
    tests::eventually::eventually("a leader steps down", SOON, done).await;
}

/// The index of the server that leads a stream.
async fn leader(system: &System, stream: &str) -> usize {
    let name = async || {
        let answer = system.view().ask(&format!("STREAM.INFO.{stream}"), "").await?;
        answer.pointer("/cluster/leader")?.as_str()?.strip_prefix('n')?.parse().ok()
    };
    tests::eventually::eventually("the stream has a leader", SOON, name).await
}

const LOAD: Load = Load { trigger: "orders", events: 200, sessions: 30, every: Duration::from_millis(15) };

fn replicated() -> Builder {
    let bot = scripted("slow", json!({ "latency": "10ms" }));
    system().cluster().with(bot).with(trigger("orders").bot("slow")).workers(2, &Setup::here()).gateways(2, &Setup::here())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_that_step_down_and_a_server_that_dies_lose_and_disorder_nothing() {
    let system = replicated().start().await;
    let load = Load { events: 300, ..LOAD };
    let fault = async {
        let events = proto::subject::events_stream(system.view().epoch().await);
        progressed(&system, 40).await;
        step_down(&system, LOG_STREAM).await;
        progressed(&system, 80).await;
        step_down(&system, &events).await;
        progressed(&system, 120).await;
        let victim = leader(&system, LOG_STREAM).await;
        system.nats[victim].kill().await;
        progressed(&system, 200).await;
        system.nats[victim].restart().await;
    };
    tokio::join!(load.send(&system), fault);
    system.settled(SOON * 3).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_frozen_and_thawed_loses_and_disorders_nothing() {
    let system = replicated().start().await;
    let fault = async {
        progressed(&system, 40).await;
        let victim = leader(&system, LOG_STREAM).await;
        system.nats[victim].freeze().await;
        progressed(&system, 120).await;
        system.nats[victim].thaw().await;
    };
    tokio::join!(LOAD.send(&system), fault);
    system.settled(SOON * 3).await;
    system.finish().await;
}
