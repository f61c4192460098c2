//! The dashboard in a real browser.

use async_nats::HeaderMap;
use reqwest::Method;
use serde_json::json;
use tests::peer::browser;
use tests::resource::trigger;
use tests::setup::Setup;
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
async fn lettered() -> System {
    let system = small().with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let mut headers = HeaderMap::new();
    headers.insert("Content-Type", "text/xml");
    let sent = system.publish(&session("orders", "broken"), Some(headers), "<text>not an event at all</text>").await;
    drop(sent);
    system
}

async fn run(suite: &str) {
    let mut system = Box::pin(lettered()).await;
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

/// Names and values.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// A request of a page, as it is answered; nothing is followed.
async fn page(url: &str, method: Method, path: &str, headers: &[(&str, &str)], form: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(SOON).build().unwrap();
    let mut request = client.request(method, format!("{url}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !form.is_empty() {
        let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"));
    }
    request.send().await.unwrap()
}

/// The cookie of a session, as a browser sends it back.
async fn log_in(url: &str, token: &str) -> String {
    let answer = page(url, Method::POST, "/ui/login", &[], &[("token", token)]).await;
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

/// The word that forms of a page repeat.
fn word(html: &str) -> String {
    let (_, rest) = html.split_once("name=\"_word\" value=\"").expect("a page with a form");
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_of_other_sites_and_sessions_are_refused() {
    let mut system = small().gateways(1, &Setup::here()).with(trigger("orders")).start().await;
    let url = format!("http://{}", system.gateway(0).name);
    let (mine, other) = (log_in(&url, API_TOKEN).await, log_in(&url, API_TOKEN).await);
    let shown = async |cookie: &str| page(&url, Method::GET, "/ui/triggers/orders", &[("cookie", cookie)], &[]).await;
    let answer = shown(&mine).await;
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(
        (&answer.headers()["cache-control"], &answer.headers()["x-frame-options"]),
        (&"no-store".parse().unwrap(), &"DENY".parse().unwrap())
    );
    let said = word(&answer.text().await.unwrap());
    let others = word(&shown(&other).await.text().await.unwrap());
    assert_ne!(said, others);

    let state = "/ui/triggers/orders/state";
    let of_site = |site| [("cookie", mine.as_str()), ("sec-fetch-site", site)];
    let rows: [(Headers<'_>, &str, u16); 6] = [
        (&[("cookie", &mine)], "", 403),
        (&[("cookie", &mine)], &others, 403),
        (&of_site("cross-site"), &said, 403),
        (&of_site("same-site"), &said, 403),
        // Whoever is not logged in is led to the form.
        (&[], &said, 303),
        (&[("cookie", "cuepoint_session=made-up")], &said, 303),
    ];
    for (headers, word, expected) in rows {
        let answer = page(&url, Method::POST, state, headers, &[("_word", word), ("state", "paused")]).await;
        assert_eq!(answer.status(), expected, "{headers:?} {word}");
        assert!(expected != 303 || answer.headers()["location"].to_str().unwrap().starts_with("/ui/login"));
    }
    let trigger = system.request(0, Method::GET, "/v1/integration/trigger/orders/fetch").secret(API_TOKEN).send().await.ok();
    assert_eq!(trigger.str("/state"), "active", "one of them got through");

    // Any gateway knows the session, and it is no token of the API.
    let second = format!("http://{}", system.gateway(1).name);
    let answer = page(&second, Method::POST, state, &of_site("same-origin"), &[("_word", &said), ("state", "paused")]).await;
    assert_eq!(answer.status(), 303);
    let api = page(&url, Method::GET, "/v1/integration/trigger/list", &[("cookie", &mine)], &[]).await;
    assert_eq!(api.status(), 401);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_at_a_trigger_is_not_on_record_and_seeing_its_secret_is() {
    let mut system = small().with(trigger("orders")).start().await;
    let url = format!("http://{}", system.gateway(0).name);
    let made =
        system.request(0, Method::POST, "/v1/integration/trigger/create").secret(API_TOKEN).json(&json!({ "name": "T" })).send().await.ok();
    let cookie = log_in(&url, API_TOKEN).await;
    let home = format!("/ui/triggers/{}", made.str("/id"));
    let headers = [("cookie", cookie.as_str())];
    let reveals = async || {
        let log = system.request(0, Method::GET, "/v1/audit/list?action=trigger.reveal").secret(API_TOKEN).send().await.ok();
        log.body["items"].as_array().unwrap().len()
    };
    let mut html = String::new();
    for path in ["/ui/triggers", &home, &format!("{home}/connect"), &format!("{home}/configure")] {
        let answer = page(&url, Method::GET, path, &headers, &[]).await;
        assert_eq!(answer.status(), 200, "{path}");
        html = answer.text().await.unwrap();
    }
    assert_eq!(reveals().await, 0);
    let answer = page(&url, Method::POST, &format!("{home}/secret"), &headers, &[("_word", &word(&html))]).await;
    let secret =
        system.request(0, Method::GET, &format!("/v1/integration/trigger/{}/fetch", made.str("/id"))).secret(API_TOKEN).send().await.ok();
    assert!(answer.text().await.unwrap().contains(secret.str("/secret")) && !html.contains(secret.str("/secret")));
    assert_eq!(reveals().await, 2, "the page's, and our own");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_stops_while_pages_are_open() {
    let mut system = small().with(trigger("orders")).start().await;
    let answer = system.call("orders").text("hi").query("wait=10").send().await.ok();
    let url = format!("http://{}", system.gateway(0).name);
    let cookie = log_in(&url, API_TOKEN).await;
    let mut open = Vec::new();
    for path in ["all", "approvals", &format!("conversation/{}", answer.conversation())] {
        let mut stream = page(&url, Method::GET, &format!("/ui/live/{path}"), &[("cookie", &cookie)], &[]).await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream", "{path}");
        assert!(stream.chunk().await.unwrap().is_some(), "{path} says nothing");
        open.push(stream);
    }
    // It fails where the gateway has not ended within its time.
    system.finish().await;
    drop(open);
}
