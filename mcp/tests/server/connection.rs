//! Connections: shared, kept, lost, made anew, and left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mcp::error::Error;
use mcp::pool::Config;
use mcp::server::Auth;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::fake::{DEADLINE, Fake, Reply, call, event, pool};

fn tools(names: &[String]) -> Reply {
    Reply::Result(json!({ "tools": names.iter().map(|name| json!({ "name": name, "inputSchema": {} })).collect::<Vec<Value>>() }))
}

#[tokio::test]
async fn all_who_ask_for_a_server_share_a_connection_and_a_list() {
    let fake = Fake::start(|_| None);
    let pool = pool(Config::default(), &[fake.address]);
    let mut asking = JoinSet::new();
    for _ in 0..20 {
        let (pool, server) = (pool.clone(), fake.server());
        asking.spawn(async move {
            pool.call(&server, call(DEADLINE)).await.unwrap();
            pool.tools(&server).await.unwrap().len()
        });
    }
    assert_eq!(asking.join_all().await, vec![1; 20]);
    assert_eq!((fake.count("initialize"), fake.count("tools/list"), fake.count("tools/call")), (1, 1, 20));
    // Another token is another server.
    pool.tools(&fake.server_with(&[], Auth::Bearer("other-token".into()))).await.unwrap();
    assert_eq!((fake.count("initialize"), pool.connections()), (2, 2));
}

#[tokio::test]
async fn a_list_is_asked_for_again_when_the_server_says_that_it_changed() {
    let version = Arc::new(AtomicUsize::new(1));
    let told = Arc::clone(&version);
    let fake = Fake::start(move |asked| match asked.what() {
        "tools/list" => Some(tools(&[format!("v{}", told.load(Ordering::SeqCst))])),
        // The change is told on the stream of a later call, as servers do.
        "tools/call" => {
            told.store(2, Ordering::SeqCst);
            let changed = event(&json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }));
            Some(Reply::Events(vec![(0, changed), (0, event(&crate::fake::answer_to(asked, &json!({ "content": [] }))))], false))
        }
        _ => None,
    });
    let pool = pool(Config::default(), &[fake.address]);
    let server = fake.server();
    for _ in 0..3 {
        assert_eq!(pool.tools(&server).await.unwrap()[0].name, "v1");
    }
    assert_eq!(fake.count("tools/list"), 1);
    pool.call(&server, call(DEADLINE)).await.unwrap();
    let heard = async {
        while pool.tools(&server).await.unwrap()[0].name != "v2" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, heard).await.unwrap();
    assert_eq!(fake.count("tools/list"), 2);
}

#[tokio::test]
async fn a_list_is_read_page_by_page_and_no_further_than_the_bound() {
    let page = |asked: &crate::fake::Asked| asked.body["params"]["cursor"].as_str().map_or(0, |cursor| cursor.parse::<usize>().unwrap());
    let reply = move |asked: &crate::fake::Asked, last: usize| {
        let number = page(asked);
        let mut result = json!({ "tools": [{ "name": format!("t{number}"), "inputSchema": {} }] });
        if number < last {
            result["nextCursor"] = (number + 1).to_string().into();
        }
        (asked.what() == "tools/list").then_some(Reply::Result(result))
    };
    let fake = Fake::start(move |asked| reply(asked, 2));
    let pages = pool(Config::default(), &[fake.address]).tools(&fake.server()).await.unwrap();
    assert_eq!(pages.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["t0", "t1", "t2"]);
    let endless = Fake::start(move |asked| reply(asked, usize::MAX));
    let error = pool(Config::default(), &[endless.address]).tools(&endless.server()).await.unwrap_err();
    assert_eq!(error.to_string(), "the answer has more than 64 pages");
    assert_eq!(endless.count("tools/list"), 64);
}

#[tokio::test]
async fn a_server_without_tools_has_none() {
    let fake = Fake::start(|asked| {
        let told = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": { "name": "fake", "version": "1" } });
        (asked.what() == "initialize").then_some(Reply::Result(told))
    });
    assert!(pool(Config::default(), &[fake.address]).tools(&fake.server()).await.unwrap().is_empty());
    assert_eq!(fake.count("tools/list"), 0);
}

#[tokio::test]
async fn a_call_that_was_refused_for_its_session_is_made_over_a_new_one() {
    for status in [400, 404] {
        let sessions = Arc::new(AtomicUsize::new(0));
        let (opened, is_known) = (Arc::clone(&sessions), Arc::new(AtomicBool::new(true)));
        let known = Arc::clone(&is_known);
        let fake = Fake::start(move |asked| match asked.what() {
            "initialize" => {
                opened.fetch_add(1, Ordering::SeqCst);
                known.store(true, Ordering::SeqCst);
                None
            }
            _ => (!known.load(Ordering::SeqCst)).then(|| Reply::Status(status, vec![], String::new())),
        });
        let pool = pool(Config::default(), &[fake.address]);
        pool.call(&fake.server(), call(DEADLINE)).await.unwrap();
        is_known.store(false, Ordering::SeqCst);
        pool.call(&fake.server(), call(DEADLINE)).await.unwrap();
        assert_eq!(sessions.load(Ordering::SeqCst), 2, "status {status}");
    }
}

#[tokio::test]
async fn a_server_that_died_and_came_back_is_connected_to_again() {
    let fake = Fake::start(|_| None);
    let (address, server) = (fake.address, fake.server());
    let pool = pool(Config::default(), &[address]);
    pool.call(&server, call(DEADLINE)).await.unwrap();
    fake.die().await;
    let again = Fake::start_on(address, |_| None);
    // Sent into a connection that was just dying, a call may or may not have arrived: that is for the caller to judge.
    match pool.call(&server, call(DEADLINE)).await {
        Ok(_) => {}
        Err(Error::Closed) => drop(pool.call(&server, call(DEADLINE)).await.unwrap()),
        Err(error) => panic!("{error:?}"),
    }
    assert_eq!(again.count("tools/call"), 1);
}

#[tokio::test]
async fn a_server_that_is_gone_is_left_alone_for_a_while_and_then_tried_again() {
    let fake = Fake::start(|_| None);
    let (address, server) = (fake.address, fake.server());
    let pool = pool(Config::default(), &[address]);
    pool.tools(&server).await.unwrap();
    fake.die().await;
    let mut error = pool.call(&server, call(DEADLINE)).await.unwrap_err();
    if matches!(error, Error::Closed) {
        // The connection was just dying; now it is dead.
        error = pool.call(&server, call(DEADLINE)).await.unwrap_err();
    }
    assert!(matches!(error, Error::Unreachable { .. }) && !error.may_have_happened(), "{error:?}");
    assert!(error.to_string().starts_with(&format!("http://{address} cannot be reached: ")), "{error}");
    let error = pool.call(&server, call(DEADLINE)).await.unwrap_err();
    let Error::BackingOff { wait_ms, .. } = error else { panic!("{error:?}") };
    assert!(wait_ms <= 500, "{wait_ms}");
    let fake = Fake::start_on(address, |_| None);
    let back = async {
        while let Err(error) = pool.call(&server, call(DEADLINE)).await {
            let Error::BackingOff { wait_ms, .. } = error else { panic!("{error:?}") };
            tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap())).await;
        }
    };
    tokio::time::timeout(DEADLINE, back).await.unwrap();
    assert_eq!(fake.count("tools/call"), 1);
}

#[tokio::test]
async fn a_server_that_never_greets_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pool = pool(Config::default(), &[address]);
    let http = mcp::server::Http { url: format!("http://{address}/").parse().unwrap(), headers: vec![], auth: Auth::None };
    let error = pool.call(&mcp::server::Server::Http(http), call(Duration::from_millis(200))).await.unwrap_err();
    assert!(error.to_string().ends_with("no connection within 200ms"), "{error}");
    assert!(!error.may_have_happened());
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_and_its_session_given_back() {
    let fake = Fake::start(|_| None);
    let pool = pool(Config { idle: Duration::from_millis(100), ..Config::default() }, &[fake.address]);
    pool.tools(&fake.server()).await.unwrap();
    assert_eq!(pool.connections(), 1);
    let ended = fake.wait(|asked| asked.verb == "DELETE").await;
    assert_eq!(ended.header("mcp-session-id"), "session-1");
    assert_eq!(pool.connections(), 0);
    pool.tools(&fake.server()).await.unwrap();
    assert_eq!(fake.count("initialize"), 2);
}

#[tokio::test]
async fn a_pool_that_is_closed_gives_its_sessions_back_and_takes_no_calls() {
    let fake = Fake::start(|_| None);
    let pool = pool(Config::default(), &[fake.address]);
    pool.tools(&fake.server()).await.unwrap();
    pool.close().await;
    assert_eq!(fake.count("DELETE"), 1);
    assert!(matches!(pool.tools(&fake.server()).await, Err(Error::PoolClosed)));
}

#[tokio::test]
async fn no_more_servers_are_kept_than_the_bound() {
    let slow = Fake::start(|asked| (asked.what() == "tools/call").then_some(Reply::Hang));
    let quick = Fake::start(|_| None);
    let pool = pool(Config { servers_max: 2, ..Config::default() }, &[slow.address, quick.address]);
    let named = |fake: &Fake, name: &str| fake.server_with(&[("x-name", name)], Auth::None);
    let (a, b) = (named(&slow, "a"), named(&slow, "b"));
    let mut calling = Vec::new();
    for (server, name) in [(&a, "a"), (&b, "b")] {
        // One that nobody uses makes room.
        pool.tools(&named(&quick, name)).await.unwrap();
        let mut call = Box::pin(pool.call(server, call(DEADLINE)));
        tokio::select! {
            ended = &mut call => panic!("{ended:?}"),
            called = slow.wait(|asked| asked.what() == "tools/call" && asked.header("x-name") == name) => drop(called),
        }
        calling.push(call);
    }
    quick.wait(|asked| asked.verb == "DELETE" && asked.header("x-name") == "b").await;
    assert_eq!(pool.connections(), 2);
    let error = pool.tools(&named(&quick, "c")).await.unwrap_err();
    assert!(matches!(error, Error::Full { max: 2 }), "{error:?}");
    drop(calling);
    pool.tools(&named(&quick, "c")).await.unwrap();
}

#[tokio::test]
async fn a_server_that_wants_no_handshake_is_spoken_to_without_one() {
    let fake = Fake::start(|asked| match asked.what() {
        "initialize" => {
            let error = json!({ "jsonrpc": "2.0", "id": asked.body["id"], "error": { "code": -32601, "message": "no such method" } });
            Some(Reply::Status(404, vec![("content-type", "application/json".into())], error.to_string()))
        }
        "server/discover" => {
            let told = json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} }, "ttlMs": 0, "cacheScope": "private" });
            Some(Reply::Result(told))
        }
        _ => None,
    });
    let pool = pool(Config::default(), &[fake.address]);
    assert_eq!(pool.tools(&fake.server()).await.unwrap()[0].name, "echo");
    pool.call(&fake.server(), call(DEADLINE)).await.unwrap();
    let called = fake.wait(|asked| asked.what() == "tools/call").await;
    assert_eq!(called.header("mcp-protocol-version"), "2026-07-28");
    assert_eq!(called.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(fake.count("initialize"), 1);
}
