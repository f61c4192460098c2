//! What is refused, and how.

use std::time::Duration;

use backbone::topology::{self, Sizes};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use proto::limit::PUBLISH_DEADLINE;
use reqwest::Method;
use serde_json::json;
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::{API_TOKEN, System};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::{SOON, small, system};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_trigger_is_told_before_a_wrong_secret_and_both_before_the_body() {
    let system = small().with(trigger("orders")).start().await;
    let broken = |trigger: &str| system.call(trigger).header("content-type", "application/json").body("{");
    broken("nothing").anonymous().send().await.assert_refused(404, "CUE0302");
    broken("not%20an%20id").send().await.assert_refused(404, "CUE0302");
    let answer = broken("orders").secret("wrong").send().await;
    answer.assert_refused(401, "CUE0201");
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    broken("orders").anonymous().send().await.assert_refused(401, "CUE0201");
    broken("orders").secret(API_TOKEN).send().await.assert_refused(400, "CUE0101");
    broken("orders").send().await.assert_refused(400, "CUE0101");
    system.request(0, Method::GET, "/v1/nothing").send().await.assert_refused(404, "CUE0301");
    let receipt = system.call("orders").send().await.receipt();
    system.fetch(&receipt).method(Method::DELETE).send().await.assert_refused(405, "CUE0305");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_cannot_be_used_names_the_field() {
    let system = small().with(trigger("orders")).start().await;
    let long = "x".repeat(1_025);
    for (body, code, field) in [
        (json!({ "text": 5 }), "CUE0107", "text"),
        (json!({ "session": long }), "CUE0103", "session"),
        (json!({ "session": "a\u{7}b" }), "CUE0103", "session"),
        (json!({ "contact": { "email": "nobody" } }), "CUE0104", "contact.email"),
        (json!({ "contact": { "phone": "call me" } }), "CUE0104", "contact.phone"),
        (json!({ "contact": { "name": "\u{0}" } }), "CUE0104", "contact.name"),
        (json!({ "contact": 7 }), "CUE0104", "contact"),
    ] {
        let answer = system.call("orders").json(&body).send().await;
        answer.assert_refused(400, code);
        assert_eq!(answer.str("/field"), field, "{body}");
    }
    for (query, code, field) in [
        ("wait=never", "CUE0106", "wait"),
        ("session=%ff", "CUE0103", "session"),
        ("contact.email=nobody", "CUE0104", "contact.email"),
        ("contact_phone=x", "CUE0104", "contact.phone"),
    ] {
        let answer = system.call("orders").query(query).send().await;
        answer.assert_refused(400, code);
        assert_eq!(answer.str("/field"), field, "{query}");
    }
    system.call("orders").key("not a key").send().await.assert_refused(400, "CUE0105");
    let body = json!({ "session": long }).to_string();
    system.call("orders").header("content-type", "text/plain").body(body).send().await.receipt();
    system.finish().await;
}

/// Sends bytes as they are and reads the answer to its end.
async fn raw(system: &mut System, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(&system.gateway(0).name).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_with_the_limit() {
    let setup = Setup::here().body_bytes(1_000);
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &setup).start().await;
    system.call("orders").body(vec![b'x'; 1_000]).send().await.receipt();
    let answer = system.call("orders").body(vec![b'x'; 1_001]).send().await;
    answer.assert_refused(413, "CUE0102");
    assert_eq!(answer.body.pointer("/limit"), Some(&json!(1_000)));
    let head = "POST /v1/integration/trigger/orders/event HTTP/1.1\r\nhost: x\r\nauthorization: Bearer s3cret\r\nconnection: close\r\n";
    let chunk = format!("12c\r\n{}\r\n", "x".repeat(300));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(4));
    let answer = raw(&mut system, chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains(r#""limit":1000"#), "{answer}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_session_is_429_and_no_other_session_is() {
    let sizes = Sizes { session_backlog: 3, ..Sizes::default() };
    let mut system = system().sizes(sizes).with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    for _ in 0..3 {
        system.call("orders").said("hot", "hi").send().await.receipt();
    }
    system.call("orders").said("hot", "hi").send().await.assert_refused(429, "CUE0501");
    system.call("orders").said("other", "hi").send().await.receipt();
    system.start_worker(Setup::here()).await;
    let accepted = async || system.call("orders").said("hot", "later").send().await.status.is_success().then_some(());
    eventually("the session takes events again", SOON, accepted).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_broker_is_503_said_by_readyz_and_drains() {
    let sizes = Sizes { events_bytes: 64 * 1024, ..Sizes::default() };
    let mut system = system().sizes(sizes).with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let refused = loop {
        let answer = system.call("orders").text("a small event").send().await;
        if !answer.status.is_success() {
            break answer;
        }
    };
    refused.assert_refused(503, "CUE0502");
    let unready = async || Some(system.readiness(0).await).filter(|answer| answer.status == 503);
    let answer = eventually("readyz says so", SOON, unready).await;
    assert!(answer.str("/checks/events").starts_with("full"), "{}", answer.body);
    system.start_worker(Setup::here()).await;
    system.ready(0).await;
    system.call("orders").text("a small event").send().await.receipt();
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_or_frozen_is_503_in_time_and_the_key_makes_one_event() {
    let system = small().with(trigger("orders")).start().await;
    for (key, is_frozen) in [("frozen", true), ("killed", false)] {
        if is_frozen {
            system.nats[0].freeze().await;
        } else {
            system.nats[0].kill().await;
        }
        let began = Instant::now();
        let answer = system.call("orders").text(key).key(key).send().await;
        let took = began.elapsed();
        assert_eq!(answer.status, 503, "{}", answer.body);
        answer.assert_shape();
        assert!(took < PUBLISH_DEADLINE + Duration::from_millis(700), "{key}: {took:?}");
        let unready = async || Some(system.readiness(0).await).filter(|answer| answer.status == 503);
        eventually("readyz says so", SOON, unready).await;
        if is_frozen {
            system.nats[0].thaw().await;
        } else {
            system.nats[0].restart().await;
        }
        let accepted = async || system.call("orders").text(key).key(key).send().await.status.is_success().then_some(());
        eventually("the event is accepted", SOON, accepted).await;
        system.ready(0).await;
    }
    let log = system.settled(SOON).await;
    // An event that the broker died on is begun a second time, which is a record of its own.
    assert_eq!(terminals(&log).count(), 2, "one event for each key: {log:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_anothers_or_nobodys_is_404() {
    let system = small().with(trigger("mine")).with(trigger("other").secret("0ther")).start().await;
    let answer = system.call("mine").text("hi").query("wait=10").send().await.ok();
    let receipt = answer.receipt();
    system.fetch(&receipt).secret("0ther").send().await.assert_refused(401, "CUE0201");
    let other = format!("/v1/integration/trigger/other/event/{receipt}/fetch");
    for secret in ["0ther", API_TOKEN] {
        system.request(0, Method::GET, &other).secret(secret).send().await.assert_refused(404, "CUE0303");
    }
    system.list(&answer.conversation()).secret("0ther").send().await.assert_refused(404, "CUE0304");
    system.list(&answer.conversation()).secret("nobody's").send().await.assert_refused(401, "CUE0201");
    let mut later = receipt.clone();
    later.event.seq += 1_000;
    system.fetch(&later).send().await.assert_refused(404, "CUE0303");
    let mut elsewhere = receipt.clone();
    elsewhere.session.token = "elsewhere".parse().unwrap();
    system.fetch(&elsewhere).send().await.assert_refused(404, "CUE0303");
    let mut conversation = answer.conversation();
    conversation.event.seq += 1;
    system.list(&conversation).send().await.assert_refused(404, "CUE0304");
    for id in ["x", "evt.mine.x", "cnv.nothing.s.6a1b2c3d.1"] {
        let path = format!("/v1/integration/trigger/mine/event/{id}/fetch");
        system.request(0, Method::GET, &path).send().await.assert_refused(404, "CUE0303");
        system.request(0, Method::GET, &format!("/v1/conversation/{id}/message/list")).send().await.assert_refused(404, "CUE0304");
    }
    system.finish().await;
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let json =
        r#"\{("(text|session|contact|x)":("[a-z\\"]{0,5}"|5|null|\[\]|\{\}|\{"(email|phone|name)":("a@b"|"\+44 20"|7)\}),?){0,4}\}?"#;
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..2_000), json.prop_map(String::into_bytes)]
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    let known = prop_oneof!["application/json", "application/[a-z]{1,9}\\+json; charset=[a-z]{1,5}", "application/x-www-form-urlencoded"];
    let byte = any::<u8>().prop_filter("a header takes it", |byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    prop_oneof![known.prop_map(String::into_bytes), proptest::collection::vec(byte, 0..300)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_whatsoever_is_an_internal_error() {
    let system = small().with(trigger("orders")).start().await;
    let query = r"((session|contact[._](name|email|phone)|wait|x)=[!-~ä]{0,12}&?){0,4}|[!-~]{0,80}";
    let key = proptest::option::of(header());
    let cases = (query, header(), key, body(), 0..5_usize);
    let mut runner = TestRunner::new(Config { cases: 256, failure_persistence: None, ..Config::default() });
    let run = || {
        let ended = runner.run(&cases, |(query, content_type, key, body, method)| {
            let method = [Method::POST, Method::GET, Method::PUT, Method::PATCH, Method::DELETE][method].clone();
            // A wait that is valid would take its time.
            let query = query.replace('#', "%23").replace("wait=", "wait=0.0");
            let mut call = system.call("orders").method(method).query(&query).header("content-type", content_type).body(body);
            if let Some(key) = key {
                call = call.header("idempotency-key", key);
            }
            let answer = tokio::runtime::Handle::current().block_on(call.send());
            prop_assert!(!answer.status.is_server_error(), "{} {}", answer.status, answer.body);
            if answer.status.is_success() {
                prop_assert!(answer.str("/id").starts_with("evt.orders."));
            } else {
                answer.assert_shape();
            }
            Ok(())
        });
        ended.unwrap();
    };
    tokio::task::block_in_place(run);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_the_broker_has_no_room_for_are_not_made_and_the_error_says_what_to_raise() {
    let system = system().start().await;
    let sizes = Sizes { log_bytes: 2 << 40, ..Sizes::default() };
    let context = system.view().context();
    for name in ["LOG", "DEAD"] {
        context.delete_stream(name).await.unwrap();
    }
    let refused = topology::ensure(context, &sizes, 1).await.unwrap_err().to_string();
    assert!(refused.contains("no room for stream LOG of 2199023255552 bytes: raise max_file_store"), "{refused}");
    topology::ensure(context, system.sizes(), 1).await.unwrap();
    system.finish().await;
}
