//! Answers to calls that wait: what the gateway lets through, and where it lands.

use std::time::Duration;

use async_nats::HeaderMap;
use backbone::{direct, publish};
use proto::answer::{Answer, Kind};
use proto::id::{Receipt, SessionKey};
use proto::limit::{ANSWER_BYTES_MAX, PUBLISH_DEADLINE};
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::wire::{Call as Called, Cancelled, Input, Intents, Suspended, Wait};
use proto::{header, subject};
use reqwest::Method;
use serde_json::json;
use tests::call::Call;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::{API_TOKEN, System};

use crate::{session, small, system};

fn answer(system: &System, receipt: &Receipt) -> Call {
    system.of_event(receipt, Method::POST, "answer")
}

/// Appends what a worker would; the log sequence.
async fn append(system: &System, receipt: &Receipt, fence: u64, step: Step) -> u64 {
    let is_terminal = matches!(step, Step::Cancelled(_));
    let record = Record {
        id: RecordId([u8::try_from(fence).expect("a short log"); 16]),
        event: receipt.event,
        cursor: if is_terminal { receipt.event.seq } else { 0 },
        answers: 0,
        attempt: 0,
        base: 0,
        conversation: Conversation { opening: receipt.event, opened_at_ms: 1, base: 0, turn: 1, settings: 0 },
        worker: "the test".into(),
        traceparent: String::new(),
        received_at_ms: 1,
        revisions: Revisions::default(),
        cancels: vec![],
        edits: 0,
        step: Some(step),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::EXPECTED_LAST, fence.to_string());
    let subject = subject::log(&receipt.session);
    publish::confirmed(system.view().client(), subject, Some(headers), record.encode(), PUBLISH_DEADLINE).await.unwrap().seq
}

/// The answers that lie in a session's inbox.
async fn inbox(system: &System, session: &SessionKey) -> Vec<Answer> {
    let stream = subject::events_stream(system.view().epoch().await);
    let stored = direct::batch(system.view().client(), &stream, &subject::answer(session), 1, 100).await.unwrap();
    stored.into_iter().map(|stored| Answer::decode(session, &stored.body).unwrap()).collect()
}

/// A turn that waits: `1.0` for an approval, `1.1` for words. No worker is there to touch it.
async fn waiting() -> (System, Receipt, u64) {
    let system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    let call = |id: &str, wait: Wait| Called { id: id.into(), ability: "ask".into(), wait: wait.into(), ..Called::default() };
    let calls = vec![call("1.0", Wait::Approval), call("1.1", Wait::Answer)];
    let input = Some(Input { text: "hi".into(), ..Input::default() });
    let seq = append(&system, &receipt, 0, Step::Intents(Intents { input, step: 1, calls, thought: None })).await;
    let suspended = Suspended { input: None, calls: vec!["1.0".into(), "1.1".into()], until_ms: 2_000_000_000_000 };
    let seq = append(&system, &receipt, seq, Step::Suspended(suspended)).await;
    (system, receipt, seq)
}

/// Ends the turn as a worker would, and takes its event and answers away.
async fn end(system: System, receipt: &Receipt, fence: u64) {
    append(&system, receipt, fence, Step::Cancelled(Cancelled::default())).await;
    system.view().delete_stream(&subject::events_stream(receipt.event.epoch)).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_call_that_waits_lands_in_the_sessions_inbox_once() {
    let (system, receipt, fence) = waiting().await;
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "waiting");
    let said = json!({ "call": "1.1", "text": { "colour": "grün", "count": 5 }, "by": "ada" });
    for secret in [tests::resource::SECRET, API_TOKEN] {
        let told = answer(&system, &receipt).secret(secret).json(&said).send().await.ok();
        assert_eq!(told.body, json!({ "id": receipt.to_string(), "status": "waiting" }));
    }
    let rejected = json!({ "call": "1.0", "approve": false, "reason": "too dear" });
    assert_eq!(answer(&system, &receipt).json(&rejected).send().await.ok().str("/status"), "waiting");
    let found = inbox(&system, &receipt.session).await;
    assert_eq!(found.len(), 2, "a repeat is one: {found:?}");
    assert!(found.iter().all(|answer| answer.event == receipt.event));
    assert_eq!((found[0].call.as_str(), found[0].by.as_str()), ("1.1", "ada"));
    let Kind::Said(words) = &found[0].kind else { panic!("{found:?}") };
    assert_eq!(serde_json::from_str::<serde_json::Value>(&words.text).unwrap(), said["text"]);
    assert!(matches!(&found[1].kind, Kind::Rejected(said) if said.reason == "too dear"), "{found:?}");
    end(system, &receipt, fence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_nothing_waits_for_is_409_and_says_what_does() {
    let (system, receipt, fence) = waiting().await;
    for (body, said) in [
        (json!({ "call": "2.0", "text": "x" }), "1.0 waits for an approval (approve), 1.1 waits for an answer (text)"),
        (json!({ "call": "1.0", "text": "x" }), "call 1.0 waits for an approval (approve)"),
        (json!({ "call": "1.1", "approve": true }), "call 1.1 waits for an answer (text)"),
    ] {
        let refused = answer(&system, &receipt).json(&body).send().await;
        refused.assert_refused(409, "CUE0404");
        assert!(refused.str("/message").contains(said), "{}", refused.body);
    }
    assert_eq!(inbox(&system, &receipt.session).await, []);
    end(system, &receipt, fence).await;

    let mut system = system_without_worker().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    let approve = json!({ "call": "1.0", "approve": true });
    let refused = answer(&system, &receipt).json(&approve).send().await;
    refused.assert_refused(409, "CUE0404");
    assert!(refused.str("/message").contains("queued"), "{}", refused.body);
    system.start_worker(Setup::here()).await;
    system.settled(crate::SOON).await;
    let refused = answer(&system, &receipt).json(&approve).send().await;
    refused.assert_refused(409, "CUE0404");
    assert!(refused.str("/message").contains("completed"), "{}", refused.body);
    system.finish().await;
}

async fn system_without_worker() -> System {
    system().with(trigger("orders")).gateways(1, &Setup::here()).start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_used_names_the_field_and_strangers_are_kept_out() {
    let (system, receipt, fence) = waiting().await;
    for (body, code, field) in [
        (json!({ "text": "x" }), "CUE0106", "call"),
        (json!({ "call": "1.1" }), "CUE0107", "text"),
        (json!({ "call": "1.0", "approve": "yes" }), "CUE0106", "approve"),
        (json!({ "call": "1.0", "approve": true, "reason": "x".repeat(4_097) }), "CUE0106", "reason"),
        (json!({ "call": "1.0", "approve": true, "by": "a\nb" }), "CUE0106", "by"),
    ] {
        let refused = answer(&system, &receipt).json(&body).send().await;
        refused.assert_refused(400, code);
        assert_eq!(refused.str("/field"), field, "{body}");
    }
    let long = json!({ "call": "1.1", "text": "x".repeat(ANSWER_BYTES_MAX) });
    let refused = answer(&system, &receipt).json(&long).send().await;
    refused.assert_refused(413, "CUE0102");
    assert_eq!(refused.body["limit"], json!(ANSWER_BYTES_MAX));
    // Just below the limit as a body, and over it with the rest of the answer.
    let frame = r#"{"call":"1.1","text":""}"#;
    let full = json!({ "call": "1.1", "text": "x".repeat(ANSWER_BYTES_MAX - frame.len()) });
    let refused = answer(&system, &receipt).json(&full).send().await;
    refused.assert_refused(413, "CUE0102");
    assert_eq!((refused.str("/field"), &refused.body["limit"]), ("text", &json!(ANSWER_BYTES_MAX)));
    let fitting = json!({ "call": "1.1", "text": "x".repeat(ANSWER_BYTES_MAX - 100) });
    assert_eq!(answer(&system, &receipt).json(&fitting).send().await.ok().str("/status"), "waiting");
    answer(&system, &receipt).body("text").send().await.assert_refused(400, "CUE0101");
    let approve = json!({ "call": "1.0", "approve": true });
    answer(&system, &receipt).anonymous().json(&approve).send().await.assert_refused(401, "CUE0201");
    answer(&system, &receipt).secret("wrong").json(&approve).send().await.assert_refused(401, "CUE0201");
    let mut unknown = receipt.clone();
    unknown.event.seq += 1_000;
    answer(&system, &unknown).json(&approve).send().await.assert_refused(404, "CUE0303");
    assert_eq!(inbox(&system, &receipt.session).await.len(), 1);
    end(system, &receipt, fence).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_came_too_late_over_the_broker_is_closed_by_a_record() {
    let system = small().with(trigger("orders")).start().await;
    let receipt = system.call("orders").said("s", "hi").query("wait=10").send().await.receipt();
    let late = json!({ "event": receipt.to_string(), "call": "1.0", "approve": true, "by": "ada" });
    system.publish_to(&subject::answer(&session("orders", "s")), None, late.to_string()).await;
    crate::progressed(&system, 2).await;
    let log = system.view().log().await;
    let received = log.last().map(|logged| logged.entry.record.clone()).expect("a record");
    assert!(matches!(&received.step, Some(Step::Received(step)) if step.unwanted), "{received:?}");
    let began = tokio::time::Instant::now();
    let next = system.call("orders").said("s", "next").query("wait=10").send().await.ok();
    assert_eq!(next.told(), ["user:next", "bot:next"]);
    assert!(began.elapsed() < Duration::from_secs(5), "the session goes on at once");
    assert_eq!(system.list(&next.conversation()).query("order=asc").send().await.ok().told().len(), 4, "readers are not told");
    system.finish().await;
}
