//! The model's side: mocks of providers that others wrote, one that stands in for another, and fairness.

use std::time::Duration;

use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::peer::aimock::Aimock;
use tests::peer::llmock::{Behavior, BrokenStream, Llmock};
use tests::resource::{agent, skillset, trigger};
use tests::setup::Setup;
use tests::system::System;

use super::{block, data, outcomes, said, usage};
use crate::{SOON, system};

/// An agent with an ability `say`, and a worker with these providers.
async fn speaker(definition: Value, providers: Value) -> System {
    let mut definition = definition;
    definition["skillset"] = "shop".into();
    system()
        .with(skillset("shop", json!([{ "name": "say", "instruction": block("echo", "$[words!]") }])))
        .with(agent("clerk", definition))
        .with(trigger("orders").bot("clerk"))
        .workers(1, &Setup::here().settings(json!({ "providers": providers }).to_string()))
        .gateways(1, &Setup::here())
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aimock_asks_for_a_call_and_reads_what_came_of_it() {
    let aimock = Aimock::start().await;
    let call = json!({ "name": "say", "arguments": r#"{"words":"it rains"}"#, "id": "call_1" });
    aimock
        .add(&json!([
            { "match": { "userMessage": "weather", "hasToolResult": false }, "response": { "toolCalls": [call], "usage": { "prompt_tokens": 50, "completion_tokens": 5 } } },
            { "match": { "toolResultContains": "it rains" }, "response": { "content": "It rains, I hear.", "usage": { "prompt_tokens": 70, "completion_tokens": 7 } } },
        ]))
        .await;
    let provider = json!({ "id": "mock", "kind": "compatible", "baseUrl": aimock.url("/v1") });
    let system = speaker(json!({ "model": "mock/gpt-5.4" }), json!([provider])).await;
    let told = said(&system, "What is the weather?").await;
    assert_eq!((told.str("/status"), told.str("/text")), ("completed", "It rains, I hear."), "{}", told.body);
    assert_eq!(usage(&told), [("mock/gpt-5.4".to_owned(), 2, 120, 12)]);
    let journal = aimock.journal().await;
    assert_eq!(journal.len(), 2);
    assert!(journal.iter().all(|entry| entry.body["stream"] == true), "{journal:?}");
    assert_eq!(data(outcomes(&journal[1].body)[0]), "it rains");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn llmock_finds_nothing_amiss_with_an_agent_that_it_fails() {
    for (kind, path, model) in [("compatible", "/v1", "gpt-5.4"), ("anthropic", "/anthropic", "claude-sonnet-4-6")] {
        let llmock = Llmock::start().await;
        let calls = Behavior::calls([("say", json!({ "words": "it rains" }))]);
        llmock.queue([Behavior::rate_limit(Duration::from_secs(1)), calls, Behavior::reply("It rains, I hear.")]).await;
        let provider = json!({ "id": "mock", "kind": kind, "baseUrl": llmock.url(path) });
        let system = speaker(json!({ "model": format!("mock/{model}") }), json!([provider])).await;
        let told = said(&system, "What is the weather?").await;
        assert_eq!((told.str("/status"), told.str("/text")), ("completed", "It rains, I hear."), "{kind}: {}", told.body);
        assert!(told.told().iter().any(|line| line.starts_with("activity")), "{:?}", told.told());
        llmock.verdict().await.assert_resilient();
        let requests = llmock.requests().await;
        assert_eq!(
            requests.iter().map(|request| (request.status, request.stream)).collect::<Vec<_>>(),
            [(429, true), (200, true), (200, true)]
        );
        assert_eq!(usage(&told)[0].1, 2, "an attempt that was refused is no call");
        system.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_model_stands_in_and_the_record_says_which_one_answered() {
    let llmock = Llmock::start().await;
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("say".into(), json!({ "words": "it rains" }))]),
        _ => Say::Text("said by another".into()),
    })
    .await;
    let providers = json!([
        { "id": "first", "kind": "compatible", "baseUrl": llmock.url("/v1"), "prices": { "gpt-5.4": { "input": 1, "output": 1 } } },
        { "id": "oracle", "kind": "compatible", "baseUrl": oracle.url(), "prices": { "scripted": { "input": 1, "output": 10 } } },
    ]);
    let system = speaker(json!({ "model": "first/gpt-5.4", "fallbacks": ["oracle/scripted"] }), providers).await;
    let broken = Behavior::broken_stream(BrokenStream::Truncate, 2).times(4);
    let away = Behavior::rate_limit(Duration::from_mins(2));
    for (name, behaviors, attempts) in
        [("500", vec![Behavior::fail(500).times(4)], 4), ("429", vec![away], 1), ("truncated", vec![broken], 4)]
    {
        llmock.reset().await;
        llmock.queue(behaviors.into_iter().chain([Behavior::reply("said by the first").always()])).await;
        let before = oracle.asked().len();
        let told = system.call("orders").said(name, "What is the weather?").query("wait=60").send().await.ok();
        assert_eq!((told.str("/status"), told.str("/text")), ("completed", "said by the first"), "{name}: {}", told.body);
        let requests = llmock.requests().await;
        assert_eq!((requests.len(), oracle.asked().len() - before), (attempts + 1, 1), "{name}: {requests:?}");
        let mut used = usage(&told);
        used.sort();
        let [first, second] = used.as_slice() else { panic!("{name}: two models answered: {used:?}") };
        assert_eq!((first.0.as_str(), first.1), ("first/gpt-5.4", 1), "{name}");
        assert_eq!(*second, ("oracle/scripted".to_owned(), 1, 100, 10), "{name}");
        let last = told.body["messages"].as_array().unwrap().last().unwrap()["meta"]["usage"].clone();
        let cost = last.as_array().unwrap().iter().map(|usage| usage["costMicroUsd"].as_u64().unwrap_or_default()).sum::<u64>();
        assert_eq!(cost, first.2 + first.3 + 100 + 100, "{name}: {last}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowded_provider_is_asked_one_question_at_a_time_and_delays_no_other() {
    let crowded = Oracle::start(|_, _| Say::Text("slowly".into())).await;
    let free = Oracle::start(|_, _| Say::Text("at once".into())).await;
    let provider = |id: &str, oracle: &Oracle| json!({ "id": id, "kind": "compatible", "baseUrl": oracle.url() });
    let mut narrow = provider("crowded", &crowded);
    narrow["concurrency"] = 1.into();
    let providers = json!({ "providers": [narrow, provider("free", &free)] });
    let system = system()
        .with(agent("slow", json!({ "model": "crowded/scripted" })))
        .with(agent("fast", json!({ "model": "free/scripted" })))
        .with(trigger("orders").bot("slow"))
        .with(trigger("other").bot("fast"))
        .workers(1, &Setup::here().turns(8).settings(providers.to_string()))
        .gateways(1, &Setup::here())
        .start()
        .await;
    crowded.set_latency(Duration::from_millis(300));
    for session in 0..12 {
        system.call("orders").said(&session.to_string(), "go").send().await.receipt();
    }
    eventually("the provider is crowded", SOON, async || (!crowded.asked().is_empty()).then_some(())).await;
    for session in 0..4 {
        let told = system.call("other").said(&session.to_string(), "go").query("wait=20").send().await.ok();
        assert_eq!(told.str("/text"), "at once");
    }
    assert!(crowded.asked().len() < 12, "the others did not wait for the crowd");
    system.settled(SOON * 2).await;
    assert_eq!((crowded.asked().len(), crowded.under_way_max()), (12, 1));
    system.finish().await;
}
