//! How many turns run when each takes 50 ms and 200 sessions wait for theirs.

use crate::circle;
use crate::log::Watch;
use crate::report::{Bar, Report, percentile};
use crate::stage::{Stage, System};

const WORK_MS: u64 = 50;

pub(crate) async fn run(report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(WORK_MS).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let worker = stage.worker(System::Ours, 0)?;
    let mut watch = Watch::open(&stage.client).await?;
    let (rate, latencies_ms) = circle::turns(&target, &mut watch, 1).await?;
    report.goal("turns of 50 ms, 200 sessions in a closed loop", "turns/s", rate, Bar::AtLeast(3_000.0));
    report.goal("turns of 50 ms, 200 sessions, p99", "ms", percentile(&latencies_ms, 0.99), Bar::AtMost(100.0));
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await
}
