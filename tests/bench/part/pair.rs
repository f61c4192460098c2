//! Taking and working off at once, its CPU time, and the memory of all processes.

use std::time::Duration;

use tokio::time::Instant;

use crate::report::{Bar, Report, median};
use crate::stage::{Stage, System};
use crate::{http, log, process};

const EVENTS: u64 = 20_000;
const CONNECTIONS: u64 = 64;

#[derive(Debug, Default)]
struct Sums {
    rates: Vec<f64>,
    cpu_us: [Vec<f64>; 4],
    idle_mib: [Vec<f64>; 4],
    load_mib: Vec<f64>,
}

pub(crate) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut sums = [Sums::default(), Sums::default()];
    for _ in 0..rounds {
        for (system, sums) in [System::Ours, System::Bare].into_iter().zip(&mut sums) {
            once(system, sums).await?;
        }
    }
    let [ours, bare] = sums;
    report.ratio("accept and process together", "ev/s", (median(&ours.rates), median(&bare.rates)), Bar::AtLeast(0.7));
    let mut idle_all = 0.0;
    for (index, name) in ["gateway", "worker", "nats-server", "redis"].into_iter().enumerate() {
        let of = |sums: &Sums| sums.cpu_us.get(index).map_or(f64::NAN, |values| median(values));
        report.show(&format!("CPU an event, {name}, ours"), "us", of(&ours));
        report.show(&format!("CPU an event, {name}, bare"), "us", of(&bare));
        let idle = ours.idle_mib.get(index).map_or(f64::NAN, |values| median(values));
        report.show(&format!("memory when idle, {name}"), "MiB", idle);
        idle_all += idle;
    }
    report.goal("memory of all processes, 1,000 sessions, idle", "MiB", idle_all, Bar::AtMost(90.0));
    report.goal("memory of all processes, 1,000 sessions, under load", "MiB", median(&ours.load_mib), Bar::AtMost(250.0));
    Ok(())
}

async fn once(system: System, sums: &mut Sums) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    let (gateway, target) = stage.gateway(system).await?;
    let worker = stage.worker(system, 0)?;
    // A first lap makes every session known and every connection warm.
    let each = if system == System::Bare { 2 } else { 1 };
    http::closed(&target, CONNECTIONS, Duration::from_mins(1), 1_000).await?;
    settled(&stage, 1_001 * each).await?;
    let pids = [gateway.pid(), worker.pid()].into_iter().chain(stage.servers()).collect::<Vec<u32>>();
    tokio::time::sleep(Duration::from_secs(3)).await;
    for (pid, idle_mib) in pids.iter().zip(&mut sums.idle_mib) {
        idle_mib.push(process::memory_mib(*pid));
    }
    let before: Vec<f64> = pids.iter().map(|pid| process::cpu_s(*pid)).collect();
    let began = Instant::now();
    http::closed(&target, CONNECTIONS, Duration::from_mins(1), EVENTS).await?;
    sums.load_mib.push(pids.iter().map(|pid| process::memory_mib(*pid)).sum());
    settled(&stage, (EVENTS + 1_001) * each).await?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let events = EVENTS as f64;
    sums.rates.push(events / began.elapsed().as_secs_f64());
    for ((pid, before), cpu_us) in pids.iter().zip(before).zip(&mut sums.cpu_us) {
        cpu_us.push((process::cpu_s(*pid) - before) / events * 1e6);
    }
    gateway.kill().await?;
    worker.kill().await?;
    stage.close().await
}

async fn settled(stage: &Stage, records: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    while log::count(&stage.context).await? < records {
        anyhow::ensure!(Instant::now() < deadline, "the log has {} of {records} records", log::count(&stage.context).await?);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
