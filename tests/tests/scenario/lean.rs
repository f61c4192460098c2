//! What an event costs that has neither limit nor key: one publish, and no read of anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::System;
use tokio::task::JoinSet;

use crate::system;

/// How many events are sent.
const EVENTS: usize = 1_000;

/// How many commands Redis has done, the one that asks included.
async fn commands(system: &System) -> usize {
    let client = redis::Client::open(system.redis.url()).expect("the address of Redis");
    let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.expect("Redis answers");
    // What a connection says of itself, and the question, are of this test.
    let others = info.lines().filter(|line| !["info", "client", "hello"].iter().any(|own| line.starts_with(&format!("cmdstat_{own}"))));
    others.filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<usize>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_a_limit_or_a_key_reads_nothing() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    system.call("orders").said("s", "first").send().await.receipt();
    let reads = Arc::new(AtomicUsize::new(0));
    let mut seen = system.view().client().subscribe("$JS.API.>").await.expect("NATS can be listened to");
    let counted = Arc::clone(&reads);
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        while let Some(message) = seen.next().await {
            // Whoever reads a bucket or a stream asks its API; a pull of the catalogue's own consumer is none of an event's.
            if ["DIRECT.GET", "STREAM.MSG.GET"].iter().any(|read| message.subject.contains(read)) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let before = commands(&system).await;
    for number in 0..EVENTS {
        system.call("orders").said(&format!("s{}", number % 10), "go on").send().await.receipt();
    }
    assert_eq!(commands(&system).await - before, 0, "commands to Redis");
    // What was asked has been seen by the time that an answer of our own comes back.
    system.call("orders").said("s", "last").key("k").send().await.receipt();
    assert!(commands(&system).await > before, "a key is looked up, so commands are counted");
    assert_eq!(reads.load(Ordering::Relaxed), 0, "reads of streams and buckets");
    let receipt = system.call("orders").said("s", "read").send().await.receipt();
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "queued");
    assert!(reads.load(Ordering::Relaxed) > 0, "a fetch reads, so reads are counted");
    listening.abort_all();
    system.start_worker(Setup::here()).await;
    system.settled(crate::SOON * 3).await;
    system.finish().await;
}
