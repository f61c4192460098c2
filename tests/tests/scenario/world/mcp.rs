//! Tools of MCP servers: by two SDKs, over HTTP and standard streams.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::peer::command_line::CommandLine;
use tests::peer::everything::Everything;
use tests::peer::{filesystem, time};
use tests::proxy::Proxy;
use tests::scratch::Scratch;
use tests::setup::Setup;
use tests::system::System;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{block, clerk, functions, outcomes, said, served};
use crate::{SOON, records, shape};

/// What the settings say of a program.
fn program(line: &CommandLine) -> Value {
    json!({ "command": line.program, "args": line.arguments })
}

fn remote(url: &str, more: &str) -> String {
    block("mcp", &format!("url: {url}\n{more}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_of_three_servers_are_functions_and_their_results_reach_the_model() {
    let scratch = Scratch::new();
    let note = scratch.write("note.txt", "remember the milk").display().to_string();
    let server = Everything::start().await;
    let oracle = Oracle::start(move |steps, _| match steps {
        0 => Say::Calls(vec![
            ("demo_get_sum".into(), json!({ "a": 2, "b": 3 })),
            ("disk_read_text_file".into(), json!({ "path": note })),
            ("clock_get_current_time".into(), json!({ "timezone": "Asia/Tokyo" })),
        ]),
        1 => Say::Calls(vec![
            ("disk_read_text_file".into(), json!({ "path": "/etc/hostname" })),
            ("clock_get_current_time".into(), json!({ "timezone": "Nowhere/AtAll" })),
            ("demo_get_sum".into(), json!({ "a": "two" })),
            ("demo_get_env".into(), json!({})),
        ]),
        _ => Say::Text("done".into()),
    })
    .await;
    let programs = json!({ "files": program(&filesystem::stdio([scratch.path()])), "time": program(&time::stdio()) });
    let abilities = json!([
        { "name": "demo", "instruction": remote(&server.url(), "tools: [echo, get-sum]") },
        { "name": "files", "instruction": block("mcp", "server: files\ntools: read_text_file\nprefix: disk") },
        { "name": "clock", "instruction": block("mcp", "server: time") },
    ]);
    let system = served(&oracle, abilities, &format!("mcp: {programs}")).await;
    let told = said(&system, "go").await;
    assert_eq!((told.str("/status"), told.str("/text")), ("completed", "done"), "{}", told.body);
    let asked = oracle.asked();
    let mut offered = functions(&asked[0]);
    offered.sort_unstable();
    let expected = ["clock_convert_time", "clock_get_current_time", "demo_echo", "demo_get_sum", "disk_read_text_file"];
    assert_eq!(offered, expected);
    let schema = asked[0]["tools"].as_array().unwrap().iter().find(|tool| tool["function"]["name"] == "demo_get_sum").unwrap();
    assert_eq!(schema["function"]["parameters"]["properties"]["a"]["type"], "number", "{schema}");
    let [sum, read, now] = outcomes(&asked[1])[..] else { panic!("{}", asked[1]) };
    assert!(sum.contains("The sum of 2 and 3 is 5") && read.contains("remember the milk") && now.contains("+09:00"), "{sum} {read} {now}");
    let failed = outcomes(&asked[2])[3..].to_vec();
    let [outside, zone, sum, environment] = failed[..] else { panic!("{failed:?}") };
    assert!(outside.contains("Access denied"), "{outside}");
    assert!(zone.contains("Nowhere/AtAll"), "{zone}");
    assert!(sum.contains("nvalid"), "{sum}");
    assert!(environment.contains("there is no function"), "a tool that the filter leaves out is not called: {environment}");
    system.finish().await;
}

/// A model that calls a function once in each turn that offers it.
async fn eager(function: &'static str, arguments: Value) -> Oracle {
    let script = move |steps, question: &Value| {
        if steps == 0 && functions(question).contains(&function) {
            Say::Calls(vec![(function.to_owned(), arguments.clone())])
        } else {
            Say::Text("done".into())
        }
    };
    Oracle::start(script).await
}

/// Has one turn after another until one's first question is as wanted; that question.
async fn until(system: &System, oracle: &Oracle, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let turn = async || {
        let before = oracle.asked().len();
        let told = said(system, "what can you do?").await;
        assert_eq!(told.str("/status"), "completed", "{}", told.body);
        oracle.asked().into_iter().nth(before).filter(|question| is_wanted(question))
    };
    eventually(what, SOON * 4, turn).await
}

fn has_note(question: &Value) -> bool {
    question["messages"].to_string().contains("The tools of demo cannot be reached at the moment.")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_out_of_reach_is_a_note_and_its_tools_come_back() {
    let server = Everything::start().await;
    let proxy = Proxy::to(server.port()).await;
    let oracle = eager("demo_echo", json!({ "message": "hi" })).await;
    let url = format!("http://127.0.0.1:{}/mcp", proxy.port());
    let abilities = json!([
        { "name": "demo", "instruction": remote(&url, "tools: [echo]") },
        { "name": "say", "instruction": block("echo", "$[words!]") },
    ]);
    proxy.cut();
    let system = served(&oracle, abilities, "").await;
    let question = until(&system, &oracle, "the server is missed", has_note).await;
    assert_eq!(functions(&question), ["say"], "what does not need the server is offered all the same");
    proxy.restore();
    until(&system, &oracle, "the server is there", |question| functions(question).contains(&"demo_echo")).await;
    let last = oracle.asked().last().cloned().unwrap();
    assert!(outcomes(&last)[0].contains("Echo: hi") && !has_note(&last), "{last}");
    proxy.cut();
    let is_told = |question: &Value| has_note(question) || question.to_string().contains("cannot be reached");
    let missed = async || {
        said(&system, "again").await.str("/status").eq("completed").then_some(())?;
        oracle.asked().last().filter(|question| is_told(question)).map(drop)
    };
    eventually("a server that goes away is told", SOON * 4, missed).await;
    proxy.restore();
    let again = async || {
        said(&system, "and now").await;
        let last = oracle.asked().last().cloned()?;
        outcomes(&last).first().is_some_and(|outcome| outcome.contains("Echo: hi")).then_some(())
    };
    eventually("its tools come back", SOON * 4, again).await;
    system.finish().await;
}

/// A program that says its process id into a file, and does not start while another file is there.
fn mortal(line: &CommandLine, directory: &Path) -> Value {
    let script = format!("echo $$ > '{0}/pid'; [ -e '{0}/broken' ] && exit 1; exec \"$0\" \"$@\"", directory.display());
    let program = line.program.display().to_string();
    let arguments = ["-c".to_owned(), script, program].into_iter().chain(line.arguments.iter().cloned()).collect::<Vec<String>>();
    json!({ "command": "/bin/sh", "args": arguments })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_dies_is_a_note_until_it_can_be_started_again() {
    let scratch = Scratch::new();
    let oracle = eager("demo_get_current_time", json!({ "timezone": "UTC" })).await;
    let programs = json!({ "time": mortal(&time::stdio(), scratch.path()) });
    let abilities = json!([{ "name": "demo", "instruction": block("mcp", "server: time") }]);
    let system = served(&oracle, abilities, &format!("mcp: {programs}")).await;
    let told = said(&system, "go").await;
    assert_eq!(told.str("/text"), "done");
    assert!(outcomes(&oracle.asked()[1])[0].contains("+00:00"), "{:?}", outcomes(&oracle.asked()[1]));
    scratch.write("broken", "");
    let pid: i32 = std::fs::read_to_string(scratch.path().join("pid")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    until(&system, &oracle, "the program is missed", has_note).await;
    std::fs::remove_file(scratch.path().join("broken")).unwrap();
    until(&system, &oracle, "the program is there", |question| functions(question).contains(&"demo_get_current_time")).await;
    let last = oracle.asked().last().cloned().unwrap();
    assert!(outcomes(&last)[0].contains("+00:00"), "{last}");
    system.finish().await;
}

/// A server with one tool, which keeps what it was called with; dropping it closes it.
struct Till {
    url: String,
    calls: Arc<Mutex<Vec<Value>>>,
    _serving: JoinSet<()>,
}

impl Till {
    /// Serves a tool `pay` with these annotations.
    async fn start(annotations: Value) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let calls: Arc<Mutex<Vec<Value>>> = Arc::default();
        let state = (Arc::clone(&calls), annotations);
        let router = Router::new().route("/mcp", post(take)).with_state(state);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, calls, _serving: serving }
    }

    /// The keys that calls came with.
    fn keys(&self) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        let key = |call: &Value| call["_meta"]["cuepoint/idempotencyKey"].as_str().unwrap_or_default().to_owned();
        calls.iter().map(key).collect()
    }
}

async fn take(State((calls, annotations)): State<(Arc<Mutex<Vec<Value>>>, Value)>, Json(message): Json<Value>) -> Response {
    let result = match message["method"].as_str().unwrap_or_default() {
        "initialize" => json!({
            "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": "till", "version": "1" },
        }),
        "tools/list" => json!({ "tools": [{ "name": "pay", "inputSchema": { "type": "object" }, "annotations": annotations }] }),
        "tools/call" => {
            calls.lock().unwrap().push(message["params"].clone());
            json!({ "content": [{ "type": "text", "text": "paid" }] })
        }
        _ if message.get("id").is_none() => return StatusCode::ACCEPTED.into_response(),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            return Json(json!({ "jsonrpc": "2.0", "id": message["id"], "error": error })).into_response();
        }
    };
    Json(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result })).into_response()
}

/// A worker dies after the server was called; another one goes on. The keys of the calls, and the last question.
async fn repeated(annotations: Value, doubt: Value) -> (Vec<String>, Value) {
    let till = Till::start(annotations).await;
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("till_pay".into(), json!({ "amount": 7 }))]),
        _ => Say::Text("done".into()),
    })
    .await;
    let mut ability = json!({ "name": "till", "instruction": remote(&till.url, "") });
    if !doubt.is_null() {
        ability["doubt"] = doubt;
    }
    let mut system = clerk(json!([ability])).start().await;
    let setup = Setup::child().settings(oracle.settings(""));
    let first = system.start_worker(setup.clone().fatal("run.till_pay#1.after")).await;
    let receipt = system.call("orders").said("s", "Pay 7").send().await.receipt();
    eventually("the worker kills itself", SOON, async || system.worker(first).has_died().then_some(())).await;
    system.start_worker(setup).await;
    let log = system.settled(SOON * 2).await;
    assert_eq!(shape(&records(&log)), "iroC");
    let told = system.fetch(&receipt).send().await.ok();
    assert_eq!(told.str("/text"), "done");
    system.finish().await;
    (till.keys(), oracle.asked().last().cloned().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_repeated_after_a_crash_has_the_same_key_in_its_meta() {
    for (annotations, doubt) in [(json!({}), json!("retry")), (json!({ "idempotentHint": true }), json!(null))] {
        let (keys, question) = repeated(annotations, doubt).await;
        assert_eq!(keys.len(), 2);
        assert!(keys[0] == keys[1] && !keys[0].is_empty(), "{keys:?}");
        assert!(outcomes(&question)[0].contains("paid"), "{question}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_must_not_be_repeated_is_told_as_unknown() {
    let (keys, question) = repeated(json!({ "idempotentHint": true }), json!("fail")).await;
    assert_eq!(keys.len(), 1);
    assert!(outcomes(&question)[0].contains("unknown"), "{question}");
}
