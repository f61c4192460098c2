//! The dashboard in a real browser.

use tests::peer::browser;

#[tokio::test]
async fn the_checks_of_the_browser_find_what_is_wrong_and_nothing_else() {
    assert!(browser::run("selftest", "http://127.0.0.1:9", "").await, "what failed stands above");
}

#[tokio::test]
async fn a_suite_that_ends_before_its_steps_are_through_has_not_passed() {
    assert!(!browser::run("selftest/bad-exit", "http://127.0.0.1:9", "").await, "it ended as if all were well");
}
