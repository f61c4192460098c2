//! What 1, 2 and 4 worker processes make of the same full inbox.
//!
//! As measured, on the cores that there are: all of them share these with the broker and Redis. Where
//! one worker with its broker keeps them busy already, more workers bring no more events, and the CPU
//! time an event says what sharing costs: claims that others hold, and hand-overs.

use crate::plan::Plan;
use crate::report::{Report, median};
use crate::stage::{Stage, System};
use crate::{fill, log, process};

const COUNTS: [usize; 3] = [1, 2, 4];
const SESSIONS: u64 = 1_000;

#[derive(Debug, Default)]
struct Sums {
    rates: Vec<f64>,
    workers_us: Vec<f64>,
    servers_us: Vec<f64>,
}

pub(crate) async fn run(plan: Plan, report: &mut Report) -> anyhow::Result<()> {
    let events = plan.size(100_000, 10_000);
    let mut sums: [Sums; 3] = Default::default();
    for _ in 0..plan.rounds {
        for (count, sums) in COUNTS.into_iter().zip(&mut sums) {
            once(count, events, sums).await?;
        }
    }
    let one = sums.first().map_or(f64::NAN, |sums| median(&sums.rates));
    for (count, sums) in COUNTS.into_iter().zip(&sums) {
        report.beside(&format!("drain, worker processes: {count}, against one"), "ev/s", (median(&sums.rates), one));
        report.show(&format!("CPU an event, worker processes: {count}"), "us", median(&sums.workers_us));
        report.show(&format!("CPU an event, nats-server and redis, workers: {count}"), "us", median(&sums.servers_us));
    }
    Ok(())
}

async fn once(count: usize, events: u64, sums: &mut Sums) -> anyhow::Result<()> {
    let stage = Stage::open(0).await?;
    fill::events(&stage.context, events, SESSIONS).await?;
    let before = log::count(&stage.context).await?;
    let cpu = |pids: &[u32]| pids.iter().map(|pid| process::cpu_s(*pid)).sum::<f64>();
    let servers = stage.servers();
    let servers_before = cpu(&servers);
    let workers = (0..count).map(|_| stage.worker(System::Ours, 0)).collect::<anyhow::Result<Vec<_>>>()?;
    let pids: Vec<u32> = workers.iter().map(process::Process::pid).collect();
    sums.rates.push(log::rate(&stage.context, before, events).await?);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = 1e6 / events as f64;
    sums.workers_us.push(cpu(&pids) * each);
    sums.servers_us.push((cpu(&servers) - servers_before) * each);
    for worker in workers {
        worker.kill().await?;
    }
    stage.close().await
}
