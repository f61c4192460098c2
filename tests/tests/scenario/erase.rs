//! What is changed or deleted is gone: from every answer, and from the bytes of the log.

use proto::id::ConversationId;
use proto::record::Step;
use serde_json::{Value, json};
use tests::call::Answer;
use tests::eventually::eventually;
use tests::resource::{agent, scripted, skillset, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;

use crate::{SOON, records, shape, small, system};

/// Words that must not be found again.
const SECRET_WORDS: &str = "the-words-that-must-go";

async fn post(system: &System, id: &ConversationId, verb: &str, body: Value) -> Answer {
    system.api(&format!("conversation/{id}/{verb}")).json(&body).send().await
}

async fn made(system: &System, bot: &str, words: &str) -> ConversationId {
    let body = json!({ "botId": bot, "name": words, "messages": [{ "type": "user", "text": words }, { "type": "bot", "text": "kept" }] });
    system.api("conversation/create").json(&body).send().await.ok().str("/id").parse().expect("an id")
}

async fn items(system: &System, id: &ConversationId) -> Answer {
    system.read(&format!("conversation/{id}/message/list?order=asc")).send().await.ok()
}

/// Whether any stored record or dead letter, as the broker has it, contains the words.
async fn is_stored(system: &System, words: &str) -> bool {
    let in_log = system.view().log().await.into_iter().any(|logged| {
        let bytes = logged.entry.record.encode();
        bytes.windows(words.len()).any(|window| window == words.as_bytes())
    });
    let in_dead = system
        .view()
        .letters()
        .await
        .into_iter()
        .any(|(_, letter)| letter.body.windows(words.len()).any(|window| window == words.as_bytes()));
    in_log || in_dead
}

async fn gone(system: &System, words: &str) {
    eventually("the words are gone", SOON, async || (!is_stored(system, words).await).then_some(())).await;
}

/// Waits until the log looks like this: the caller is told once the change is on record, and the deletes follow.
async fn shaped(system: &System, expected: &str) {
    let looks = async || (shape(&records(&system.view().log().await)) == expected).then_some(());
    eventually("the log has only what stays", SOON, looks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_changed_or_deleted_keeps_its_place_and_loses_its_words() {
    let system = small().with(scripted("says", json!({ "historyReply": true }))).start().await;
    system.ledger().allow_strangers();
    let id = made(&system, "says", SECRET_WORDS).await;
    post(&system, &id, "update", json!({ "name": "plain" })).await.ok();
    post(&system, &id, "complete", json!({ "text": "later" })).await.ok();
    let before = items(&system, &id).await;
    assert_eq!(before.told()[..3], [format!("user:{SECRET_WORDS}"), "bot:kept".to_owned(), "user:later".to_owned()]);
    let message = before.str("/items/0/id").to_owned();
    post(&system, &id, &format!("message/{message}/update"), json!({ "text": "harmless", "meta": { "by": "ada" } })).await.ok();
    let after = items(&system, &id).await;
    assert_eq!(after.told()[..3], ["user:harmless", "bot:kept", "user:later"]);
    assert_eq!((after.str("/items/0/id"), after.str("/items/0/meta/by")), (message.as_str(), "ada"));
    assert!(after.body["items"][0]["updatedAt"].as_i64() > after.body["items"][0]["createdAt"].as_i64());
    // The opening record went, and with it the place where the conversation's own description stood; the later one counts.
    let fetched = system.read(&format!("conversation/{id}/fetch")).send().await.ok();
    assert_eq!((fetched.str("/name"), fetched.str("/botId")), ("plain", "says"));
    post(&system, &id, &format!("message/{message}/delete"), json!({})).await.ok();
    assert_eq!(items(&system, &id).await.told()[..2], ["bot:kept", "user:later"]);
    post(&system, &id, &format!("message/{message}/delete"), json!({})).await.assert_refused(404, "CUE0316");
    let newest = system.read(&format!("conversation/{id}/message/list?take=2&cursor={}", before.str("/items/2/id"))).send().await.ok();
    assert_eq!(newest.told(), ["bot:kept"]);
    drop(system.settled(SOON).await);
    gone(&system, "harmless").await;
    // What the bot reads is what stands.
    let answer = post(&system, &id, "complete", json!({ "text": "so?" })).await.ok();
    assert!(!answer.str("/text").contains("harmless") && answer.str("/text").contains("kept"), "{}", answer.body);
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_conversation_is_outlives_the_record_that_said_it() {
    let system = small().with(scripted("says", json!({}))).start().await;
    system.ledger().allow_strangers();
    let id = made(&system, "says", "told").await;
    let message = items(&system, &id).await.str("/items/0/id").to_owned();
    post(&system, &id, &format!("message/{message}/update"), json!({ "text": "else" })).await.ok();
    let fetched = system.read(&format!("conversation/{id}/fetch")).send().await.ok();
    assert_eq!((fetched.str("/name"), fetched.str("/botId")), ("told", "says"));
    assert_eq!(post(&system, &id, "complete", json!({ "text": "on" })).await.ok().str("/text"), "on");
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_conversation_leaves_a_tombstone_and_its_session_goes_on() {
    let system = small().with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let first = system.call("orders").said("s", SECRET_WORDS).query("wait=10").send().await.ok();
    let id = first.conversation();
    post(&system, &id, "delete", json!({})).await.ok();
    system.ledger().forget(&first.receipt());
    system.read(&format!("conversation/{id}/fetch")).send().await.assert_refused(404, "CUE0304");
    system.read(&format!("conversation/{id}/message/list")).send().await.assert_refused(404, "CUE0304");
    post(&system, &id, "delete", json!({})).await.assert_refused(404, "CUE0304");
    post(&system, &id, "complete", json!({ "text": "x" })).await.assert_refused(404, "CUE0304");
    let next = system.call("orders").said("s", "next").query("wait=10").send().await.ok();
    assert_ne!(next.conversation(), id);
    drop(system.settled(SOON).await);
    shaped(&system, "hC").await;
    assert!(!is_stored(&system, SECRET_WORDS).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_conversation_calls_its_running_turn_off() {
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST", "body": SECRET_WORDS }, "doubt": "fail" });
    let system =
        small().with(scripted("calls", json!({ "calls": [call], "reply": "done" }))).with(trigger("orders").bot("calls")).start().await;
    system.ledger().allow_strangers();
    let receipt = system.call("orders").said("s", SECRET_WORDS).send().await.receipt();
    sink.reached(1, SOON).await;
    let id = ConversationId { session: receipt.session.clone(), event: receipt.event };
    system.ledger().forget(&receipt);
    let log = system.view().log_of(&id.session).await;
    let message = format!("{}.0", log[0].seq);
    post(&system, &id, &format!("message/{message}/update"), json!({ "text": "x" })).await.assert_refused(409, "CUE0414");
    post(&system, &id, "delete", json!({})).await.ok();
    sink.release();
    // A refused change is on record, too; all but the tombstone goes.
    shaped(&system, "h").await;
    assert!(!is_stored(&system, SECRET_WORDS).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_waits_is_described_and_edited_around_and_deleted() {
    let abilities = json!([{ "name": "ask", "instruction": "```await\nquestion: may I?\n```" }]);
    let oracle = tests::oracle::Oracle::start(|steps, _| match steps {
        0 => tests::oracle::Say::Calls(vec![("ask".into(), json!({}))]),
        _ => tests::oracle::Say::Text("thanks".into()),
    })
    .await;
    let system = system()
        .with(skillset("shop", abilities))
        .with(agent("asks", json!({ "model": "oracle/gpt", "skillset": "shop" })))
        .workers(1, &Setup::here().settings(oracle.settings("")))
        .gateways(1, &Setup::here())
        .start()
        .await;
    system.ledger().allow_strangers();
    let id = made(&system, "asks", SECRET_WORDS).await;
    post(&system, &id, "dispatch", json!({ "text": "go" })).await.ok();
    let suspended = |logged: &tests::view::Logged| matches!(logged.entry.record.step, Some(Step::Suspended(_)));
    drop(system.logged("the turn waits", SOON, suspended).await);
    // None of these waits behind the turn.
    post(&system, &id, "update", json!({ "name": "waits" })).await.ok();
    let message = items(&system, &id).await.str("/items/0/id").to_owned();
    post(&system, &id, &format!("message/{message}/update"), json!({ "text": "harmless" })).await.ok();
    assert_eq!(items(&system, &id).await.told()[0], "user:harmless");
    let waits = async || {
        let last = system.view().log_of(&id.session).await.pop()?;
        matches!(last.record.step, Some(Step::Suspended(_))).then_some(())
    };
    eventually("the turn waits again", SOON, waits).await;
    assert!(!is_stored(&system, SECRET_WORDS).await, "the words went while the turn was open");
    post(&system, &id, "delete", json!({})).await.ok();
    shaped(&system, "h").await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dead_letters_of_a_deleted_conversation_go_with_it() {
    let mut system = small()
        .with(agent("broken", json!({ "model": "nowhere/x" })))
        .with(trigger("orders").bot("broken"))
        .with(trigger("others").bot("broken"))
        .start()
        .await;
    system.ledger().allow_strangers();
    let failed = system.call("orders").said("s", SECRET_WORDS).query("wait=10").send().await.ok();
    let other = system.call("others").said("s", "stays").query("wait=10").send().await.ok();
    assert_eq!((failed.str("/status"), other.str("/status")), ("dead", "dead"));
    assert_eq!(system.view().letters().await.len(), 2);
    post(&system, &failed.conversation(), "delete", json!({})).await.ok();
    system.ledger().forget(&failed.receipt());
    gone(&system, SECRET_WORDS).await;
    assert_eq!(system.view().letters().await.len(), 1, "the other conversation's letter stays");
    drop(system.settled(SOON).await);
    assert_eq!(system.take_dead().await.len(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_before_it_has_deleted_leaves_that_to_the_next() {
    for point in ["append.changed#1.after", "delete#1.before", "delete#1.after"] {
        let mut system = system().with(scripted("says", json!({}))).gateways(1, &Setup::here()).start().await;
        system.ledger().allow_strangers();
        let first = system.start_worker(Setup::child().fatal(point)).await;
        let id = made(&system, "says", SECRET_WORDS).await;
        let call = system.api(&format!("conversation/{id}/delete")).json(&json!({}));
        let replaced = async {
            system.worker(first).exited().await;
            system.start_worker(Setup::here()).await;
        };
        let (deleted, ()) = tokio::join!(call.send(), replaced);
        deleted.ok();
        gone(&system, SECRET_WORDS).await;
        assert_eq!(shape(&records(&system.view().log().await)), "h", "{point}");
        system.finish().await;
    }
}
