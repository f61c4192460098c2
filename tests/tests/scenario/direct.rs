//! Conversations without a trigger, and calls that the bot answers at once.

use std::time::Duration;

use proto::id::ConversationId;
use proto::record::Step;
use serde_json::{Value, json};
use tests::call::Answer;
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::resource::{agent, rules, scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;

use crate::{SOON, records, shape, small, system};

/// Makes a conversation of these fields.
async fn make(system: &System, body: Value) -> ConversationId {
    system.api("conversation/create").json(&body).send().await.ok().str("/id").parse().expect("the id of a conversation")
}

async fn told(system: &System, id: &ConversationId) -> Vec<String> {
    system.read(&format!("conversation/{id}/message/list?order=asc")).send().await.ok().told()
}

async fn post(system: &System, id: &ConversationId, verb: &str, body: Value) -> Answer {
    system.api(&format!("conversation/{id}/{verb}")).json(&body).send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_made_spoken_in_and_read() {
    let greets = rules("greets", json!({ "rules": [{ "when": { "text": "order" }, "reply": "which one?" }], "otherwise": "hm" }));
    let system = small().with(greets).with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let body = json!({ "name": "Order 42", "botId": "greets", "meta": { "a": 1 }, "messages": [{ "type": "bot", "text": "Hello!" }] });
    let made = system.api("conversation/create").json(&body).send().await.ok();
    let id: ConversationId = made.str("/id").parse().expect("the id of a conversation");
    assert_eq!((made.str("/messages/0/text"), made.str("/messages/0/type")), ("Hello!", "bot"));
    let fetched = system.read(&format!("conversation/{id}/fetch")).send().await.ok();
    assert_eq!((fetched.str("/name"), fetched.str("/botId"), &fetched.body["meta"]), ("Order 42", "greets", &json!({ "a": 1 })));
    let sent = post(&system, &id, "send", json!({ "text": "my order" })).await.ok();
    assert_eq!(sent.body["entities"], json!([]));
    let answer = post(&system, &id, "receive", json!({})).await.ok();
    assert_eq!((answer.str("/text"), answer.str("/end/reason"), &answer.body["usage"]["token"]), ("which one?", "stop", &json!(0)));
    let answer = post(&system, &id, "complete", json!({ "text": "42", "entities": [], "functions": [] })).await.ok();
    assert_eq!((answer.str("/text"), answer.str("/conversationId")), ("hm", id.to_string().as_str()));
    let created = post(&system, &id, "message/create", json!({ "type": "context", "text": "it rains" })).await.ok();
    let one = system.read(&format!("conversation/{id}/message/{}/fetch", created.str("/id"))).send().await.ok();
    assert_eq!((one.str("/type"), one.str("/text")), ("context", "it rains"));
    assert_eq!(told(&system, &id).await, ["bot:Hello!", "user:my order", "bot:which one?", "user:42", "bot:hm", "context:it rains"]);
    assert_eq!(shape(&records(&system.settled(SOON).await)), "NNCCN");
    post(&system, &id, "complete", json!({ "text": "x", "functions": [{}] })).await.assert_refused(400, "CUE0108");
    post(&system, &id, "complete", json!({ "txt": "x" })).await.assert_refused(400, "CUE0109");
    system.read("conversation/cnv._api.nothing.6a000001.1/fetch").send().await.assert_refused(404, "CUE0304");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_of_a_conversation_changes_and_so_does_its_bot() {
    let one = scripted("one", json!({ "reply": "I am one" }));
    let two = scripted("two", json!({ "reply": "I am two" }));
    let mut system = small().with(one).with(two).start().await;
    system.ledger().allow_strangers();
    let id = make(&system, json!({ "botId": "one", "name": "a" })).await;
    assert_eq!(post(&system, &id, "complete", json!({ "text": "who?" })).await.ok().str("/text"), "I am one");
    post(&system, &id, "update", json!({ "botId": "two", "meta": { "$update": { "k": true } } })).await.ok();
    let fetched = system.read(&format!("conversation/{id}/fetch")).send().await.ok();
    assert_eq!((fetched.str("/name"), fetched.str("/botId"), &fetched.body["meta"]), ("a", "two", &json!({ "k": true })));
    assert_eq!(post(&system, &id, "complete", json!({ "text": "who?" })).await.ok().str("/text"), "I am two");
    post(&system, &id, "update", json!({ "botId": "nobody" })).await.assert_refused(404, "CUE0306");
    post(&system, &id, "update", json!({ "botId": null })).await.ok();
    let failed = post(&system, &id, "complete", json!({ "text": "who?" })).await.ok();
    assert_eq!((failed.str("/end/reason"), failed.str("/end/error"), failed.str("/text")), ("error", "CUE0608", ""));
    assert_eq!(system.take_dead().await.len(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_a_conversation_defines_reads_notes_and_extensions() {
    let oracle = Oracle::start(|_, _| Say::Text("said".into())).await;
    let system = system().workers(1, &Setup::here().settings(oracle.settings(""))).gateways(1, &Setup::here()).start().await;
    system.ledger().allow_strangers();
    let messages = json!([{ "type": "instruction", "text": "Be brief." }, { "type": "user", "text": "first" }, { "type": "bot", "text": "yes?" }, { "type": "user", "text": "second" }]);
    let body =
        json!({ "model": "oracle/gpt", "backstory": "You are Ada.", "messages": messages, "extensions": { "backstory": "You sell." } });
    let answer = system.api("conversation/complete").json(&body).send().await.ok();
    assert_eq!((answer.str("/text"), answer.str("/end/reason")), ("said", "stop"));
    assert!(answer.body["usage"]["token"].as_u64().unwrap_or_default() > 0, "{}", answer.body);
    let asked = oracle.asked().last().cloned().expect("a question").to_string();
    for part in ["You are Ada.", "You sell.", "Be brief.", "first", "yes?", "second"] {
        assert!(asked.contains(part), "{part} is not in {asked}");
    }
    let id: ConversationId = answer.conversation();
    assert_eq!(told(&system, &id).await.last().map(String::as_str), Some("bot:said"));
    let usage = system.read(&format!("conversation/{id}/usage/fetch")).send().await.ok();
    assert_eq!(usage.body["tokens"], answer.body["usage"]["token"]);
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_on_a_triggers_conversation_keeps_the_order_of_its_session() {
    let slow = scripted("slow", json!({ "latency": "300ms" }));
    let system = small().with(slow).with(trigger("orders").bot("slow").lasting(Duration::from_hours(1))).start().await;
    system.ledger().allow_strangers();
    let first = system.call("orders").said("s", "first").query("wait=10").send().await.ok();
    let id = first.conversation();
    let before = system.call("orders").said("s", "second").send().await.receipt();
    let (direct, after) = tokio::join!(post(&system, &id, "complete", json!({ "text": "direct" })), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        system.call("orders").said("s", "third").query("wait=10").send().await
    });
    assert_eq!(direct.ok().str("/text"), "direct");
    assert_eq!(after.ok().conversation(), id);
    let log = system.settled(SOON).await;
    let order: Vec<u64> = log.iter().map(|logged| logged.entry.record.event.seq).collect();
    assert!(order.is_sorted(), "{order:?}");
    let said = told(&system, &id).await;
    assert_eq!(said, ["user:first", "bot:first", "user:second", "bot:second", "user:direct", "bot:direct", "user:third", "bot:third"]);
    assert_eq!(system.fetch(&before).send().await.ok().str("/status"), "completed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_that_its_session_has_left_takes_nothing_more() {
    let system = small().with(trigger("orders").lasting(Duration::ZERO)).start().await;
    system.ledger().allow_strangers();
    let old = system.call("orders").said("s", "first").query("wait=10").send().await.ok().conversation();
    let new = system.call("orders").said("s", "second").query("wait=10").send().await.ok().conversation();
    assert_ne!(old, new);
    post(&system, &old, "complete", json!({ "text": "late" })).await.assert_refused(409, "CUE0612");
    assert_eq!(post(&system, &new, "complete", json!({ "text": "on" })).await.ok().str("/text"), "on");
    // What is known of it, and its messages, change all the same.
    post(&system, &old, "update", json!({ "name": "old" })).await.ok();
    assert_eq!(system.read(&format!("conversation/{old}/fetch")).send().await.ok().str("/name"), "old");
    assert_eq!(told(&system, &old).await, ["user:first", "bot:first"]);
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_tell_a_turn_from_its_beginning_to_its_result() {
    let system = small().with(scripted("says", json!({ "reply": "grüße" }))).start().await;
    system.ledger().allow_strangers();
    let id = make(&system, json!({ "botId": "says" })).await;
    let stream = system.api(&format!("conversation/{id}/complete")).json(&json!({ "text": "hi" })).header("accept", "application/jsonl");
    let told: Vec<(String, Value)> = stream.open().await.rest().await.into_iter().map(|piece| (piece.kind, piece.data)).collect();
    let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).filter(|kind| *kind != "ping").collect();
    assert_eq!(kinds, ["completeBegin", "message", "token", "message", "completeEnd", "result"]);
    let (_, result) = told.last().expect("a result");
    assert_eq!(
        (&result["text"], &result["end"]["reason"], &result["conversationId"]),
        (&json!("grüße"), &json!("stop"), &json!(id.to_string()))
    );
    let dispatched = post(&system, &id, "dispatch", json!({ "text": "again" })).await.ok();
    let channel = system.api(&format!("channel/{}/subscribe", dispatched.str("/channelId"))).json(&json!({ "historyLength": 10 }));
    let told = channel.header("accept", "application/jsonl").open().await.rest().await;
    assert!(told.iter().all(|piece| piece.kind == "message"));
    let last = told.last().expect("a message");
    assert_eq!((&last.data["type"], &last.data["data"]["text"]), (&json!("result"), &json!("grüße")));
    system.api("channel/evt._api.nothing.6a000001.1/subscribe").json(&json!({})).send().await.assert_refused(404, "CUE0317");
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_hangs_up_ends_the_turn_only_if_it_asked_for_that() {
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" }, "doubt": "fail" });
    let system = small().with(scripted("calls", json!({ "calls": [call], "reply": "done" }))).start().await;
    system.ledger().allow_strangers();
    for (query, reached, expected) in [("hangup=cancel", 1, "X"), ("hangup=continue", 2, "C")] {
        let id = make(&system, json!({ "botId": "calls" })).await;
        let call = system.api(&format!("conversation/{id}/complete")).query(query).json(&json!({ "text": "hi" }));
        let sent = tokio::time::timeout(SOON, async {
            tokio::select! {
                answer = call.try_send() => panic!("answered {answer:?}"),
                _ = sink.reached(reached, SOON) => {}
            }
        });
        sent.await.expect("the call is made");
        if expected == "C" {
            sink.release();
        }
        let ended = async || {
            let log = system.view().log_of(&id.session).await;
            log.last().filter(|last| last.record.is_terminal() && !matches!(last.record.step, Some(Step::Noted(_)))).cloned()
        };
        let last = eventually("the turn ends", SOON, ended).await;
        assert_eq!(shape([&last.record]), expected, "{query}");
    }
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_ends_at_the_limits_of_its_caller() {
    let call = |text: &str| json!({ "ability": "echo", "with": { "text": text } });
    let system = small().with(scripted("calls", json!({ "calls": [call("a"), call("b")], "reply": "done" }))).start().await;
    system.ledger().allow_strangers();
    let id = make(&system, json!({ "botId": "calls" })).await;
    for (limits, reason) in
        [(json!({ "iterations": 1 }), "iteration"), (json!({ "calls": 1 }), "iteration"), (json!({ "iterations": 3, "calls": 2 }), "stop")]
    {
        let answer = post(&system, &id, "complete", json!({ "text": "go", "limits": limits })).await.ok();
        assert_eq!(answer.str("/end/reason"), reason, "{limits}: {}", answer.body);
    }
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_under_a_key_is_one_call_and_a_fork_goes_its_own_way() {
    let system = small().with(trigger("orders")).with(scripted("says", json!({}))).start().await;
    system.ledger().allow_strangers();
    let id = make(&system, json!({ "botId": "says", "name": "n" })).await;
    for _ in 0..2 {
        let answer = system.api(&format!("conversation/{id}/complete")).key("k").json(&json!({ "text": "once" })).send().await.ok();
        assert_eq!(answer.str("/text"), "once");
    }
    post(&system, &id, "complete", json!({ "text": "twice" })).await.ok();
    let items = system.read(&format!("conversation/{id}/message/list?order=asc")).send().await.ok();
    assert_eq!(items.told(), ["user:once", "bot:once", "user:twice", "bot:twice"]);
    let fork: ConversationId =
        post(&system, &id, "fork", json!({ "messageId": items.str("/items/1/id") })).await.ok().str("/id").parse().expect("an id");
    assert_eq!(told(&system, &fork).await, ["user:once", "bot:once"]);
    assert_eq!(post(&system, &fork, "complete", json!({ "text": "else" })).await.ok().str("/text"), "else");
    assert_eq!(told(&system, &id).await.len(), 4);
    let csv = system.read(&format!("conversation/{fork}/export?order=asc")).header("accept", "text/csv").send().await.ok();
    assert!(String::from_utf8_lossy(&csv.bytes).starts_with("\"id\",\"type\",\"text\""), "{:?}", csv.bytes);
    drop(system.settled(SOON).await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_there_before_any_worker_is() {
    let mut system = system().with(scripted("says", json!({}))).gateways(1, &Setup::here()).start().await;
    system.ledger().allow_strangers();
    let body = json!({ "botId": "says", "name": "early", "messages": [{ "type": "user", "text": "hi" }] });
    let late = system.api("conversation/complete").query("wait=0.5").json(&body).send().await;
    late.assert_refused(408, "CUE0114");
    let receipt: proto::id::Receipt = late
        .str("/message")
        .split(' ')
        .find(|word| word.starts_with("evt."))
        .and_then(|word| word.trim_end_matches(':').parse().ok())
        .expect("a receipt");
    let id = ConversationId { session: receipt.session.clone(), event: receipt.event };
    assert_eq!(system.read(&format!("conversation/{id}/fetch")).send().await.ok().str("/name"), "early");
    assert_eq!(told(&system, &id).await, [""; 0]);
    system.start_worker(Setup::here()).await;
    let is_answered = async || (told(&system, &id).await == ["user:hi", "bot:hi"]).then_some(());
    eventually("the bot has answered", SOON, is_answered).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_token_may_use_conversations_without_a_trigger() {
    let system =
        small().with(agent("never", json!({ "model": "a/b" }))).with(scripted("says", json!({}))).with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let id = make(&system, json!({ "botId": "says" })).await;
    for verb in ["complete", "send", "receive", "dispatch", "update", "delete", "fork", "message/create"] {
        let path = format!("/v1/conversation/{id}/{verb}");
        let call = || system.request(0, reqwest::Method::POST, &path).json(&json!({}));
        call().anonymous().send().await.assert_refused(401, "CUE0201");
        call().send().await.assert_refused(401, "CUE0201");
    }
    let read = system.request(0, reqwest::Method::GET, &format!("/v1/conversation/{id}/fetch"));
    read.send().await.assert_refused(404, "CUE0304");
    system.request(0, reqwest::Method::POST, "/v1/integration/trigger/_api/event").text("x").send().await.assert_refused(404, "CUE0302");
    drop(system.settled(SOON).await);
    system.finish().await;
}
