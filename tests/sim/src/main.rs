//! `cuepoint-sim`: runs seeds of the simulation, replays one, or shows that seeded bugs are found.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use backbone::bug::Bug;
use clap::Parser;
use sim::{Options, run, run_all};

/// How many faults a run has at least.
const FAULTS_MIN: u64 = 10;

/// Runs the deterministic simulation.
#[derive(Debug, Parser)]
#[command(name = "cuepoint-sim", version)]
struct Arguments {
    /// Runs this seed alone, and prints every step.
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// How many seeds are run.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    from: u64,
    /// How many threads run them [default: one for each core].
    #[arg(long, value_name = "COUNT")]
    threads: Option<usize>,
    /// Nothing goes wrong.
    #[arg(long)]
    quiet: bool,
    /// A seeded bug, by name.
    #[arg(long, value_name = "NAME")]
    bug: Option<String>,
    /// Switches each seeded bug on, and says how many seeds it took to find it.
    #[arg(long)]
    bugs: bool,
    /// How often each kind of fault and each await must have been met; 0 asks for nothing.
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    each: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok().map(Into::into)).unwrap_or(1);
    let bug = match &arguments.bug {
        None => None,
        Some(name) => {
            let found = Bug::ALL.into_iter().find(|bug| format!("{bug:?}") == *name);
            Some(found.ok_or_else(|| anyhow::anyhow!("no bug is called {name:?}; there are {:?}", Bug::ALL))?)
        }
    };
    let options = Options { bug, is_quiet: arguments.quiet, ..Options::default() };
    if let Some(seed) = arguments.seed {
        let tally = run(seed, Options { is_loud: true, ..options }).map_err(|violation| anyhow::anyhow!("{violation}"))?;
        println!("{tally}");
        return Ok(());
    }
    let seeds = arguments.from..arguments.from + arguments.seeds;
    if arguments.bugs {
        return bugs(&seeds, threads);
    }
    let tally = match run_all(seeds, threads, options) {
        Ok(tally) => tally,
        Err(violation) => {
            println!("{}", violation.trace);
            anyhow::bail!("{violation}\nreplay it: cuepoint-sim --seed {}", violation.seed);
        }
    };
    println!("{tally}");
    let rare = tally.rare(arguments.each);
    anyhow::ensure!(rare.is_empty(), "met less than {} times: {}", arguments.each, rare.join(", "));
    anyhow::ensure!(arguments.quiet || tally.faults_min >= Some(FAULTS_MIN), "a run had fewer than {FAULTS_MIN} faults");
    Ok(())
}

fn bugs(seeds: &std::ops::Range<u64>, threads: usize) -> anyhow::Result<()> {
    println!("{:<24}{:>8}  found as", "bug", "seeds");
    let mut survivors = Vec::new();
    for bug in Bug::ALL {
        if let Some((seeds, what)) = sim::hunt(bug, seeds.clone(), threads) {
            println!("{:<24}{seeds:>8}  {what}", format!("{bug:?}"));
        } else {
            println!("{:<24}{:>8}  NOT FOUND", format!("{bug:?}"), "-");
            survivors.push(format!("{bug:?}"));
        }
    }
    anyhow::ensure!(survivors.is_empty(), "survived {} seeds: {}", seeds.end - seeds.start, survivors.join(", "));
    println!("{} of {} seeded bugs found", Bug::ALL.len(), Bug::ALL.len());
    Ok(())
}
