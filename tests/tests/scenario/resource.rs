//! Resources that the API makes, changes and takes away.

use std::time::Duration;

use proto::resource::{Bot, Common, Resource};
use reqwest::Method;
use serde_json::{Value, json};
use tests::call::{Answer, Call};
use tests::eventually::eventually;
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::{API_TOKEN, System};

use crate::small;

fn get(system: &System, path: &str) -> Call {
    system.request(0, Method::GET, path).secret(API_TOKEN)
}

async fn post(system: &System, path: &str, body: &Value) -> Answer {
    system.request(0, Method::POST, path).secret(API_TOKEN).json(body).send().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trigger_is_made_listed_changed_behind_its_revision_and_taken_away() {
    let system = small().with(trigger("orders")).start().await;
    let made =
        post(&system, "/v1/integration/trigger/create", &json!({ "name": "T", "alias": "t", "botId": "echo", "meta": { "app": "x" } }))
            .await
            .ok();
    let id = made.str("/id").to_owned();
    let path = format!("/api/v1/integration/trigger/{id}");

    let fetched = get(&system, &format!("{path}/fetch")).send().await.ok();
    assert_eq!((fetched.str("/name"), fetched.str("/botId"), fetched.str("/secret").len()), ("T", "echo", 64));
    let revision = fetched.headers["etag"].to_str().unwrap().to_owned();
    let listed = get(&system, "/v1/integration/trigger/list?meta.app=x").send().await.ok();
    assert_eq!(
        (listed.str("/items/0/id"), listed.str("/cursor"), listed.body["items"].as_array().unwrap().len()),
        (id.as_str(), id.as_str(), 1)
    );
    let lines = get(&system, "/v1/integration/trigger/list?order=asc").header("accept", "application/jsonl").send().await.ok();
    assert_eq!(lines.bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 2);

    // The secret that was made lets an event in; the bot answers.
    let answer = system.call(&id).secret(fetched.str("/secret")).query("wait=10").text("hello").send().await.ok();
    assert_eq!(answer.str("/status"), "completed");

    let update = |revision: &str| system.request(0, Method::POST, &format!("{path}/update")).secret(API_TOKEN).header("if-match", revision);
    drop(update(&revision).json(&json!({ "name": "T2", "meta": { "$update": { "more": 1 } } })).send().await.ok());
    update(&revision).json(&json!({ "name": "T3" })).send().await.assert_refused(409, "CUE0405");
    let again = get(&system, "/v1/integration/trigger/@t/fetch").send().await.ok();
    assert_eq!((again.str("/name"), &again.body["meta"]), ("T2", &json!({ "app": "x", "more": 1 })));

    post(&system, "/v1/integration/trigger/create", &json!({ "alias": "t" })).await.assert_refused(409, "CUE0406");
    let unknown = post(&system, "/v1/integration/trigger/create", &json!({ "limits": { "turn": { "colour": 1 } } })).await;
    unknown.assert_refused(400, "CUE0109");
    assert_eq!(unknown.str("/field"), "limits.turn.colour");
    post(&system, "/v1/integration/trigger/create", &json!({ "botId": "nobody" })).await.assert_refused(404, "CUE0306");

    drop(post(&system, &format!("{path}/delete"), &json!({})).await.ok());
    get(&system, &format!("{path}/fetch")).send().await.assert_refused(404, "CUE0302");
    drop(post(&system, "/v1/integration/trigger/create", &json!({ "alias": "t" })).await.ok());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_no_scope_learns_and_changes_nothing() {
    let system = small().with(trigger("orders")).start().await;
    for path in ["/v1/integration/trigger/list", "/v1/bot/echo/fetch", "/v1/secret/list", "/v1/contact/list"] {
        for call in [
            system.request(0, Method::GET, path),
            system.request(0, Method::GET, path).secret("sk-unknown"),
            system.request(0, Method::GET, path).anonymous(),
        ] {
            let answer = call.send().await;
            assert_eq!((answer.status.as_u16(), answer.str("/code")), (401, "NOT_AUTHENTICATED"), "{path}: {}", answer.body);
        }
    }
    let create = system.request(0, Method::POST, "/v1/bot/create").json(&json!({ "name": "B" }));
    assert_eq!(create.send().await.status.as_u16(), 401);
    let form = system.request(0, Method::POST, "/v1/bot/create").secret(API_TOKEN).header("content-type", "text/plain").body("{}");
    form.send().await.assert_refused(400, "CUE0110");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_file_keeps_is_the_files_and_two_gateways_see_the_same() {
    let system = small().gateways(2, &Setup::here()).start().await;
    let kept = Resource::Bot(Bot { common: Common::of("file:shop.yaml"), ..Bot::new("clerk".parse().unwrap(), "scripted", "{}") });
    system.put(&kept).await;
    let refused = post(&system, "/v1/bot/clerk/update", &json!({ "name": "x" })).await;
    refused.assert_refused(409, "CUE0407");
    assert_eq!(refused.str("/field"), "managedBy");
    post(&system, "/v1/bot/clerk/delete", &json!({})).await.assert_refused(409, "CUE0407");

    let made = post(&system, "/v1/bot/create", &json!({ "name": "B", "model": "a/b", "alias": "b" })).await.ok();
    for name in [made.str("/id"), "@b"] {
        let seen = system.request(1, Method::GET, &format!("/v1/bot/{name}/fetch")).secret(API_TOKEN).send().await.ok();
        assert_eq!((seen.str("/model"), seen.str("/kind")), ("a/b", "agent"));
    }
    let clone = post(&system, "/v1/bot/@b/clone", &json!({})).await.ok();
    let clone = get(&system, &format!("/v1/bot/{}/fetch", clone.str("/id"))).send().await.ok();
    assert_eq!((clone.str("/model"), &clone.body["alias"]), ("a/b", &Value::Null));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_never_told_and_a_contact_is_made_once() {
    let system = small().start().await;
    let made =
        post(&system, "/v1/secret/create", &json!({ "name": "K", "type": "bearer", "value": "a-value-that-nobody-reads" })).await.ok();
    let path = format!("/v1/secret/{}", made.str("/id"));
    for path in [format!("{path}/fetch"), "/v1/secret/list".to_owned()] {
        let told = get(&system, &path).send().await.ok();
        assert!(!String::from_utf8_lossy(&told.bytes).contains("a-value"), "{}", told.body);
    }
    assert_eq!(post(&system, &format!("{path}/verify"), &json!({})).await.ok().str("/status"), "authenticated");
    drop(post(&system, &format!("{path}/revoke"), &json!({})).await.ok());
    assert_eq!(post(&system, &format!("{path}/verify"), &json!({})).await.ok().str("/status"), "unauthenticated");

    let ann = json!({ "fingerprint": "f", "name": "Ann", "email": "ann@example.com" });
    let ensured: Vec<_> = futures_util::future::join_all((0..8).map(|_| post(&system, "/v1/contact/ensure", &ann))).await;
    let id = ensured[0].str("/id").to_owned();
    assert!(ensured.iter().all(|answer| answer.str("/id") == id && answer.status.is_success()), "{ensured:?}");
    post(&system, "/v1/contact/create", &ann).await.assert_refused(409, "CUE0406");
    post(&system, &format!("/v1/contact/{id}/update"), &json!({ "email": "nobody" })).await.assert_refused(400, "CUE0108");
    let listed = get(&system, "/v1/contact/list?fingerprint=f").send().await.ok();
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    // The list of all is read from the index, which follows.
    let all = async || {
        let listed = get(&system, "/v1/contact/list").send().await;
        // Refused while the index of a worker that has just begun is made.
        listed.body["items"].as_array()?.first().map(|contact| contact["id"].as_str().unwrap().to_owned())
    };
    assert_eq!(eventually("the contact is listed", Duration::from_secs(10), all).await, id);
    assert_eq!(get(&system, "/v1/contact/list").send().await.ok().body["items"].as_array().unwrap().len(), 1);
    drop(post(&system, &format!("/v1/contact/{id}/delete"), &json!({})).await.ok());
    get(&system, &format!("/v1/contact/{id}/fetch")).send().await.assert_refused(404, "CUE0306");
    system.finish().await;
}
