//! Every gateway and worker is replaced while calls come in, and no caller notices.
//!
//! A real haproxy with readiness checks stands before two gateways; behind them are three workers,
//! three nats-servers and Redis. Callers keep their connections. All processes begin as the old
//! build and end as the new one, one after the other, so that both work side by side for most of the
//! time. Every call that is refused is repeated with its key; a connection that breaks is counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use clap::Parser;
use proto::id::SessionKey;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::resource::{SECRET, trigger};
use tests::system::{Builder, System};
use tests::view::Logged;
use tokio::time::Instant;

use crate::balancer::Balancer;
use crate::caller::{Callers, Tally};
use crate::fleet::Fleet;

mod balancer;
mod caller;
mod fleet;

/// How long the last events may take to be handled.
const SETTLE_WITHIN: Duration = Duration::from_mins(2);
/// How many calls in a thousand may be answered 503.
const REFUSED_MAX_PER_MILLE: u64 = 1;

/// What to replace by what.
#[derive(Debug, Parser)]
struct Options {
    /// Directory with the old gateway and worker.
    #[arg(long)]
    old: PathBuf,
    /// Directory with the new ones.
    #[arg(long)]
    new: PathBuf,
    /// The commit of the old ones.
    #[arg(long)]
    from: String,
    /// The commit of the new ones.
    #[arg(long)]
    to: String,
    /// How long calls come in, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many come in a second.
    #[arg(long, default_value_t = 500)]
    rate: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let system = Builder::new("").cluster().with(trigger("orders")).start().await;
    let run = Box::pin(run(&options, &system)).await;
    // What the ledger finds is found before anything is said.
    system.finish().await;
    let report = run?;
    std::io::Write::write_all(&mut std::io::stdout(), report.as_bytes())?;
    Ok(())
}

async fn run(options: &Options, system: &System) -> anyhow::Result<String> {
    let mut fleet = Fleet::start(&options.old, system).await?;
    let balancer = Balancer::start(&system.scratch, &fleet.ports()).await?;
    let (time, began) = (Duration::from_secs(options.seconds), Instant::now());
    let callers = Callers::start(balancer.address(), SECRET, options.rate, time, system.ledger());
    let replaced = replace(&mut fleet, options, time).await?;
    let tally = callers.ended().await;
    let took = began.elapsed();
    let settled = async || system.view().try_log().await.filter(|log| system.ledger().is_settled(log));
    let log = eventually("every accepted event is settled", SETTLE_WITHIN, settled).await;
    let order = Order::of(&log, &tally);
    fleet.stop().await?;
    balancer.stop().await?;
    report(options, (&tally, &order), took, &replaced)
}

/// Replaces one after the other, spread over the time.
async fn replace(fleet: &mut Fleet, options: &Options, time: Duration) -> anyhow::Result<Vec<String>> {
    let mut replaced = Vec::new();
    let steps: Vec<fleet::Step> = fleet.steps();
    let pause = time / u32::try_from(steps.len() + 1)?;
    let began = Instant::now();
    for (number, step) in (1_u32..).zip(steps) {
        tokio::time::sleep_until(began + pause * number).await;
        let since = Instant::now();
        fleet.replace(step, &options.new).await?;
        replaced.push(format!("{step} at {:.0} s in {:.1} s", (since - began).as_secs_f64(), since.elapsed().as_secs_f64()));
    }
    Ok(replaced)
}

/// What the log says of what callers sent.
#[derive(Debug, Default)]
struct Order {
    lost: u64,
    doubled: u64,
    reordered: u64,
}

impl Order {
    /// Each session was written to by one caller, one call after another, with numbers as texts.
    fn of(log: &[Logged], tally: &Tally) -> Self {
        let mut seen: BTreeMap<&SessionKey, Vec<u64>> = BTreeMap::new();
        for logged in terminals(log) {
            let number: Option<u64> = logged.entry.record.input().and_then(|input| input.text.parse().ok());
            seen.entry(&logged.session).or_default().extend(number);
        }
        let mut order = Self::default();
        let mut all: Vec<u64> = Vec::new();
        for numbers in seen.values() {
            order.reordered += numbers.windows(2).filter(|pair| matches!(pair, [one, next] if next < one)).count() as u64;
            all.extend(numbers);
        }
        all.sort_unstable();
        let count = all.len() as u64;
        all.dedup();
        order.doubled = count - all.len() as u64;
        order.lost = tally.accepted.saturating_sub(all.len() as u64);
        order
    }
}

fn report(options: &Options, (tally, order): (&Tally, &Order), took: Duration, replaced: &[String]) -> anyhow::Result<String> {
    let calls = tally.accepted + tally.refused + tally.resets;
    let mut text = format!("{} -> {}: {}\n", options.from, options.to, replaced.join(", "));
    writeln!(
        text,
        "accept p50 {:.1} ms, p99 {:.1} ms, slowest {:.0} ms; refused by code: {:?}",
        tally.quantile_ms(0.5),
        tally.quantile_ms(0.99),
        tally.quantile_ms(1.0),
        tally.codes
    )?;
    writeln!(
        text,
        "rolling: {} events in {:.1} s ({:.0}/s), {} replaced, {} resets, {} of {calls} answered 503, {} retried, {} lost, {} doubled, {} reordered",
        tally.accepted,
        took.as_secs_f64(),
        tally.rate(took),
        replaced.len(),
        tally.resets,
        tally.refused,
        tally.retried,
        order.lost,
        order.doubled,
        order.reordered
    )?;
    ensure!(tally.resets == 0, "{text}connections broke: {:?}", tally.breaks);
    ensure!(tally.refused * 1_000 <= calls * REFUSED_MAX_PER_MILLE, "{text}too many calls were answered 503");
    ensure!(order.lost + order.doubled + order.reordered == 0, "{text}events were lost, doubled or reordered");
    ensure!(tally.others.is_empty(), "{text}other answers: {:?}", tally.others);
    let expected = options.rate * options.seconds;
    ensure!(tally.accepted >= expected * 99 / 100, "{text}only {} of {expected} events were sent", tally.accepted);
    Ok(text)
}
