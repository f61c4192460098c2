//! Everything is hurt at random for minutes, under load, and nothing may be lost, doubled or out of order.
//!
//! Three nats-servers, Redis, three workers, two gateways and the publishers are processes of their own
//! with a way of its own to each server. Callers of a thousand sessions send by both doors, each the next
//! event once it has the receipt of the one before. Faults strike by a seed. Then it is calm, and what was
//! sent is held against the log, DEAD, the effects, and what the API says. docs/chaos.md says how to read it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use backbone::signals::Signals;
use clap::Parser;
use serde_json::json;
use tests::resource::{rules, trigger};
use tests::scratch::Scratch;
use tests::sink::Sink;
use tests::system::Builder;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::book::Book;
use crate::campaign::Campaign;
use crate::check::{Evidence, Violation, Wrong};
use crate::disk::Disk;
use crate::door::{Doors, TRIGGER};
use crate::fault::Fault;
use crate::fleet::Fleet;
use crate::forge::Forgery;
use crate::load::{Callers, Load};
use crate::net::Net;
use crate::report::Report;
use crate::strike::{PUBLISHERS, SMALL, World};

mod book;
mod broker;
mod campaign;
mod check;
mod clock;
mod dice;
mod disk;
mod door;
mod evidence;
mod fault;
mod fleet;
mod forge;
mod history;
mod load;
mod net;
mod recovery;
mod report;
mod strike;

/// How long a call to the sink takes.
const EFFECT_TAKES: Duration = Duration::from_millis(100);
/// How long the last callers may take after the last event was due.
const CALLED_WITHIN: Duration = Duration::from_mins(3);
/// How long it may take until everything is settled once it is calm.
const SETTLED_WITHIN: Duration = Duration::from_mins(3);

/// What to do, and for how long.
#[derive(Debug, Parser)]
struct Options {
    /// How long events come in and faults strike, in seconds.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(20..=86_400))]
    seconds: u64,
    /// How many events come in a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    rate: u64,
    /// How many events come in all, instead of a rate.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    events: Option<u64>,
    /// Over how many sessions they are spread.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sessions: u32,
    /// What all chance follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only these faults.
    #[arg(long, value_delimiter = ',', value_name = "KIND")]
    only: Vec<Fault>,
    /// Where the report goes, and the logs of all processes.
    #[arg(long, default_value = "target/chaos")]
    out: PathBuf,
    /// How much workers and gateways log.
    #[arg(long, default_value = "info")]
    level: String,
    /// Makes what was found wrong before it is checked, to see the checker find it; a run with it is no proof.
    #[arg(long)]
    forge: Option<Forgery>,
}

/// What a run found.
struct Found {
    is_clean: bool,
    is_whole: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let mut signals = Signals::listen()?;
    let found = tokio::select! {
        found = Box::pin(run(&options)) => found?,
        // What runs is dropped with all its processes and its disk.
        () = signals.end(async || {}) => anyhow::bail!("interrupted: nothing was checked"),
    };
    Ok(match (found.is_clean, found.is_whole) {
        (true, true) => ExitCode::SUCCESS,
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(2),
    })
}

async fn run(options: &Options) -> anyhow::Result<Found> {
    let mut kinds = if options.only.is_empty() { Fault::ALL.to_vec() } else { options.only.clone() };
    let (logs, mut not_run) = (options.out.join("logs"), Vec::new());
    if logs.exists() {
        std::fs::remove_dir_all(&logs)?;
    }
    std::fs::create_dir_all(&logs)?;
    let scratch = Scratch::new();
    let mut disk = None;
    if kinds.contains(&Fault::NatsFull) {
        match Disk::mount(&scratch.path().join(format!("nats{SMALL}/store"))).await {
            Ok(mounted) => disk = Some(mounted),
            Err(error) => {
                not_run.push(format!("{} was NOT RUN: {error:#}", Fault::NatsFull));
                kinds.retain(|kind| *kind != Fault::NatsFull);
            }
        }
    }
    let sink = Sink::start().await;
    sink.set_latency(EFFECT_TAKES);
    let orders = trigger(TRIGGER).bot("clerk");
    let system = Builder::new("").unchecked().within(scratch).cluster().with(rules("clerk", clerk(&sink))).with(orders).start().await;
    let net = Net::of(&system, PUBLISHERS + 1).await;
    let programs = std::env::current_exe()?.parent().context("a directory of programs")?.to_owned();
    let fleet = Fleet::start(&programs, &system, &net, (&logs, &options.level)).await?;
    let world = World { fleet, net, disk, system };
    let found = Box::pin(wage(options, &kinds, &not_run, &world, &sink)).await;
    keep_logs(&world, &logs);
    found
}

/// A bot that does what an event's first word says.
fn clerk(sink: &Sink) -> serde_json::Value {
    let rule = |word: &str, doubt: &str| {
        let with = json!({ "url": sink.url(&format!("{word}/{{{{ captures.number }}}}")), "method": "POST", "body": "{{ text }}" });
        let call = json!({ "ability": "fetch", "with": with, "doubt": doubt, "onError": "continue", "as": "deed" });
        let reply = format!("{{% if errors.deed %}}{}{{% else %}}done{{% endif %}}", evidence::IN_DOUBT);
        json!({ "name": word, "when": { "text": format!(r"^{word} (?P<number>\d+)$") }, "do": [call], "reply": reply })
    };
    // Nobody listens on the first port.
    let sour = json!({ "ability": "fetch", "with": { "url": "http://127.0.0.1:1/", "method": "POST", "body": "-" }, "doubt": "retry" });
    json!({ "rules": [rule("once", "fail"), rule("again", "retry"), { "name": "sour", "when": { "text": "^sour " }, "do": [sour] }], "otherwise": "noted" })
}

async fn wage(options: &Options, kinds: &[Fault], not_run: &[String], world: &World, sink: &Sink) -> anyhow::Result<Found> {
    let time = Duration::from_secs(options.seconds);
    let events = options.events.unwrap_or(options.rate * options.seconds);
    let load = Load { events, sessions: usize::try_from(options.sessions)?, time, seed: options.seed };
    let doors = Arc::new(Doors::open(world.fleet.ports(), world.net.nats_url(PUBLISHERS)).await?);
    let (book, off) = (Book::default(), CancellationToken::new());
    let mut callers = load.start(&doors, &book, &off)?;
    let campaign = Campaign::wage(world, kinds.to_vec(), options.seed, time).await?;
    called(&mut callers, &off).await?;
    let (view, calm) = (world.system.view(), Instant::now());
    let mut leftovers = campaign.failed.clone();
    leftovers.extend(evidence::settled(view, SETTLED_WITHIN).await);
    let settled_ms = calm.elapsed().as_millis();
    world.fleet.watch()?;
    let ((sent, objections), log) = (book.read(), evidence::log(view).await?);
    let statuses = evidence::statuses(world.fleet.ports(), &sent).await?;
    let copies = evidence::letters(view).await;
    let (ended, effects) = (evidence::ended(&log, &copies), evidence::effects(&sink.hits()));
    let letters = copies.into_iter().map(|(event, _)| event).collect();
    let crashes = world.fleet.crashes();
    let evidence = Evidence { sent, objections, ended, letters, effects, statuses, crashes, leftovers };
    let evidence = match options.forge {
        Some(forgery) => forgery.done_to(evidence).with_context(|| format!("nothing can be forged to be {forgery:?}"))?,
        None => evidence,
    };
    let mut violations = check::check(&evidence);
    if let Some(forgery) = options.forge {
        let is_seen = violations.iter().any(|violation| violation.wrong == forgery.wrong());
        ensure!(is_seen, "what was forged to be {forgery:?} is not seen as {:?}", forgery.wrong());
    }
    violations.extend(disordered(world, &evidence, &log).await);
    world.fleet.stop().await?;
    let measured = recovery::measure(&campaign.struck, &evidence.sent, &evidence.ended);
    let oddities = world.fleet.oddities();
    let report = Report {
        load: &load,
        kinds,
        not_run,
        campaign: &campaign,
        sent: &evidence.sent,
        ended: &evidence.ended,
        effects: evidence.effects.len(),
        measured: &measured,
        oddities: &oddities,
        violations: &violations,
        settled_ms,
    };
    std::fs::write(options.out.join("report.json"), serde_json::to_vec_pretty(&report.json())?)?;
    let told = history::tell(&violations, &evidence, &log)?;
    std::fs::write(options.out.join("violations.txt"), &told)?;
    let text = format!("{told}{}", report.table()?);
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(Found { is_clean: violations.is_empty(), is_whole: not_run.is_empty() })
}

/// Waits until the callers are done, and calls off those that are not in time.
async fn called(callers: &mut Callers, off: &CancellationToken) -> anyhow::Result<()> {
    if tokio::time::timeout(CALLED_WITHIN, callers.ended()).await.is_err() {
        off.cancel();
        tokio::time::timeout(CALLED_WITHIN, callers.ended()).await.context("the callers do not end")??;
    }
    Ok(())
}

/// What the ledger of all scenarios finds in the records themselves.
async fn disordered(world: &World, evidence: &Evidence, log: &[tests::view::Logged]) -> Option<Violation> {
    let ledger = world.system.ledger();
    ledger.allow_strangers();
    for sent in &evidence.sent {
        if let Some(event) = sent.event() {
            ledger.note(proto::id::Receipt { session: sent.session.clone(), event });
        }
    }
    let letters: Vec<_> = world.system.view().letters().await.into_iter().map(|(_, letter)| letter).collect();
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| ledger.check(log, &letters)));
    let said = checked.err()?;
    let text = said.downcast_ref::<String>().cloned().unwrap_or_else(|| "the ledger disagrees".to_owned());
    Some(Violation { wrong: Wrong::Record, number: None, text })
}

/// Puts the servers' logs beside those of the others.
fn keep_logs(world: &World, logs: &Path) {
    let of_nats = (0..world.system.nats.len()).map(|number| (format!("nats{number}/nats-server.log"), format!("nats-{number}.log")));
    for (from, to) in of_nats.chain([("redis/redis-server.log".to_owned(), "redis.log".to_owned())]) {
        if let Err(error) = std::fs::copy(world.system.scratch.path().join(&from), logs.join(to)) {
            tracing::warn!("{from} is not kept: {error}");
        }
    }
}
