//! How fast waiting events are worked off.

use crate::report::{Bar, Report, median};
use crate::stage::{Stage, System};
use crate::{fill, log};

const EVENTS: u64 = 20_000;
const SESSIONS: u64 = 1_000;

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (system, rates) in [System::Ours, System::Bare].into_iter().zip(&mut rates) {
            rates.push(once(system, EVENTS, SESSIONS, 0).await?);
        }
    }
    let [ours, bare] = [0, 1].map(|index: usize| rates.get(index).map_or(f64::NAN, |rates| median(rates)));
    report.ratio("drain a full inbox, 1,000 sessions", "ev/s", (ours, bare), Bar::AtLeast(0.8));
    Ok(())
}

/// Events a second of one system over a log with one record for each of `known` sessions.
pub(crate) async fn once(system: System, events: u64, sessions: u64, known: u64) -> anyhow::Result<f64> {
    let stage = Stage::open(0).await?;
    fill::log(&stage.context, known).await?;
    fill::events(&stage.context, events, sessions).await?;
    let before = log::count(&stage.context).await?;
    let worker = stage.worker(system, 0)?;
    // The bare loop appends two records an event, a simple turn is one.
    let each = if system == System::Bare { 2 } else { 1 };
    let rate = log::rate(&stage.context, before, events * each).await?;
    worker.kill().await?;
    anyhow::ensure!(system != System::Telling || stage.sink.received() > 0, "the worker told nothing");
    stage.close().await?;
    #[expect(clippy::cast_precision_loss, reason = "1 or 2")]
    Ok(rate / each as f64)
}
