//! The examples of publishers do what docs/publishing.md says, in each language.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use proto::header;
use proto::id::Receipt;
use proto::record::Step;
use proto::resource::Busy;
use proto::subject;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::ledger::terminals;
use tests::peer::publisher::{self, Publisher, Said};
use tests::resource::{rules, scripted, trigger};
use tests::setup::Setup;
use tests::system::System;
use tokio::task::JoinSet;

use crate::{SOON, records, session, shape, small, system};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// The key that the publishers share: what one sends again is known for another's.
const KEY: &str = "a-publishers-own-key\n";
/// The id that this key makes of job 42, as docs/publishing.md has it.
const ID_OF_42: &str = "72807ed0adf6237a6b6a091bf138a0ac9feead34afc33025f60cc036dabebeef";

fn publishers() -> [Publisher; 3] {
    publisher::all(env!("CARGO_BIN_EXE_publisher"))
}

fn key(system: &System) -> String {
    system.scratch.write("publisher.key", KEY).display().to_string()
}

/// Publishes a job.
async fn publish(system: &System, publisher: &Publisher, job: &str, arguments: &[&str]) -> Said {
    let (url, key) = (system.nats[0].url().to_owned(), key(system));
    let common = ["publish", "--nats", &url, "--key", &key, "--job", job];
    publisher.run(&[&common[..], arguments].concat()).await
}

async fn follow(system: &System, publisher: &Publisher, receipt: &Receipt, wait: &str) -> Said {
    let (url, receipt) = (system.nats[0].url().to_owned(), receipt.to_string());
    publisher.run(&["follow", "--nats", &url, &receipt, "--wait", wait]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_the_golden_vectors_in_each_language() {
    for publisher in publishers() {
        for string in ["order-42", "ada@example.com", "", "grüße ☃"] {
            let said = publisher.run(&["token", string]).await;
            assert_eq!(said.lines, [proto::session::token(string).as_str()], "{} {string:?}: {said:?}", publisher.language);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_published_is_answered_and_its_receipt_is_the_apis() {
    let greets = rules("greets", json!({ "rules": [{ "when": { "text": "order" }, "reply": "which one?" }], "otherwise": "hm" }));
    let system = small().with(greets).with(trigger("orders").bot("greets")).start().await;
    for publisher in publishers() {
        let language = publisher.language;
        let arguments =
            ["--trigger", "orders", "--session", language, "--text", "my order", "--payload", r#"{"n": 1}"#, "--traceparent", TRACE];
        let (receipt, is_duplicate) = publish(&system, &publisher, language, &arguments).await.receipt();
        system.ledger().note(receipt.clone());
        assert_eq!((&receipt.session, is_duplicate), (&session("orders", language), false));
        let said = follow(&system, &publisher, &receipt, "30").await;
        assert_eq!((said.objects(), said.is_success), (vec![json!({ "step": "completed", "reply": "which one?" })], true), "{said:?}");
        let fetched = system.fetch(&receipt).send().await.ok();
        assert_eq!((fetched.str("/status"), fetched.str("/id")), ("completed", receipt.to_string().as_str()));
        assert_eq!(fetched.told(), ["user:my order", "bot:which one?"]);
        let log = system.settled(SOON).await;
        let last = &log.last().expect("a record").entry.record;
        let input = last.input().expect("a simple turn's record has its input");
        let payload: Value = serde_json::from_slice(&input.payload).expect("the payload is JSON");
        assert_eq!((last.traceparent.as_str(), input.session.as_str(), payload), (TRACE, language, json!({ "n": 1 })));
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_published_again_is_one_event_whoever_publishes_it() {
    let system = small().with(trigger("orders")).with(trigger("returns")).start().await;
    let arguments = ["--trigger", "orders", "--text", "once"];
    let mut first = None;
    let mut events = system.view().client().subscribe("event.>").await.expect("the harness may subscribe");
    system.view().client().flush().await.expect("the broker is there");
    for publisher in publishers() {
        let (receipt, is_duplicate) = publish(&system, &publisher, "42", &arguments).await.receipt();
        assert_eq!((first.get_or_insert_with(|| receipt.clone()), is_duplicate), (&mut receipt.clone(), publisher.language != "python"));
        system.ledger().note(receipt);
        let event = tokio::time::timeout(SOON, events.next()).await.expect("it was published").expect("a message");
        let id = event.headers.and_then(|headers| headers.get(header::MESSAGE_ID).map(ToString::to_string));
        assert_eq!(id.as_deref(), Some(ID_OF_42), "{}", publisher.language);
    }
    // Another key makes another id of the same job: the broker's window is that of the whole stream.
    let key = system.scratch.write("returns.key", "the-key-of-another-trigger").display().to_string();
    let arguments = ["--trigger", "returns", "--key", &key, "--job", "42", "--text", "once"];
    let said = publishers()[2].run(&[&["publish", "--nats", system.nats[0].url()][..], &arguments].concat()).await;
    let (other, is_duplicate) = said.receipt();
    assert!(!is_duplicate);
    system.ledger().note(other);
    let log = system.settled(SOON).await;
    assert_eq!(shape(&records(&log)), "CC");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_share_a_session_with_an_http_caller() {
    let system = small().with(trigger("orders")).start().await;
    let first = system.call("orders").said("order-42", "over http").query("wait=10").send().await.ok();
    let mut expected = vec!["user:over http".to_owned(), "bot:over http".to_owned()];
    for publisher in publishers() {
        let text = format!("by {}", publisher.language);
        let arguments = ["--trigger", "orders", "--session", "order-42", "--text", &text];
        let (receipt, _) = publish(&system, &publisher, publisher.language, &arguments).await.receipt();
        assert_eq!(receipt.session.token.as_str(), first.str("/session"));
        system.ledger().note(receipt.clone());
        // All of the session's records are read, and those of its own event alone are told.
        let said = follow(&system, &publisher, &receipt, "30").await;
        assert_eq!(said.objects(), [json!({ "step": "completed", "reply": text })]);
        expected.extend([format!("user:{text}"), format!("bot:{text}")]);
    }
    assert_eq!(system.list(&first.conversation()).query("order=asc").send().await.ok().told(), expected);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_a_turn_is_told_and_an_event_that_was_merged_ends_with_the_others() {
    let calls = scripted("calls", json!({ "calls": [{ "ability": "echo", "with": { "long": "x".repeat(300) } }], "reply": "done" }));
    let collecting = trigger("collects").busy(Busy::Collect).quiet(Duration::from_secs(1));
    let system = small().with(calls).with(trigger("orders").bot("calls")).with(collecting).start().await;
    let first = system.call("orders").text("hi").send().await.receipt();
    let merged = system.call("collects").said("s", "a").send().await.receipt();
    system.call("collects").said("s", "b").send().await.receipt();
    for publisher in publishers() {
        let steps = |said: Said| said.objects().iter().map(|told| told["step"].as_str().unwrap().to_owned()).collect::<Vec<String>>();
        let told = steps(follow(&system, &publisher, &first, "30").await);
        assert_eq!(told, ["intents", "outcomes", "completed"], "{}", publisher.language);
        let told = steps(follow(&system, &publisher, &merged, "30").await);
        assert_eq!(told, ["merged", "completed"], "{}", publisher.language);
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_envelope_ends_in_dead_and_its_publisher_sees_why() {
    let mut system = small().with(trigger("orders")).start().await;
    for publisher in publishers() {
        let arguments = ["--trigger", "orders", "--token", publisher.language, "--text", "hi", "--email", "nobody"];
        let (receipt, _) = publish(&system, &publisher, publisher.language, &arguments).await.receipt();
        system.ledger().note(receipt.clone());
        let said = follow(&system, &publisher, &receipt, "30").await;
        let told = said.objects();
        let [Value::Object(told)] = told.as_slice() else { panic!("{said:?}") };
        assert_eq!((&told["step"], &told["code"], &told["dead"]), (&json!("failed"), &json!("CUE0602"), &json!(true)));
        assert!(told["message"].as_str().is_some_and(|message| message.contains("contact.email")) && !said.is_success, "{said:?}");
        let fetched = system.fetch(&receipt).send().await.ok();
        assert_eq!((fetched.str("/status"), fetched.str("/messages/0/meta/failure/code")), ("dead", "CUE0602"));
        let letters = system.take_dead().await;
        let [(subject, letter)] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!((subject, letter.event), (&subject::dead(&receipt.session), receipt.event.seq));
    }
    let log = system.settled(SOON).await;
    assert!(terminals(&log).all(|logged| matches!(logged.entry.record.step, Some(Step::Failed(_)))));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_an_unknown_trigger_goes_to_dead_without_a_record() {
    let mut system = small().with(trigger("orders")).start().await;
    for publisher in publishers() {
        let arguments = ["--trigger", "ordres", "--text", "hi"];
        let (receipt, _) = publish(&system, &publisher, publisher.language, &arguments).await.receipt();
        let buried = async || Some(system.view().letters().await).filter(|letters| !letters.is_empty());
        eventually("the event is put aside", SOON, buried).await;
        let said = follow(&system, &publisher, &receipt, "1").await;
        assert!(!said.is_success && said.lines.is_empty() && said.errors.contains("no end after 1 s"), "{said:?}");
        let letters = system.take_dead().await;
        let [(subject, letter)] = letters.as_slice() else { panic!("{letters:?}") };
        assert!(subject.starts_with("dead.invalid."), "{subject}");
        assert_eq!(letter.subject, subject::event(&receipt.session));
    }
    assert_eq!(system.view().log().await.len(), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_answer_was_lost_is_sent_again_and_is_one_event() {
    let system = small().with(trigger("orders")).start().await;
    let key = key(&system);
    for publisher in publishers() {
        let proxy = system.nats_proxy().await;
        // What the broker answers is still on its way when the event is seen, and the connection is cut then.
        proxy.delay(Duration::from_millis(250));
        let mut events = system.view().client().subscribe("event.>").await.expect("the harness may subscribe");
        system.view().client().flush().await.expect("the broker is there");
        let url = format!("nats://127.0.0.1:{}", proxy.port());
        let arguments = ["publish", "--nats", &url, "--key", &key, "--job", publisher.language, "--trigger", "orders", "--text", "hi"];
        let cut = async {
            tokio::time::timeout(SOON, events.next()).await.expect("the event is published").expect("a message");
            proxy.sever().await;
        };
        let (said, ()) = tokio::join!(publisher.run(&arguments), cut);
        let (receipt, is_duplicate) = said.receipt();
        assert!(is_duplicate, "{}: its first try was stored", publisher.language);
        system.ledger().note(receipt);
    }
    let log = system.settled(SOON).await;
    assert_eq!(shape(&records(&log)), "CCC");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_follows_reads_on_after_the_broker_was_killed() {
    let mut system = system().gateways(1, &Setup::child()).with(trigger("orders")).start().await;
    let receipt = system.call("orders").text("hi").send().await.receipt();
    let mut reads = system.view().client().subscribe("$JS.API.DIRECT.GET.LOG").await.expect("the harness may subscribe");
    system.view().client().flush().await.expect("the broker is there");
    let mut following = JoinSet::new();
    for publisher in publishers() {
        let (url, receipt) = (system.nats[0].url().to_owned(), receipt.to_string());
        following.spawn(async move { (publisher.run(&["follow", "--nats", &url, &receipt, "--wait", "60"]).await, publisher.language) });
    }
    let all_read = async {
        let mut readers = BTreeSet::new();
        while readers.len() < 3 {
            let read = reads.next().await.expect("the harness hears reads");
            if String::from_utf8_lossy(&read.payload).contains(&subject::log(&receipt.session)) {
                // An inbox begins with what tells clients apart.
                readers.extend(read.reply.and_then(|inbox| inbox.split('.').nth(1).map(str::to_owned)));
            }
        }
    };
    tokio::time::timeout(SOON * 3, all_read).await.expect("all three read");
    system.nats[0].kill().await;
    system.nats[0].restart().await;
    system.start_worker(Setup::here()).await;
    while let Some(told) = following.join_next().await {
        let (said, language) = told.expect("a publisher runs to its end");
        assert_eq!(said.objects(), [json!({ "step": "completed", "reply": "hi" })], "{language}: {said:?}");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_publishes_and_follows_under_the_permissions_of_nats_config() {
    let system = small().with(trigger("orders")).with(trigger("returns")).secured(&["orders", "returns"]).start().await;
    let secured = system.secured.clone().expect("it was asked for");
    let (ca, cert, cert_key) = (secured.file("tls/ca.crt"), secured.file("tls/client.crt"), secured.file("tls/client.key"));
    let tls = ["--nats", system.nats[0].url(), "--ca", &ca, "--cert", &cert, "--cert-key", &cert_key];
    let (orders, key, reader) =
        (secured.file("publishers/orders.nk"), secured.file("publishers/orders.key"), secured.file("users/reader.nk"));
    for publisher in publishers() {
        let language = publisher.language;
        let publish = async |trigger: &str| {
            let arguments = ["publish", "--nkey", &orders, "--key", &key, "--job", language, "--text", "hi", "--trigger", trigger];
            publisher.run(&[&arguments[..], &tls].concat()).await
        };
        let follow = async |nkey: &str, receipt: &Receipt, wait: &str| {
            let receipt = receipt.to_string();
            publisher.run(&[&["follow", &receipt, "--nkey", nkey, "--wait", wait][..], &tls].concat()).await
        };
        let (receipt, _) = publish("orders").await.receipt();
        system.ledger().note(receipt.clone());
        assert!(publish("orders").await.receipt().1, "{language}: the same job is one event");
        let said = follow(&reader, &receipt, "30").await;
        assert_eq!(said.objects(), [json!({ "step": "completed", "reply": "hi" })], "{language}: {said:?}");
        assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "completed");
        // Neither door is the other's, and another trigger's is nobody's.
        for said in [publish("returns").await, follow(&orders, &receipt, "3").await] {
            let is_refused = said.errors.to_lowercase().contains("permissions violation");
            assert!(!said.is_success && said.lines.is_empty() && is_refused, "{language}: {said:?}");
        }
    }
    let log = system.settled(SOON).await;
    assert_eq!(shape(&records(&log)), "CCC");
    system.finish().await;
}
