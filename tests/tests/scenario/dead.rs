//! What cannot be done is put aside, with its reason and its bytes, and blocks nothing.

use std::time::Duration;

use async_nats::HeaderMap;
use proto::id::EventSeq;
use proto::record::Step;
use proto::wire::DeadLetter;
use serde_json::json;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::system::System;

use crate::{SOON, session, small, system};

fn headers(content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", content_type);
    headers
}

/// Publishes a letter's event again, as a new event.
async fn replay(system: &System, letter: &DeadLetter) -> proto::id::Receipt {
    let session = proto::subject::session_of_event(&letter.subject).expect("the letter's subject names a session");
    let mut headers = HeaderMap::new();
    for (name, value) in &letter.headers {
        headers.insert(name.as_str(), value.as_str());
    }
    system.publish(&session, Some(headers), letter.body.clone()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_envelope_that_cannot_be_read_goes_to_dead_with_its_bytes_and_blocks_nothing() {
    let mut system = small().with(trigger("orders")).start().await;
    let session = session("orders", "s");
    let bad: [(Option<HeaderMap>, &str, &str); 4] = [
        (None, r#"{"texd":"hi"}"#, "CUE0602"),
        (Some(headers("text/xml")), "<text/>", "CUE0602"),
        (Some(headers("application/json")), r#"{"trigger":"other","text":"hi"}"#, "CUE0603"),
        (None, r#"{"contact":{"email":"nobody"}}"#, "CUE0602"),
    ];
    let mut receipts = Vec::new();
    for (headers, body, _) in &bad {
        receipts.push(system.publish(&session, headers.clone(), *body).await);
    }
    let good = system.publish(&session, None, r#"{"text":"good"}"#).await;
    let log = system.settled(SOON).await;
    let letters = system.take_dead().await;
    assert_eq!(letters.len(), bad.len());
    for (((_, body, code), receipt), (subject, letter)) in bad.iter().zip(&receipts).zip(&letters) {
        assert_eq!(subject, &proto::subject::dead(&session));
        assert_eq!((letter.body.as_ref(), letter.code.as_str(), letter.event), (body.as_bytes(), *code, receipt.event.seq));
        assert_eq!(letter.subject, proto::subject::event(&session));
        let fetched = system.fetch(receipt).send().await.ok();
        assert_eq!((fetched.str("/status"), fetched.str("/messages/0/meta/failure/code")), ("dead", *code));
    }
    assert_eq!(letters[1].1.headers.get("Content-Type").map(String::as_str), Some("text/xml"));
    let codes: Vec<&str> = terminals(&log)
        .map(|logged| match &logged.entry.record.step {
            Some(Step::Failed(step)) => step.code.as_str(),
            _ => "",
        })
        .collect();
    assert_eq!(codes, ["CUE0602", "CUE0602", "CUE0603", "CUE0602", ""]);
    assert_eq!(system.fetch(&good).send().await.ok().told(), ["user:good", "bot:good"]);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subject_that_names_nothing_is_buried_without_a_log_subject() {
    let mut system = small().with(trigger("orders")).start().await;
    let subjects = ["event.nothing.s", "event.orders", "event.orders.s.x", "event.orders.ü", "answer.nothing.s"];
    let mut events: Vec<EventSeq> = Vec::new();
    for subject in subjects {
        events.push(system.publish_to(subject, None, format!("body of {subject}")).await);
    }
    let good = system.call("orders").text("good").query("wait=10").send().await.ok();
    assert_eq!(good.str("/text"), "good");
    let all = async || Some(system.view().letters().await).filter(|letters| letters.len() == subjects.len());
    eventually("every letter is there", SOON, all).await;
    let letters = system.take_dead().await;
    for (subject, event) in subjects.iter().zip(&events) {
        let of_event = |letter: &&(String, DeadLetter)| letter.1.event == event.seq;
        let (place, letter) = letters.iter().find(of_event).unwrap_or_else(|| panic!("no letter of {subject}"));
        assert!(place.starts_with("dead.invalid."), "{place}");
        assert_eq!((letter.code.as_str(), letter.subject.as_str()), ("CUE0604", *subject));
        assert_eq!(letter.body, format!("body of {subject}"));
    }
    assert_eq!(system.view().log().await.len(), 1, "strangers cannot make subjects of the log");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_replayed_once_what_was_missing_is_there() {
    let mut system = small().with(trigger("orders").bot("later")).start().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    system.settled(SOON).await;
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "dead");
    let letters = system.take_dead().await;
    assert_eq!((letters[0].1.code.as_str(), letters[0].1.event), ("CUE0608", receipt.event.seq));
    system.put(&scripted("later", json!({ "reply": "now" }))).await;
    let replayed = replay(&system, &letters[0].1).await;
    system.settled(SOON).await;
    let fetched = system.fetch(&replayed).send().await.ok();
    assert_eq!((fetched.told(), replayed.session), (vec!["user:hi".to_owned(), "bot:now".to_owned()], receipt.session));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_kills_its_workers_is_given_up_after_three_counted_attempts() {
    let mut system = system()
        .with(scripted("deadly", json!({ "latency": "60s" })))
        .with(trigger("poison").bot("deadly"))
        .with(trigger("orders"))
        .gateways(1, &Setup::here())
        .start()
        .await;
    let poison = system.call("poison").said("s", "poison").send().await.receipt();
    let first = system.start_worker(Setup::child()).await;
    eventually("the first worker has it", SOON, async || system.view().owner(&poison.session).await).await;
    system.worker(first).kill().await;
    for attempt in 1..=3 {
        let index = system.start_worker(Setup::child()).await;
        let worker = system.worker(index).name.clone();
        let by = |logged: &tests::view::Logged| logged.entry.record.worker == worker && logged.entry.record.attempt == attempt;
        system.logged(&format!("attempt {attempt} is on record"), SOON, by).await;
        let other = system.call("orders").text("meanwhile").query("wait=5").send().await.ok();
        assert_eq!(other.str("/status"), "completed", "a poisoned event delays no other session");
        system.worker(index).kill().await;
    }
    system.start_worker(Setup::here()).await;
    system.settled(SOON).await;
    let fetched = system.fetch(&poison).send().await.ok();
    assert_eq!((fetched.str("/status"), fetched.body.pointer("/attempts")), ("dead", Some(&json!(4))));
    let letters = system.take_dead().await;
    assert_eq!((letters.len(), letters[0].1.code.as_str(), letters[0].1.attempts), (1, "CUE0601", 4));

    system.put(&scripted("deadly", json!({ "latency": Duration::from_millis(10).as_millis() }))).await;
    // The worker may not have heard of the new definition: one that has answers at once.
    let is_cured = async || {
        let answer = system.call("poison").text("cured?").query("wait=0.5").send().await.ok();
        (answer.str("/status") == "completed").then_some(())
    };
    eventually("the bot is cured", SOON, is_cured).await;
    let replayed = replay(&system, &letters[0].1).await;
    system.settled(SOON).await;
    assert_eq!(system.fetch(&replayed).send().await.ok().str("/text"), "poison");
    system.finish().await;
}
