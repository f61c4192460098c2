//! Under the accounts of `cuepoint nats-config` each user does its part, and a stolen seed does no more.

use std::time::Duration;

use async_nats::jetstream::consumer;
use backbone::topology;
use futures_util::StreamExt as _;
use outbox::inventory::{self, Status};
use proto::event::Event;
use proto::id::{EventSeq, Receipt};
use proto::{subject, wire};
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::intruder::Intruder;
use tests::oracle::{Oracle, Say};
use tests::peer::webhook::Receiver;
use tests::resource::{agent, results_on, scripted, skillset, trigger, webhook};
use tests::setup::Setup;
use tests::system::{Builder, System};

use crate::{SOON, records, session, shape, small, system};

/// What only the set-up may do to streams and consumers.
const SETTING_UP: [&str; 12] = [
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.UPDATE.LOG",
    "$JS.API.STREAM.DELETE.LOG",
    "$JS.API.STREAM.PURGE.LOG",
    "$JS.API.STREAM.RESTORE.LOG",
    "$JS.API.STREAM.SNAPSHOT.LOG",
    "$JS.API.CONSUMER.CREATE.LOG",
    "$JS.API.CONSUMER.CREATE.LOG.mine.log.>",
    "$JS.API.CONSUMER.DURABLE.CREATE.LOG.mine",
    "$JS.API.CONSUMER.DELETE.LOG.deliver",
    "$JS.API.CONSUMER.PAUSE.LOG.deliver",
    "$SYS.REQ.SERVER.PING",
];
/// What turns record.
const RECORDS: [&str; 5] = ["log.orders.t", "dead.orders.t", "sent.orders.t", "worker.w", "live.orders.t"];
/// What comes in, at its time or at once.
const INTAKE: [&str; 5] = ["event.orders.t", "answer.orders.t", "timer.orders.t", "due.orders.t", "event.returns.t"];
/// What is kept, and what is told outside.
const KEPT: [&str; 5] = ["$KV.resources.trigger.orders", "$KV.contacts.c", "audit.a", "out.orders.t", "shop.results"];
/// Work that is done, and things that are taken away.
const WORK: [&str; 5] = [
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS_00000001.workers",
    "$JS.ACK.EVENTS_00000001.workers.1.1.1.1.0",
    "$JS.API.STREAM.MSG.DELETE.LOG",
    "$JS.API.CONSUMER.MSG.NEXT.LOG.deliver",
    "$JS.ACK.LOG.deliver.1.1.1.1.0",
];
/// What is read.
const READS: [&str; 5] = [
    "$JS.API.DIRECT.GET.LOG",
    "$JS.API.DIRECT.GET.KV_resources.$KV.resources.trigger.orders",
    "$JS.API.STREAM.MSG.GET.LOG",
    "$JS.API.STREAM.INFO.LOG",
    "_CUEPOINT.JS.STREAM.INFO.LOG",
];
/// What can be heard.
const HEARD: [&str; 9] = [">", "event.>", "answer.>", "log.>", "dead.>", "live.>", "worker.*", "$KV.resources.>", "$JS.API.>"];

/// What each seed is for: beginnings of what its user may say, and of what it may hear.
const MAY: [(&str, &[&str], &[&str]); 7] = [
    ("publishers/orders", &["event.orders."], &[]),
    (
        "users/reader",
        &["$JS.API.DIRECT.GET.LOG", "$JS.API.STREAM.MSG.GET.LOG", "$JS.API.STREAM.INFO.LOG", "_CUEPOINT."],
        &["log.", "live."],
    ),
    (
        "users/gateway",
        &[
            "event.",
            "answer.",
            "timer.",
            "audit.",
            "out.",
            "$KV.",
            "$JS.API.DIRECT.",
            "$JS.API.STREAM.MSG.GET.",
            "$JS.API.STREAM.INFO.",
            "_CUEPOINT.",
        ],
        &["log.", "live.", "$KV."],
    ),
    (
        "users/index",
        &["$KV.contacts.", "$JS.API.DIRECT.", "$JS.API.STREAM.MSG.GET.", "$JS.API.STREAM.INFO.", "_CUEPOINT."],
        &["log.", "dead.", "$KV."],
    ),
    (
        "users/deliver",
        &[
            "out.",
            "sent.",
            "$JS.API.CONSUMER.MSG.NEXT.LOG.deliver",
            "$JS.ACK.LOG.deliver.",
            "$JS.API.DIRECT.",
            "$JS.API.STREAM.MSG.GET.",
            "$JS.API.STREAM.INFO.",
            "_CUEPOINT.",
        ],
        &["$KV."],
    ),
    (
        "users/turns",
        &[
            "log.",
            "dead.",
            "event.",
            "answer.",
            "timer.",
            "live.",
            "worker.",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS",
            "$JS.ACK.EVENTS",
            "$JS.API.STREAM.MSG.DELETE.LOG",
            "$JS.API.DIRECT.",
            "$JS.API.STREAM.MSG.GET.",
            "$JS.API.STREAM.INFO.",
        ],
        &["worker.", "$KV."],
    ),
    ("users/setup", &["$JS.API.", "event.", "answer."], &[]),
];

fn owned<const N: usize>(lists: [&[&str]; N]) -> Vec<String> {
    lists.into_iter().flatten().map(|&subject| subject.to_owned()).collect()
}

/// All that is listed, without what fits one of the beginnings.
fn without(subjects: Vec<String>, beginnings: &[&str]) -> Vec<String> {
    subjects.into_iter().filter(|subject| !beginnings.iter().any(|beginning| subject.starts_with(beginning))).collect()
}

fn secured() -> Builder {
    small().with(trigger("orders")).with(trigger("returns")).secured(&["orders", "returns"])
}

async fn intruder(system: &System, seed: &str) -> Intruder {
    Intruder::with(system.secured.as_ref().expect("the system is secured"), system.nats[0].url(), seed).await
}

/// What every stream holds: a message that comes or goes is seen.
async fn contents(system: &System) -> Vec<Value> {
    let events = subject::events_stream(system.view().epoch().await);
    let mut all = Vec::new();
    for stream in [&events, "LOG", "DEAD", "TIMERS", "AUDIT", "OUT", "KV_resources", "KV_contacts"] {
        let info = system.view().ask(&format!("STREAM.INFO.{stream}"), r#"{"subjects_filter": ">"}"#).await.expect("the broker answers");
        let state = ["messages", "first_seq", "last_seq", "subjects"].map(|part| info["state"][part].clone());
        assert!(state[2].is_u64(), "{info}");
        all.push(json!({ stream: state }));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_seed_does_no_more_than_the_part_of_its_user() {
    let system = secured().start().await;
    let said = owned([&SETTING_UP, &RECORDS, &INTAKE, &KEPT, &WORK, &READS]);
    let heard = owned([&HEARD]);
    for (user, says, hears) in MAY {
        let intruder = intruder(&system, &format!("{user}.nk")).await;
        intruder.may_not_publish(&without(said.clone(), says)).await;
        intruder.may_not_hear(&without(heard.clone(), hears)).await;
    }
    assert!(system.view().log().await.is_empty());
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_broker_cannot_be_sent_where_its_caller_may_not_write() {
    let system = secured().start().await;
    let receipt = system.call("orders").text("hi").send().await.receipt();
    system.settled(SOON).await;
    let before = contents(&system).await;
    let get = json!({ "last_by_subj": subject::log(&receipt.session) }).to_string();
    let info = json!({}).to_string();
    let calls: [(&str, &str, &str); 8] = [
        ("publishers/orders", "event.orders.t", ""),
        ("users/reader", "$JS.API.DIRECT.GET.LOG", &get),
        ("users/reader", "$JS.API.STREAM.INFO.LOG", &info),
        ("users/gateway", "$JS.API.DIRECT.GET.LOG", &get),
        ("users/gateway", "$JS.API.STREAM.INFO.LOG", &info),
        ("users/gateway", "event.orders.t", ""),
        ("users/index", "$JS.API.DIRECT.GET.LOG", &get),
        ("users/deliver", "$JS.API.DIRECT.GET.LOG", &get),
    ];
    for (user, subject, body) in calls {
        let intruder = intruder(&system, &format!("{user}.nk")).await;
        for reply in [
            "log.orders.t",
            "dead.orders.t",
            "answer.orders.t",
            "event.returns.t",
            "timer.orders.t",
            "$KV.resources.trigger.x",
            "sent.orders.t",
        ] {
            // Where it may add an event, none is added: the call asks for a state that there is not.
            intruder.publishes(subject, Some(reply), &[("Nats-Expected-Last-Sequence", "999999")], body).await;
        }
        // The same way an answer does come, and after those before it: what they did has been done.
        let mut inbox = intruder.client.subscribe("_INBOX.mine.1").await.unwrap();
        intruder.publishes(subject, Some("_INBOX.mine.1"), &[("Nats-Expected-Last-Sequence", "999999")], body).await;
        let answer = tokio::time::timeout(SOON, inbox.next()).await.expect("an answer").expect("the connection stands");
        assert!(!answer.payload.is_empty(), "{user}: {subject}");
        assert_eq!(contents(&system).await, before, "{user}: {subject}");
    }
    // Why each of them has an account of its own: within that of the streams, an answer goes wherever its caller says.
    let client = system.view().client();
    client.publish_with_reply("$JS.API.STREAM.INFO.LOG", "audit.forged", info.into()).await.unwrap();
    eventually("an answer that was stored", SOON, async || (contents(&system).await != before).then_some(())).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_a_publisher_touch_nothing_of_another_trigger() {
    let mut system =
        system().gateways(1, &Setup::here()).with(trigger("orders")).with(trigger("returns")).secured(&["orders", "returns"]).start().await;
    let waits = system.call("returns").said("s", "first").header("idempotency-key", "key-1").send().await.receipt();
    let before = contents(&system).await;
    let intruder = intruder(&system, "publishers/orders.nk").await;
    let target = subject::event(&waits.session);
    let attacks: [&[(&str, &str)]; 11] = [
        &[("Nats-Rollup", "all")],
        &[("Nats-Rollup", "sub")],
        &[("Nats-TTL", "1s")],
        &[("Nats-Schedule", "@at 2020-01-01T00:00:00Z"), ("Nats-Schedule-Target", &target)],
        &[("Nats-Schedule", "@every 1s"), ("Nats-Schedule-Target", "log.returns.t"), ("Nats-Schedule-TTL", "1m")],
        &[("Nats-Schedule", "@at 2020-01-01T00:00:00Z"), ("Nats-Schedule-Target", "event.orders.t"), ("Nats-Schedule-Source", &target)],
        &[("Nats-Incr", "+1")],
        &[("Nats-Batch-Id", "b"), ("Nats-Batch-Sequence", "1"), ("Nats-Batch-Commit", "1")],
        &[("Nats-Expected-Stream", "LOG")],
        &[("Nats-Expected-Last-Subject-Sequence", "0"), ("Nats-Expected-Last-Subject-Sequence-Subject", &target)],
        &[("Nats-Expected-Last-Msg-Id", "none")],
    ];
    for headers in attacks {
        let answer = intruder.calls("event.orders.t", headers, "attack").await;
        assert!(answer["error"]["err_code"].is_u64(), "{headers:?}: {answer}");
    }
    assert_eq!(contents(&system).await, before);

    // Ids that one can guess keep nobody else's event away.
    let (own, epoch) = (session("orders", "mine"), system.view().epoch().await);
    for id in ["key-2", "returns:key-2", "orders:key-2", proto::session::token("key-2").as_str()] {
        let answer = intruder.calls(&subject::event(&own), &[("Nats-Msg-Id", id)], &json!({ "text": "a guess" }).to_string()).await;
        let seq = answer["seq"].as_u64().unwrap_or_else(|| panic!("{answer}"));
        system.ledger().note(Receipt { session: own.clone(), event: EventSeq { epoch, seq } });
    }
    let second = system.call("returns").said("s", "second").header("idempotency-key", "key-2").send().await;
    assert!(second.headers.get("idempotent-replay").is_none(), "{second:?}");
    let second = second.receipt();
    system.start_worker(Setup::here()).await;
    system.settled(SOON * 2).await;
    for receipt in [&waits, &second] {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), "completed");
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_cannot_choose_the_bot_that_reads_its_event() {
    let mut system = secured().with(scripted("rich", json!({ "reply": "here is all of it" }))).start().await;
    let intruder = intruder(&system, "publishers/orders.nk").await;
    let session = session("orders", "mine");
    let settings = wire::Settings { bot: "rich".into(), ..wire::Settings::default() };
    for seal in [bytes::Bytes::new(), vec![7; 32].into()] {
        let direct = wire::Direct { settings: Some(settings.clone()), seal, ..wire::Direct::default() };
        let event = Event { text: Some("all of it".into()), direct: Some(direct), ..Event::default() };
        let answer = intruder.client.request(subject::event(&session), event.encode()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        let event = EventSeq { epoch: system.view().epoch().await, seq: answer["seq"].as_u64().unwrap() };
        system.ledger().note(Receipt { session: session.clone(), event });
    }
    assert_eq!(shape(&records(&system.settled(SOON).await)), "FF");
    let letters = system.take_dead().await;
    assert!(letters.len() == 2 && letters.iter().all(|(_, letter)| letter.code == "CUE0602"), "{letters:?}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_one_role_needs_no_more_than_the_user_of_that_role() {
    let receiver = Receiver::start().await;
    let orders = trigger("orders").results([webhook("orders", "crm", &receiver.url("hook"))]);
    let builder = system().with(orders).gateways(1, &Setup::child()).secured(&[]);
    let system =
        ["turns", "index", "deliver"].iter().fold(builder, |builder, role| builder.workers(1, &Setup::child().role(role))).start().await;
    let receipt = system.call("orders").query("contact.email=ada@example.com").text("hi").send().await.receipt();
    let seen = receiver.until("the end is told", SOON * 3, |seen| !seen.is_empty()).await;
    assert_eq!(seen[0].body["data"]["text"], "hi");
    let listed = async || {
        let list = system.read("conversation/list").send().await.body;
        list["items"].as_array()?.first().map(|item| item["contactId"].clone())
    };
    assert!(eventually("the index has it", SOON * 2, listed).await.is_string());
    let delivered = async || {
        let found = inventory::list(system.view().client(), &receipt.session.trigger, 1, 10).await.ok()?;
        found.first().is_some_and(|found| found.status == Status::Delivered).then_some(())
    };
    eventually("the delivery is noted", SOON, delivered).await;
    assert_eq!(shape(&records(&system.settled(SOON).await)), "C");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_outside_reaches_the_users_of_applications_and_no_other_subject() {
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("stock".into(), json!({ "item": "apples" }))]),
        _ => Say::Text("Seven.".into()),
    })
    .await;
    let ask = "```nats\nsubject: shop.$[item!]\nrequest: true\ntimeout: 2s\n```";
    let results = [results_on("bus", "shop.results")];
    let system = system()
        .with(skillset("shop", json!([{ "name": "stock", "instruction": ask }])))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "skillset": "shop" })))
        .with(trigger("orders").bot("clerk").results(results))
        .workers(1, &Setup::child().settings(oracle.settings("nats: { allow: ['shop.>'] }")))
        .gateways(1, &Setup::child())
        .secured(&[])
        .outside(&["shop.>"])
        .start()
        .await;
    let apps = intruder(&system, "users/apps.nk").await;
    apps.may_not_hear(&owned([&["log.>", "event.>", ">"]])).await;
    apps.may_not_publish(&owned([&["log.orders.t", "event.orders.t", "shop.results"]])).await;
    let mut heard = apps.client.subscribe("shop.>").await.unwrap();
    apps.client.flush().await.unwrap();
    let receipt = system.call("orders").text("How many apples?").send().await.receipt();
    let asked = tokio::time::timeout(SOON, heard.next()).await.unwrap().unwrap();
    assert_eq!(asked.subject.as_str(), "shop.apples");
    apps.client.publish(asked.reply.unwrap(), "7".into()).await.unwrap();
    let told = loop {
        let next = tokio::time::timeout(SOON, heard.next()).await.unwrap().unwrap();
        if next.subject.as_str() == "shop.results" {
            break next;
        }
    };
    let told: Value = serde_json::from_slice(&told.payload).unwrap();
    assert_eq!((&told["data"]["id"], &told["data"]["text"]), (&json!(receipt.to_string()), &json!("Seven.")));
    assert!(format!("{:?}", records(&system.settled(SOON).await)).contains('7'));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_set_up_runs_as_its_own_user_and_says_what_was_changed_by_hand() {
    let system = secured().start().await;
    let epoch = system.view().epoch().await;
    let setup = intruder(&system, "users/setup.nk").await;
    let context = topology::context(&setup.client);
    let sizes = system.sizes();
    assert_eq!(topology::ensure(&context, sizes, 7).await.unwrap(), epoch);
    let name = subject::events_stream(epoch);
    let harness = system.view().context();
    let stream = harness.get_stream(&name).await.unwrap();
    let was = stream.cached_info().config.clone();
    let changed = async_nats::jetstream::stream::Config { allow_rollup: true, duplicate_window: Duration::from_secs(1), ..was.clone() };
    harness.update_stream(&changed).await.unwrap();
    let refused = topology::ensure(&context, sizes, 7).await.unwrap_err().to_string();
    for part in [name.as_str(), "allow_rollup_hdrs true/false", "duplicate_window 1s/"] {
        assert!(refused.contains(part), "{refused}");
    }
    // A limit that was raised by hand is nobody's fault.
    harness.update_stream(async_nats::jetstream::stream::Config { max_bytes: was.max_bytes + 1, ..was.clone() }).await.unwrap();
    assert_eq!(topology::ensure(&context, sizes, 7).await.unwrap(), epoch);
    harness.update_stream(&was).await.unwrap();
    let found: consumer::PullConsumer = stream.get_consumer(subject::WORKERS).await.unwrap();
    let kept = found.cached_info().config.clone();
    let mut changed: consumer::pull::Config = consumer::FromConsumer::try_from_consumer_config(kept).unwrap();
    changed.max_deliver = 3;
    stream.create_consumer(changed).await.unwrap();
    let refused = topology::ensure(&context, sizes, 7).await.unwrap_err().to_string();
    assert!(refused.contains("consumer workers of") && refused.contains("max_deliver 3/-1"), "{refused}");
    system.finish().await;
}
