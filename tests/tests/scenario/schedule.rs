//! Schedules and later events: each once, on time, whatever dies.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use backbone::{alarm, publish};
use jiff::Timestamp;
use prost::Message as _;
use proto::id::{SessionKey, TriggerId};
use proto::resource::CatchUp;
use proto::wire::Alarm;
use proto::{header, limit, subject};
use reqwest::Method;
use serde_json::json;
use tests::eventually::{eventually, never};
use tests::ledger::terminals;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::{API_TOKEN, System};
use tests::view::Logged;

use crate::{SOON, session, small, system};

mod volley;

/// How long what a dead worker had may take to be brought again.
const BROUGHT_AGAIN: Duration = Duration::from_secs(15);

/// Now, in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("the clock is sane")
}

/// A time as a schedule's keeper writes it.
fn written(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).expect("a time").to_string()
}

/// The terminal records by the timer that brought their event.
fn by_timer(log: &[Logged]) -> BTreeMap<(SessionKey, String), Vec<&Logged>> {
    let mut found: BTreeMap<_, Vec<&Logged>> = BTreeMap::new();
    for logged in terminals(log) {
        let timer = logged.entry.record.input().map(|input| input.timer.clone()).unwrap_or_default();
        found.entry((logged.session.clone(), timer)).or_default().push(logged);
    }
    found
}

/// Waits until a schedule's trigger has fired so often.
async fn fired(system: &System, count: usize, within: Duration) -> Vec<Logged> {
    let has = async || system.view().try_log().await.filter(|log| terminals(log).count() >= count);
    eventually(&format!("{count} turns have ended"), within, has).await
}

async fn alarm_of(system: &System, id: &str) -> Option<Alarm> {
    let id: TriggerId = id.parse().expect("a trigger id");
    alarm::read(system.view().client(), &id).await.expect("TIMERS can be read").map(|set| set.alarm)
}

/// Waits until a single date is noted as done.
async fn noted(system: &System, id: &str, due_ms: i64, within: Duration) {
    let done = async || alarm_of(system, id).await.filter(|alarm| alarm.due_ms == 0 && alarm.last_ms == due_ms);
    eventually(&format!("the date of {id} is noted as done"), within, done).await;
}

/// Rings a schedule's timer, as if it had been set long ago.
async fn ring(system: &System, id: &str, alarm: &Alarm, at_ms: i64) {
    let id: TriggerId = id.parse().expect("a trigger id");
    let mut headers = HeaderMap::new();
    headers.insert(header::SCHEDULE, format!("@at {}", written(at_ms)));
    headers.insert(header::SCHEDULE_TARGET, subject::schedule_due(&id));
    let stored = publish::confirmed(
        system.view().client(),
        subject::schedule(&id),
        Some(headers),
        alarm.encode_to_vec().into(),
        limit::PUBLISH_DEADLINE,
    );
    stored.await.expect("a timer can be set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_into_its_own_session_and_its_next_time_is_set() {
    let system = small().with(trigger("orders").schedule("hourly")).start().await;
    system.ledger().allow_strangers();
    let set = async || alarm_of(&system, "orders").await;
    let first = eventually("the timer is set", SOON, set).await;
    assert!(first.due_ms > now_ms() && first.due_ms % 3_600_000 == 0, "{first:?}");
    // As if the hour had struck just now.
    let due_ms = now_ms() - now_ms() % 3_600_000;
    let struck = Alarm { due_ms: now_ms() + 300, ..first.clone() };
    ring(&system, "orders", &struck, struck.due_ms).await;
    let log = fired(&system, 1, SOON).await;
    let record = &log.last().unwrap().entry.record;
    assert_eq!(log.last().unwrap().session, session("orders", "hourly"));
    let input = record.input().unwrap();
    assert_eq!(input.payload, r#"{"type":"invoke","reason":"scheduled to run hourly"}"#);
    assert_eq!((input.session.as_str(), input.timer.clone()), ("hourly", format!("schedule@{}", struck.due_ms)));
    assert!((0..1_000).contains(&(record.received_at_ms - struck.due_ms)), "it came {} ms late", record.received_at_ms - struck.due_ms);
    let next = async || alarm_of(&system, "orders").await.filter(|alarm| alarm.last_ms == struck.due_ms);
    assert_eq!(eventually("the next time is set", SOON, next).await.due_ms, due_ms + 3_600_000);
    let ids = ["orders".parse().unwrap(), "other".parse().unwrap()];
    let last = alarm::last_ms(system.view().client(), &ids).await.unwrap();
    assert_eq!(last.into_iter().collect::<Vec<_>>(), [(ids[0].clone(), struck.due_ms)]);
    let told = system.request(0, Method::GET, "/v1/integration/trigger/orders/fetch").secret(API_TOKEN).send().await.ok();
    assert_eq!(told.body["lastTriggerAt"], struck.due_ms);
    assert_eq!(told.body["nextTriggerAt"].as_i64().map(|next_ms| next_ms % 3_600_000), Some(0));
    let listed = system.request(0, Method::GET, "/v1/integration/trigger/list").secret(API_TOKEN).send().await.ok();
    assert_eq!(listed.body["items"][0]["lastTriggerAt"], struck.due_ms, "{}", listed.body);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_far_away_is_reached_in_steps_and_a_changed_schedule_replaces_the_timer() {
    let system = small().with(trigger("orders").schedule("2099-01-01T00:00:00Z")).start().await;
    let set = async || alarm_of(&system, "orders").await;
    let far = eventually("the timer is set", SOON, set).await;
    assert_eq!(far.due_ms, 4_070_908_800_000);
    ring(&system, "orders", &far, now_ms() + 100).await;
    let again = async || alarm_of(&system, "orders").await.filter(|alarm| *alarm == far);
    eventually("the timer is set for what is left", SOON, again).await;
    system.put(&trigger("orders").schedule("monthly").into()).await;
    let changed = async || alarm_of(&system, "orders").await.filter(|alarm| alarm.schedule == "monthly");
    eventually("the timer follows the schedule", SOON, changed).await;
    // What rings for a schedule that is no more fires nothing.
    ring(&system, "orders", &far, now_ms()).await;
    eventually("the timer follows the schedule", SOON, changed).await;
    system.put(&trigger("orders").into()).await;
    let gone = async || alarm_of(&system, "orders").await.is_none().then_some(());
    eventually("the timer is gone", SOON, gone).await;
    assert_eq!(system.view().log().await.len(), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_was_missed_is_made_up_for_once_or_not_at_all() {
    let due_ms = now_ms() - 180_000;
    let missed = |id: &str| trigger(id).schedule(&written(due_ms)).changed_at(due_ms - 60_000);
    let system = system().with(missed("once")).with(missed("skip").catch_up(CatchUp::Skip));
    let mut system = system.gateways(1, &Setup::here()).start().await;
    system.ledger().allow_strangers();
    let first = system.start_worker(Setup::here()).await;
    let log = fired(&system, 1, SOON).await;
    assert_eq!(log.last().unwrap().session, session("once", &written(due_ms)));
    noted(&system, "once", due_ms, SOON).await;
    system.worker(first).stop().await;
    // Even where nothing says so any more: the broker's window is over, and the log still knows.
    let purged = system.view().ask("STREAM.PURGE.TIMERS", "{}").await.unwrap();
    assert_eq!(purged["success"], true, "{purged}");
    system.start_worker(Setup::here()).await;
    noted(&system, "once", due_ms, SOON).await;
    let skipped = async || alarm_of(&system, "skip").await.filter(|alarm| alarm.due_ms == 0 && alarm.last_ms == 0);
    eventually("the other one is passed over", SOON, skipped).await;
    assert_eq!(terminals(&system.view().log().await).count(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_once_whatever_point_its_worker_dies_at() {
    let mut system = system().gateways(1, &Setup::here()).start().await;
    system.ledger().allow_strangers();
    let points = ["send#1.before", "send#1.after", "alarm#1.before", "alarm#1.after"];
    for (number, point) in points.into_iter().enumerate() {
        let doomed = system.start_worker(Setup::child().fatal(point)).await;
        let (id, due_ms) = (format!("t{number}"), now_ms() + 500);
        system.put(&trigger(&id).schedule(&written(due_ms)).into()).await;
        let died = async || system.worker(doomed).has_died().then_some(());
        eventually(&format!("the worker dies at {point}"), SOON, died).await;
        let heir = system.start_worker(Setup::child()).await;
        noted(&system, &id, due_ms, BROUGHT_AGAIN).await;
        let log = fired(&system, number + 1, BROUGHT_AGAIN).await;
        let found = by_timer(&log);
        let ended = found.get(&(session(&id, &written(due_ms)), format!("schedule@{due_ms}")));
        assert_eq!(ended.map(Vec::len), Some(1), "{point}: {found:#?}");
        system.worker(heir).stop().await;
    }
    system.start_worker(Setup::here()).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_later_event_can_be_followed_repeated_and_taken_back() {
    let system = small().with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let fetch = |id: &str| system.request(0, Method::GET, &format!("/v1/integration/trigger/orders/event/{id}/fetch"));
    let cancel = |id: &str| system.request(0, Method::POST, &format!("/v1/integration/trigger/orders/event/{id}/cancel"));

    let began_ms = now_ms();
    let booked = system.call("orders").said("s", "later").key("k").query("delay=1500").send().await.ok();
    let id = booked.str("/id").to_owned();
    assert!(id.starts_with("tmr.orders."), "{id}");
    assert_eq!((booked.str("/status"), booked.is_replay()), ("scheduled", false));
    let due_ms = booked.body["dueAt"].as_i64().unwrap();
    assert!((1_300..2_500).contains(&(due_ms - began_ms)), "due after {} ms", due_ms - began_ms);
    let repeat = system.call("orders").said("s", "later").key("k").query("delay=1500").send().await.ok();
    assert_eq!((repeat.str("/id"), repeat.is_replay(), repeat.body["dueAt"].as_i64()), (id.as_str(), true, Some(due_ms)));
    system.call("orders").said("s", "other").key("k").query("delay=1500").send().await.assert_refused(422, "CUE0401");
    assert_eq!(fetch(&id).send().await.ok().str("/status"), "scheduled");

    let other = system.call("orders").said("s", "never").query("delay=1h").send().await.ok().str("/id").to_owned();
    assert_eq!(cancel(&other).send().await.ok().str("/status"), "cancelled");
    assert_eq!(fetch(&other).send().await.ok().str("/status"), "cancelled");
    cancel(&other).send().await.assert_refused(409, "CUE0404");

    let done = async || Some(fetch(&id).send().await.ok()).filter(|answer| answer.str("/status") == "completed");
    let told = eventually("the event is handled", SOON, done).await;
    assert_eq!((told.str("/id"), told.str("/eventId").starts_with("evt.orders.")), (id.as_str(), true), "{}", told.body);
    let log = system.view().log().await;
    let record = &log.last().unwrap().entry.record;
    assert!((0..1_000).contains(&(record.received_at_ms - due_ms)), "it came {} ms late", record.received_at_ms - due_ms);
    let late = system.call("orders").said("s", "later").key("k").query("delay=1500").send().await.ok();
    assert_eq!((late.str("/id"), late.is_replay()), (id.as_str(), true));
    cancel(&id).send().await.assert_refused(409, "CUE0404");
    never("a repeat comes again", Duration::from_secs(2), async || Some(system.view().log().await.len()).filter(|len| *len > log.len()))
        .await;

    fetch("tmr.orders.s.later-00").send().await.assert_refused(404, "CUE0303");
    fetch(&id.replace("orders", "other")).send().await.assert_refused(404, "CUE0303");
    for (query, code) in [("delay=31d", "CUE0135"), ("delay=1s&at=1800000000000", "CUE0135"), ("delay=1s&wait=1", "CUE0135")] {
        system.call("orders").text("x").query(query).send().await.assert_refused(400, code);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_events_in_one_call_keep_the_order_of_their_sessions() {
    let system = small().with(trigger("orders")).start().await;
    let send = |body: serde_json::Value| system.request(0, Method::POST, "/v1/integration/trigger/orders/event/batch").json(&body);
    let mut events: Vec<_> = (0..98).map(|number| json!({ "text": format!("e{number}"), "session": format!("s{}", number % 3) })).collect();
    events.push(json!({ "text": "x", "contact": { "email": "nobody" } }));
    events.push(json!({ "text": "x", "session": "later", "delay": "1h", "idempotencyKey": "k" }));
    let answer = send(json!({ "events": events })).send().await.ok();
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    let mut last: BTreeMap<SessionKey, u64> = BTreeMap::new();
    for result in &results[..98] {
        let receipt: proto::id::Receipt = result["id"].as_str().unwrap_or_else(|| panic!("{result}")).parse().unwrap();
        let before = last.insert(receipt.session.clone(), receipt.event.seq);
        assert!(before.is_none_or(|before| before < receipt.event.seq), "out of order: {receipt}");
        system.ledger().note(receipt);
    }
    assert_eq!(last.len(), 3);
    assert_eq!((&results[98]["error"], &results[98]["field"]), (&json!("CUE0104"), &json!("contact.email")));
    assert_eq!((&results[99]["status"], results[99]["id"].as_str().unwrap().starts_with("tmr.")), (&json!("scheduled"), true));
    let repeat = send(json!({ "events": [events[99]] })).send().await.ok();
    assert_eq!(repeat.body["results"][0]["id"], results[99]["id"]);
    assert_eq!(repeat.body["results"][0]["idempotentReplay"], true);

    send(json!({ "events": [] })).send().await.assert_refused(400, "CUE0136");
    send(json!({ "events": vec![json!({}); 101] })).send().await.assert_refused(400, "CUE0136");
    send(json!({ "events": [{ "colour": 1 }] })).send().await.assert_refused(400, "CUE0109");
    send(json!({ "events": [{}] })).secret("wrong").send().await.assert_refused(401, "CUE0201");
    let log = system.settled(SOON).await;
    assert_eq!(terminals(&log).count(), 98);
    system.finish().await;
}
