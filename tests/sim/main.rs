//! The smoke simulation: the worker's whole core over an in-memory broker and lease store, on a
//! paused clock, with seeded delays, crashes and faults.
//!
//! One seed is one run: several workers, sessions with simple, effectful and poisonous events,
//! and a while of faults. After every append and ack the invariants of the design are checked;
//! after the faults have ended everything must come to its end by itself.
//! `CUEPOINT_SIM_SEED=n cargo nextest run -p tests --test sim` runs one seed and prints its trace.

#![expect(clippy::expect_used, clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

use std::panic::AssertUnwindSafe;

mod actor;
mod broker;
mod lease;
mod world;

/// How many seeds a run takes unless `CUEPOINT_SIM_SEEDS` says otherwise.
const SEEDS: u64 = 100;

#[expect(clippy::disallowed_methods, reason = "what to run comes from the person at the keyboard")]
fn asked(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("a number of seeds"))
}

fn run(seed: u64, is_loud: bool) -> Result<world::Summary, String> {
    let world = world::World::new(seed, is_loud);
    finish(&world).map_err(|fault| format!("seed {seed}: {fault}\n{}", world.trace()))
}

fn finish(world: &world::World) -> Result<world::Summary, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(world.clone().run())));
    ended.unwrap_or_else(|_| Err("a panic".to_owned()))
}

#[test]
fn every_seed_keeps_every_invariant() {
    if let Some(seed) = asked("CUEPOINT_SIM_SEED") {
        println!("{:?}", run(seed, true).unwrap_or_else(|fault| panic!("{fault}")));
        return;
    }
    let seeds = asked("CUEPOINT_SIM_SEEDS").unwrap_or(SEEDS);
    let mut total = world::Summary::default();
    for seed in 0..seeds {
        total += run(seed, false).unwrap_or_else(|fault| panic!("{fault}"));
    }
    println!("{seeds} seeds: {total:?}");
    // A simulation in which nothing goes wrong would prove nothing.
    assert!(total.crashes > seeds && total.refused > 0 && total.lost_answers > 0 && total.wipes > 0 && total.resumed > 0, "{total:?}");
    assert!(total.in_doubt > 0 && total.dead > 0 && total.noted > 0, "{total:?}");
    assert!(total.described > 0 && total.edited > 0 && total.erased > 0 && total.deletions > total.edited, "{total:?}");
}

#[test]
fn events_on_which_the_bot_panics_are_given_up_and_nothing_stays_owned() {
    let summary = finish(&world::World::of(1, "panic")).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(summary.dead, world::SESSIONS * world::EVENTS);
}

#[test]
fn a_seed_runs_the_same_twice() {
    let first = run(7, false).unwrap_or_else(|fault| panic!("{fault}"));
    let second = run(7, false).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
}
