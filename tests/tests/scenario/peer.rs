//! Each program that nobody here wrote does answer, and what grades a client does tell a bad one.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tests::call;
use tests::eventually::eventually;
use tests::peer::aimock::Aimock;
use tests::peer::command_line::CommandLine;
use tests::peer::everything::{self, Everything};
use tests::peer::llmock::{Behavior, BrokenStream, Llmock};
use tests::peer::smtp::Smtp;
use tests::peer::{conformance, filesystem, time};
use tests::scratch::Scratch;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::SOON;

/// How long a server over standard streams may take to load and answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(40);

/// Asks for a chat completion.
fn completion(url: &str, stream: bool) -> RequestBuilder {
    let messages = json!([{ "role": "user", "content": "What is the weather?" }]);
    call::client().post(format!("{url}/chat/completions")).json(&json!({ "model": "m", "stream": stream, "messages": messages }))
}

/// The messages of an MCP client that calls one tool.
fn calling(tool: &str, arguments: &Value) -> [Value; 3] {
    let client = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "tests", "version": "1" } });
    [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": tool, "arguments": arguments } }),
    ]
}

/// Calls a tool over standard streams; the text of its result.
async fn called(line: &CommandLine, tool: &str, arguments: Value) -> String {
    let calling = async {
        let mut command = line.command();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let [initialize, initialized, call] = calling(tool, &arguments);
        input.write_all(format!("{initialize}\n").as_bytes()).await.unwrap();
        let answer: Value = serde_json::from_str(&output.next_line().await.unwrap().expect("an answer")).unwrap();
        assert!(answer.pointer("/result/serverInfo/name").is_some(), "{answer}");
        input.write_all(format!("{initialized}\n{call}\n").as_bytes()).await.unwrap();
        loop {
            let line = output.next_line().await.unwrap().expect("an answer");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message.get("id") == Some(&json!(2)) {
                return message.pointer("/result/content/0/text").and_then(Value::as_str).expect(&line).to_owned();
            }
        }
    };
    tokio::time::timeout(ANSWERS_WITHIN, calling).await.expect("the server answers in time")
}

#[tokio::test]
async fn aimock_answers_what_it_is_told_to() {
    let aimock = Aimock::start().await;
    aimock.reply("weather", "It rains.").await;
    aimock.fail_next(503, "too many").await;
    let refused = completion(&aimock.url("/v1"), false).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer: Value = completion(&aimock.url("/v1"), false).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer.pointer("/choices/0/message/content"), Some(&json!("It rains.")), "{answer}");
    let stream = completion(&aimock.url("/v1"), true).send().await.unwrap().text().await.unwrap();
    assert!(stream.starts_with("data: {") && stream.trim_end().ends_with("data: [DONE]"), "{stream}");
    let statuses: Vec<Option<u64>> = aimock.journal().await.iter().map(|entry| entry.response.get("status")?.as_u64()).collect();
    assert_eq!(statuses, [Some(503), Some(200), Some(200)]);
}

#[tokio::test]
async fn llmock_tells_a_client_that_waits_from_one_that_does_not() {
    let llmock = Llmock::start().await;
    let (long, short) = (Duration::from_mins(1), Duration::from_millis(300));
    for (is_polite, wait, codes) in [(false, long, vec!["retry_after_ignored"]), (true, short, vec![])] {
        llmock.reset().await;
        llmock.queue([Behavior::rate_limit(wait), Behavior::reply("It rains.")]).await;
        let refused = completion(&llmock.url("/v1"), false).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        if is_polite {
            tokio::time::sleep(wait).await;
        }
        let answer: Value = completion(&llmock.url("/v1"), false).send().await.unwrap().json().await.unwrap();
        assert_eq!(answer.pointer("/choices/0/message/content"), Some(&json!("It rains.")), "{answer}");
        let verdict = llmock.verdict().await;
        assert_eq!((verdict.codes(), verdict.calls, verdict.attempts, verdict.faults_injected), (codes, 1, 2, 1), "{verdict}");
        assert_eq!(llmock.pending().await, 0);
        let statuses: Vec<u16> = llmock.requests().await.iter().map(|request| request.status).collect();
        assert_eq!(statuses, [429, 200]);
    }
}

#[tokio::test]
async fn llmock_tells_a_client_that_believes_half_an_answer() {
    let llmock = Llmock::start().await;
    llmock.queue([Behavior::reply("one two three four"), Behavior::broken_stream(BrokenStream::Truncate, 2)]).await;
    let stream = completion(&llmock.url("/v1"), true).send().await.unwrap().text().await.unwrap();
    assert!(stream.contains("data: {") && !stream.contains("[DONE]"), "{stream}");
    assert_eq!(llmock.verdict().await.codes(), ["truncated_stream_accepted"]);
}

#[tokio::test]
async fn everything_answers_over_http() {
    let server = Everything::start().await;
    let http = call::client();
    let post = |body: &Value| http.post(server.url()).header("accept", "application/json, text/event-stream").json(body);
    let [initialize, initialized, echo] = calling("echo", &json!({ "message": "hi" }));
    let answer = post(&initialize).send().await.unwrap();
    let session = answer.headers().get("mcp-session-id").expect("a session").clone();
    assert!(answer.text().await.unwrap().contains("serverInfo"));
    let accepted = post(&initialized).header("mcp-session-id", &session).send().await.unwrap();
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let answer = post(&echo).header("mcp-session-id", &session).send().await.unwrap().text().await.unwrap();
    assert!(answer.contains("Echo: hi"), "{answer}");
    assert!(server.printed().contains("Session initialized"), "{}", server.printed());
    let elsewhere = TcpStream::connect(("127.0.0.2", server.port())).await;
    assert!(elsewhere.is_err(), "it listens on more than 127.0.0.1");
}

#[tokio::test]
async fn servers_answer_over_standard_streams() {
    let scratch = Scratch::new();
    let note = scratch.write("note.txt", "remember the milk");
    let arguments = json!({ "path": note.display().to_string() });
    let echo = called(&everything::stdio(), "echo", json!({ "message": "hi" })).await;
    let read = called(&filesystem::stdio([scratch.path()]), "read_text_file", arguments).await;
    let now = called(&time::stdio(), "get_current_time", json!({ "timezone": "Asia/Tokyo" })).await;
    assert_eq!((echo.as_str(), read.as_str()), ("Echo: hi", "remember the milk"));
    assert!(now.contains("+09:00"), "{now}");
}

#[tokio::test]
async fn conformance_passes_a_server_that_conforms() {
    let server = Everything::start().await;
    conformance::server("tools-list", &server.url()).await.assert_passed();
    let wrong = conformance::server("tools-list", &server.url().replace("/mcp", "/nothing")).await;
    assert!(!wrong.is_passed(), "{wrong:#?}");
}

#[tokio::test]
async fn conformance_does_not_pass_a_client_that_does_nothing() {
    let idle = conformance::client("initialize", "true").await;
    assert!(idle.checks.is_empty() && !idle.is_passed(), "{idle:#?}");
    let failing = conformance::client("tools_call", "false").await;
    assert!(!failing.checks.is_empty() && !failing.is_passed(), "{failing:#?}");
}

#[tokio::test]
async fn a_mail_is_kept_as_it_was_sent() {
    let smtp = Smtp::start().await;
    let mut stream = BufReader::new(TcpStream::connect(smtp.address()).await.unwrap());
    let mail = "Subject: Weather\r\nTo: bob@example.org\r\n\r\nIt rains.\r\n..and rains.\r\n.";
    let says =
        ["", "HELO tests", "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>", "RCPT TO:<eve@example.org>", "DATA", mail, "QUIT"];
    let expected = ["220", "250", "250", "250", "250", "354", "250", "221"];
    for (said, code) in says.into_iter().zip(expected) {
        if !said.is_empty() {
            stream.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
        }
        let mut answer = String::new();
        tokio::time::timeout(SOON, stream.read_line(&mut answer)).await.expect("an answer in time").unwrap();
        assert!(answer.starts_with(code), "{said}: {answer}");
    }
    let mails = smtp.reached(1, SOON).await;
    let [mail] = mails.as_slice() else { panic!("one mail was sent: {mails:?}") };
    assert_eq!((mail.from.as_str(), mail.to.join(" ")), ("ann@example.org", "bob@example.org eve@example.org".to_owned()));
    assert_eq!((mail.header("Subject"), mail.body.as_str()), (Some("Weather"), "It rains.\n.and rains.\n"));
}

#[tokio::test]
async fn a_peer_ends_with_the_test() {
    let smtp = Smtp::start().await;
    let address = smtp.address();
    drop(TcpStream::connect(address).await.expect("it listens"));
    drop(smtp);
    let refused = async || TcpStream::connect(address).await.err().filter(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    eventually("nobody listens any more", SOON, refused).await;
}
