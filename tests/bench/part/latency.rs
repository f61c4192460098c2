//! How long one event takes, from the call to its terminal record, when there is time.

use std::time::Duration;

use tokio::time::Instant;

use crate::http::Connection;
use crate::log::Watch;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Stage, System};

const RATE: u64 = 50;
const EVENTS: u64 = 200;

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut halves = [Vec::new(), Vec::new()];
    let mut tails = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (index, system) in [System::Ours, System::Bare].into_iter().enumerate() {
            let latencies_ms = once(system).await?;
            if let (Some(halves), Some(tails)) = (halves.get_mut(index), tails.get_mut(index)) {
                halves.push(percentile(&latencies_ms, 0.5));
                tails.push(percentile(&latencies_ms, 0.99));
            }
        }
    }
    let [ours, bare] = halves.map(|values| median(&values));
    report.ratio("call to terminal record at 50/s, p50", "ms", (ours, bare), Bar::AtMost(1.6));
    report.goal("call to terminal record at 50/s, p50", "ms", ours, Bar::AtMost(2.5));
    let [ours, bare] = tails.map(|values| median(&values));
    report.ratio("call to terminal record at 50/s, p99", "ms", (ours, bare), Bar::AtMost(1.6));
    report.goal("call to terminal record at 50/s, p99", "ms", ours, Bar::AtMost(6.0));
    Ok(())
}

async fn once(system: System) -> anyhow::Result<Vec<f64>> {
    let stage = Stage::open(0).await?;
    let (gateway, target) = stage.gateway(system).await?;
    let worker = stage.worker(system, 0)?;
    let mut watch = Watch::open(&stage.client).await?;
    let each: usize = if system == System::Bare { 2 } else { 1 };
    drop(watch.arrivals(each, Duration::from_secs(10)).await);
    let mut connection = Connection::open(&target).await?;
    let began = Instant::now();
    let mut latencies_ms = Vec::new();
    for number in 0..EVENTS {
        tokio::time::sleep_until(began + Duration::from_millis(number * 1_000 / RATE)).await;
        let sent_at = Instant::now();
        let (posted, arrived) = tokio::join!(connection.post(number % 100), async {
            let mut last = None;
            for _ in 0..each {
                last = watch.next(Duration::from_secs(10)).await;
            }
            last
        });
        posted?;
        let (_, at, _) = arrived.ok_or_else(|| anyhow::anyhow!("no record came"))?;
        latencies_ms.push((at - sent_at).as_secs_f64() * 1_000.0);
    }
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await?;
    Ok(latencies_ms)
}
