//! Ends of turns reach where a trigger wants them told, in order, and no turn waits for it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use outbox::inventory::{self, Delivery, Status};
use outbox::parcel::DeliveryId;
use outbox::stopped;
use proto::id::TriggerId;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::peer::webhook::{Receiver, Told};
use tests::resource::{results_on, scripted, trigger, webhook};
use tests::setup::Setup;
use tests::system::{Builder, System};
use tokio::time::Instant;

use crate::{SOON, system};

/// Pauses that a test can wait for.
const QUICK: [Duration; 4] = [Duration::from_millis(200); 4];

fn orders() -> TriggerId {
    "orders".parse().unwrap()
}

/// A gateway and a worker with short pauses, behind them a trigger with a webhook.
fn delivering(receiver: &Receiver) -> Builder {
    let to = webhook("orders", "crm", &receiver.url("hook"));
    system().with(trigger("orders").results([to])).workers(1, &Setup::here().retries(QUICK)).gateways(1, &Setup::here())
}

/// The texts that were taken, by session, in the order in which they were.
fn taken(seen: &[Told]) -> HashMap<String, Vec<String>> {
    let mut taken: HashMap<String, Vec<String>> = HashMap::new();
    for told in seen.iter().filter(|told| told.status < 300) {
        let text = told.body["data"]["text"].as_str().unwrap_or_default();
        let (session, _) = text.split_once('-').unwrap_or_default();
        taken.entry(session.to_owned()).or_default().push(text.to_owned());
    }
    taken
}

/// All deliveries of the trigger, once there are so many and all fit.
async fn deliveries(system: &System, count: usize, fits: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
    let client = system.view().client();
    let look = async || {
        let found = inventory::list(client, &orders(), 1, 100).await.ok()?;
        Some(found).filter(|found| found.len() == count && found.iter().all(&fits))
    };
    eventually(&format!("{count} deliveries are as they should be"), SOON * 6, look).await
}

async fn delivery(system: &System, id: &DeliveryId, status: Status) -> Delivery {
    let look = async || inventory::fetch(system.view().client(), id).await.ok().flatten().filter(|found| found.status == status);
    eventually(&format!("{id} is {}", status.as_str()), SOON, look).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_in_order_with_failures_in_between_and_officially_signed() {
    let receiver = Receiver::start().await;
    let mut system = delivering(&receiver).start().await;
    system.start_worker(Setup::child().retries(QUICK)).await;
    let pause = json!({ "status": 503, "headers": { "retry-after": "1" } });
    receiver.next(&[json!({ "status": 500 }), pause, json!({ "status": 302 }), json!({ "status": 204 }), json!({ "status": 404 })]).await;
    for round in 0..6 {
        for session in ["a", "b", "c"] {
            let text = format!("{session}-{round}");
            system.call("orders").said(session, &text).send().await.receipt();
        }
    }
    let seen = receiver.until("all ends are told", SOON * 3, |seen| taken(seen).values().map(Vec::len).sum::<usize>() >= 18).await;
    for session in ["a", "b", "c"] {
        let expected: Vec<String> = (0..6).map(|round| format!("{session}-{round}")).collect();
        assert_eq!(taken(&seen)[session], expected);
    }
    assert!(seen.len() >= 22, "four calls were refused: {}", seen.len());
    let told = &seen[0].body;
    assert_eq!((&told["type"], &told["data"]["status"]), (&json!("turn.completed"), &json!("completed")));
    assert!(told["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
    let mut ids: HashMap<&str, &Value> = HashMap::new();
    for told in &seen {
        let first = ids.entry(&told.id).or_insert(&told.body);
        assert_eq!(*first, &told.body, "one id, one body");
    }
    assert_eq!(ids.len(), 18, "an attempt has the id of the one before");
    let all = deliveries(&system, 18, |delivery| delivery.status == Status::Delivered).await;
    assert_eq!(all.iter().map(|delivery| delivery.attempts.len()).sum::<usize>(), seen.len());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destination_that_answers_410_hears_nothing_until_it_is_enabled_and_is_told_again_by_hand() {
    let receiver = Receiver::start().await;
    let system = delivering(&receiver).start().await;
    receiver.always(410).await;
    system.call("orders").said("a", "a-0").send().await.receipt();
    let first = deliveries(&system, 1, |delivery| delivery.status == Status::Stopped).await.remove(0);
    let (trigger, destination) = (orders(), "crm".parse().unwrap());
    let mark = async || stopped::mark(system.view().context(), &trigger, &destination).await.ok().flatten();
    let mark = eventually("the destination is marked", SOON, mark).await;
    assert_eq!(mark.delivery, first.parcel.id.to_string());

    receiver.always(204).await;
    // Another worker hears of the mark as this one does.
    eventually("the mark is known", SOON, async || {
        system.call("orders").said("a", "a-1").query("wait=5").send().await.ok();
        let all = inventory::list(system.view().client(), &trigger, 1, 100).await.ok()?;
        all.last().filter(|last| last.status == Status::Stopped && last.attempts.len() == 1).map(drop)
    })
    .await;
    let before = receiver.seen().await.len();
    system.call("orders").said("b", "b-0").query("wait=5").send().await.ok();
    let look = async || {
        let all = inventory::list(system.view().client(), &trigger, 1, 100).await.ok()?;
        all.into_iter().find(|one| one.parcel.id.lane.session == crate::session("orders", "b")).filter(|one| one.status == Status::Stopped)
    };
    let unsent = eventually("the end is noted as stopped", SOON, look).await;
    assert_eq!((unsent.attempts[0].number, receiver.seen().await.len()), (0, before), "nothing is sent");

    assert!(stopped::enable(system.view().context(), &trigger, &destination).await.unwrap());
    assert!(!stopped::enable(system.view().context(), &trigger, &destination).await.unwrap());
    let again = async || {
        let id = inventory::again(system.view().client(), &first.parcel.id).await.ok()??;
        let done = async || inventory::fetch(system.view().client(), &id).await.ok().flatten().filter(|one| one.status.is_final());
        let done = eventually("the repeat ends", SOON, done).await;
        (done.status == Status::Delivered).then_some(done)
    };
    let repeat = eventually("it is told again", SOON, again).await;
    assert_eq!(repeat.parcel.label.webhook_id, first.parcel.label.webhook_id);
    assert_eq!(repeat.parcel.label.repeats, first.parcel.id.to_string());
    let last = receiver.seen().await.pop().unwrap();
    assert_eq!((last.id, last.body["data"]["text"].as_str()), (first.parcel.label.webhook_id.clone(), Some("a-0")));

    // A repeat does not make the log look told: what comes next is told too.
    system.call("orders").said("a", "a-9").send().await.receipt();
    receiver.until("the next end is told", SOON, |seen| seen.iter().any(|told| told.body["data"]["text"] == "a-9")).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_does_not_answer_delays_no_turn() {
    let receiver = Receiver::start().await;
    let system = delivering(&receiver).with(trigger("plain")).start().await;
    receiver.hold().await;
    let mut took: HashMap<&str, Vec<Duration>> = HashMap::new();
    for round in 0..40 {
        for name in ["orders", "plain"] {
            let began = Instant::now();
            system.call(name).said(&format!("s{round}"), "hi").query("wait=10").send().await.ok();
            took.entry(name).or_default().push(began.elapsed());
        }
    }
    let median = |name: &str| {
        let mut all = took[name].clone();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let (with, without) = (median("orders"), median("plain"));
    println!("median of a turn: {with:?} with a receiver that hangs, {without:?} without one");
    assert!(!receiver.seen().await.is_empty(), "the receiver was asked meanwhile");
    assert!(with < without * 3 + Duration::from_millis(50), "{with:?} with, {without:?} without");
    receiver.always(204).await;
    deliveries(&system, 40, |delivery| delivery.status == Status::Delivered).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_while_it_tells_loses_nothing_and_keeps_the_order() {
    let receiver = Receiver::start().await;
    let to = webhook("orders", "crm", &receiver.url("hook"));
    let mut system = system().with(trigger("orders").results([to])).gateways(1, &Setup::here()).start().await;
    let first = system.start_worker(Setup::child().retries(QUICK)).await;
    receiver.hold().await;
    for round in 0..4 {
        system.call("orders").said("a", &format!("a-{round}")).query("wait=10").send().await.ok();
    }
    receiver.until("the first end is being told", SOON, |seen| seen.len() == 1).await;
    system.worker(first).kill().await;
    receiver.always(204).await;
    system.start_worker(Setup::child().retries(QUICK)).await;
    let texts =
        |seen: &[Told]| seen.iter().map(|told| told.body["data"]["text"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let seen = receiver.until("all ends are told", SOON * 6, |seen| texts(seen).iter().any(|text| text == "a-3")).await;
    assert_eq!(texts(&seen), ["a-0", "a-0", "a-1", "a-2", "a-3"], "the first one twice, under one id");
    assert_eq!(seen[0].id, seen[1].id);
    let all = deliveries(&system, 4, |delivery| delivery.status == Status::Delivered).await;
    assert_eq!(all[0].attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2], "the lost attempt is on record");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_told_is_given_up_and_only_what_is_wanted_is_told() {
    let receiver = Receiver::start().await;
    let closed = webhook("orders", "closed", "http://10.0.0.1/hook");
    let mut failures = webhook("orders", "failures", &receiver.url("failures"));
    failures.statuses = vec!["failed".into(), "dead".into()];
    let system = system()
        .with(scripted("faulty", json!({ "fail": "no" })))
        .with(trigger("orders").bot("faulty").results([closed, failures, results_on("bus", "results.orders")]))
        .workers(1, &Setup::here().retries(QUICK))
        .gateways(1, &Setup::here())
        .start()
        .await;
    let mut heard = system.view().client().subscribe("results.orders").await.unwrap();
    system.view().client().flush().await.unwrap();
    let receipt = system.call("orders").said("a", "a-0").send().await.receipt();
    let seen = receiver.until("the failure is told", SOON, |seen| seen.len() == 1).await;
    assert_eq!((&seen[0].body["type"], &seen[0].body["data"]["id"]), (&json!("turn.failed"), &json!(receipt.to_string())));
    let message = tokio::time::timeout(SOON, heard.next()).await.unwrap().unwrap();
    let told: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!((&told, told["data"]["end"]["reason"].as_str()), (&seen[0].body, Some("error")));
    let id = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id")).unwrap().as_str().to_owned();
    assert!(id.starts_with("msg_") && id.ends_with("_bus"), "{id}");

    let all = deliveries(&system, 3, |delivery| delivery.status.is_final()).await;
    let of = |name: &str| all.iter().find(|one| one.parcel.id.lane.destination.as_str() == name).unwrap();
    let closed = of("closed");
    assert_eq!((closed.status, closed.attempts.len()), (Status::GivenUp, QUICK.len() + 1));
    let error = closed.attempts[0].error.as_deref().unwrap_or_default();
    assert!(error.contains("10.0.0.1 may not be called"), "{error}");
    assert_eq!((of("failures").status, of("bus").status), (Status::Delivered, Status::Delivered));

    let test = inventory::test(system.view().client(), &orders(), &"failures".parse().unwrap(), 1).await.unwrap();
    delivery(&system, &test, Status::Delivered).await;
    assert_eq!(receiver.seen().await.pop().unwrap().body["type"], json!("test"));
    system.finish().await;
}
