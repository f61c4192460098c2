//! How long pages of the dashboard take with 100,000 conversations.
//!
//! The first byte of what is looked at most, beside a page of the same server that asks nobody
//! for anything; and in a real browser, the time from a record in the log to its text on an open page.

use std::process::Stdio;
use std::sync::Arc;

use anyhow::Context as _;
use backbone::config;
use backbone::redis::Redis;
use index::store::Store;
use reqwest::header::{COOKIE, SET_COOKIE};
use tests::peer::browser;
use tokio::time::Instant;

use super::list;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Stage, System};

/// How often each page is asked for in a round.
const REQUESTS: usize = 100;
/// How many events a page is watched for in a round.
const EVENTS: usize = 20;

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    let redis = Arc::new(Redis::new(&config::Redis::at(stage.redis.url()))?);
    list::fill(&stage).await?;
    let indexer = stage.indexer()?;
    list::indexed(&stage, &Store::new(redis), list::CONVERSATIONS).await?;
    let worker = stage.worker(System::Ours, 0)?;
    let (mut ours, mut bare, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (gateway, address) = stage.list_gateway(list::TOKEN)?;
        let url = format!("http://{address}");
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        list::ready(&http, &url).await?;
        let cookie = log_in(&http, &url).await?;
        let newest = newest(&http, &url).await?;
        let paths = ["/ui/conversations", "/ui", "/ui/triggers", "/ui/triggers/t1", &format!("/ui/conversations/{newest}")];
        let mut took = Vec::new();
        for _ in 0..REQUESTS {
            for path in paths {
                took.push(first_byte(&http, &format!("{url}{path}"), &cookie).await?);
            }
        }
        ours.push(percentile(&took, 0.99));
        let mut took = Vec::new();
        for _ in 0..REQUESTS * paths.len() {
            took.push(first_byte(&http, &format!("{url}/ui/login"), "").await?);
        }
        bare.push(percentile(&took, 0.99));
        seen.push(percentile(&watch(&url).await?, 0.99));
        gateway.kill().await?;
    }
    worker.kill().await?;
    indexer.kill().await?;
    report.goal("first byte of a page, p99", "ms", median(&ours), Bar::AtMost(30.0));
    report.show("first byte of a page that asks for nothing, p99", "ms", median(&bare));
    report.goal("record to screen, p99", "ms", median(&seen), Bar::AtMost(300.0));
    stage.close().await
}

/// The cookie of a session.
async fn log_in(http: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let body = format!("token={}", list::TOKEN);
    let form = "application/x-www-form-urlencoded";
    let answer = http.post(format!("{url}/ui/login")).header("content-type", form).body(body).send().await?;
    let cookie = answer.headers().get(SET_COOKIE).context("no session began")?.to_str()?;
    Ok(cookie.split(';').next().unwrap_or_default().to_owned())
}

async fn newest(http: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let answer = http.get(format!("{url}/v1/conversation/list?take=1")).bearer_auth(list::TOKEN).send().await?;
    let told: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
    let id = told.pointer("/items/0/id").and_then(serde_json::Value::as_str);
    Ok(id.context("there is no conversation")?.to_owned())
}

/// How long a page takes until it begins to come, in milliseconds; the rest is read too.
async fn first_byte(http: &reqwest::Client, url: &str, cookie: &str) -> anyhow::Result<f64> {
    let since = Instant::now();
    let mut answer = http.get(url).header(COOKIE, cookie).send().await?;
    anyhow::ensure!(answer.status().is_success(), "{url}: {}", answer.status());
    let begun = answer.chunk().await?;
    let took = since.elapsed().as_secs_f64() * 1_000.0;
    anyhow::ensure!(begun.is_some(), "{url} is empty");
    while answer.chunk().await?.is_some() {}
    Ok(took)
}

/// The times from record to screen, in milliseconds.
async fn watch(url: &str) -> anyhow::Result<Vec<f64>> {
    let mut command = browser::script("latency.mjs", &[&EVENTS.to_string()]);
    command.env("CUEPOINT_URL", url).env("CUEPOINT_TOKEN", list::TOKEN).env("CUEPOINT_TRIGGER", "bench");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = tokio::time::timeout(list::DEADLINE, output).await??;
    anyhow::ensure!(output.status.success(), "the page could not be watched");
    Ok(serde_json::from_slice(&output.stdout)?)
}
