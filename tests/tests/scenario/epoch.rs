//! The EVENTS stream is made anew, and its sequence begins again.

use proto::record::Step;
use proto::subject::events_stream;
use serde_json::json;
use tests::resource::{scripted, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::{FIRST_SECOND, System};

use crate::{SOON, records, session, shape, small, system};

async fn make_anew(system: &System) {
    let old = system.view().epoch().await;
    assert!(system.view().delete_stream(&events_stream(old)).await.success);
    let new = system.ensure(FIRST_SECOND).await;
    assert!(new > old, "a name is never used again");
    let published = async || system.call("orders").said("probe", "probe").send().await.status.is_success().then_some(());
    tests::eventually::eventually("the new stream takes events", SOON, published).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_made_anew_runs_its_low_sequences_and_never_answers_for_an_old_receipt() {
    let mut system = small().with(trigger("orders")).start().await;
    let mut old = Vec::new();
    for number in 0..5 {
        let answer = system.call("orders").said("s", &format!("old{number}")).query("wait=10").send().await.ok();
        old.push(answer.receipt());
    }
    // An event that nobody handles before its stream is gone.
    system.worker(0).stop().await;
    let lost = system.call("orders").said("lost", "lost").send().await.receipt();
    assert_eq!(system.fetch(&lost).send().await.ok().str("/status"), "queued");
    system.ledger().forget(&lost);
    system.start_worker(Setup::here()).await;
    system.worker(1).stop().await;
    make_anew(&system).await;
    system.start_worker(Setup::here()).await;

    let mut new = system.call("orders").said("lost", "new").query("wait=10").send().await.ok();
    while new.receipt().event.seq < lost.event.seq {
        new = system.call("orders").said("lost", "new").query("wait=10").send().await.ok();
    }
    assert!(new.receipt().event.epoch > lost.event.epoch && new.receipt().event.seq == lost.event.seq);
    assert_eq!(new.str("/text"), "new");
    system.fetch(&lost).send().await.assert_refused(404, "CUE0303");
    let fetched = system.fetch(&old[4]).send().await.ok();
    assert_eq!((fetched.str("/status"), fetched.str("/text")), ("completed", "old4"), "what was committed stays so");
    let answer = system.call("orders").said("s", "new").query("wait=10").send().await.ok();
    assert_eq!((answer.str("/status"), answer.str("/text")), ("completed", "new"));
    assert_eq!(answer.conversation().event, old[0].event, "the conversation goes on");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_lingers_with_its_owner_goes_on_in_the_new_stream() {
    let system = small().with(trigger("orders")).start().await;
    for number in 0..3 {
        system.call("orders").said("s", &format!("old{number}")).query("wait=10").send().await.receipt();
    }
    assert!(system.view().owner(&session("orders", "s")).await.is_some(), "it lingers");
    make_anew(&system).await;
    let answer = system.call("orders").said("s", "new").query("wait=10").send().await.ok();
    assert_eq!((answer.str("/status"), answer.str("/text")), ("completed", "new"));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_was_open_in_the_old_stream_is_closed_before_a_new_one_begins() {
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" } });
    let bot = scripted("calls", json!({ "calls": [call], "reply": "done" }));
    let builder = system().with(bot).with(trigger("calls").bot("calls")).with(trigger("orders"));
    let mut system = builder.workers(1, &Setup::child()).gateways(1, &Setup::here()).start().await;
    let open = system.call("calls").said("s", "old").send().await.receipt();
    sink.reached(1, SOON).await;
    system.worker(0).kill().await;
    make_anew(&system).await;
    sink.release();
    system.start_worker(Setup::here()).await;
    let answer = system.call("calls").said("s", "new").query("wait=10").send().await.ok();
    assert_eq!(answer.str("/status"), "completed");
    let log = system.view().log_of(&open.session).await;
    assert_eq!(shape(log.iter().map(|entry| &entry.record)), "iFioC");
    assert!(matches!(&log[1].record.step, Some(Step::Failed(step)) if step.code == "CUE0606" && !step.dead));
    assert_eq!(system.fetch(&open).send().await.ok().str("/status"), "failed");
    assert_eq!(records(&system.view().log().await).iter().filter(|record| record.event == open.event).count(), 2);
    system.finish().await;
}
