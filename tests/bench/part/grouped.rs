//! Whether the broker writes an atomic batch through to its disk in one go.
//!
//! No gateway and no worker: single publishes against batches of several, on one server and on three.
//! It is why the gateway publishes one by one (docs/benchmarks.md).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use async_nats::{Client, HeaderMap};
use backbone::publish::{self, Stored};
use bytes::Bytes;
use cuepoint::server::Server;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::plan::Plan;
use crate::report::{Report, median};
use crate::stage::Disk;

/// How many events are on their way at once, in batches or not.
const IN_FLIGHT: u64 = 64;
/// How many events a batch has.
const SIZES: &[u64] = &[1, 8, 16, 64];
const EVENT_BYTES: usize = 300;
const SESSIONS: u64 = 1_000;
/// How long a confirmation may take.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_millis(plan.size(2_500, 1_000));
    for (name, servers) in [("one server", 1), ("three servers", 3)] {
        let mut rates: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        let folder = std::env::temp_dir().join(format!("cuepoint-bench-grouped-{}", std::process::id()));
        let mut brokers = cluster(&folder, servers).await?;
        let url = brokers.first().map(Server::url).unwrap_or_default();
        let client = async_nats::connect(url).await?;
        stream(&client, servers).await?;
        for _ in 0..plan.rounds {
            for size in SIZES {
                rates.entry(*size).or_default().push(rate(&client, *size, time).await?);
            }
        }
        for broker in &mut brokers {
            broker.kill().await?;
        }
        std::fs::remove_dir_all(&folder)?;
        let single = rates.get(&1).map_or(f64::NAN, |rates| median(rates));
        report.show(&format!("{name}, written through: one by one, 64 on their way"), "ev/s", single);
        for (size, rates) in rates.iter().filter(|(size, _)| **size > 1) {
            report.beside(&format!("{name}, written through: atomic batches of {size}"), "ev/s", (median(rates), single));
        }
    }
    Ok(())
}

/// Brokers that write through.
async fn cluster(folder: &std::path::Path, servers: usize) -> anyhow::Result<Vec<Server>> {
    if servers == 1 {
        return Ok(vec![Disk::Synced.broker(folder.join("nats")).start().await?]);
    }
    let ports = [cuepoint::server::free_port()?, cuepoint::server::free_port()?, cuepoint::server::free_port()?];
    let routes = ports.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
    let starts = ports.iter().enumerate().map(|(index, port)| {
        let mut options = Disk::Synced.broker(folder.join(format!("nats{index}")));
        if let cuepoint::server::Kind::Nats { name, extra } = &mut options.kind {
            *name = format!("n{index}");
            let cluster = format!("\ncluster {{ name: bench, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}\n");
            extra.push_str(&cluster);
        }
        options.start()
    });
    Ok(futures_util::future::try_join_all(starts).await?)
}

/// A stream as EVENTS is, which takes batches too.
async fn stream(client: &Client, replicas: usize) -> anyhow::Result<()> {
    let config = Config {
        name: "BATCHED".into(),
        subjects: vec!["batched.>".into()],
        retention: RetentionPolicy::WorkQueue,
        discard: DiscardPolicy::New,
        max_messages_per_subject: 1_000_000,
        discard_new_per_subject: true,
        num_replicas: replicas,
        allow_atomic_publish: true,
        ..Config::default()
    };
    let context = async_nats::jetstream::new(client.clone());
    let deadline = Instant::now() + DEADLINE;
    // Three servers choose a leader first.
    while let Err(error) = context.create_stream(config.clone()).await {
        anyhow::ensure!(Instant::now() < deadline, "no stream: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Events confirmed a second, in batches of this size.
async fn rate(client: &Client, size: u64, time: Duration) -> anyhow::Result<f64> {
    let (began, counter) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut tasks: JoinSet<anyhow::Result<u64>> = JoinSet::new();
    for _ in 0..(IN_FLIGHT / size).max(1) {
        let (client, counter) = (client.clone(), Arc::clone(&counter));
        tasks.spawn(async move {
            let mut confirmed = 0;
            while began.elapsed() < time {
                let first = counter.fetch_add(size, Ordering::Relaxed);
                if size == 1 {
                    publish::confirmed(&client, subject(first), None, body(), DEADLINE).await?;
                } else {
                    batch(&client, first, size).await?;
                }
                confirmed += size;
            }
            Ok(confirmed)
        });
    }
    let mut confirmed = 0;
    while let Some(ended) = tasks.join_next().await {
        confirmed += ended??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    Ok(confirmed as f64 / began.elapsed().as_secs_f64())
}

fn subject(number: u64) -> String {
    format!("batched.s{}", number % SESSIONS)
}

fn body() -> Bytes {
    Bytes::from_static(&[b'e'; EVENT_BYTES])
}

/// Publishes one batch; only its last message is confirmed.
async fn batch(client: &Client, first: u64, size: u64) -> anyhow::Result<Stored> {
    let id = format!("b{first}");
    let headers = |sequence: u64| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Batch-Id", id.as_str());
        headers.insert("Nats-Batch-Sequence", sequence.to_string().as_str());
        if sequence == size {
            headers.insert("Nats-Batch-Commit", "1");
        }
        headers
    };
    for sequence in 1..size {
        client.publish_with_headers(subject(first + sequence), headers(sequence), body()).await?;
    }
    Ok(publish::confirmed(client, subject(first + size), Some(headers(size)), body(), DEADLINE).await?)
}
