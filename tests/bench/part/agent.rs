//! How many turns run of which each asks its model twice, for 50 ms, around one call of `echo`.
//!
//! 200 sessions in a closed loop: 2,000 turns a second is what waiting alone allows. A turn has
//! three appends, each behind the fence. The bare loop works 100 ms on each event between its two.

use crate::circle;
use crate::log::Watch;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Stage, System};

/// How long a turn waits for its model.
const WORK_MS: u64 = 100;
const SCRIPT: &str = r#"{"latency":50,"calls":[{"ability":"echo","with":{"order":42}}],"reply":"done"}"#;

/// One round: turns a second, and the p99 of a turn in ms.
async fn round(system: System) -> anyhow::Result<(f64, f64)> {
    let stage = Stage::open(WORK_MS).await?;
    stage.script(SCRIPT).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let worker = stage.worker(system, WORK_MS)?;
    let mut watch = Watch::open(&stage.client).await?;
    // Intents, outcomes and the reply; the bare loop has two records.
    let records = if system == System::Ours { 3 } else { 2 };
    let (rate, latencies_ms) = circle::turns(&target, &mut watch, records).await?;
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await?;
    Ok((rate, percentile(&latencies_ms, 0.99)))
}

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let (mut ours, mut bare) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for _ in 0..rounds {
        for (system, (rates, tails)) in [(System::Bare, &mut bare), (System::Ours, &mut ours)] {
            let (rate, tail) = round(system).await?;
            rates.push(rate);
            tails.push(tail);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let waited = WORK_MS as f64;
    let over = |tails: &[f64]| median(tails) - waited;
    report.goal("turns of two 50 ms thoughts and a call, 200 sessions", "turns/s", median(&ours.0), Bar::AtLeast(1_700.0));
    report.show("the same, bare loop of 100 ms", "turns/s", median(&bare.0));
    report.goal("over the 100 ms of a turn, p99", "ms", over(&ours.1), Bar::AtMost(30.0));
    report.show("the same, bare loop", "ms", over(&bare.1));
    Ok(())
}
