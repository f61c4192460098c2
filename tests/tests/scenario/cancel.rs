//! A turn is called off.

use std::time::Duration;

use proto::answer::{Answer, Kind};
use proto::id::Receipt;
use proto::wire::Cancel;
use reqwest::Method;
use serde_json::json;
use tests::call::Call;
use tests::resource::{SECRET, scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::{API_TOKEN, System};
use tokio::time::Instant;

use crate::{SOON, records, session, shape, small, system};

fn cancel(system: &System, receipt: &Receipt) -> Call {
    system.of_event(receipt, Method::POST, "cancel")
}

async fn running(system: &System, receipt: &Receipt) {
    let is_running = async || Some(system.fetch(receipt).send().await).filter(|answer| answer.str("/status") == "running").map(drop);
    tests::eventually::eventually("the turn runs", SOON, is_running).await;
}

/// A bot whose first call hangs until the sink lets go.
fn calling(sink: &Sink) -> proto::resource::Resource {
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" }, "doubt": "fail" });
    scripted("calls", json!({ "calls": [call], "reply": "done" }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_turn_that_is_called_off_ends_within_a_second() {
    let sink = Sink::start().await;
    sink.hold();
    let system = small().with(calling(&sink)).with(trigger("orders").bot("calls")).start().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    sink.reached(1, SOON).await;
    running(&system, &receipt).await;
    let began = Instant::now();
    let body = json!({ "reason": "changed my mind", "by": "ada" });
    let answer = cancel(&system, &receipt).json(&body).query("wait=10").send().await.ok();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert_eq!((answer.receipt(), answer.str("/status")), (receipt.clone(), "cancelled"));
    let told = answer.told();
    assert_eq!(told.first().map(String::as_str), Some("user:hi"));
    assert_eq!(told.last().map(String::as_str), Some("activity:changed my mind"));
    let last = answer.body["messages"].as_array().and_then(|messages| messages.last()).cloned().expect("messages");
    assert_eq!((&last["meta"]["cancelled"], &last["meta"]["by"]), (&json!(true), &json!("ada")));
    let after = system.call("orders").said("s", "next").send().await.receipt();
    sink.release();
    system.settled(SOON).await;
    assert_eq!(system.fetch(&after).send().await.ok().str("/status"), "completed", "the session goes on");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thinking_turn_that_is_called_off_ends_within_a_second_and_a_repeat_is_one() {
    let slow = scripted("slow", json!({ "latency": "600s" }));
    let system = small().with(slow).with(trigger("orders").bot("slow")).start().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    let owned = async || system.view().owner(&receipt.session).await;
    tests::eventually::eventually("the session has an owner", SOON, owned).await;
    let began = Instant::now();
    let (one, two) = tokio::join!(cancel(&system, &receipt).send(), cancel(&system, &receipt).body("{}").send());
    let is_taken = |answer: &tests::call::Answer| answer.status.is_success() && ["queued", "running"].contains(&answer.str("/status"));
    assert!(is_taken(&one) || is_taken(&two), "{} {}", one.body, two.body);
    // The second may come so late that the turn has ended.
    assert!([&one, &two].into_iter().all(|answer| is_taken(answer) || answer.str("/error") == "CUE0404"), "{} {}", one.body, two.body);
    let log = system.settled(SOON).await;
    assert!(began.elapsed() < Duration::from_secs(1), "it took {:?}", began.elapsed());
    assert_eq!(shape(&records(&log)), "aX", "both cancels are one answer");
    let again = cancel(&system, &receipt).send().await;
    again.assert_refused(409, "CUE0404");
    assert!(again.str("/message").contains("cancelled"), "{}", again.body);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queued_event_that_is_called_off_is_recorded_so_when_its_turn_comes() {
    let slow = scripted("slow", json!({ "latency": "700ms" }));
    let system = small().with(slow).with(trigger("orders").bot("slow")).start().await;
    let mut receipts = Vec::new();
    for text in ["a", "b", "c"] {
        receipts.push(system.call("orders").said("s", text).send().await.receipt());
    }
    let answer = cancel(&system, &receipts[1]).send().await.ok();
    assert_eq!(answer.body, json!({ "id": receipts[1].to_string(), "status": "queued" }));
    let waited = cancel(&system, &receipts[1]).query("wait=10").send().await.ok();
    assert_eq!(waited.str("/status"), "cancelled");
    let log = system.settled(SOON).await;
    let ends: String = shape(&records(&log)).chars().filter(char::is_ascii_uppercase).collect();
    assert_eq!(ends, "CXC", "the order of the session is kept");
    for (receipt, status) in receipts.iter().zip(["completed", "cancelled", "completed"]) {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), status);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_nobody_works_on_yet_is_called_off_when_a_worker_comes() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let first = system.call("orders").said("s", "a").send().await.receipt();
    let second = system.call("orders").said("s", "b").send().await.receipt();
    assert_eq!(cancel(&system, &first).send().await.ok().str("/status"), "queued");
    system.start_worker(Setup::here()).await;
    system.settled(SOON).await;
    assert_eq!(system.fetch(&first).send().await.ok().str("/status"), "cancelled");
    assert_eq!(system.fetch(&second).send().await.ok().str("/status"), "completed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_is_409_and_a_late_cancel_over_the_broker_changes_nothing() {
    let system = small().with(trigger("orders")).start().await;
    let receipt = system.call("orders").said("s", "hi").query("wait=10").send().await.receipt();
    let refused = cancel(&system, &receipt).send().await;
    refused.assert_refused(409, "CUE0404");
    assert!(refused.str("/message").contains("completed"), "{}", refused.body);
    let late = Answer { event: receipt.event, call: String::new(), by: String::new(), kind: Kind::Cancel(Cancel::default()) };
    system.publish_to(&proto::subject::answer(&session("orders", "s")), None, late.encode()).await;
    crate::progressed(&system, 2).await;
    assert_eq!(shape(&records(&system.view().log().await)), "Ca");
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "completed", "the record of the cancel is not the turn's");
    cancel(&system, &receipt).send().await.assert_refused(409, "CUE0404");
    let next = system.call("orders").said("s", "again").query("wait=10").send().await.ok();
    assert_eq!(next.str("/status"), "completed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_secret_or_the_token_calls_off_even_where_the_trigger_is_open() {
    let slow = scripted("slow", json!({ "latency": "600s" }));
    let system = small().with(slow).with(trigger("open").bot("slow").open()).with(trigger("other").secret("0ther")).start().await;
    let receipts = [
        system.call("open").anonymous().text("hi").send().await.receipt(),
        system.call("open").anonymous().text("hi").send().await.receipt(),
    ];
    for receipt in &receipts {
        cancel(&system, receipt).anonymous().send().await.assert_refused(401, "CUE0201");
        cancel(&system, receipt).secret("0ther").send().await.assert_refused(401, "CUE0201");
        let path = format!("/v1/integration/trigger/other/event/{receipt}/cancel");
        system.request(0, Method::POST, &path).secret("0ther").send().await.assert_refused(404, "CUE0303");
    }
    for (receipt, secret) in receipts.iter().zip([SECRET, API_TOKEN]) {
        let answer = cancel(&system, receipt).secret(secret).query("wait=10").send().await.ok();
        assert_eq!(answer.str("/status"), "cancelled");
    }
    let mut unknown = receipts[0].clone();
    unknown.event.seq += 1_000;
    cancel(&system, &unknown).send().await.assert_refused(404, "CUE0303");
    cancel(&system, &receipts[0]).body("[").send().await.assert_refused(400, "CUE0101");
    cancel(&system, &receipts[0]).method(Method::PUT).send().await.assert_refused(405, "CUE0305");
    system.finish().await;
}
