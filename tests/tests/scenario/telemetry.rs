//! What a deployment tells of itself: stories over the queue, metrics, log lines, and whether it is well.

use std::collections::BTreeMap;
use std::time::Duration;

use cuepoint::server::free_port;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::receiver::{Receiver, Span};
use tests::resource::{agent, skillset, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;

use crate::{SOON, system};

/// A caller's own trace, which it records.
const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const CALLER_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A deployment with a bot that looks something up; its gateway and its worker are told these flags.
pub(crate) async fn shop(oracle: &Oracle, sink: &Sink, [gateway, worker]: [&[String]; 2]) -> System {
    let fetch = format!("```fetch\nGET {}\n```", sink.url("orders/$[id! euc]"));
    system()
        .with(skillset("shop", json!([{ "name": "look_up", "instruction": fetch }])))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "backstory": "You are Zaphod.", "skillset": "shop" })))
        .with(trigger("orders").bot("clerk"))
        .workers(1, &Setup::child().settings(oracle.settings("")).flags(worker))
        .gateways(1, &Setup::child().flags(gateway))
        .start()
        .await
}

pub(crate) async fn oracle() -> Oracle {
    Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("look_up".into(), json!({ "id": "42" }))]),
        _ => Say::Text("It is on its way, Trillian.".into()),
    })
    .await
}

/// The only span of a name.
fn one<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} among {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    found[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_one_story_over_the_queue() {
    let (oracle, sink, receiver) = (oracle().await, Sink::start().await, Receiver::start().await);
    let flags = ["--otlp".to_owned(), receiver.url()];
    let system = shop(&oracle, &sink, [&flags, &flags]).await;
    let call = system.call("orders").said("s", "Where is 42, Ford?").query("wait=20").header("traceparent", CALLER);
    let told = call.send().await.ok();
    assert_eq!(told.str("/text"), "It is on its way, Trillian.");
    let receipt = told.str("/id").to_owned();
    system.finish().await;
    let spans: Vec<Span> = receiver.spans();

    // The caller's trace goes as far as the broker.
    let request = spans.iter().find(|span| span.kind == 2 && span.trace == CALLER_TRACE).unwrap();
    assert_eq!((request.parent.as_str(), request.service.as_str()), ("b7ad6b7169203331", "cuepoint-gateway"));
    assert!(request.name.starts_with("POST /") && request.name.ends_with("/event"), "{}", request.name);
    assert_eq!(request.attribute("http.response.status_code"), "200");
    let publish = one(&spans, "publish event.{trigger}.{session}");
    assert_eq!((publish.trace.as_str(), &publish.parent, publish.kind), (CALLER_TRACE, &request.id, 4));

    // The turn is a trace of its own, linked to it.
    let process = one(&spans, "process event.{trigger}.{session}");
    assert_eq!((process.parent.as_str(), process.kind), ("", 5));
    assert_ne!(process.trace, CALLER_TRACE);
    assert_eq!(process.links, [(publish.trace.clone(), publish.id.clone())]);
    assert_eq!(process.attribute("cuepoint.receipt"), receipt);
    assert_eq!(process.attribute("cuepoint.outcome"), "completed");
    let below = |span: &Span| span.trace == process.trace;
    let bot = one(&spans, "invoke_agent clerk");
    assert_eq!((&bot.parent, bot.attribute("gen_ai.agent.name")), (&process.id, "clerk"));
    let chats: Vec<&Span> = spans.iter().filter(|span| span.name == "chat scripted").collect();
    assert_eq!(chats.len(), 2);
    for chat in chats {
        assert!(below(chat) && chat.parent == bot.id && chat.kind == 3, "{chat:?}");
        assert_eq!(chat.attribute("gen_ai.operation.name"), "chat");
        assert_eq!(chat.attribute("gen_ai.usage.input_tokens"), "100");
    }
    let tool = one(&spans, "execute_tool look_up");
    assert!(below(tool) && tool.parent == bot.id, "{tool:?}");
    let appended: BTreeMap<&str, &str> = spans
        .iter()
        .filter(|span| span.name == "publish log.{trigger}.{session}" && below(span))
        .map(|span| (span.attribute("cuepoint.record.kind"), span.parent.as_str()))
        .collect();
    let expected = [("intents", bot.id.as_str()), ("outcomes", bot.id.as_str()), ("completed", process.id.as_str())];
    assert_eq!(appended, BTreeMap::from(expected));
    assert_eq!(one(&spans, "ack event.{trigger}.{session}").parent, process.id);

    // What was said is not told unless it is asked for.
    for said in ["Ford", "Trillian", "Zaphod", tests::system::API_TOKEN] {
        assert!(!receiver.has_seen(said), "{said}");
    }
    let metrics = receiver.metrics();
    for name in ["cuepoint.accept.duration", "cuepoint.turn.duration", "gen_ai.client.token.usage", "cuepoint.ability.duration"] {
        assert!(metrics.iter().any(|metric| metric == name), "{name} in {metrics:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_is_told_where_it_is_wanted_and_log_lines_name_their_story() {
    let (oracle, sink, receiver) = (oracle().await, Sink::start().await, Receiver::start().await);
    let flags = ["--otlp", &receiver.url(), "--trace-content", "true"].map(str::to_owned);
    let mut system = shop(&oracle, &sink, [&flags, &flags]).await;
    system.call("orders").said("s", "Where is 42, Ford?").query("wait=20").send().await.ok();
    // Bytes that are no envelope end in DEAD, and a line says so.
    system.publish(&"orders.x".parse().unwrap(), None, "{").await;
    let is_buried =
        async || Some(()).filter(|()| receiver.lines().iter().any(|line| line.text == "a turn failed" && !line.trace.is_empty()));
    eventually("a line of a turn names its trace", SOON, is_buried).await;
    assert_eq!(system.take_dead().await.len(), 1);
    system.finish().await;
    let spans = receiver.spans();
    let chat = spans.iter().find(|span| span.name == "chat scripted").unwrap();
    assert!(chat.attribute("gen_ai.input.messages").contains("Where is 42, Ford?"), "{chat:?}");
    let tool = one(&spans, "execute_tool look_up");
    assert_eq!(tool.attribute("gen_ai.tool.call.arguments"), r#"{"id":"42"}"#);
    let line = receiver.lines().into_iter().find(|line| line.text == "a turn failed").unwrap();
    let story = spans.iter().find(|span| span.trace == line.trace && span.parent.is_empty()).unwrap();
    assert!(story.name.starts_with("process ") && story.is_error && story.service == line.service, "{story:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_choose_and_the_rest_has_a_pace() {
    let (oracle, sink, receiver) = (oracle().await, Sink::start().await, Receiver::start().await);
    let flags = ["--otlp", &receiver.url(), "--trace-roots-per-second", "0"].map(str::to_owned);
    let system = shop(&oracle, &sink, [&flags, &flags]).await;
    let unrecorded = CALLER.replace("-01", "-00");
    for trace in [Some(unrecorded.as_str()), None, Some(CALLER)] {
        let call = system.call("orders").said("s", "go").query("wait=20");
        let call = if let Some(trace) = trace { call.header("traceparent", trace) } else { call };
        call.send().await.ok();
    }
    system.finish().await;
    let spans = receiver.spans();
    assert_eq!(spans.iter().filter(|span| span.kind == 2).count(), 1, "{spans:?}");
    one(&spans, "process event.{trigger}.{session}");
}

/// What the operations listener answers.
async fn ops(port: u16, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_runs_it_sees_how_it_is_and_what_it_does() {
    let (oracle, sink) = (oracle().await, Sink::start().await);
    let [of_gateway, of_worker] = [(); 2].map(|()| free_port().unwrap());
    let flag = |port: u16| ["--ops".to_owned(), format!("127.0.0.1:{port}")];
    let system = system()
        .with(agent("clerk", json!({ "model": "oracle/scripted", "backstory": "" })))
        .with(trigger("orders").bot("clerk"))
        .workers(1, &Setup::child().settings(oracle.settings("")).flags(&flag(of_worker)))
        .gateways(1, &Setup::child().flags(&flag(of_gateway)))
        .start()
        .await;
    drop(sink);
    for port in [of_gateway, of_worker] {
        assert_eq!(ops(port, "/healthz").await.0, 200);
        let is_ready = async || Some(ops(port, "/readyz").await).filter(|(status, _)| *status == 200).map(drop);
        eventually("it is ready", SOON, is_ready).await;
        assert_eq!(ops(port, "/nowhere").await.0, 404);
    }
    for number in 0..20 {
        system.call("orders").said(&format!("s{number}"), "go").query("wait=20").send().await.ok();
    }
    let counted = async || {
        let text = ops(of_gateway, "/metrics").await.1;
        let has = |line: &str| text.lines().any(|found| found.starts_with(line));
        Some(text.clone()).filter(|_| has("cuepoint_stream_size_bytes{stream=\"LOG\"}") && has("cuepoint_ready{check=\"nats\"} 1"))
    };
    let text = eventually("the gateway's figures are read", SOON, counted).await;
    for line in [
        r#"cuepoint_accept_duration_seconds_count{cuepoint_outcome="accepted"} 20"#,
        "cuepoint_publishes_in_flight 0",
        "cuepoint_accepts_shed_total 0",
        "cuepoint_dead_letters 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let text = ops(of_worker, "/metrics").await.1;
    for line in [
        r#"cuepoint_turn_duration_seconds_count{cuepoint_outcome="completed"} 20"#,
        "cuepoint_queue_wait_seconds_count 20",
        "cuepoint_turns_max 64",
        "gen_ai_client_operation_duration_seconds_count{",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // Whoever calls makes no new names: neither paths, nor methods, nor sessions stand in labels.
    assert!(!text.contains("s19") && !ops(of_gateway, "/metrics").await.1.contains("s19"));
    let told: Value = serde_json::from_str(&ops(of_gateway, "/runnable").await.1).unwrap();
    assert_eq!(told, json!({ "runnableSessions": 0 }));
    assert_eq!(ops(of_worker, "/runnable").await.0, 503);

    let address = format!("http://127.0.0.1:{of_worker}/log");
    let put = async |filter: &'static str| reqwest::Client::builder().build().unwrap().put(&address).body(filter).send().await.unwrap();
    assert_eq!(put("info,worker=debug").await.text().await.unwrap(), "info,worker=debug\n");
    assert_eq!(ops(of_worker, "/log").await.1, "info,worker=debug\n");
    assert_eq!(put("worker=loud").await.status(), 400);
    assert_eq!(ops(of_worker, "/log").await.1, "info,worker=debug\n", "the last good one stays");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_waits_for_a_person_is_not_one_that_a_worker_could_run() {
    let oracle = Oracle::start(|steps, question| match steps {
        0 if question["messages"].as_array().is_some_and(|said| said.len() == 2) && question.to_string().contains("Which?") => {
            Say::Calls(vec![("ask".into(), json!({}))])
        }
        _ => Say::Text("done".into()),
    })
    .await;
    let port = free_port().unwrap();
    let mut system = system()
        .with(skillset("shop", json!([{ "name": "ask", "instruction": "```await/timeout=1h\nWhich colour?\n```" }])))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "backstory": "", "skillset": "shop" })))
        .with(trigger("orders").bot("clerk"))
        .workers(1, &Setup::child().settings(oracle.settings("")))
        .gateways(1, &Setup::child().flags(&["--ops".to_owned(), format!("127.0.0.1:{port}")]))
        .start()
        .await;
    let counted = async |sessions: u64, runnable: u64, what: &str| {
        let is_so = async || {
            let told: Value = serde_json::from_str(&ops(port, "/runnable").await.1).ok()?;
            let of_all = ops(port, "/metrics").await.1.contains(&format!("\ncuepoint_backlog_sessions {sessions}\n"));
            Some(()).filter(|()| of_all && told["runnableSessions"] == runnable)
        };
        eventually(what, SOON + Duration::from_secs(5), is_so).await;
    };
    let receipt = system.call("orders").said("s", "Which?").send().await.receipt();
    let is_waiting = async || Some(system.fetch(&receipt).send().await.ok()).filter(|told| told.str("/status") == "waiting").map(drop);
    eventually("the turn waits", SOON, is_waiting).await;
    for text in ["and then?", "and now?"] {
        system.call("orders").said("s", text).send().await.receipt();
    }
    counted(1, 0, "what waits behind a person needs no worker").await;
    system.worker(0).stop().await;
    for session in ["a", "b", "c"] {
        system.call("orders").said(session, "go").send().await.receipt();
    }
    counted(4, 3, "what nobody runs could be run").await;
    system.start_worker(Setup::child().settings(oracle.settings(""))).await;
    let answer = json!({ "event": receipt.to_string(), "call": "1.0", "text": "blue" });
    system.publish_to(&proto::subject::answer(&receipt.session), None, answer.to_string()).await;
    system.finish().await;
}
