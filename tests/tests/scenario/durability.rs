//! What a receipt promises, as the deployment really gives it.

use async_nats::jetstream::stream::StorageType;
use proto::subject::events_stream;
use serde_json::json;
use tests::eventually::eventually;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::System;

use crate::{SOON, small, system};

/// What the receipts of a gateway say, once they say what is expected.
async fn says(system: &System, gateway: usize, expected: &str) {
    let said = async || {
        let answer = system.call_at(gateway, "orders").text("hi").send().await.ok();
        (answer.str("/durability") == expected).then_some(())
    };
    eventually(&format!("receipts say {expected:?}"), SOON, said).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_replica_an_event_is_written_and_every_form_of_a_receipt_says_so() {
    let system = small().with(trigger("orders")).start().await;
    says(&system, 0, "written").await;
    let waited = system.call("orders").text("hi").query("wait=10").send().await.ok();
    assert_eq!((waited.str("/durability"), waited.str("/status")), ("written", "completed"));
    assert_eq!(system.fetch(&waited.receipt()).send().await.ok().body.get("durability"), None, "it is of the call that sent it");
    let keyed = || system.call("orders").text("hi").key("k");
    keyed().send().await.ok();
    let repeat = keyed().send().await.ok();
    assert!(repeat.is_replay() && repeat.str("/durability") == "written", "{}", repeat.body);
    let later = system.call("orders").text("later").query("delay=20d").send().await.ok();
    assert_eq!((later.str("/durability"), later.str("/status")), ("written", "scheduled"));
    let many =
        system.api("integration/trigger/orders/event/batch").json(&json!({ "events": [{ "text": "a" }, { "text": "b", "delay": "10m" }] }));
    let many = many.send().await.ok();
    for place in 0..2 {
        assert_eq!(many.str(&format!("/results/{place}/durability")), "written", "{}", many.body);
    }
    let sent: proto::id::Receipt = many.str("/results/0/id").parse().unwrap();
    system.ledger().note(sent);
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_three_replicas_it_is_replicated_and_by_the_operators_word_fsynced() {
    let mut system = system().cluster().with(trigger("orders")).gateways(1, &Setup::here()).workers(1, &Setup::here()).start().await;
    says(&system, 0, "replicated").await;
    let told = system.start_gateway(Setup::here().durability(gateway::durability::Claim::Fsynced)).await;
    system.ready(told).await;
    says(&system, told, "fsynced").await;
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_in_memory_promises_nothing_whatever_the_operator_says() {
    let mut system = system().with(trigger("orders")).start().await;
    let stream = events_stream(system.view().epoch().await);
    let mut config = system.view().context().get_stream(&stream).await.unwrap().cached_info().config.clone();
    assert!(system.view().delete_stream(&stream).await.success);
    (config.storage, config.max_bytes) = (StorageType::Memory, 1 << 20);
    system.view().context().create_stream(config).await.unwrap();
    for setup in [Setup::here(), Setup::here().durability(gateway::durability::Claim::Fsynced)] {
        let gateway = system.start_gateway(setup).await;
        system.ready(gateway).await;
        // TIMERS alone would be written: whatever is said, it is said once both were seen.
        let answer = system.call_at(gateway, "orders").text("hi").send().await.ok();
        assert_eq!(answer.body.get("durability"), None, "{}", answer.body);
        system.ledger().forget(&answer.receipt());
    }
    system.finish().await;
}
