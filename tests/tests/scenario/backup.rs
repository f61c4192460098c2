//! All streams are lost, and given back from a backup.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use clap::Parser;
use cuepoint::backup::give::{self, Told};
use cuepoint::backup::{self, take};
use cuepoint::command;
use proto::id::{Receipt, SessionKey};
use proto::record::Step;
use proto::subject::{DEAD_STREAM, LOG_STREAM, OUT_STREAM, TIMERS_STREAM, events_stream};
use serde_json::json;
use tests::eventually::eventually;
use tests::load::Load;
use tests::resource::{results_on, scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;

use crate::{SOON, session, shape, system};

/// What is to be as it was.
const KEPT: [&str; 7] = [LOG_STREAM, DEAD_STREAM, TIMERS_STREAM, OUT_STREAM, "AUDIT", "KV_resources", "KV_contacts"];

#[derive(Debug, Parser)]
struct Restore {
    #[command(flatten)]
    options: command::restore::Options,
}

type Contents = BTreeMap<&'static str, Vec<(u64, String, i64, Bytes)>>;

/// All that lies in the streams that only grow.
async fn contents(system: &System) -> Contents {
    let mut contents = Contents::new();
    for stream in KEPT {
        let mut messages = system.view().messages(stream).await;
        // The counter of epochs moves on with the new one.
        messages.retain(|(_, subject, ..)| subject != "$KV.resources.system.epoch");
        contents.insert(stream, messages);
    }
    contents
}

/// Loses every stream.
async fn lose_everything(system: &System) {
    let events = events_stream(system.view().epoch().await);
    for stream in KEPT.into_iter().chain([events.as_str()]) {
        assert!(system.view().delete_stream(stream).await.success, "{stream}");
    }
}

/// The texts that sessions' turns ended with, in the order of the log, of all epochs together.
async fn ended(system: &System, session: &SessionKey) -> Vec<String> {
    let log = system.view().log_of(session).await;
    log.iter().filter(|entry| entry.record.is_terminal()).filter_map(|entry| entry.record.input()?.text.clone().into()).collect()
}

fn key(receipt: &Receipt) -> &SessionKey {
    &receipt.session
}

/// An event that was handled before, some that wait, one whose turn is open, one that comes later, one that is dead.
struct Before {
    done: Receipt,
    waiting: Vec<Receipt>,
    open: Receipt,
    later: String,
}

async fn before(system: &mut System, sink: &Sink) -> Before {
    let mut done = None;
    for number in 0..3 {
        let answer =
            system.call("orders").said("s", &format!("done{number}")).key(&format!("done{number}")).query("wait=10").send().await.ok();
        done = Some(answer.receipt());
    }
    let later = system.call("orders").said("l", "later").query("delay=20d").send().await.ok().str("/id").to_owned();
    system.publish(&session("orders", "d"), None, "no envelope").await;
    system.api("token/create").json(&json!({ "name": "kept", "scopes": ["read"] })).send().await.ok();
    system.settled(SOON).await;
    let told = async || (system.view().messages(OUT_STREAM).await.len() >= 6).then_some(());
    eventually("ends of turns are told", SOON, told).await;
    let open = system.call("calls").said("o", "open").send().await.receipt();
    sink.reached(1, SOON).await;
    system.worker(0).kill().await;
    let mut waiting = Vec::new();
    for number in 0..5 {
        waiting.push(system.call("orders").said("w", &format!("w{number}")).key(&format!("w{number}")).send().await.ok().receipt());
    }
    // The next event of a session that was handled before, and one behind the open turn.
    waiting.push(system.call("orders").said("s", "next").send().await.ok().receipt());
    waiting.push(system.call("calls").said("o", "behind").send().await.ok().receipt());
    Before { done: done.unwrap(), waiting, open, later }
}

/// After the backup and before the loss.
async fn after(system: &mut System, sink: &Sink) -> (Receipt, Receipt) {
    let lost = system.call("orders").said("n", "lost").key("lost").send().await.ok().receipt();
    sink.release();
    system.start_worker(Setup::here()).await;
    let grown = system.call("orders").said("s", "grown").query("wait=20").send().await.ok();
    assert_eq!(grown.str("/status"), "completed");
    system.settled(SOON * 2).await;
    system.worker(1).stop().await;
    system.gateway(0).stop().await;
    (lost, grown.receipt())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_was_is_there_again_what_waited_is_handled_once_and_no_receipt_lies() {
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" }, "doubt": "fail" });
    let mut system = system()
        .with(scripted("calls", json!({ "calls": [call], "reply": "called" })))
        .with(trigger("calls").bot("calls"))
        .with(trigger("orders").results([results_on("done", "jobs.done")]))
        .workers(1, &Setup::child())
        .gateways(1, &Setup::here())
        .start()
        .await;
    let old = system.view().epoch().await;
    let Before { done, waiting, open, later } = before(&mut system, &sink).await;

    let directory = system.scratch.path().join("backup");
    let was = contents(&system).await;
    let manifest = take::take(system.view().client(), &directory).await.expect("a backup is taken");
    assert_eq!((manifest.streams.len(), manifest.events.count), (7, 8), "and the open one waits too");
    let twice = take::take(system.view().client(), &directory).await.expect_err("not into the same directory");
    assert!(matches!(twice, backup::Error::NotEmpty(_)), "{twice}");

    let (lost, grown) = after(&mut system, &sink).await;
    let refused = give::give(system.view().client(), &directory).await.expect_err("nothing is overwritten");
    assert!(matches!(refused, backup::Error::Taken(_)), "{refused}");
    lose_everything(&system).await;
    spoil_and_mend(&system, &directory).await;

    let arguments = ["restore".to_owned(), directory.display().to_string()].into_iter().chain(system.servers_told("setup"));
    command::restore::run(&Restore::parse_from(arguments).options).await.expect("the backup is given back");
    assert_eq!(contents(&system).await, was);
    let new = system.view().epoch().await;
    assert!(new > old, "an epoch is never used again");

    // Ledger: what was lost has no end, and what waited has another receipt now.
    system.ledger().allow_strangers();
    for receipt in waiting.iter().chain([&lost, &grown]) {
        system.ledger().forget(receipt);
    }
    system.start_gateway(Setup::here()).await;
    system.ready(1).await;
    system.start_worker(Setup::here()).await;
    let call = |receipt: &Receipt| {
        system.request(1, reqwest::Method::GET, &format!("/v1/integration/trigger/{}/event/{receipt}/fetch", receipt.session.trigger))
    };
    let told = call(&done).send().await.ok();
    assert_eq!((told.str("/status"), told.str("/text")), ("completed", "done2"), "what was committed stays so");
    for receipt in [&lost, &grown] {
        call(receipt).send().await.assert_refused(404, "CUE0303");
    }
    let handled = async || (system.view().try_waiting().await? == 0).then_some(());
    eventually("what waited is handled", SOON * 2, handled).await;
    for receipt in &waiting {
        call(receipt).send().await.assert_refused(404, "CUE0303");
    }
    assert_eq!(ended(&system, &session("orders", "w")).await, ["w0", "w1", "w2", "w3", "w4"], "in order, and once");
    assert_eq!(ended(&system, &session("orders", "s")).await, ["done0", "done1", "done2", "next"]);
    let records = system.view().log_of(key(&open)).await;
    assert_eq!(shape(records.iter().map(|entry| &entry.record)), "iFioC", "the open turn is closed, and the one behind it runs");
    assert!(matches!(&records[1].record.step, Some(Step::Failed(step)) if step.code == "CUE0606"));
    assert_eq!(call(&open).send().await.ok().str("/status"), "failed");

    let orders = |string: &str, text: &str| system.call_at(1, "orders").said(string, text);
    let again = orders("n", "lost").key("lost").send().await.ok();
    assert!(!again.is_replay(), "nobody vouches for an event that was lost: {}", again.body);
    assert_eq!(again.receipt().event.epoch, new);
    let next = orders("s", "new").query("wait=10").send().await.ok();
    assert_eq!((next.str("/status"), next.conversation().event), ("completed", told.conversation().event), "the conversation goes on");
    let fetched = system.request(1, reqwest::Method::GET, &format!("/v1/integration/trigger/orders/event/{later}/fetch")).send().await.ok();
    assert_eq!(fetched.str("/status"), "scheduled");
    let listed = async || {
        let list = system.request(1, reqwest::Method::GET, "/v1/conversation/list").secret(tests::system::API_TOKEN).send().await;
        (list.status == 200 && list.body["items"].as_array()?.len() >= 3).then_some(())
    };
    eventually("the lists are made again", SOON * 2, listed).await;
    system.take_dead().await;
    system.finish().await;
}

/// A backup with a fault in a file is refused before anything is put in place.
async fn spoil_and_mend(system: &System, directory: &Path) {
    let file = directory.join("LOG.snapshot");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let refused = give::give(system.view().client(), directory).await.expect_err("a file is not what it was");
    assert!(matches!(refused, backup::Error::Unusable { .. }), "{refused}");
    std::fs::write(&file, whole).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_taken_under_load_from_a_cluster_has_each_event_once() {
    let mut system = system()
        .cluster()
        .with(scripted("slow", json!({ "latency": "40ms" })))
        .with(trigger("orders").bot("slow"))
        .workers(2, &Setup::here().turns(4))
        .gateways(1, &Setup::here())
        .start()
        .await;
    let load = Load { trigger: "orders", events: 300, sessions: 20, every: std::time::Duration::from_millis(6) };
    let directory = system.scratch.path().join("backup");
    let mut accepted = Vec::new();
    let taking = async {
        crate::progressed(&system, 60).await;
        accepted.extend(system.ledger().receipts());
        take::take(system.view().client(), &directory).await.expect("a backup is taken")
    };
    let ((), manifest) = tokio::join!(load.send(&system), taking);
    system.settled(SOON * 3).await;
    for worker in 0..2 {
        system.worker(worker).stop().await;
    }
    // What each receipt was, before it is lost.
    let texts: BTreeMap<Receipt, String> = texts(&system).await;
    system.gateway(0).stop().await;
    lose_everything(&system).await;
    let (_, told) = give::give(system.view().client(), &directory).await.expect("it is given back");
    let Told { sent, handled, open, .. } = &told;
    assert_eq!((sent + handled + u64::try_from(open.len()).unwrap(), open.len()), (manifest.events.count, 0), "{told:?}");
    assert!(*sent > 0, "some waited: {told:?}");
    backup::forget::forget(&redis(&system)).await.unwrap();
    for receipt in system.ledger().receipts() {
        system.ledger().forget(&receipt);
    }
    system.ledger().allow_strangers();
    system.start_gateway(Setup::here()).await;
    system.ready(1).await;
    system.start_worker(Setup::here()).await;
    let handled = async || (system.view().try_waiting().await? == 0).then_some(());
    eventually("what waited is handled", SOON * 3, handled).await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for text in self::texts(&system).await.into_values() {
        *counts.entry(text).or_default() += 1;
    }
    for receipt in &accepted {
        assert_eq!(counts.get(&texts[receipt]), Some(&1), "{receipt} was accepted before the backup began");
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    system.finish().await;
}

fn redis(system: &System) -> backbone::redis::Redis {
    backbone::redis::Redis::new(&backbone::config::Redis::at(system.redis.url())).unwrap()
}

/// What was said in each turn that has ended.
async fn texts(system: &System) -> BTreeMap<Receipt, String> {
    let log = system.view().log().await;
    let terminal = log.iter().filter(|logged| logged.entry.record.is_terminal());
    let said = terminal.filter_map(|logged| {
        let record = &logged.entry.record;
        Some((Receipt { session: logged.session.clone(), event: record.event }, record.input()?.text.clone()))
    });
    said.collect()
}
