//! How much a backlog of 100,000 events on one trigger delays the events of another.
//!
//! Both have turns of 50 ms. The other trigger's events come at a steady pace, each of a session of
//! its own, first alone and then beside the backlog, on the same servers.

use std::time::Duration;

use futures_util::future::try_join_all;
use proto::record::Record;
use tokio::time::{Instant, MissedTickBehavior};

use crate::http::{Connection, Target};
use crate::log::Watch;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Stage, System};

/// How many events wait on the one trigger.
const BACKLOG: u64 = 100_000;
/// How many events of the other trigger are timed.
const TIMED: u64 = 400;
/// How often one of them comes.
const EVERY: Duration = Duration::from_millis(20);
const WORK_MS: u64 = 50;
/// How many turns of the one trigger run at once: 1,280 a second by their waiting alone.
const FLOOD_TURNS: u32 = 64;
/// How many connections fill the backlog.
const FILLERS: u64 = 64;

/// Sends events at a steady pace; what each took until its record, in ms.
async fn pace(stage: &Stage, target: &Target, from: u64) -> anyhow::Result<Vec<f64>> {
    let mut watch = Watch::open(&stage.client).await?;
    let mut connection = Connection::open(target).await?;
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sent = std::collections::HashMap::new();
    let mut latencies_ms = Vec::new();
    let mut next = from;
    while latencies_ms.len() < usize::try_from(TIMED)? {
        tokio::select! {
            _ = due.tick(), if next < from + TIMED => {
                let token = proto::session::token(&format!("s{next}")).to_string();
                sent.insert(token, Instant::now());
                connection.post(next).await?;
                next += 1;
            }
            came = watch.next(Duration::from_mins(1)) => {
                let Some((token, at, record)) = came else { anyhow::bail!("records ceased to come") };
                // A turn that was looked for begins with a record of its own: its end is what counts.
                if Record::decode(record).is_ok_and(|record| record.is_terminal())
                    && let Some(sent_at) = sent.remove(&token) {
                    latencies_ms.push((at - sent_at).as_secs_f64() * 1_000.0);
                }
            }
        }
    }
    Ok(latencies_ms)
}

async fn fill(target: &Target) -> anyhow::Result<()> {
    try_join_all((0..FILLERS).map(|filler| async move {
        let mut connection = Connection::open(target).await?;
        for number in 0..BACKLOG / FILLERS {
            connection.post(filler * BACKLOG + number).await?;
        }
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let stage = Stage::open(WORK_MS).await?;
        stage.add_trigger("flood", FLOOD_TURNS).await?;
        let (gateway, target) = stage.gateway(System::Ours).await?;
        let flood = Target { trigger: "flood", ..target.clone() };
        let worker = stage.worker(System::Ours, 0)?;
        // The first events find cold connections.
        pace(&stage, &target, 10_000_000).await?;
        alone.push(percentile(&pace(&stage, &target, 20_000_000).await?, 0.99));
        worker.kill().await?;
        fill(&flood).await?;
        let worker = stage.worker(System::Ours, 0)?;
        let mut watch = Watch::open(&stage.client).await?;
        anyhow::ensure!(watch.next(Duration::from_secs(30)).await.is_some(), "the backlog is not begun");
        beside.push(percentile(&pace(&stage, &target, 30_000_000).await?, 0.99));
        let events = stage.context.stream_by_subject(proto::subject::EVENTS_FINDER).await?;
        let left = stage.context.get_stream(events).await?.cached_info().state.messages;
        anyhow::ensure!(left > BACKLOG / 10, "the backlog was gone before the other trigger was timed: {left} left");
        gateway.kill().await?;
        worker.kill().await?;
        stage.close().await?;
    }
    report.ratio("p99 beside a backlog of 100,000 on another trigger", "ms", (median(&beside), median(&alone)), Bar::AtMost(2.0));
    Ok(())
}
