//! How long a list of 100 takes with 10,000 triggers and 100,000 conversations.
//!
//! Beside it stands the least that such a list can be: one read of 100 ids and their entries from
//! Redis. On the way it is told how fast the index is made, what it takes of memory, and how long a
//! gateway needs until it is ready with that many triggers.

use std::sync::Arc;
use std::time::Duration;

use backbone::config;
use backbone::redis::Redis;
use index::key;
use index::rebuild;
use index::store::Store;
use tokio::time::Instant;

use crate::fill;
use crate::process::memory_mib;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::Stage;

const TRIGGERS: u64 = 10_000;
pub(super) const CONVERSATIONS: u64 = 100_000;
const REQUESTS: usize = 400;
pub(super) const TOKEN: &str = "the-token-of-the-benchmark";
pub(super) const DEADLINE: Duration = Duration::from_mins(5);

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    fill(&stage).await?;
    let redis = Arc::new(Redis::new(&config::Redis::at(stage.redis.url()))?);
    let store = Store::new(Arc::clone(&redis));
    let (before, since) = (used(&redis).await?, Instant::now());
    let indexer = stage.indexer()?;
    indexed(&stage, &store, CONVERSATIONS).await?;
    let took = since.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let count = CONVERSATIONS as f64;
    report.show("index of 100,000 conversations made", "rec/s", count / took);
    report.show("memory of Redis for a conversation with one turn", "B", (used(&redis).await? - before) / count);

    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let (mut starts, mut sizes, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let since = Instant::now();
        let (gateway, address) = stage.list_gateway(TOKEN)?;
        ready(&http, &format!("http://{address}")).await?;
        starts.push(since.elapsed().as_secs_f64());
        ours.push(lists(&http, &format!("http://{address}/v1/conversation/list")).await?);
        sizes.push(memory_mib(gateway.pid()));
        bare.push(reads(&redis).await?);
        gateway.kill().await?;
    }
    indexer.kill().await?;
    report.goal("start to ready with 10,000 triggers", "s", median(&starts), Bar::AtMost(3.0));
    report.goal("memory of the gateway", "MiB", median(&sizes), Bar::AtMost(120.0));
    report.goal("list of 100 conversations, p99", "ms", median(&ours), Bar::AtMost(20.0));
    report.show("bare read of 100 ids and entries from Redis, p99", "ms", median(&bare));
    stage.close().await
}

/// Puts triggers and conversations into the streams.
pub(super) async fn fill(stage: &Stage) -> anyhow::Result<()> {
    fill::triggers(&stage.context, TRIGGERS).await?;
    fill::conversations(&stage.context, CONVERSATIONS, TRIGGERS).await
}

/// Waits until so many records of the log stand in the index.
pub(super) async fn indexed(stage: &Stage, store: &Store, records: u64) -> anyhow::Result<()> {
    let since = Instant::now();
    loop {
        // A machine under load answers late at times; what counts is the end.
        let progress = rebuild::progress(&stage.client, store).await;
        if progress.as_ref().is_ok_and(|progress| progress.is_complete && progress.at >= records) {
            return Ok(());
        }
        anyhow::ensure!(since.elapsed() < DEADLINE, "the index is not made: {progress:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a gateway is ready.
pub(super) async fn ready(http: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    let (since, ready) = (Instant::now(), format!("{url}/readyz"));
    while !http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
        anyhow::ensure!(since.elapsed() < DEADLINE, "the gateway is not ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn used(redis: &Redis) -> anyhow::Result<f64> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("memory");
    let (info,): (String,) = redis.run(&pipeline).await?;
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    line.and_then(|line| line.trim().parse().ok()).ok_or_else(|| anyhow::anyhow!("redis does not say what it uses"))
}

/// Pages of 100, each behind the one before: what a reader does who goes through a list.
async fn lists(http: &reqwest::Client, url: &str) -> anyhow::Result<f64> {
    let (mut took, mut cursor) = (Vec::new(), String::new());
    for _ in 0..REQUESTS {
        let since = Instant::now();
        let answer = http.get(format!("{url}?take=100&cursor={cursor}")).bearer_auth(TOKEN).send().await?.error_for_status()?;
        let body: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        took.push(since.elapsed().as_secs_f64() * 1_000.0);
        let count = body.get("items").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
        anyhow::ensure!(count == 100, "a page has {count} items");
        body.get("cursor").and_then(serde_json::Value::as_str).unwrap_or_default().clone_into(&mut cursor);
    }
    Ok(percentile(&took, 0.99))
}

async fn reads(redis: &Redis) -> anyhow::Result<f64> {
    let prefix = key::generation("0");
    let mut took = Vec::new();
    for page in 0..REQUESTS {
        let since = Instant::now();
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZREVRANGE").arg(format!("{prefix}{}", key::all(key::CONVERSATIONS))).arg(page * 100).arg(page * 100 + 99);
        let (ids,): (Vec<String>,) = redis.run(&pipeline).await?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(format!("{prefix}{}", key::CONVERSATIONS)).arg(&ids);
        let (entries,): (Vec<Option<Vec<u8>>>,) = redis.run(&pipeline).await?;
        anyhow::ensure!(entries.iter().flatten().count() == 100, "a page has fewer entries");
        took.push(since.elapsed().as_secs_f64() * 1_000.0);
    }
    Ok(percentile(&took, 0.99))
}
