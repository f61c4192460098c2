//! What it costs that the broker writes through to its disk before it confirms (`sync_interval: always`).
//!
//! Of a machine that loses its power only this keeps what was confirmed. How much a disk takes differs
//! by far more than programs do, so what one write through costs here stands beside it.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use tokio::time::Instant;

use crate::http;
use crate::plan::Plan;
use crate::report::{Bar, Report, median, percentile};
use crate::stage::{Disk, Stage, System};

const CONNECTIONS: u64 = 64;
/// Accepts a second with each written through, at 64 connections, as Restate tells of itself on hardware of its own.
const MARK: f64 = 7_000.0;
/// How often the disk is written to.
const WRITES: usize = 500;
/// `O_DSYNC` of Linux: a write returns once it is on the disk.
const WRITE_THROUGH: i32 = 0o10_000;

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let time = Duration::from_millis(plan.size(2_500, 1_000));
    let mut all = [(Vec::new(), Vec::new(), Vec::new()), (Vec::new(), Vec::new(), Vec::new())];
    let mut disk = Vec::new();
    let stage = Stage::open_with(0, Disk::Synced).await?;
    let (_bare, bare) = stage.gateway(System::Bare).await?;
    let (_ours, ours) = stage.gateway(System::Ours).await?;
    for _ in 0..plan.rounds {
        disk.push(write_through_ms()?);
        for (target, (rates, halves, tails)) in [&ours, &bare].into_iter().zip(&mut all) {
            let load = http::closed(target, CONNECTIONS, time, u64::MAX).await?;
            rates.push(load.rate);
            halves.push(percentile(&load.latencies_ms, 0.5));
            tails.push(percentile(&load.latencies_ms, 0.99));
            stage.sweep().await?;
        }
    }
    stage.close().await?;
    let [ours, bare] = all;
    report.ratio("accept, written through, 64 connections", "ev/s", (median(&ours.0), median(&bare.0)), Bar::AtLeast(0.85));
    report.goal("accept, written through, 64 connections", "ev/s", median(&ours.0), Bar::AtLeast(MARK));
    report.beside("accept, written through, p50", "ms", (median(&ours.1), median(&bare.1)));
    report.beside("accept, written through, p99", "ms", (median(&ours.2), median(&bare.2)));
    report.show("one write of 400 B through to this disk, p50", "ms", median(&disk));
    Ok(())
}

/// What one write takes.
fn write_through_ms() -> anyhow::Result<f64> {
    let path = std::env::temp_dir().join(format!("cuepoint-bench-write-{}", std::process::id()));
    let mut file = std::fs::OpenOptions::new().create(true).append(true).custom_flags(WRITE_THROUGH).open(&path)?;
    let mut took = Vec::new();
    for _ in 0..WRITES {
        let since = Instant::now();
        file.write_all(&[b'w'; 400])?;
        took.push(since.elapsed().as_secs_f64() * 1_000.0);
    }
    std::fs::remove_file(&path)?;
    Ok(percentile(&took, 0.5))
}
