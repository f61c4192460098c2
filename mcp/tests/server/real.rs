//! Servers that nobody here wrote: the protocol's own, in JavaScript and Python.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use egress::Egress;
use egress::policy::Policy;
use mcp::error::Error;
use mcp::pool::{Call, Config, Pool};
use mcp::program::{Program, Programs};
use mcp::server::{Auth, Http, Server};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a server may take to start on a busy machine, and to answer.
const DEADLINE: Duration = Duration::from_mins(1);

/// A file that `make peers` puts into the workspace.
fn peer(path: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools").join(path);
    assert!(file.exists(), "{} is not there: run `make peers` first", file.display());
    file
}

fn script(package: &str) -> String {
    peer(&format!("peers/node/node_modules/@modelcontextprotocol/{package}/dist/index.js")).display().to_string()
}

fn programs() -> Programs {
    let root = std::env::temp_dir().join(format!("mcp-files-{}", std::process::id()));
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("note.txt"), "remember the milk").unwrap();
    let root = root.canonicalize().unwrap().display().to_string();
    let node = |arguments: Vec<String>| Program { arguments, ..Program::new(peer("bin/node")) };
    let everything = Program {
        environment: [("GREETING".to_owned(), "hello there".into())].into(),
        ..node(vec![script("server-everything"), "stdio".into()])
    };
    Programs::from([
        ("everything".to_owned(), everything),
        ("files".to_owned(), Program { directory: Some(root.clone().into()), ..node(vec![script("server-filesystem"), root]) }),
        (
            "time".to_owned(),
            Program { arguments: vec!["--local-timezone".into(), "UTC".into()], ..Program::new(peer("peers/python/bin/mcp-server-time")) },
        ),
    ])
}

fn stdio() -> Pool {
    Pool::new(Config { programs: programs(), ..Config::default() }, Egress::new(Policy::default()).unwrap())
}

fn program(name: &str) -> Server {
    Server::Stdio { program: name.into() }
}

async fn ask(pool: &Pool, server: &Server, tool: &str, arguments: Value) -> Result<Value, Error> {
    let arguments = arguments.as_object().unwrap().clone();
    pool.call(server, Call { tool, arguments, idempotency_key: Some("key"), timeout: DEADLINE }).await
}

/// What every transport of the server must do alike.
async fn everything(pool: &Pool, server: &Server) {
    let tools = pool.tools(server).await.unwrap();
    let names: BTreeSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert!(["echo", "get-sum", "get-env", "get-tiny-image"].iter().all(|name| names.contains(name)), "{names:?}");
    let functions = mcp::name::functions("everything", &names.iter().copied().collect::<Vec<_>>(), &BTreeSet::new());
    assert!(functions.contains(&"everything_get_sum".to_owned()), "{functions:?}");
    let sum = tools.iter().find(|tool| tool.name == "get-sum").unwrap();
    assert!(sum.is_read_only && sum.input_schema["properties"].get("a").is_some(), "{sum:?}");

    let told = ask(pool, server, "get-sum", json!({ "a": 2, "b": 40 })).await.unwrap();
    assert_eq!(told["content"][0]["text"], "The sum of 2 and 40 is 42.");
    let told = ask(pool, server, "get-structured-content", json!({ "location": "New York" })).await.unwrap();
    assert!(told["structuredContent"]["temperature"].is_number(), "{told}");
    let told = ask(pool, server, "get-tiny-image", json!({})).await.unwrap();
    let picture = told["content"].as_array().unwrap().iter().find(|part| part["type"] == "image").unwrap();
    assert!(picture["bytes"].as_u64().unwrap() > 100 && picture.get("data").is_none(), "{picture}");
    let error = ask(pool, server, "get-sum", json!({ "a": "two" })).await.unwrap_err();
    assert!(matches!(error, Error::Tool { .. } | Error::Rpc { code: -32602, .. }), "{error:?}");
    let error = ask(pool, server, "no-such-tool", json!({})).await.unwrap_err();
    assert!(matches!(error, Error::Tool { .. } | Error::Rpc { .. }) && !error.may_have_happened(), "{error:?}");

    // Progress, every 0.4 s, keeps a call alive that takes longer than it may be silent.
    let arguments = json!({ "duration": 2, "steps": 5 }).as_object().unwrap().clone();
    let long = Call { tool: "trigger-long-running-operation", arguments, idempotency_key: None, timeout: Duration::from_millis(1_500) };
    assert!(pool.call(server, long.clone()).await.unwrap()["content"][0]["text"].as_str().unwrap().contains("completed"));
    let silent = json!({ "duration": 30, "steps": 1 }).as_object().unwrap().clone();
    let error = pool.call(server, Call { arguments: silent, timeout: Duration::from_millis(200), ..long }).await.unwrap_err();
    assert!(matches!(error, Error::Late { .. }), "{error:?}");
    assert_eq!(pool.connections(), 1);
}

#[tokio::test]
async fn server_everything_over_stdio() {
    let pool = stdio();
    everything(&pool, &program("everything")).await;
    let told = ask(&pool, &program("everything"), "get-env", json!({})).await.unwrap();
    let environment: Value = serde_json::from_str(told["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(environment, json!({ "PATH": mcp::program::PATH, "GREETING": "hello there" }));
    pool.close().await;
}

/// The server over HTTP.
async fn served(address: SocketAddr) -> Child {
    let mut command = Command::new(peer("bin/node"));
    command.args([script("server-everything"), "streamableHttp".into()]).env("PORT", address.port().to_string());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let up = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, up).await.expect("the server does not start");
    child
}

#[tokio::test]
async fn server_everything_over_streamable_http_and_again_after_it_died() {
    // Free a moment ago; the server takes no port 0.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut child = served(address).await;
    let policy = Policy { allow: vec!["127.0.0.1".parse().unwrap()] };
    let pool = Pool::new(Config::default(), Egress::new(policy).unwrap());
    let server = Server::Http(Http { url: format!("http://{address}/mcp").parse().unwrap(), headers: vec![], auth: Auth::None });
    everything(&pool, &server).await;
    child.kill().await.unwrap();
    let error = ask(&pool, &server, "get-sum", json!({ "a": 1, "b": 1 })).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::Closed), "{error:?}");
    let _child = served(address).await;
    let back = async {
        loop {
            match ask(&pool, &server, "get-sum", json!({ "a": 1, "b": 1 })).await {
                Ok(told) => return told,
                Err(Error::BackingOff { wait_ms, .. }) => tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap())).await,
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let told = tokio::time::timeout(DEADLINE, back).await.unwrap();
    assert_eq!(told["content"][0]["text"], "The sum of 1 and 1 is 2.");
    pool.close().await;
}

#[tokio::test]
async fn server_filesystem_reads_what_it_is_given_and_nothing_else() {
    let pool = stdio();
    let files = program("files");
    let told = ask(&pool, &files, "list_allowed_directories", json!({})).await.unwrap();
    let root = told["content"][0]["text"].as_str().unwrap_or_default().lines().last().unwrap_or_default().to_owned();
    let root =
        if root.is_empty() { told["structuredContent"]["content"].as_str().unwrap().lines().last().unwrap().to_owned() } else { root };
    let told = ask(&pool, &files, "read_text_file", json!({ "path": format!("{root}/note.txt") })).await.unwrap();
    assert!(told.to_string().contains("remember the milk"), "{told}");
    let error = ask(&pool, &files, "read_text_file", json!({ "path": "/etc/passwd" })).await.unwrap_err();
    assert!(matches!(&error, Error::Tool { text } if text.contains("denied")), "{error:?}");
    pool.close().await;
}

#[tokio::test]
async fn mcp_server_time_tells_the_time() {
    let pool = stdio();
    let time = program("time");
    let names: Vec<String> = pool.tools(&time).await.unwrap().iter().map(|tool| tool.name.clone()).collect();
    assert_eq!(names, ["get_current_time", "convert_time"]);
    let arguments = json!({ "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    let told = ask(&pool, &time, "convert_time", arguments).await.unwrap();
    assert!(told.to_string().contains("T21:00:00+09:00"), "{told}");
    let error = ask(&pool, &time, "get_current_time", json!({ "timezone": "Nowhere/Atlantis" })).await.unwrap_err();
    assert!(matches!(error, Error::Tool { .. }), "{error:?}");
    pool.close().await;
}
