//! What nats-server does that Cuepoint relies on, so that another version is noticed.

use async_nats::HeaderMap;
use backbone::direct;
use backbone::publish::{self, Error, Stored};
use backbone::topology::Sizes;
use backbone::{config, nats};
use futures_util::StreamExt as _;
use proto::limit::PUBLISH_DEADLINE;
use proto::{header, subject};
use tests::eventually::{eventually, never};
use tests::pretender::Pretender;
use tests::resource::trigger;
use tests::system::System;
use tokio_util::sync::CancellationToken;

use crate::{SOON, small, system};

async fn publish(system: &System, to: &str, headers: &[(&str, &str)], bytes: usize) -> Result<Stored, Error> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    publish::confirmed(system.view().client(), to.to_owned(), Some(map), vec![b' '; bytes].into(), PUBLISH_DEADLINE).await
}

/// What the server itself answers to a publish, as JSON.
async fn answer(system: &System, to: &str, headers: &[(&str, &str)], bytes: usize) -> serde_json::Value {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, *value);
    }
    let answer = system.view().client().request_with_headers(to.to_owned(), map, vec![b' '; bytes].into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

async fn purge(system: &System) {
    let stream = subject::events_stream(system.view().epoch().await);
    system.view().ask(&format!("STREAM.PURGE.{stream}"), "").await.expect("the stream is purged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_subject_and_a_full_stream_have_one_code_and_two_texts() {
    let sizes = Sizes { session_backlog: 2, events_bytes: 64 * 1024, ..Sizes::default() };
    let system = system().sizes(sizes).start().await;
    for _ in 0..2 {
        publish(&system, "event.t.a", &[], 10).await.unwrap();
    }
    let full = answer(&system, "event.t.a", &[], 10).await;
    assert_eq!(full.pointer("/error/err_code").and_then(serde_json::Value::as_u64), Some(10_077), "{full}");
    assert_eq!(full.pointer("/error/description").unwrap(), "maximum messages per subject exceeded");
    assert_eq!(publish(&system, "event.t.a", &[], 10).await, Err(Error::SubjectFull));
    publish(&system, "event.t.b", &[], 60_000).await.unwrap();
    let full = answer(&system, "event.t.c", &[], 60_000).await;
    assert_eq!(full.pointer("/error/err_code").and_then(serde_json::Value::as_u64), Some(10_077), "{full}");
    assert_eq!(full.pointer("/error/description").unwrap(), "maximum bytes exceeded");
    assert!(matches!(publish(&system, "event.t.c", &[], 60_000).await, Err(Error::StreamFull(_))));
    assert_eq!(publish(&system, "nowhere.t.c", &[], 1).await, Err(Error::NoStream));
    purge(&system).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fence_holds_for_one_subject_by_its_last_sequence() {
    let system = system().start().await;
    // Any stream without other settings would do; DEAD's subjects are nobody's here.
    let fenced = async |to: &str, last: u64| publish(&system, to, &[(header::EXPECTED_LAST, &last.to_string())], 1).await;
    let first = fenced("event.t.a", 0).await.unwrap().seq;
    assert_eq!(fenced("event.t.a", 0).await, Err(Error::Fenced), "zero means an empty subject");
    let other = fenced("event.t.b", 0).await.unwrap().seq;
    let refusal = answer(&system, "event.t.a", &[(header::EXPECTED_LAST, &other.to_string())], 1).await;
    assert_eq!(refusal.pointer("/error/err_code").and_then(serde_json::Value::as_u64), Some(10_071), "{refusal}");
    assert_eq!(refusal.pointer("/error/description").unwrap(), &format!("wrong last sequence: {first}"));
    assert_eq!(refusal.pointer("/seq").and_then(serde_json::Value::as_u64), Some(0), "a refusal has sequence 0");
    fenced("event.t.a", first).await.unwrap();
    purge(&system).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_id_is_known_in_the_whole_stream_and_answered_with_its_first_sequence() {
    let system = system().start().await;
    let first = publish(&system, "event.t.a", &[(header::MESSAGE_ID, "id")], 1).await.unwrap();
    let again = publish(&system, "event.t.b", &[(header::MESSAGE_ID, "id")], 1).await.unwrap();
    assert_eq!((first.duplicate, again.duplicate, again.seq), (false, true, first.seq));
    purge(&system).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_was_put_off_can_still_be_acked_and_shows_its_subject() {
    let system = system().start().await;
    publish(&system, "event.t.a", &[], 1).await.unwrap();
    let client = system.view().client();
    let stream = subject::events_stream(system.view().epoch().await);
    let inbox = client.new_inbox();
    let mut messages = client.subscribe(inbox.clone()).await.unwrap();
    let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", subject::WORKERS);
    client.publish_with_reply(next, inbox, "1".into()).await.unwrap();
    let message = messages.next().await.unwrap();
    assert_eq!(message.subject.as_str(), "event.t.a", "a delivery has the subject of its message, not of its pull");
    let reply = message.reply.unwrap();
    client.publish(reply.clone(), r#"-NAK {"delay":30000000000}"#.into()).await.unwrap();
    client.publish(reply, "+ACK".into()).await.unwrap();
    let is_gone = async || system.view().try_waiting().await.filter(|waiting| *waiting == 0);
    eventually("the ack counts", SOON, is_gone).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_too_old_is_refused_by_both() {
    let mut system = small().with(trigger("orders")).start().await;
    let old = Pretender::of("2.9.10").await;
    let address = config::Nats::at(old.url());
    let client = nats::connect(&address, "tests").await.unwrap();
    let connected = async || nats::is_connected(&client).then_some(());
    eventually("it connects", SOON, connected).await;
    assert_eq!(nats::check_version(&client).unwrap_err().to_string(), "nats-server 2.9.10 is too old: at least 2.12 is needed");

    let key = system.scratch.write("another-key", "a-deployment-key-of-tests");
    let redis = config::Redis::at(system.redis.url());
    let config = gateway::Config { pages: false, ..gateway::Config::new(address, redis, key) };
    let refused = gateway::start(config, CancellationToken::new()).await.expect_err("the gateway does not start");
    assert!(refused.to_string().contains("too old"), "{refused}");

    system.start_worker(tests::setup::Setup::here().nats(old.url())).await;
    let is_heard = async || old.heard().iter().any(|line| line.contains("worker w")).then_some(());
    eventually("the worker connects", SOON, is_heard).await;
    let pulls = async || old.heard().into_iter().find(|line| line.contains("CONSUMER.MSG.NEXT"));
    never("the worker takes events from it", std::time::Duration::from_millis(700), pulls).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_already_can_be_deleted_again() {
    let system = system().start().await;
    for _ in 0..3 {
        publish(&system, "audit.t.s", &[], 10).await.unwrap();
    }
    let delete = async |seq| direct::delete(system.view().client(), subject::AUDIT_STREAM, seq).await;
    // One in the middle, the first, one below the first, and one that never was.
    for seq in [2, 2, 1, 1, 2, 99] {
        delete(seq).await.unwrap_or_else(|error| panic!("{seq}: {error}"));
    }
    let left = direct::batch(system.view().client(), subject::AUDIT_STREAM, "audit.t.s", 1, 10).await.unwrap();
    assert_eq!(left.iter().map(|stored| stored.seq).collect::<Vec<_>>(), [3]);
    delete(3).await.unwrap();
    system.finish().await;
}
