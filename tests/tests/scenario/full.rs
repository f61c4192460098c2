//! A stream that is full loses nothing: what does not fit waits, and goes on once there is room.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use backbone::topology::Sizes;
use proto::record::Step;
use proto::{limit, subject};
use tests::eventually::{eventually, never};
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::System;

use crate::{SOON, system};

/// What LOG or DEAD may hold: small, and still many records of the largest kind.
const BYTES: i64 = 8 << 20;
/// A text that few of fill that.
const TEXT_BYTES: usize = 200 * 1024;
/// As many of them as do not fit.
const EVENTS: usize = 56;
/// Long enough for more tries than a turn has attempts: one is made every two seconds.
const TRIES: Duration = Duration::from_secs(12);

/// Waits until a stream has no room for what was begun before.
async fn filled(system: &System, stream: &str) {
    let is_full = async || {
        let info = system.view().ask(&format!("STREAM.INFO.{stream}"), "").await?;
        let bytes = info["state"]["bytes"].as_u64()?;
        (bytes + BYTES.unsigned_abs() / limit::ROOM_SHARE > BYTES.unsigned_abs()).then_some(())
    };
    eventually(&format!("{stream} is full"), SOON * 3, is_full).await;
}

async fn raise(system: &System, stream: &str) {
    let context = system.view().context();
    let was = context.get_stream(stream).await.unwrap().cached_info().config.clone();
    context.update_stream(Config { max_bytes: BYTES * 8, ..was }).await.unwrap();
}

async fn nothing_is_given_up(system: &System) {
    never("an event is given up", TRIES, async || Some(system.view().letters().await).filter(|letters| !letters.is_empty())).await;
}

/// How many records say that a turn began once more.
async fn tries(system: &System) -> usize {
    let again = |step: &Option<Step>| matches!(step, Some(Step::Started(_) | Step::Resumed(_)));
    system.view().log().await.iter().filter(|logged| again(&logged.entry.record.step)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_gives_no_event_up_and_all_are_done_once_there_is_room() {
    let sizes = Sizes { log_bytes: BYTES, ..Sizes::default() };
    let mut system = system().workers(1, &Setup::child()).gateways(1, &Setup::here()).with(trigger("orders")).sizes(sizes).start().await;
    let text = "x".repeat(TEXT_BYTES);
    for event in 0..EVENTS {
        system.call("orders").said(&format!("s-{}", event % 8), &text).send().await.receipt();
    }
    filled(&system, "LOG").await;
    nothing_is_given_up(&system).await;
    // Another worker takes the sessions over, and has no other fate.
    system.start_worker(Setup::child()).await;
    system.worker(0).kill().await;
    nothing_is_given_up(&system).await;
    let tries = tries(&system).await;
    assert!(tries <= 8, "{tries} tries are on record, for 8 sessions");
    raise(&system, "LOG").await;
    let log = system.settled(SOON * 6).await;
    let done = log.iter().filter(|logged| matches!(logged.entry.record.step, Some(Step::Completed(_)))).count();
    assert_eq!(done, EVENTS);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_dead_is_full_what_is_given_up_waits_and_the_log_does_not_grow() {
    let sizes = Sizes { dead_bytes: BYTES, ..Sizes::default() };
    let mut system = system().workers(1, &Setup::here()).gateways(1, &Setup::here()).with(trigger("orders")).sizes(sizes).start().await;
    // Bytes that are no envelope are copied into DEAD.
    let waste = format!("{{{}", "x".repeat(TEXT_BYTES));
    for event in 0..EVENTS {
        system.publish(&crate::session("orders", &format!("s-{event}")), None, waste.clone()).await;
    }
    filled(&system, "DEAD").await;
    tokio::time::sleep(TRIES).await;
    assert!(tries(&system).await <= EVENTS, "each waits after its first try");
    raise(&system, subject::DEAD_STREAM).await;
    let log = system.settled(SOON * 6).await;
    assert_eq!(log.iter().filter(|logged| matches!(logged.entry.record.step, Some(Step::Failed(_)))).count(), EVENTS);
    assert_eq!(system.take_dead().await.len(), EVENTS);
    system.finish().await;
}
