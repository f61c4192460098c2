//! Messages to other services over NATS, as their own clients see them.

use std::time::Duration;

use async_nats::jetstream::stream;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::setup::Setup;
use tokio::task::JoinSet;

use super::{block, clerk, data, outcomes, said, served};
use crate::{SOON, records, shape};

/// How long nothing comes where nothing was sent.
const SILENCE: Duration = Duration::from_millis(200);
/// Where messages may go.
const ALLOWED: &str = "nats: { allow: ['jobs.>', 'stock.*'] }";

fn abilities(doubt: &str) -> Value {
    let job = "subject: jobs.$[region!].new\npayload: {order: $[order! num], note: $[note]}\nheaders: {X-Order: $[order! num]}";
    json!([
        { "name": "job", "doubt": doubt, "instruction": block("nats", job) },
        { "name": "stock", "instruction": block("nats", "subject: stock.$[item!]\nrequest: true\ntimeout: 5s") },
        { "name": "any", "instruction": block("nats", "subject: $[subject!]\npayload: x") },
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_go_out_and_replies_come_back_where_the_operator_lets_them() {
    let refused = ["log.orders.x", "event.orders.s", "$JS.API.STREAM.DELETE.LOG", "elsewhere", "stock", "jobs.*", "jobs.>", "jobs.a b"];
    let oracle = Oracle::start(move |steps, _| match steps {
        0 => Say::Calls(vec![
            ("job".into(), json!({ "region": "eu", "order": 42, "note": "say \"hi\"" })),
            ("stock".into(), json!({ "item": "apples" })),
            ("stock".into(), json!({ "item": "nobody" })),
            ("job".into(), json!({ "region": "eu.sub", "order": 1 })),
        ]),
        1 => Say::Calls(refused.map(|subject| ("any".to_owned(), json!({ "subject": subject }))).to_vec()),
        _ => Say::Text("done".into()),
    })
    .await;
    let system = served(&oracle, abilities("fail"), ALLOWED).await;
    let client = system.view().client().clone();
    let mut jobs = client.subscribe("jobs.>").await.unwrap();
    let mut apples = client.subscribe("stock.apples").await.unwrap();
    client.flush().await.unwrap();
    let mut replying = JoinSet::new();
    let replier = client.clone();
    replying.spawn(async move {
        let asked = apples.next().await.unwrap();
        replier.publish(asked.reply.unwrap(), r#"{"left": 7}"#.into()).await.unwrap();
    });
    assert_eq!(said(&system, "go").await.str("/text"), "done");
    let job = tokio::time::timeout(SOON, jobs.next()).await.unwrap().unwrap();
    assert_eq!(job.subject.as_str(), "jobs.eu.new");
    assert_eq!(serde_json::from_slice::<Value>(&job.payload).unwrap(), json!({ "order": 42, "note": "say \"hi\"" }));
    let headers = job.headers.unwrap();
    let header = |name: &str| headers.get(name).map(|value| value.as_str().to_owned()).unwrap_or_default();
    assert_eq!(header("X-Order"), "42");
    assert!(!header("Idempotency-Key").is_empty() && header("Idempotency-Key") == header("Nats-Msg-Id"));
    let asked = oracle.asked();
    let [job, apples, nobody, word] = outcomes(&asked[1])[..] else { panic!("{}", asked[1]) };
    assert_eq!(data(job)["sent"], true);
    assert_eq!(data(apples), json!({ "left": 7 }));
    assert!(nobody.contains("nobody listens"), "{nobody}");
    assert!(!word.contains("sent"), "a value is one word of a subject: {word}");
    let outcomes = &outcomes(&asked[2])[4..];
    assert_eq!(outcomes.len(), refused.len());
    for (subject, outcome) in refused.iter().zip(outcomes) {
        assert!(!outcome.contains(r#""sent""#), "{subject}: {outcome}");
    }
    assert!(outcomes[3].contains("messages to elsewhere are not allowed here: nats.allow does not list it"), "{}", outcomes[3]);
    assert!(tokio::time::timeout(SILENCE, jobs.next()).await.is_err(), "one message was sent and no other");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_repeated_after_a_crash_is_stored_once() {
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("job".into(), json!({ "region": "eu", "order": 42 }))]),
        _ => Say::Text("done".into()),
    })
    .await;
    let mut system = clerk(abilities("retry")).start().await;
    let config = stream::Config { name: "JOBS".into(), subjects: vec!["jobs.>".into()], ..stream::Config::default() };
    let mut jobs = system.view().context().create_stream(config).await.unwrap();
    let setup = Setup::child().settings(oracle.settings(ALLOWED));
    let first = system.start_worker(setup.clone().fatal("run.job#1.after")).await;
    let receipt = system.call("orders").said("s", "go").send().await.receipt();
    eventually("the worker kills itself", SOON, async || system.worker(first).has_died().then_some(())).await;
    assert_eq!(jobs.info().await.unwrap().state.messages, 1, "it was stored, and no record says so");
    system.start_worker(setup).await;
    assert_eq!(shape(&records(&system.settled(SOON * 2).await)), "iroC");
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/text"), "done");
    let last = oracle.asked().last().cloned().unwrap();
    let outcome = data(outcomes(&last)[0]);
    assert_eq!(outcome, json!({ "sent": true, "stored": 1 }), "the repeat is told where the first one lies");
    assert_eq!(jobs.info().await.unwrap().state.messages, 1);
    system.finish().await;
}
