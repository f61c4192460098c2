//! aimock answers from fixtures, on the wires of the providers that it knows.

use std::time::Duration;

use model::answer::{Error, Stop};
use model::limit::Settings;
use model::prompt::{Assistant, Message, Prompt};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Peer, installed};
use crate::ask;

/// The wires that aimock and we both speak: a kind, and the path of its base URL.
const WIRES: [(&str, &str); 4] = [("openai", "/v1"), ("anthropic", ""), ("gemini", ""), ("ollama", "")];

async fn start(fixtures: Value) -> Peer {
    let (node, script) = (installed("bin/node"), installed("peers/node/node_modules/.bin/aimock"));
    let config = std::env::temp_dir().join(format!("cuepoint-aimock-{}.json", std::process::id()));
    std::fs::write(&config, "{}").unwrap();
    let command = |port: u16| {
        let mut command = Command::new(&node);
        command.arg(&script).arg("--config").arg(&config).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command
    };
    let aimock = Peer::start("/__aimock", "/journal", command).await;
    std::fs::remove_file(&config).unwrap();
    aimock.control(Method::POST, "/fixtures", Some(json!({"fixtures": fixtures}))).await;
    aimock
}

fn question(text: &str) -> Prompt {
    Prompt { messages: vec![Message::User(text.into())], ..ask::prompt() }
}

fn settings() -> Settings {
    Settings { back_off: Duration::from_millis(20), idle_max: Duration::from_millis(700), ..Settings::default() }
}

#[tokio::test]
async fn a_turn_with_two_calls_at_once_goes_on_every_wire() {
    let calls = json!([{"name": "weather", "arguments": {"city": "Rome"}}, {"name": "time", "arguments": {"city": "Oslo"}}]);
    let aimock = start(json!([
        {"match": {"userMessage": "a turn", "hasToolResult": true}, "response": {"content": "It rains, and it is late. Schön!"}},
        {"match": {"userMessage": "a turn"}, "response": {"content": "Let me see.", "toolCalls": calls, "reasoning": "Hm."}, "chunkSize": 3},
    ]))
    .await;
    for (kind, path) in WIRES {
        let model = ask::model(kind, &aimock.url(path), settings());
        let mut prompt = question("a turn");
        let first = ask::ask(&model, &prompt).await.0.unwrap();
        assert_eq!((first.text.as_str(), first.reasoning.as_str(), first.stop), ("Let me see.", "Hm.", Stop::Calls), "{kind}");
        let called: Vec<_> = first.calls.iter().map(|call| (call.name.as_str(), &call.arguments["city"])).collect();
        assert_eq!(called, [("weather", &json!("Rome")), ("time", &json!("Oslo"))], "{kind}");
        let outcome =
            |at: usize| Message::Outcome { id: first.calls[at].id.clone(), name: first.calls[at].name.clone(), content: "so so".into() };
        let outcomes = [outcome(0), outcome(1)];
        prompt.messages.push(Message::Assistant(Assistant { text: first.text, signatures: first.signatures, calls: first.calls }));
        prompt.messages.extend(outcomes);
        let second = ask::ask(&model, &prompt).await.0.unwrap();
        assert_eq!((second.text.as_str(), second.stop), ("It rains, and it is late. Schön!", Stop::End), "{kind}");
    }
}

#[tokio::test]
async fn what_breaks_once_is_answered_after_all() {
    let whole = json!({"content": "one two three four five six seven eight nine ten"});
    let fixture = |text: &str, first: Value| {
        let mut first = first;
        first["match"] = json!({"userMessage": text, "sequenceIndex": 0});
        [first, json!({"match": {"userMessage": text}, "response": whole})]
    };
    let limited = json!({"response": {"error": {"message": "slow down", "type": "rate_limit_error"}, "status": 429, "retryAfter": 1}});
    let fixtures = [
        fixture("truncated", json!({"response": whole, "chunkSize": 5, "truncateAfterChunks": 3})),
        fixture("disconnected", json!({"response": whole, "chunkSize": 2, "latency": 20, "disconnectAfterMs": 60})),
        fixture("overloaded", json!({"response": {"error": {"message": "busy", "type": "server_error"}, "status": 503}})),
        fixture("limited", limited),
        fixture("slow", json!({"response": whole, "chunkSize": 5, "latency": 3_000})),
    ];
    let aimock = start(json!(fixtures.concat())).await;
    for (kind, path) in WIRES {
        // To stand still is the same on all.
        let slow = (kind == "openai").then_some("slow");
        for text in ["truncated", "disconnected", "overloaded", "limited"].into_iter().chain(slow) {
            aimock.control(Method::POST, "/reset", None).await;
            aimock.control(Method::POST, "/fixtures", Some(json!({"fixtures": fixtures.concat()}))).await;
            let answer = ask::ask(&ask::model(kind, &aimock.url(path), settings()), &question(text)).await.0;
            assert_eq!(answer.unwrap().text, whole["content"].as_str().unwrap(), "{kind} {text}");
            let journal = aimock.control(Method::GET, "/journal", None).await;
            assert_eq!(journal.as_array().unwrap().len(), 2, "{kind} {text}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_for_good_is_asked_once() {
    let aimock = start(json!([])).await;
    for (kind, path) in WIRES {
        for status in [400, 401, 403, 404, 422] {
            aimock.control(Method::POST, "/reset", None).await;
            aimock.control(Method::POST, "/error", Some(json!({"status": status, "body": {"message": "no"}}))).await;
            let error = ask::ask(&ask::model(kind, &aimock.url(path), settings()), &question("hello")).await.0.unwrap_err();
            assert!(matches!(&error, Error::Refused { reason, .. } if reason.starts_with(&status.to_string())), "{kind} {status}: {error}");
            assert_eq!(aimock.control(Method::GET, "/journal", None).await.as_array().unwrap().len(), 1, "{kind} {status}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_reached_its_maximum_is_said_to_be_cut_short() {
    let aimock = start(json!([{"match": {"userMessage": "long"}, "response": {"content": "and so on", "finishReason": "length"}}])).await;
    // It has no such reason for Ollama.
    for (kind, path) in WIRES.into_iter().filter(|(kind, _)| *kind != "ollama") {
        let answer = ask::ask(&ask::model(kind, &aimock.url(path), settings()), &question("long")).await.0.unwrap();
        assert_eq!((answer.text.as_str(), answer.stop), ("and so on", Stop::Length), "{kind}");
    }
}
