//! One key is one event.

use async_nats::HeaderMap;
use futures_util::future::join_all;
use proto::idempotency::{self, DeploymentKey, Key};
use serde_json::json;
use tests::eventually::eventually;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::{DEPLOYMENT_KEY, System};

use crate::{SOON, session, small, system};

/// The message id of a key, as only the gateways can make it.
fn message_id(trigger: &str, key: &str) -> String {
    let deployment = DeploymentKey::parse(DEPLOYMENT_KEY.as_bytes()).expect("a deployment key");
    idempotency::message_id(&deployment, &trigger.parse().expect("a trigger id"), &Key::parse(key).expect("a key"))
}

/// Waits until Redis knows a key, and then wipes it.
async fn wipe(system: &System, trigger: &str, key: &str) {
    let entry = format!("cue:idem:{{{}}}", message_id(trigger, key));
    let is_known = async || system.view().redis::<Option<String>>(&["GET", &entry]).await.ok().flatten();
    eventually("Redis knows the key", SOON, is_known).await;
    system.view().redis::<()>(&["FLUSHALL"]).await.expect("Redis can be wiped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_answered_with_the_first_receipt_and_another_payload_is_422() {
    let system = small().with(trigger("orders")).start().await;
    for header in ["idempotency-key", "webhook-id"] {
        let call = || system.call("orders").header(header, header);
        let first = call().text("one").send().await;
        assert!(!first.is_replay());
        for _ in 0..2 {
            let repeat = call().text("one").query("wait=10").send().await;
            assert_eq!((repeat.receipt(), repeat.is_replay()), (first.receipt(), true));
            assert_eq!(repeat.str("/text"), "one", "a repeat may wait for the turn, too");
        }
        call().text("two").send().await.assert_refused(422, "CUE0401");
        call().said("s", "one").send().await.assert_refused(422, "CUE0401");
    }
    let both = system.call("orders").key("idempotency-key").header("webhook-id", "w").text("one").send().await;
    assert!(both.is_replay(), "the standard header precedes the webhook's");
    let log = system.settled(SOON).await;
    assert_eq!(log.len(), 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_known_without_redis_before_and_after_its_turn() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    let first = system.call("orders").said("s", "one").key("k").send().await.receipt();
    wipe(&system, "orders", "k").await;
    system.call("orders").said("s", "two").key("k").send().await.assert_refused(422, "CUE0401");
    let repeat = system.call("orders").said("s", "one").key("k").send().await;
    assert_eq!((repeat.receipt(), repeat.is_replay()), (first.clone(), true));
    wipe(&system, "orders", "k").await;

    system.start_worker(Setup::here()).await;
    system.settled(SOON).await;
    let is_acked = async || system.view().try_waiting().await.filter(|waiting| *waiting == 0);
    eventually("the event is acked", SOON, is_acked).await;
    system.call("orders").said("s", "two").key("k").send().await.assert_refused(422, "CUE0401");
    let repeat = system.call("orders").said("s", "one").key("k").send().await;
    assert_eq!((repeat.receipt(), repeat.is_replay()), (first.clone(), true));

    system.redis.kill().await;
    let repeat = system.call("orders").said("s", "one").key("k").send().await;
    assert_eq!((repeat.receipt(), repeat.is_replay()), (first, true));
    system.redis.restart().await;
    assert_eq!(system.view().log().await.len(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_of_two_triggers_is_two_events() {
    let system = small().with(trigger("a")).with(trigger("b")).start().await;
    for _ in 0..2 {
        let a = system.call("a").text("hi").key("k").send().await.receipt();
        let b = system.call("b").text("hi").key("k").send().await.receipt();
        assert_ne!(a, b);
    }
    assert_eq!(system.settled(SOON).await.len(), 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_sent_many_times_at_once_over_two_gateways_is_one_event() {
    let builder = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(2, &Setup::here());
    let system = builder.start().await;
    for session in [json!({ "text": "hi" }), json!({ "text": "hi", "session": "s" })] {
        let key = session.to_string().len().to_string();
        let calls = (0..24).map(|index| system.call_at(index % 2, "orders").json(&session).key(&key).send());
        let answers = join_all(calls).await;
        let first = answers[0].receipt();
        assert!(answers.iter().all(|answer| answer.receipt() == first), "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| !answer.is_replay()).count(), 1);
    }
    assert_eq!(system.settled(SOON).await.len(), 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_publisher_cannot_swallow_a_keyed_event() {
    let system = small().with(trigger("mine")).with(trigger("other")).start().await;
    let publish = async |id: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        system.publish(&session("other", id), Some(headers), r#"{"text":"swallow"}"#).await;
    };
    for guess in ["k", "mine:k", "mine.k", &proto::session::token("mine:k").to_string()] {
        publish(guess).await;
    }
    let answer = system.call("mine").text("hi").key("k").query("wait=10").send().await.ok();
    assert_eq!((answer.is_replay(), answer.str("/text")), (false, "hi"));
    // One who knows the deployment key can; the caller is told, and never gets the other's receipt.
    publish(&message_id("mine", "stolen")).await;
    system.call("mine").text("hi").key("stolen").send().await.assert_refused(409, "CUE0402");
    system.finish().await;
}
