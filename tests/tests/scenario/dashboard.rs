//! The dashboard in a real browser.

use async_nats::HeaderMap;
use tests::peer::browser;
use tests::resource::trigger;
use tests::system::{API_TOKEN, System};

use crate::{SOON, session, small};

#[tokio::test]
async fn the_checks_of_the_browser_find_what_is_wrong_and_nothing_else() {
    assert!(browser::run("selftest", "http://127.0.0.1:9", "").await, "what failed stands above");
}

#[tokio::test]
async fn a_suite_that_ends_before_its_steps_are_through_has_not_passed() {
    assert!(!browser::run("selftest/bad-exit", "http://127.0.0.1:9", "").await, "it ended as if all were well");
}

/// A system whose API makes things of its own, with a letter that nobody can read.
async fn system() -> System {
    let system = small().with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "text/xml");
    let sent = system.publish(&session("orders", "broken"), Some(headers), "<text>not an event at all</text>").await;
    drop(sent);
    system
}

async fn run(suite: &str) {
    let mut system = system().await;
    let url = format!("http://{}", system.gateway(0).name);
    assert!(browser::run(suite, &url, API_TOKEN).await, "what failed stands above");
    drop(system.settled(SOON).await);
    drop(system.take_dead().await);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_do_what_they_came_for() {
    run("walk").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_to_watch_by_fit_every_screen_and_everybody() {
    run("looks/watch").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_to_configure_by_fit_every_screen_and_everybody() {
    run("looks/configure").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_to_administer_by_fit_every_screen_and_everybody() {
    run("looks/administer").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_written_is_shown_as_text() {
    run("texts").await;
}
