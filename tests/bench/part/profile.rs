//! Where the time goes: a gateway that only accepts, and a worker that only drains.
//!
//! The shares are of the process' own CPU time, the kernel's on its behalf included. Beside the table
//! stand `target/bench/profile-gateway.txt` and `-worker.txt` with each symbol.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::plan::Plan;
use crate::profile::{self, Recording, Sample};
use crate::report::Report;
use crate::stage::{Stage, System};
use crate::{fill, http, log};

const CONNECTIONS: u64 = 64;
const SESSIONS: u64 = 1_000;
/// Areas below this share in percent are not listed.
const SHARE_MIN: f64 = 1.0;
const FOLDER: &str = "target/bench";

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    std::fs::create_dir_all(FOLDER)?;
    tell(report, "gateway, accepting", "gateway", &gateway(plan).await?)?;
    tell(report, "worker, draining 1,000 sessions", "worker", &worker(plan).await?)
}

async fn gateway(plan: Plan) -> anyhow::Result<Vec<Sample>> {
    let stage = Stage::open(0).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let recording = Recording::start(gateway.pid(), Path::new(FOLDER))?;
    http::closed(&target, CONNECTIONS, Duration::from_secs(plan.size(15, 3)), u64::MAX).await?;
    gateway.kill().await?;
    let samples = recording.samples().await?;
    stage.close().await?;
    Ok(samples)
}

async fn worker(plan: Plan) -> anyhow::Result<Vec<Sample>> {
    let events = plan.size(400_000, 20_000);
    let stage = Stage::open(0).await?;
    fill::events(&stage.context, events, SESSIONS).await?;
    let before = log::count(&stage.context).await?;
    let worker = stage.worker(System::Ours, 0)?;
    // Perf looks at the threads that are there when it comes.
    log::rate(&stage.context, before, events / 20).await?;
    let recording = Recording::start(worker.pid(), Path::new(FOLDER))?;
    log::rate(&stage.context, before, events).await?;
    worker.kill().await?;
    let samples = recording.samples().await?;
    stage.close().await?;
    Ok(samples)
}

fn tell(report: &mut Report, what: &str, name: &str, samples: &[Sample]) -> anyhow::Result<()> {
    for (area, share) in profile::areas(samples).into_iter().filter(|(_, share)| *share >= SHARE_MIN) {
        report.show(&format!("{what}: {area}"), "%", share);
    }
    let mut sorted: Vec<&Sample> = samples.iter().collect();
    sorted.sort_by(|one, other| other.share.total_cmp(&one.share));
    let mut text = String::new();
    for Sample { share, library, symbol } in sorted {
        writeln!(text, "{share:6.2} %  {library:<20} {symbol}")?;
    }
    Ok(std::fs::write(Path::new(FOLDER).join(format!("profile-{name}.txt")), text)?)
}
