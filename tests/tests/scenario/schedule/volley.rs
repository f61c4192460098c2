//! Many schedules and later events, a second apart, while a gateway and a worker are killed.

use std::time::Duration;

use proto::id::TimerReceipt;
use serde_json::json;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::resource::trigger;
use tests::setup::Setup;

use super::{by_timer, now_ms, written};
use crate::{SOON, session, system};

/// How many schedules there are unless `CUEPOINT_SCHEDULES` says otherwise; half as many later events.
const SCHEDULES: usize = 10;
/// How long before the first time everything is set up.
const LEAD_MS: i64 = 4_000;
/// What is still on time, at the 99th percentile.
const LATE_MAX_MS: i64 = 1_000;

#[expect(clippy::disallowed_methods, reason = "how heavy the proof is to be comes from the Makefile")]
fn schedules() -> usize {
    std::env::var("CUEPOINT_SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(SCHEDULES)
}

/// The 99th percentile and the longest, in milliseconds.
fn late(mut late_ms: Vec<i64>) -> (i64, i64) {
    late_ms.sort_unstable();
    let rank = (late_ms.len() * 99).div_ceil(100).saturating_sub(1);
    (late_ms[rank], *late_ms.last().expect("something was measured"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_due_time_has_one_terminal_record_and_comes_on_time_whatever_is_killed() {
    let count = schedules();
    let mut system = system().with(trigger("later")).gateways(2, &Setup::child()).workers(2, &Setup::child()).start().await;
    system.ledger().allow_strangers();
    let from_ms = now_ms() + LEAD_MS;
    let at = |number: usize| from_ms + 1_000 * i64::try_from(number).expect("a small number");
    for number in 0..count {
        system.put(&trigger(&format!("t{number}")).schedule(&written(at(number))).into()).await;
    }
    let mut wanted = Vec::new();
    for number in 0..count {
        wanted.push((session(&format!("t{number}"), &written(at(number))), format!("schedule@{}", at(number)), at(number)));
    }
    // Half of them on the same seconds, through either gateway, every other one into one session.
    for number in 0..count / 2 {
        let body = match number % 2 {
            0 => json!({ "text": format!("later {number}"), "session": "shared" }),
            _ => json!({ "text": format!("later {number}") }),
        };
        let booked = system.call_at(number % 2, "later").json(&body).query(&format!("at={}", at(2 * number))).send().await.ok();
        let receipt: TimerReceipt = booked.str("/id").parse().expect("the receipt of a timer");
        wanted.push((receipt.session, format!("{}@{}", receipt.timer, at(2 * number)), at(2 * number)));
    }
    let half = async || (now_ms() > at(count / 2) + 300).then_some(());
    eventually("half of it is over", Duration::from_millis(u64::try_from(LEAD_MS).unwrap_or(0)) + Duration::from_secs(count as u64), half)
        .await;
    system.worker(0).kill().await;
    system.gateway(1).kill().await;

    let within = Duration::from_secs(count as u64) + SOON * 2;
    let all = async || system.view().try_log().await.filter(|log| terminals(log).count() >= wanted.len());
    let log = eventually("every due time has its record", within, all).await;
    let found = by_timer(&log);
    let (mut came, mut ended) = (Vec::new(), Vec::new());
    for (session, timer, due_ms) in &wanted {
        let records = found.get(&(session.clone(), timer.clone())).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(records.len(), 1, "{session} {timer} has another number of terminal records");
        came.push(records[0].entry.record.received_at_ms - due_ms);
        ended.push(records[0].entry.at_ms - due_ms);
    }
    assert_eq!(terminals(&log).count(), wanted.len(), "something fired that nobody asked for");
    let ((came_p99, came_max), (ended_p99, ended_max)) = (late(came), late(ended));
    println!("{count} schedules and {} later events, one gateway and one worker killed: {} terminal records", count / 2, wanted.len());
    println!("after the due time, in ms: in the inbox p99 {came_p99} max {came_max}; turn ended p99 {ended_p99} max {ended_max}");
    assert!(came_p99 <= LATE_MAX_MS, "p99 {came_p99} ms");
    system.finish().await;
}
