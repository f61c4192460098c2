//! llmock fails as it is told to, and judges what its client makes of that.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use model::answer::{Answer, Error, Stop};
use model::limit::Settings;
use model::prompt::{Assistant, Message, Output, Prompt};
use model::providers::Providers;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Peer, installed};
use crate::ask;

/// The wires that llmock and we both speak: a kind, and the path of its base URL.
const WIRES: [(&str, &str); 5] =
    [("openai", "/v1"), ("anthropic", "/anthropic"), ("gemini", "/gemini"), ("groq", "/groq/openai/v1"), ("compatible", "/mistral/v1")];
/// The statuses that llmock knows the errors of providers for.
const STATUSES: [u16; 16] = [400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 529];

/// What a stream that breaks is about to say: long enough that llmock sees its client hang up before it ends.
const TEXT: &str = "one two three four five six seven eight nine ten eleven twelve";
/// How long llmock waits between two chunks, in milliseconds, for the same reason.
const CHUNKS_APART_MS: &str = "25";

/// How many questions are under way at once.
const AT_ONCE: usize = 24;

/// What a question comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    Answered,
    Called,
    Unavailable,
    Refused,
}

/// One behaviour of llmock, as its documentation names it.
struct Case {
    name: String,
    behaviors: Value,
    functions: bool,
    comes: Comes,
    /// How many attempts there must be.
    attempts: usize,
}

/// A case that was gone through.
struct Asked {
    /// The model that the case has for itself, by which its requests are found.
    model: String,
    says: String,
    attempts: usize,
}

async fn start(arguments: &[&str]) -> Peer {
    let program = installed("peers/python/bin/llmock");
    let command = |port: u16| {
        let mut command = Command::new(&program);
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]).args(arguments);
        command
    };
    Peer::start("/_llmock", "/scenario", command).await
}

/// A stall of a second and a half is one.
fn settings() -> Settings {
    Settings { idle_max: Duration::from_millis(700), ..Settings::default() }
}

fn case(name: impl Into<String>, behaviors: Value, comes: Comes, attempts: usize) -> Case {
    Case { name: name.into(), behaviors, functions: false, comes, attempts }
}

/// Every behaviour of the table "The faults", with the statuses, kinds and combinations that it has.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for status in STATUSES {
        let passes = matches!(status, 408 | 409 | 429 | 500..);
        let comes = if passes { Comes::Answered } else { Comes::Refused };
        // Those with a Retry-After by themselves are told a short one, which llmock sends as milliseconds too.
        let rest = if matches!(status, 429 | 503 | 504 | 529) { json!(0.2) } else { Value::Null };
        let behaviors = json!([{"type": "fail", "status": status, "retry_after": rest}]);
        cases.push(case(format!("fail {status}"), behaviors, comes, if passes { 2 } else { 1 }));
    }
    let outage = json!([{"type": "fail", "status": 500, "times": null}]);
    let twice = json!([{"type": "fail", "status": 429, "retry_after": 0.3, "times": 2}]);
    let whole_seconds = json!([{"type": "fail", "status": 429, "retry_after": 1}]);
    let thrice = json!([{"type": "fail", "status": 502, "times": 3}]);
    let overflow = json!([{"type": "fail", "status": 400, "code": "context_length_exceeded", "message": "too long"}]);
    cases.extend([
        case("fail three times, no Retry-After", thrice, Comes::Answered, 4),
        case("rate_limit, twice", twice, Comes::Answered, 3),
        case("rate_limit in whole seconds", whole_seconds, Comes::Answered, 2),
        case("outage", outage, Comes::Unavailable, 4),
        case("context_overflow", overflow, Comes::Refused, 1),
        case("delay", json!([{"type": "delay", "seconds": 1}]), Comes::Answered, 1),
        case("slow_first_token", json!([{"type": "slow_first_token", "seconds": 0.3}]), Comes::Answered, 1),
        case("reply with a text", json!([{"type": "reply", "text": "It rains."}]), Comes::Answered, 1),
    ]);
    for kind in ["disconnect", "truncate", "malformed", "stall"] {
        for after in [0, 1, 2] {
            let behaviors = json!([
                {"type": "reply", "text": TEXT, "times": 2},
                {"type": "stream_fault", "kind": kind, "after_chunks": after, "stall_seconds": 1.5},
            ]);
            cases.push(case(format!("{kind} after {after} chunks"), behaviors, Comes::Answered, 2));
        }
    }
    let call = json!({"name": "weather", "arguments": {"city": "Rome"}});
    let calls = [
        ("a tool call of its own", json!([]), 1),
        ("call_tool", json!([{"type": "reply", "tool_calls": [call]}]), 1),
        ("call_tool, two at once", json!([{"type": "reply", "tool_calls": [call, {"name": "time", "arguments": {"city": "Oslo"}}]}]), 1),
        ("break_tool_call malformed_arguments", json!([{"type": "tool_fault", "kind": "malformed_arguments"}]), 1),
        ("break_tool_call unknown_tool", json!([{"type": "tool_fault", "kind": "unknown_tool"}]), 1),
        (
            "call_tool, then disconnect within it",
            json!([{"type": "reply", "tool_calls": [call], "times": 2}, {"type": "stream_fault", "kind": "disconnect", "after_chunks": 1}]),
            2,
        ),
        (
            "call_tool, then truncate within it",
            json!([{"type": "reply", "tool_calls": [call], "times": 2}, {"type": "stream_fault", "kind": "truncate", "after_chunks": 1}]),
            2,
        ),
    ];
    cases.extend(calls.map(|(name, behaviors, attempts)| Case { functions: true, ..case(name, behaviors, Comes::Called, attempts) }));
    cases
}

fn comes(answer: &Result<Answer, Error>) -> Comes {
    match answer {
        Ok(answer) if answer.stop == Stop::Calls => Comes::Called,
        Ok(_) => Comes::Answered,
        Err(Error::Unavailable { .. }) => Comes::Unavailable,
        Err(Error::Refused { .. }) => Comes::Refused,
    }
}

fn question(name: &str, functions: bool) -> Prompt {
    let all = ask::prompt();
    let functions = if functions { all.functions.clone() } else { Vec::new() };
    Prompt { messages: vec![Message::User(format!("How is the weather? ({name})"))], functions, ..all }
}

/// Queues a behaviour for a model of its own, and asks that model.
async fn asked(llmock: &Peer, providers: &Providers, kind: &str, (place, case): (usize, &Case)) -> Asked {
    let name = format!("case-{place}");
    let behaviors: Vec<Value> = case
        .behaviors
        .as_array()
        .unwrap()
        .iter()
        .cloned()
        .map(|mut behavior| {
            behavior["match"] = json!({"model": name});
            behavior
        })
        .collect();
    if !behaviors.is_empty() {
        llmock.control(Method::POST, "/scenario", Some(json!({"behaviors": behaviors}))).await;
    }
    let model = ask::chosen(providers, &format!("{kind}/{name}"));
    let (answer, _) = ask::ask(&model, &question(&case.name, case.functions)).await;
    assert_eq!(comes(&answer), case.comes, "{kind}, {}: {answer:?}", case.name);
    if case.name.contains("chunks") {
        assert_eq!(answer.unwrap().text, TEXT, "{kind}, {}", case.name);
    }
    // Google sends calls in one chunk, so that nothing can break within them.
    let attempts = if kind == "gemini" && case.functions { 1 } else { case.attempts };
    Asked { model: name, says: format!("{kind:<10} {:<40} {:?}", case.name, case.comes), attempts }
}

#[tokio::test]
async fn nothing_that_llmock_does_brings_a_complaint() {
    let llmock = start(&["--stream-chunk-delay-ms", CHUNKS_APART_MS]).await;
    let cases = cases();
    let configured = WIRES.map(|(kind, path)| json!({"id": kind, "kind": kind, "baseUrl": llmock.url(path), "key": ask::KEY}));
    let providers = ask::providers(&configured, settings());
    let all = WIRES.iter().flat_map(|(kind, _)| cases.iter().map(move |case| (*kind, case))).enumerate();
    let asks = stream::iter(all).map(|(place, (kind, case))| asked(&llmock, &providers, kind, (place, case)));
    let asked: Vec<Asked> = asks.buffered(AT_ONCE).collect().await;
    let requests = llmock.control(Method::GET, "/requests", None).await;
    let attempts = |model: &str| requests["requests"].as_array().unwrap().iter().filter(|request| request["model"] == model).count();
    for Asked { model, says, attempts: expected } in &asked {
        println!("{says} after {expected} attempts");
        assert_eq!(attempts(model), *expected, "{says}");
    }
    let verdict = llmock.control(Method::GET, "/verdict", None).await;
    println!("{} calls, {} errors, {} warnings", verdict["calls"], verdict["errors"], verdict["warnings"]);
    let found = [&verdict["errors"], &verdict["warnings"], &verdict["calls"]];
    assert_eq!(found, [&json!(0), &json!(0), &json!(asked.len())], "{verdict:#}");
}

#[tokio::test]
async fn a_quota_is_waited_for() {
    // Two requests at once, then one every half second.
    let llmock = start(&["--rpm", "120"]).await;
    let model = ask::model("openai", &llmock.url("/v1"), Settings::default());
    let asks = (0..122).map(|number| {
        let model = &model;
        async move { ask::ask(model, &question(&format!("number {number}"), false)).await.0.unwrap() }
    });
    futures_util::future::join_all(asks).await;
    let verdict = llmock.control(Method::GET, "/verdict", None).await;
    assert_eq!((&verdict["errors"], &verdict["warnings"]), (&json!(0), &json!(0)), "{verdict:#}");
    assert!(verdict["faults_injected"].as_u64().unwrap() > 0, "the quota was never spent: {verdict:#}");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_refused() {
    let llmock = start(&["--context-window", "20"]).await;
    for (kind, path) in WIRES {
        let long = question(&"long ".repeat(100), false);
        let error = ask::ask(&ask::model(kind, &llmock.url(path), settings()), &long).await.0.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{kind}: {error}");
    }
    let verdict = llmock.control(Method::GET, "/verdict", None).await;
    assert_eq!((&verdict["errors"], &verdict["warnings"], &verdict["attempts"]), (&json!(0), &json!(0), &json!(5)), "{verdict:#}");
}

#[tokio::test]
async fn chaos_leaves_answers_whole() {
    let chaos =
        ["--error-rate", "429=0.05", "--error-rate", "500=0.05", "--stream-fault", "truncate=0.05", "--stream-fault", "malformed=0.05"];
    let llmock = start(
        &[&chaos[..], &["--stream-fault", "disconnect=0.05", "--stream-chunk-delay-ms", CHUNKS_APART_MS, "--response-style", "echo"]]
            .concat(),
    )
    .await;
    let model = ask::model("openai", &llmock.url("/v1"), Settings { attempts_max: 10.try_into().unwrap(), ..settings() });
    let asks = (0..40).map(|number| {
        let model = &model;
        async move {
            let question = question(&format!("number {number}"), false);
            let answer = ask::ask(model, &question).await.0.unwrap();
            assert!(answer.text.ends_with(&format!("(number {number})")), "{}", answer.text);
        }
    });
    futures_util::future::join_all(asks).await;
    let verdict = llmock.control(Method::GET, "/verdict", None).await;
    assert_eq!((&verdict["errors"], &verdict["warnings"]), (&json!(0), &json!(0)), "{verdict:#}");
}

#[tokio::test]
async fn calls_are_made_and_their_outcomes_end_the_turn_on_every_wire() {
    let llmock = start(&[]).await;
    for (kind, path) in WIRES {
        let model = ask::model(kind, &llmock.url(path), settings());
        let mut prompt = question("a turn", true);
        let first = ask::ask(&model, &prompt).await.0.unwrap();
        let outcome = Message::Outcome { id: first.calls[0].id.clone(), name: first.calls[0].name.clone(), content: "It rains.".into() };
        prompt.messages.push(Message::Assistant(Assistant { text: first.text, signatures: first.signatures, calls: first.calls }));
        prompt.messages.push(outcome);
        let second = ask::ask(&model, &prompt).await.0.unwrap();
        assert_eq!((second.stop, second.calls.len(), second.text.is_empty()), (Stop::End, 0, false), "{kind}");
        assert!(second.usage.input > 0 && second.usage.output > 0, "{kind}: {:?}", second.usage);
    }
}

#[tokio::test]
async fn a_shape_is_had() {
    let llmock = start(&[]).await;
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "degrees": {"type": "integer"}}, "required": ["city", "degrees"]});
    for (kind, path) in [("openai", "/v1"), ("gemini", "/gemini")] {
        let prompt = Prompt { output: Some(Output { name: "weather".into(), schema: schema.clone() }), ..question("shaped", false) };
        let answer = ask::ask(&ask::model(kind, &llmock.url(path), settings()), &prompt).await.0.unwrap();
        let value: Value = serde_json::from_str(&answer.text).unwrap();
        assert!(value["city"].is_string() && value["degrees"].is_i64(), "{kind}: {value}");
    }
}
