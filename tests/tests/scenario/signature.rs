//! Calls signed by the libraries of those who call are taken, once; everything else is refused.

use backbone::seal::{self, MasterKey, Purpose};
use proto::idempotency::DeploymentKey;
use proto::resource::{Signature, SignatureScheme};
use serde_json::{Value, json};
use tests::call::{Answer, Call};
use tests::peer::signer::{self, Headers};
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::{DEPLOYMENT_KEY, System};

use crate::{SOON, system};

const STANDARD_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_KEY: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const BODY: &str = r#"{"text":"hi","session":"s","id":"evt_1","event_id":"Ev1"}"#;

/// A scheme, as the signer and the trigger name it, and its key.
const SCHEMES: [(&str, SignatureScheme, &str); 4] = [
    ("standard", SignatureScheme::Standard, STANDARD_KEY),
    ("stripe", SignatureScheme::Stripe, "whsec_a_key_of_stripe_is_text"),
    ("github", SignatureScheme::Github, "a key of github is text"),
    ("slack", SignatureScheme::Slack, "a key of slack is text, too"),
];

fn sealed(trigger: &str, scheme: SignatureScheme, key: &str) -> Signature {
    let master = MasterKey::derive(&DeploymentKey::parse(DEPLOYMENT_KEY.as_bytes()).unwrap()).unwrap();
    let key_sealed = seal::seal(&master, Purpose::SigningKey(&trigger.parse().unwrap()), key).unwrap();
    Signature { scheme: scheme.into(), key_sealed, ..Signature::default() }
}

fn call(scheme: &str, key: &str, at: i64, id: &str) -> Value {
    json!({ "scheme": scheme, "key": key, "body": BODY, "at": at, "id": id })
}

/// The time now, in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the libraries sign by this machine's clock, and so does the broker stamp")]
fn now_s() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn signed(mut call: Call, headers: &Headers) -> Call {
    for (name, value) in headers {
        call = call.header(Box::leak(name.clone().into_boxed_str()), value);
    }
    call.anonymous().header("content-type", "application/json")
}

async fn send(system: &System, gateway: usize, trigger: &str, headers: &Headers) -> Answer {
    signed(system.call_at(gateway, trigger), headers).body(BODY).send().await
}

async fn all_schemes(gateways: usize) -> System {
    let mut builder = system().workers(1, &Setup::here()).gateways(gateways, &Setup::here());
    for (name, scheme, key) in SCHEMES {
        builder = builder.with(trigger(name).signature(sealed(name, scheme, key)));
    }
    builder.start().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_official_libraries_sign_is_taken_once_by_any_gateway() {
    let system = all_schemes(2).await;
    let now = now_s();
    let calls: Vec<Value> = SCHEMES.iter().map(|(name, _, key)| call(name, key, now, "m1")).collect();
    for ((name, ..), headers) in SCHEMES.iter().zip(signer::sign(&calls).await) {
        let first = send(&system, 0, name, &headers).await;
        let receipt = first.receipt();
        for gateway in [0, 1] {
            let again = send(&system, gateway, name, &headers).await;
            if *name == "github" {
                assert_eq!((again.receipt(), again.is_replay()), (receipt.clone(), true), "a delivery may come again");
            } else {
                again.assert_refused(401, "CUE0207");
            }
        }
        let altered = signed(system.call(name), &headers).body(BODY.replace("hi", "ho")).send().await;
        altered.assert_refused(401, "CUE0205");
        let unsigned = system.call(name).anonymous().body(BODY).send().await;
        unsigned.assert_refused(401, "CUE0201");
        assert!(system.call(name).text("the secret counts beside it").send().await.receipt().session.trigger.as_str() == *name);
        system.call(name).secret("wrong").text("x").send().await.assert_refused(401, "CUE0201");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_and_another_time_are_refused_and_a_message_signed_anew_is_one_event() {
    let system = all_schemes(1).await;
    let now = now_s();
    for (name, _, key) in SCHEMES {
        let other = if name == "standard" { OTHER_KEY } else { "quite another key than that" };
        let calls = [
            call(name, other, now, "m1"),
            call(name, key, now - 400, "m2"),
            call(name, key, now + 400, "m2"),
            call(name, key, now, "m3"),
            call(name, key, now - 5, "m3"),
        ];
        let headers = signer::sign(&calls).await;
        let [wrong, old, early, first, anew] = headers.as_slice() else { panic!("{headers:?}") };
        send(&system, 0, name, wrong).await.assert_refused(401, "CUE0205");
        if name != "github" {
            send(&system, 0, name, old).await.assert_refused(401, "CUE0206");
            send(&system, 0, name, early).await.assert_refused(401, "CUE0206");
        }
        let receipt = send(&system, 0, name, first).await.receipt();
        let again = send(&system, 0, name, anew).await;
        assert_eq!((again.receipt(), again.is_replay()), (receipt, true), "{name}");
    }
    // The same body as another delivery: only what is signed is known to be GitHub's.
    let key = SCHEMES[2].2;
    let headers = signer::sign(&[call("github", key, now, "m4")]).await;
    send(&system, 0, "github", &headers[0]).await.assert_refused(401, "CUE0207");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_key_checks_and_signed_calls_alone_are_taken_where_the_trigger_says_so() {
    let public = signer::sign(&[json!({ "scheme": "public-key" })]).await[0]["key"].clone();
    let signature = Signature { scheme: SignatureScheme::StandardEd25519.into(), public_key: public, ..Signature::default() };
    let system =
        system().workers(1, &Setup::here()).gateways(1, &Setup::here()).with(trigger("ed").open().signature(signature)).start().await;
    let headers = signer::sign(&[call("ed25519", "", now_s(), "m1"), call("ed25519", "", now_s() + 1, "m2")]).await;
    drop(send(&system, 0, "ed", &headers[0]).await.receipt());
    let altered = signed(system.call("ed"), &headers[1]).body(BODY.replace("hi", "ho")).send().await;
    altered.assert_refused(401, "CUE0205");
    system.call("ed").text("the secret does not count").send().await.assert_refused(401, "CUE0208");
    system.call("ed").anonymous().text("x").send().await.assert_refused(401, "CUE0208");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slack_gets_its_challenge_back_and_no_event_is_made() {
    let key = SCHEMES[3].2;
    let system = system()
        .workers(1, &Setup::here())
        .gateways(1, &Setup::here())
        .with(trigger("slack").signature(sealed("slack", SignatureScheme::Slack, key)))
        .start()
        .await;
    let body = r#"{"type":"url_verification","challenge":"3eZbrw1a"}"#;
    let mut wanted = call("slack", key, now_s(), "");
    wanted["body"] = body.into();
    let headers = signer::sign(&[wanted]).await;
    let answer = signed(system.call("slack"), &headers[0]).body(body).send().await.ok();
    assert_eq!(answer.body, json!({ "challenge": "3eZbrw1a" }));
    assert_eq!(system.view().try_waiting().await.unwrap_or_default(), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_away_a_replay_makes_no_second_event_at_any_gateway() {
    let system = all_schemes(2).await;
    system.redis.kill().await;
    let now = now_s();
    let calls: Vec<Value> = SCHEMES.iter().map(|(name, _, key)| call(name, key, now, "m1")).collect();
    for ((name, ..), headers) in SCHEMES.iter().zip(signer::sign(&calls).await) {
        let receipt = send(&system, 0, name, &headers).await.receipt();
        let again = send(&system, 0, name, &headers).await;
        if *name == "github" {
            assert!(again.is_replay());
        } else {
            again.assert_refused(401, "CUE0207");
        }
        // Another gateway knows it by the broker alone, and answers with what became of the first.
        let elsewhere = send(&system, 1, name, &headers).await;
        assert_eq!((elsewhere.receipt(), elsewhere.is_replay()), (receipt, true), "{name}");
    }
    system.redis.restart().await;
    tests::eventually::eventually("Redis is back", SOON, async || system.view().redis::<String>(&["PING"]).await.ok()).await;
    system.finish().await;
}
