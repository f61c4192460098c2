//! How much slower it is with five million records in the log than with none.
//!
//! The records are fifty turns of each of 100,000 conversations. The index has the first turn of each:
//! that lists do not look into the log at all is what their figure says. Each size is measured once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backbone::config;
use backbone::redis::Redis;
use index::store::Store;
use serde_json::Value;
use tokio::time::Instant;

use super::list::{self, TOKEN};
use crate::plan::Plan;
use crate::report::{Bar, Report, percentile};
use crate::stage::{Stage, System};
use crate::{fill, log, process};

const TRIGGERS: u64 = 1_000;
const RECORDS: u64 = 5_000_000;
const CONVERSATIONS: u64 = list::CONVERSATIONS;
const RECORDS_QUICK: u64 = 30_000;
const CONVERSATIONS_QUICK: u64 = 3_000;
/// How many events are drained, each of a session of its own.
const EVENTS: u64 = 50_000;
/// How many conversations a list has.
const TAKEN: usize = 100;
/// How many messages the page of a conversation has: those of one turn, which each has at least.
const TURN: usize = 2;
/// How many lists and how many pages are asked for.
const REQUESTS: usize = 200;
const REQUESTS_QUICK: usize = 20;
const NAMES: [&str; 2] = ["nats-server", "redis"];

#[derive(Debug, Default)]
struct Look {
    drained: f64,
    page_ms: (f64, f64),
    list_ms: (f64, f64),
    gateway_mib: f64,
    servers_mib: Vec<f64>,
}

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let (records, known) = plan.size((RECORDS, CONVERSATIONS), (RECORDS_QUICK, CONVERSATIONS_QUICK));
    let stage = Stage::open(0).await?;
    fill::triggers(&stage.context, TRIGGERS).await?;
    fill::turns(&stage.context, 0..known, known, TRIGGERS).await?;
    let store = Store::new(Arc::new(Redis::new(&config::Redis::at(stage.redis.url()))?));
    let indexer = stage.indexer()?;
    list::indexed(&stage, &store, known).await?;
    indexer.kill().await?;
    let small = look(&stage, plan).await?;
    let began = Instant::now();
    let many = records - known;
    fill::turns(&stage.context, known..records, known, TRIGGERS).await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    report.show("records put into the log", "rec/s", many as f64 / began.elapsed().as_secs_f64());
    let large = look(&stage, plan).await?;
    stage.close().await?;

    let title = format!("{records} records against {known}");
    report.ratio(&format!("drain, {title}"), "ev/s", (large.drained, small.drained), Bar::AtLeast(0.85));
    report.beside(&format!("list of 100 conversations, p50, {title}"), "ms", (large.list_ms.0, small.list_ms.0));
    report.beside(&format!("list of 100 conversations, p99, {title}"), "ms", (large.list_ms.1, small.list_ms.1));
    report.beside(&format!("page of one turn, p50, {title}"), "ms", (large.page_ms.0, small.page_ms.0));
    report.beside(&format!("page of one turn, p99, {title}"), "ms", (large.page_ms.1, small.page_ms.1));
    report.beside(&format!("memory of the gateway, {title}"), "MiB", (large.gateway_mib, small.gateway_mib));
    for ((name, large), small) in NAMES.iter().zip(&large.servers_mib).zip(&small.servers_mib) {
        report.beside(&format!("memory of {name}, {title}"), "MiB", (*large, *small));
    }
    Ok(())
}

async fn look(stage: &Stage, plan: Plan) -> anyhow::Result<Look> {
    let events = plan.size(EVENTS, 5_000);
    fill::events(&stage.context, events, events).await?;
    let before = log::count(&stage.context).await?;
    let worker = stage.worker(System::Ours, 0)?;
    let drained = log::rate(&stage.context, before, events).await?;
    worker.kill().await?;

    let (gateway, address) = stage.list_gateway(TOKEN)?;
    let url = format!("http://{address}");
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    list::ready(&http, &url).await?;
    let (mut lists, mut pages) = (Vec::new(), Vec::new());
    for (took, conversation) in spread(&http, &url, plan.size(REQUESTS, REQUESTS_QUICK)).await? {
        lists.push(took);
        pages.push(timed(&http, &format!("{url}/v1/conversation/{conversation}/message/list?take={TURN}")).await?.0);
    }
    let look = Look {
        drained,
        page_ms: (percentile(&pages, 0.5), percentile(&pages, 0.99)),
        list_ms: (percentile(&lists, 0.5), percentile(&lists, 0.99)),
        gateway_mib: process::memory_mib(gateway.pid()),
        servers_mib: stage.servers().into_iter().map(process::memory_mib).collect(),
    };
    gateway.kill().await?;
    Ok(look)
}

/// What each page of a long list took, and a conversation of it.
async fn spread(http: &reqwest::Client, url: &str, requests: usize) -> anyhow::Result<Vec<(f64, String)>> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..requests {
        let (took, body) = timed(http, &format!("{url}/v1/conversation/list?take={TAKEN}&cursor={cursor}")).await?;
        let items = body.get("items").and_then(Value::as_array).context("a list without items")?;
        anyhow::ensure!(items.len() == TAKEN, "a page has {} items", items.len());
        let id = items.first().and_then(|item| item.get("id")).and_then(Value::as_str).context("a conversation has an id")?;
        seen.push((took, id.to_owned()));
        body.get("cursor").and_then(Value::as_str).unwrap_or_default().clone_into(&mut cursor);
    }
    Ok(seen)
}

/// How long an answer took in ms, and the answer.
async fn timed(http: &reqwest::Client, url: &str) -> anyhow::Result<(f64, Value)> {
    let since = Instant::now();
    let answer = http.get(url).bearer_auth(TOKEN).send().await?.error_for_status()?;
    let body = answer.bytes().await?;
    let took = since.elapsed().as_secs_f64() * 1_000.0;
    Ok((took, serde_json::from_slice(&body)?))
}
