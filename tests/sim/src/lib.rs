//! The deterministic simulation: workers and gateways whole, over a broker, leases and a clock in memory.
//!
//! One seed is one run on one thread: three workers and two gateways, five sessions, forty events by
//! three doors, and a while in which everything goes wrong that was seen to go wrong. After every
//! record, ack, call and receipt the invariants of the design are checked; once the faults have ended
//! everything must come to its end by itself, and every receipt must tell it.
//!
//! In reading order: [`tally`] names what goes wrong; `state` is what lies outside the services and
//! `check` what must hold of it; `world` runs the services over `broker`, `lease`, `line` and `actor`;
//! `sender` and `outside` are everybody else.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a proof, and no service")]

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use backbone::bug::{self, Bug};

mod actor;
mod broker;
mod check;
mod gateway;
mod lease;
mod line;
pub mod model;
mod outside;
mod random;
mod sender;
mod state;
pub mod tally;
mod world;

use state::State;
use tally::Tally;
pub use world::EVENTS;
use world::World;

/// How a seed is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// A seeded bug.
    pub bug: Option<Bug>,
    /// Whether every step is printed as it happens.
    pub is_loud: bool,
    /// Whether nothing goes wrong: then everything must be prompt.
    pub is_quiet: bool,
    /// What every event says, where they are not mixed.
    pub only: Option<&'static str>,
}

/// A run that broke something.
#[derive(Debug, Clone, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Violation {
    /// The seed that shows it.
    pub seed: u64,
    /// What was broken.
    pub what: String,
    /// Every step.
    pub trace: String,
}

/// Runs one seed.
pub fn run(seed: u64, options: Options) -> Result<Tally, Box<Violation>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    bug::switch(options.bug);
    let world = runtime.block_on(async {
        let mut state = State::new(seed, options.is_loud);
        state.is_faulty = !options.is_quiet;
        state.is_quiet = options.is_quiet && options.only.is_none();
        state.only = options.only;
        if state.is_faulty {
            // A narrow gate in some worlds.
            state.turns = u32::try_from(seed % 4).unwrap_or(0) / 3;
        }
        World::new(state)
    });
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(world.run())));
    let trace = world.state().trace();
    drop(runtime);
    bug::switch(None);
    let ended = ended.unwrap_or_else(|_| Err("a panic".to_owned()));
    ended.map_err(|what| Box::new(Violation { seed, what, trace }))
}

/// Runs seeds on as many threads, until all are done or one broke something.
pub fn run_all(seeds: std::ops::Range<u64>, threads: usize, options: Options) -> Result<Tally, Box<Violation>> {
    let (next, is_broken) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let sum = Mutex::new((Tally::default(), None::<Box<Violation>>));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_broken.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let ran = run(seed, options);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    match ran {
                        Ok(tally) => sum.0 += &tally,
                        Err(violation) => {
                            is_broken.store(true, Ordering::Relaxed);
                            let is_first = sum.1.as_ref().is_none_or(|known| violation.seed < known.seed);
                            sum.1 = if is_first { Some(violation) } else { sum.1.take() };
                        }
                    }
                }
            });
        }
    });
    let (tally, violation) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    violation.map_or(Ok(tally), Err)
}

/// Runs seeds with a bug, loud ones and quiet ones by turns, until one shows it; how many it took, and what was broken.
pub fn hunt(bug: Bug, seeds: std::ops::Range<u64>, threads: usize) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(None::<(u64, String)>);
    let is_found = || found.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_found() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let is_quiet = seed % 4 == 3;
                    if let Err(violation) = run(seed, Options { bug: Some(bug), is_quiet, ..Options::default() }) {
                        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                        found.get_or_insert((seed - seeds.start + 1, violation.what));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}
