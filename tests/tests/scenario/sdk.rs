//! The official ChatBotKit SDK works here unchanged.

use tests::oracle::{Oracle, Say};
use tests::peer::sdk;
use tests::setup::Setup;
use tests::system::API_TOKEN;

use crate::system;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_of_the_official_sdk_works() {
    let oracle = Oracle::start(|_, _| Say::Text("I am well, thank you.".into())).await;
    let mut system = system().workers(1, &Setup::here().settings(oracle.settings(""))).gateways(1, &Setup::here()).start().await;
    let url = format!("http://{}", system.gateway(0).name);
    system.ledger().allow_strangers();
    assert!(sdk::run(&url, API_TOKEN).await, "what failed stands above");
    system.finish().await;
}
