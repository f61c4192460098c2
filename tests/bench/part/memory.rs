//! What a session that is being worked on takes of memory, in each process.
//!
//! Turns wait for their model for a minute, so that all of them are open at once: each has a task, a
//! lease that is renewed, and a delivery that is kept from running out.

use std::time::Duration;

use tokio::time::Instant;

use crate::plan::Plan;
use crate::report::{Report, median};
use crate::stage::{Stage, System};
use crate::{http, process};

/// Longer than everything here takes.
const WORK_MS: u64 = 300_000;
const CONNECTIONS: u64 = 64;
/// How long processes get to come to rest.
const REST: Duration = Duration::from_secs(3);
/// How long it may take until all turns are open.
const DEADLINE: Duration = Duration::from_mins(1);
const NAMES: [&str; 4] = ["gateway", "worker", "nats-server", "redis"];

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let (few, many) = plan.size((1_000, 5_000), (200, 1_000));
    let (mut idle, mut each): ([Vec<f64>; 4], [Vec<f64>; 4]) = Default::default();
    for _ in 0..plan.rounds {
        let stage = Stage::open(WORK_MS).await?;
        let (gateway, target) = stage.gateway(System::Ours).await?;
        // A trigger has three quarters of a worker.
        let worker = stage.wide_worker(many * 2)?;
        let pids: Vec<u32> = [gateway.pid(), worker.pid()].into_iter().chain(stage.servers()).collect();
        let mut seen = Vec::new();
        for (first, until) in [(0, 0), (0, few), (few, many)] {
            let target = http::Target { sessions: (until - first).max(1), first: first + 1, ..target.clone() };
            http::closed(&target, CONNECTIONS, DEADLINE, until - first).await?;
            open(&stage, until).await?;
            tokio::time::sleep(REST).await;
            seen.push(pids.iter().map(|pid| process::memory_mib(*pid)).collect::<Vec<f64>>());
        }
        let [rest, small, large] = seen.as_slice() else { anyhow::bail!("three looks") };
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let thousands = (many - few) as f64 / 1_000.0;
        for (((idle, each), rest), (small, large)) in idle.iter_mut().zip(&mut each).zip(rest).zip(small.iter().zip(large)) {
            idle.push(*rest);
            each.push((large - small) / thousands);
        }
        gateway.kill().await?;
        worker.kill().await?;
        stage.close().await?;
    }
    for ((name, idle), each) in NAMES.iter().zip(&idle).zip(&each) {
        report.show(&format!("memory when nothing was ever sent, {name}"), "MiB", median(idle));
        report.show(&format!("memory for 1,000 more sessions in a turn, {name}"), "MiB", median(each));
    }
    Ok(())
}

/// Waits until so many sessions are held by the worker: each has a lease in Redis.
async fn open(stage: &Stage, sessions: u64) -> anyhow::Result<()> {
    let since = Instant::now();
    loop {
        let events = stage.context.stream_by_subject(proto::subject::EVENTS_FINDER).await?;
        let consumer: async_nats::jetstream::consumer::PullConsumer =
            stage.context.get_consumer_from_stream(proto::subject::WORKERS, events).await.map_err(anyhow::Error::msg)?;
        let held = consumer.cached_info().num_ack_pending;
        // The gateway was tried with one event, whose turn is open too.
        if u64::try_from(held)? > sessions {
            return Ok(());
        }
        anyhow::ensure!(since.elapsed() < DEADLINE, "only {held} of {sessions} turns are open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
