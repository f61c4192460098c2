//! What it costs to tell a receiver of everything, with the settings that one has without asking.

use std::time::Duration;

use anyhow::ensure;

use super::drain;
use crate::http;
use crate::report::{Bar, Report, median};
use crate::stage::{Stage, System};

const CONNECTIONS: u64 = 64;
const TIME: Duration = Duration::from_millis(2_500);
/// Enough for some seconds: a worker tells what it does once a second.
const EVENTS: u64 = 100_000;
const SESSIONS: u64 = 1_000;

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    let (_telling, telling) = stage.gateway(System::Telling).await?;
    let (_silent, silent) = stage.gateway(System::Ours).await?;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (target, rates) in [&telling, &silent].into_iter().zip(&mut rates) {
            rates.push(http::closed(target, CONNECTIONS, TIME, u64::MAX).await?.rate);
            stage.sweep().await?;
        }
    }
    ensure!(stage.sink.received() > 0, "the gateway told nothing");
    report.show("told by a gateway that accepts", "kB", kilobytes(&stage));
    stage.close().await?;
    report.ratio("accept, with telemetry and without", "ev/s", medians(&rates), Bar::AtLeast(0.9));

    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (system, rates) in [System::Telling, System::Ours].into_iter().zip(&mut rates) {
            rates.push(drain::once(system, EVENTS, SESSIONS, 0).await?);
        }
    }
    report.ratio("drain, with telemetry and without", "ev/s", medians(&rates), Bar::AtLeast(0.9));
    Ok(())
}

fn medians([telling, silent]: &[Vec<f64>; 2]) -> (f64, f64) {
    (median(telling), median(silent))
}

#[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
fn kilobytes(stage: &Stage) -> f64 {
    stage.sink.received() as f64 / 1_000.0
}
