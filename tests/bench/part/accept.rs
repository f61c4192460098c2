//! How fast events are taken, and how long that takes at half the load.

use std::time::Duration;

use crate::http;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Stage, System};

const CONNECTIONS: u64 = 64;
const TIME: Duration = Duration::from_millis(2_500);

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    let (_bare, bare) = stage.gateway(System::Bare).await?;
    let (_ours, ours) = stage.gateway(System::Ours).await?;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (target, rates) in [&ours, &bare].into_iter().zip(&mut rates) {
            rates.push(http::closed(target, CONNECTIONS, TIME, u64::MAX).await?.rate);
            stage.sweep().await?;
        }
    }
    let [ours_rate, bare_rate] = [0, 1].map(|index: usize| rates.get(index).map_or(f64::NAN, |rates| median(rates)));
    report.ratio("accept, 64 connections", "ev/s", (ours_rate, bare_rate), Bar::AtLeast(0.85));

    let half = ours_rate.min(bare_rate) / 2.0;
    let mut tails = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (target, tails) in [&ours, &bare].into_iter().zip(&mut tails) {
            tails.push(percentile(&http::open(target, half, TIME).await?.latencies_ms, 0.99));
            stage.sweep().await?;
        }
    }
    let [ours_tail, bare_tail] = [0, 1].map(|index: usize| tails.get(index).map_or(f64::NAN, |tails| median(tails)));
    report.ratio("accept, p99 at half load", "ms", (ours_tail, bare_tail), Bar::AtMost(1.3));
    stage.close().await
}
