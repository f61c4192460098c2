//! The simulation in the ordinary test run: few seeds, which `make sim` makes many.

use backbone::bug::Bug;
use sim::tally::Fault;
use sim::{EVENTS, Options, run, run_all};

/// How many seeds an ordinary run takes.
const SEEDS: u64 = 100;
/// How many of them a bug may take that is easy to find.
const EASY: u64 = 40;

#[test]
fn every_seed_keeps_every_invariant() {
    let total = run_all(0..SEEDS, 2, Options::default()).unwrap_or_else(|violation| panic!("{}\n{violation}", violation.trace));
    println!("{total}");
    // A simulation in which nothing goes wrong would prove nothing.
    assert!(total.faults_min >= Some(10), "{total}");
    for fault in Fault::ALL {
        assert!(total.faults.contains_key(&fault), "{fault:?} never happened");
    }
    for end in
        ["turns taken up again", "calls in doubt", "events given up", "events noted", "conversations erased", "deletions", "ends told"]
    {
        assert!(total.ended(end) > 0, "{end}: {total}");
    }
}

#[test]
fn where_nothing_goes_wrong_nothing_waits_and_nothing_is_in_doubt() {
    let options = Options { is_quiet: true, ..Options::default() };
    let total = run_all(0..20, 2, options).unwrap_or_else(|violation| panic!("{}\n{violation}", violation.trace));
    assert_eq!(total.ended("calls in doubt"), 0);
    assert!(total.ended("events completed") > 0, "{total}");
}

#[test]
fn events_on_which_the_bot_panics_are_given_up_and_nothing_stays_owned() {
    let options = Options { is_quiet: true, only: Some("panic"), ..Options::default() };
    let tally = run(1, options).unwrap();
    assert_eq!(tally.ended("events given up"), EVENTS);
}

#[test]
fn a_seed_runs_the_same_twice() {
    let told = || format!("{:?}", run(7, Options::default()));
    assert_eq!(told(), told());
}

#[test]
fn a_bug_that_is_easy_to_find_is_found() {
    for bug in [Bug::AckBeforeCommit, Bug::NoDeadCopy] {
        assert!(sim::hunt(bug, 0..EASY, 2).is_some(), "{bug:?}");
    }
}
