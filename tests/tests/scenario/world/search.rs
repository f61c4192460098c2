//! A search engine that answers in a shape of its own.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tests::oracle::{Oracle, Say};
use tests::scratch::Scratch;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{block, data, outcomes, said, served};

const KEY: &str = "k3y-of-the-engine";

type Seen = Arc<Mutex<Vec<(String, String)>>>;

async fn find(State(seen): State<Seen>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let key = headers.get("x-token").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let query = query.unwrap_or_default();
    seen.lock().unwrap().push((query.clone(), key.clone()));
    if query.contains("broken") {
        return (StatusCode::BAD_GATEWAY, format!("no luck with {key}")).into_response();
    }
    let found = |n: usize| json!({ "head": format!("Result {n}"), "href": format!("https://example.com/{n}"), "says": { "short": format!("text {n} {key}") } });
    let mut hits: Vec<Value> = (0..30).map(found).collect();
    hits.insert(1, json!({ "head": "no page", "href": "javascript:alert(1)", "says": {} }));
    Json(json!({ "web": { "hits": hits } })).into_response()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_engine_finds_reaches_the_model_and_its_key_does_not() {
    let (seen, scratch) = (Seen::default(), Scratch::new());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let engine = listener.local_addr().unwrap();
    let router = Router::new().route("/find", get(find)).with_state(Arc::clone(&seen));
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![
            ("look".into(), json!({ "words": "rust & crabs #1?" })),
            ("look".into(), json!({ "words": "broken" })),
            ("look".into(), json!({ "words": "x".repeat(1_025) })),
        ]),
        _ => Say::Text("found".into()),
    })
    .await;
    let key = scratch.write("key", KEY);
    let section = format!(
        "search: {{ url: 'http://{engine}/find?q={{query}}&n={{count}}', header: X-Token, key: {{ file: '{}' }}, \
         results: /web/hits, title: /head, link: /href, snippet: /says/short }}",
        key.display()
    );
    let abilities = json!([{ "name": "look", "instruction": block("search", "query: $[words!]\ncount: 3") }]);
    let system = served(&oracle, abilities, &section).await;
    assert_eq!(said(&system, "go").await.str("/text"), "found");
    let mut queries = seen.lock().unwrap().clone();
    queries.sort();
    let expected = [("q=broken&n=3", KEY), ("q=rust%20%26%20crabs%20%231%3F&n=3", KEY)];
    assert_eq!(queries, expected.map(|(query, key)| (query.to_owned(), key.to_owned())));
    let last = oracle.asked().last().cloned().unwrap();
    let [found, broken, long] = outcomes(&last)[..] else { panic!("{last}") };
    let found = data(found);
    let urls: Vec<&str> = found.as_array().unwrap().iter().filter_map(|hit| hit["url"].as_str()).collect();
    assert_eq!(urls, ["https://example.com/0", "https://example.com/1", "https://example.com/2"]);
    assert_eq!((found[0]["title"].as_str(), found[0]["snippet"].as_str()), (Some("Result 0"), Some("text 0 [secret]")));
    assert!(broken.contains("502") && long.contains("1024"), "{broken} {long}");
    assert!(!format!("{:?} {:?}", oracle.asked(), system.view().log().await).contains(KEY), "nobody sees the key");
    system.finish().await;
}
