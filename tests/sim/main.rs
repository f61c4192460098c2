//! The smoke simulation: the worker's whole core over an in-memory broker and lease store, on a
//! paused clock, with seeded delays, crashes and faults.
//!
//! One seed is one run: several workers, sessions with simple, effectful and poisonous events,
//! and a while of faults. After every append and ack the invariants of the design are checked;
//! after the faults have ended everything must come to its end by itself.
//! `CUEPOINT_SIM_SEED=n cargo nextest run -p tests --test sim` runs one seed and prints its trace.

use std::panic::AssertUnwindSafe;

mod actor;
mod broker;
mod lease;
mod world;

/// How many seeds every test run takes.
const SEEDS: u64 = 100;

fn run(seed: u64, is_loud: bool) -> Result<world::Summary, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let world = world::World::new(seed, is_loud);
    let traced = world.clone();
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(world.run())));
    let ended = ended.unwrap_or_else(|_| Err("a panic".to_owned()));
    ended.map_err(|fault| format!("seed {seed}: {fault}\n{}", traced.trace()))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the seed to replay comes from the person at the keyboard")]
fn a_hundred_seeds_keep_every_invariant() {
    if let Ok(seed) = std::env::var("CUEPOINT_SIM_SEED") {
        let seed = seed.parse().expect("a seed is a number");
        println!("{:?}", run(seed, true).unwrap_or_else(|fault| panic!("{fault}")));
        return;
    }
    let mut total = world::Summary::default();
    for seed in 0..SEEDS {
        total += run(seed, false).unwrap_or_else(|fault| panic!("{fault}"));
    }
    println!("{SEEDS} seeds: {total:?}");
    // A simulation in which nothing goes wrong would prove nothing.
    assert!(total.crashes > SEEDS && total.refused > 0 && total.lost_answers > 0 && total.wipes > 0 && total.resumed > 0, "{total:?}");
    assert!(total.in_doubt > 0 && total.dead > 0, "{total:?}");
}

#[test]
fn a_seed_runs_the_same_twice() {
    let first = run(7, false).unwrap_or_else(|fault| panic!("{fault}"));
    let second = run(7, false).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
}
