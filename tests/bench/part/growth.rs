//! How much slower it is with a million sessions than with a thousand.
//!
//! First with sessions that only stand in the log: with a thousand each has fifty events, and one lease
//! and one look at the log serve them all; with a million each event is of a session of its own. The
//! third figure tells the two apart: as many sessions as events, and only those in the log.
//!
//! Then with sessions that really began: the same gateway, worker and servers all the way from
//! nothing to a million, each session opened by a call, and at each size the memory of every process
//! and the rate of events for sessions that are known. Nothing is extrapolated.

use std::time::Duration;

use tokio::time::Instant;

use super::drain;
use crate::http::{self, Target};
use crate::plan::Plan;
use crate::report::{Bar, Report, median};
use crate::stage::{Stage, System};
use crate::{log, process};

const EVENTS: u64 = 50_000;
const SMALL: u64 = 1_000;
const LARGE: u64 = 1_000_000;

const SIZES: &[u64] = &[1_000, 10_000, 100_000, 1_000_000];
const SIZES_QUICK: &[u64] = &[1_000, 10_000];
const CONNECTIONS: u64 = 64;
/// How many events a rate is taken of.
const SLICE: u64 = 20_000;
/// Longer than workers keep a session that is idle.
const REST: Duration = Duration::from_secs(4);
/// How long a million calls may take.
const DEADLINE: Duration = Duration::from_mins(10);
const NAMES: [&str; 4] = ["gateway", "worker", "nats-server", "redis"];

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    if !plan.is_quick {
        in_the_log(plan.rounds, report).await?;
    }
    begun(plan, report).await
}

async fn in_the_log(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds.div_ceil(2) {
        for (known, rates) in [LARGE, SMALL].into_iter().zip(&mut rates) {
            rates.push(drain::once(System::Ours, EVENTS, known.min(EVENTS), known).await?);
        }
        let [.., same, bare] = &mut rates;
        same.push(drain::once(System::Ours, EVENTS, EVENTS, EVENTS).await?);
        bare.push(drain::once(System::Bare, EVENTS, LARGE.min(EVENTS), LARGE).await?);
    }
    let [large, small, same, bare] = rates.map(|values| median(&values));
    report.ratio("50,000 events at 1 M sessions against 1 k", "ev/s", (large, small), Bar::AtLeast(0.85));
    report.ratio("the same sessions, 1 M in the log against 50 k", "ev/s", (large, same), Bar::AtLeast(0.85));
    report.show("50,000 events at 1 M sessions, bare loop", "ev/s", bare);
    Ok(())
}

/// Once, whatever the rounds: a million calls take their time.
async fn begun(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    let (gateway, target) = stage.gateway(System::Ours).await?;
    let worker = stage.worker(System::Ours, 0)?;
    let pids: Vec<u32> = [gateway.pid(), worker.pid()].into_iter().chain(stage.servers()).collect();
    // The gateway was tried with one event.
    let mut grown = Grown { stage, target, records: 1, sessions: 0 };
    let slice = plan.size(SLICE, 2_000);
    let (mut first, mut last) = (f64::NAN, f64::NAN);
    let mut known = f64::NAN;
    for &size in plan.size(SIZES, SIZES_QUICK) {
        while grown.sessions < size {
            let many = slice.min(size - grown.sessions);
            let rate = grown.open(many).await?;
            // The first thousand are too few for a rate, and find everything cold.
            if many == slice {
                first = if first.is_nan() { rate } else { first };
                last = rate;
            }
        }
        let rate = grown.visit(slice).await?;
        known = if known.is_nan() { rate } else { known };
        report.beside(&format!("accept and process, {size} sessions, against the first"), "ev/s", (rate, known));
        tokio::time::sleep(REST).await;
        for (name, pid) in NAMES.iter().zip(&pids) {
            report.show(&format!("memory with {size} sessions, {name}"), "MiB", process::memory_mib(*pid));
        }
    }
    let name = format!("accept and process, {slice} new sessions, the last against the first");
    report.ratio(&name, "ev/s", (last, first), Bar::AtLeast(0.85));
    gateway.kill().await?;
    worker.kill().await?;
    grown.stage.close().await
}

/// Servers whose sessions become more.
struct Grown {
    stage: Stage,
    target: Target,
    records: u64,
    sessions: u64,
}

impl Grown {
    /// One event for each of so many new sessions; events a second, until all are worked off.
    async fn open(&mut self, many: u64) -> anyhow::Result<f64> {
        let target = Target { sessions: many, first: self.sessions, ..self.target.clone() };
        self.sessions += many;
        self.send(&target, many).await
    }

    /// Events for sessions that are known, as far apart as that goes.
    async fn visit(&mut self, events: u64) -> anyhow::Result<f64> {
        let stride = (self.sessions / events).max(1);
        let target = Target { sessions: self.sessions, first: 0, stride, ..self.target.clone() };
        self.send(&target, events).await
    }

    async fn send(&mut self, target: &Target, events: u64) -> anyhow::Result<f64> {
        let began = Instant::now();
        http::closed(target, CONNECTIONS, DEADLINE, events).await?;
        self.records += events;
        while log::count(&self.stage.context).await? < self.records {
            anyhow::ensure!(began.elapsed() < DEADLINE, "the log does not come to {} records", self.records);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        Ok(events as f64 / began.elapsed().as_secs_f64())
    }
}
