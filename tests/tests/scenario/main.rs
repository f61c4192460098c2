//! Scenarios over real servers: what a user is promised, and what keeps it.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail them by panicking"
)]

mod access;
mod agent;
mod backup;
mod busy;
mod cancel;
mod cluster;
mod crash;
mod dashboard;
mod dead;
mod direct;
mod door;
mod drain;
mod durability;
mod ending;
mod epoch;
mod erase;
mod full;
mod index;
mod key;
mod kill;
mod lean;
mod live;
#[cfg(feature = "proof")]
mod observed;
mod order;
mod outbox;
mod overload;
mod overview;
mod peer;
mod permission;
mod phantom;
mod pin;
mod publisher;
mod rate;
mod redis;
mod refusal;
mod reread;
mod resource;
mod schedule;
mod sdk;
mod secret;
mod signature;
mod socket;
mod state;
mod telemetry;
mod threat;
mod wait_for;
mod world;

use std::time::Duration;

use proto::id::SessionKey;
use proto::record::{Record, Step};
use tests::setup::Setup;
use tests::system::{Builder, System};
use tests::view::Logged;

/// How long anything ordinary may take.
const SOON: Duration = Duration::from_secs(10);

/// A system whose child processes are this package's `node`.
fn system() -> Builder {
    Builder::new(env!("CARGO_BIN_EXE_node"))
}

/// A system with one worker and one gateway in this process.
fn small() -> Builder {
    system().workers(1, &Setup::here()).gateways(1, &Setup::here())
}

/// The session that a session string names.
fn session(trigger: &str, string: &str) -> SessionKey {
    SessionKey { trigger: trigger.parse().expect("a trigger id"), token: proto::session::token(string) }
}

/// What a session's log looks like: a letter for each record, capital where a turn ends.
fn shape<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let letter = |record: &Record| match &record.step {
        Some(Step::Started(_)) => 's',
        Some(Step::Resumed(_)) => 'r',
        Some(Step::Intents(_)) => 'i',
        Some(Step::Outcomes(_)) => 'o',
        Some(Step::Checkpoint(_)) => 'c',
        Some(Step::Received(_)) => 'a',
        Some(Step::Suspended(_)) => 'w',
        Some(Step::Merged(_)) => 'M',
        Some(Step::Noted(_)) => 'N',
        Some(Step::Changed(_)) => 'h',
        Some(Step::Completed(_)) => 'C',
        Some(Step::Failed(_)) => 'F',
        Some(Step::Cancelled(_)) => 'X',
        None => '?',
    };
    records.into_iter().map(letter).collect()
}

/// The records of a log.
fn records(log: &[Logged]) -> Vec<Record> {
    log.iter().map(|logged| logged.entry.record.clone()).collect()
}

/// Waits until the log has so many records.
async fn progressed(system: &System, count: usize) {
    let has = async || system.view().try_log().await.filter(|log| log.len() >= count).map(drop);
    tests::eventually::eventually(&format!("the log has {count} records"), SOON * 6, has).await;
}
