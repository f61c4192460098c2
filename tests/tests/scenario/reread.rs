//! Files are read again on SIGHUP, and what was good last goes on.

use serde_json::json;
use tests::call::Call;
use tests::eventually::{eventually, never};
use tests::oracle::{Oracle, Say};
use tests::resource::{agent, trigger};
use tests::setup::Setup;
use tests::system::{API_TOKEN, DEPLOYMENT_KEY, System};

use crate::{SOON, system};

/// Whether a token of the configuration is taken.
async fn is_taken(system: &System, token: &str) -> bool {
    system.read("bot/list").secret(token).send().await.status == 200
}

fn keyed(system: &System) -> Call {
    system.call("orders").text("hi").key("k")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_takes_another_token_and_another_key_while_it_serves() {
    let mut system = system().with(trigger("orders")).workers(1, &Setup::here()).gateways(1, &Setup::child()).start().await;
    let first = keyed(&system).send().await.ok().receipt();
    assert!(keyed(&system).send().await.is_replay());
    assert!(is_taken(&system, API_TOKEN).await);

    let next = "the-token-of-the-next-quarter";
    system.scratch.write("token", next);
    system.gateway(0).hang_up();
    let taken = async || is_taken(&system, next).await.then_some(());
    eventually("the new token is taken", SOON, taken).await;
    assert!(!is_taken(&system, API_TOKEN).await, "the former one is not");

    // A fault in one file keeps all of them as they were.
    system.scratch.write("token", "short");
    system.scratch.write("key", "another-deployment-key-of-tests");
    system.gateway(0).hang_up();
    let lost = async || (!is_taken(&system, next).await || !keyed(&system).send().await.is_replay()).then_some(());
    never("what was good last goes on", std::time::Duration::from_millis(700), lost).await;

    system.scratch.write("token", next);
    system.gateway(0).hang_up();
    let fresh = async || Some(keyed(&system).send().await.ok()).filter(|answer| answer.receipt() != first);
    eventually("under the new key a caller's key is another", SOON, fresh).await;
    system.scratch.write("key", DEPLOYMENT_KEY);
    system.gateway(0).hang_up();
    let known = async || Some(keyed(&system).send().await.ok()).filter(|answer| answer.receipt() == first && answer.is_replay());
    eventually("and under the former one it is known again", SOON, known).await;
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_lends_its_bots_other_models_from_the_next_turn_on() {
    let [first, second] =
        [Oracle::start(|_, _| Say::Text("the first".into())).await, Oracle::start(|_, _| Say::Text("the second".into())).await];
    let mut system = system()
        .with(agent("clerk", json!({ "model": "oracle/scripted" })))
        .with(trigger("orders").bot("clerk"))
        .workers(1, &Setup::child().settings(first.settings("")))
        .gateways(1, &Setup::here())
        .start()
        .await;
    let said = async |system: &System| system.call("orders").said("s", "hi").query("wait=20").send().await.ok().str("/text").to_owned();
    assert_eq!(said(&system).await, "the first");
    system.scratch.write("settings-0.yaml", "providers: [{ id: oracle, kind: none of these }]\n");
    system.worker(0).hang_up();
    for _ in 0..5 {
        assert_eq!(said(&system).await, "the first", "a file that cannot be used changes nothing");
    }
    system.scratch.write("settings-0.yaml", &second.settings(""));
    system.worker(0).hang_up();
    let other = async || (said(&system).await == "the second").then_some(());
    eventually("the other model answers", SOON, other).await;
    system.settled(SOON).await;
    system.finish().await;
}
