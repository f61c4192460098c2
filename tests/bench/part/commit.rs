//! How long an event waits from its receipt to its commit, at two steady rates.
//!
//! The clock of one process measures both ends: when the answer to the call was read, and when a
//! core subscription had the terminal record. A record that is there before its answer was read took 0.

use std::collections::HashMap;
use std::time::Duration;

use proto::session;
use tokio::time::Instant;

use crate::http;
use crate::log::Watch;
use crate::plan::Plan;
use crate::report::{Report, median, percentile};
use crate::stage::{Stage, System};

/// Events a second: little, and a good part of what this machine can do.
const RATES: [u32; 2] = [200, 5_000];
const SESSIONS: u64 = 1_000;
/// How long no record comes until all are taken to have come.
const IDLE: Duration = Duration::from_secs(3);

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_secs(plan.size(4, 2));
    for rate in RATES {
        let mut all = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
        for _ in 0..plan.rounds {
            for (system, (halves, tails)) in [System::Ours, System::Bare].into_iter().zip(&mut all) {
                let waits_ms = once(system, f64::from(rate), time).await?;
                halves.push(percentile(&waits_ms, 0.5));
                tails.push(percentile(&waits_ms, 0.99));
            }
        }
        let [ours, bare] = all;
        report.beside(&format!("receipt to commit at {rate}/s, p50"), "ms", (median(&ours.0), median(&bare.0)));
        report.beside(&format!("receipt to commit at {rate}/s, p99"), "ms", (median(&ours.1), median(&bare.1)));
    }
    Ok(())
}

/// How long each event waited, in ms.
async fn once(system: System, rate: f64, time: Duration) -> anyhow::Result<Vec<f64>> {
    let stage = Stage::open(0).await?;
    let (gateway, target) = stage.gateway(system).await?;
    let worker = stage.worker(system, 0)?;
    // Our record is the terminal one; of the bare loop's two the second is.
    let each: usize = if system == System::Bare { 2 } else { 1 };
    let mut watch = Watch::open(&stage.client).await?;
    drop(watch.arrivals(each, Duration::from_secs(10)).await);
    let target = http::Target { sessions: SESSIONS, ..target };
    let load = tokio::spawn(async move { http::paced(&target, rate, time).await });
    let arrivals = watch.arrivals(usize::MAX, IDLE).await;
    let mut answers = load.await??;
    answers.sort_by_key(|answer| answer.at);
    let (mut taken, mut waits_ms): (HashMap<String, usize>, Vec<f64>) = (HashMap::new(), Vec::new());
    for answer in answers {
        let name = format!("s{}", answer.session);
        let token = if system == System::Bare { name } else { session::token(&name).to_string() };
        let number = taken.entry(token.clone()).or_default();
        *number += 1;
        let arrived: Option<&Instant> = arrivals.get(&token).and_then(|arrivals| arrivals.get(*number * each - 1));
        let at = arrived.ok_or_else(|| anyhow::anyhow!("event {number} of session {token} has no record"))?;
        waits_ms.push(at.saturating_duration_since(answer.at).as_secs_f64() * 1_000.0);
    }
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await?;
    Ok(waits_ms)
}
