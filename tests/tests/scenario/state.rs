//! Triggers and bots that stand still, triggers that drain, events that lapse.

use std::time::Duration;

use proto::limit;
use proto::record::Step;
use proto::resource::{Bot, Resource, State};
use serde_json::json;
use tests::eventually::never;
use tests::resource::{scripted, trigger};
use tokio::time::Instant;

use crate::schedule::now_ms;
use crate::{SOON, records, session, shape, small};

/// How long a trigger that goes on may take to be at it.
const GOES_ON: Duration = Duration::from_secs(3);

fn slow(state: State) -> Resource {
    let Resource::Bot(bot) = scripted("slow", json!({})) else { panic!("not a bot") };
    Resource::Bot(Bot { state, ..bot })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_trigger_takes_events_and_works_them_off_when_it_goes_on() {
    let system = small().with(trigger("orders").state(State::Paused)).with(trigger("other")).start().await;
    let mut receipts = Vec::new();
    for number in 0..6 {
        receipts.push(system.call("orders").said(&format!("s{}", number % 2), &format!("e{number}")).send().await.receipt());
    }
    let lapsed = system.call("orders").said("s0", "too late").query("expiresIn=500").send().await.receipt();
    let kept = system.call("orders").said("s0", "in time").query("expiresIn=1h").send().await.receipt();
    // Another trigger is not held up.
    system.call("other").text("hi").query("wait=10").send().await.ok();
    never("a turn begins", Duration::from_secs(1), async || Some(system.view().log().await.len()).filter(|len| *len > 1)).await;
    let consumer = system.view().consumer().await;
    assert!(consumer.num_redelivered <= 8, "deliveries storm: {consumer:?}");
    for receipt in &receipts {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), "queued");
    }
    let began = Instant::now();
    system.put(&trigger("orders").into()).await;
    system.settled(SOON).await;
    assert!(began.elapsed() < GOES_ON, "it took {:?}", began.elapsed());
    for receipt in receipts.iter().chain([&kept]) {
        assert_eq!(system.fetch(receipt).send().await.ok().str("/status"), "completed");
    }
    assert_eq!(system.fetch(&lapsed).send().await.ok().str("/status"), "cancelled");
    let log = system.view().log_of(&session("orders", "s0")).await;
    let ends: Vec<_> = log.iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(shape(&ends), "CCCXC");
    let Some(Step::Cancelled(cancelled)) = &ends[3].step else { panic!("{:?}", ends[3]) };
    assert_eq!((cancelled.reason.as_str(), cancelled.by.as_str()), ("CUE0616: expired before its turn began", "expiry"));
    assert_eq!(cancelled.input.as_ref().map(|input| input.text.as_str()), Some("too late"), "what lapsed is on record");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_that_stands_still_holds_the_events_of_its_triggers() {
    let system = small().with(slow(State::Draining)).with(trigger("orders").bot("slow")).start().await;
    let receipt = system.call("orders").said("s", "hi").send().await.receipt();
    never("a turn begins", Duration::from_secs(1), async || Some(system.view().log().await.len()).filter(|len| *len > 0)).await;
    let began = Instant::now();
    system.put(&slow(State::Active)).await;
    system.settled(SOON).await;
    assert!(began.elapsed() < GOES_ON, "it took {:?}", began.elapsed());
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "completed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_waits_for_a_bot_of_its_own_that_stands_still() {
    let system = small().with(slow(State::Paused)).with(trigger("orders")).start().await;
    system.ledger().allow_strangers();
    let made = system.api("conversation/create").json(&json!({ "botId": "slow" })).send().await.ok();
    let asked = system.api(&format!("conversation/{}/complete", made.str("/id"))).json(&json!({ "text": "hi" }));
    let before = system.view().log().await.len();
    let resumed = async {
        let is_begun = async || Some(system.view().log().await.len()).filter(|len| *len > before);
        never("a turn begins", Duration::from_secs(2), is_begun).await;
        system.put(&slow(State::Active)).await;
    };
    let (answer, ()) = tokio::join!(asked.send(), resumed);
    answer.ok();
    assert!(system.view().log().await.len() > before);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_trigger_works_off_what_it_has_and_takes_nothing_new() {
    let system = small().with(trigger("orders").state(State::Paused)).start().await;
    let before = system.call("orders").said("s", "before").send().await.receipt();
    // It began to drain so long ago that nothing that comes now was on its way by then.
    let grace_ms = i64::try_from(limit::DRAINING_GRACE.as_millis()).unwrap();
    system.put(&trigger("orders").state(State::Draining).changed_at(now_ms() - grace_ms).into()).await;
    system.settled(SOON).await;
    let refused = async || Some(system.call("orders").text("x").send().await).filter(|answer| answer.status == 409);
    tests::eventually::eventually("the gateway refuses", SOON, refused).await.assert_refused(409, "CUE0417");
    let direct = system.publish(&session("orders", "d"), None, json!({ "text": "direct" }).to_string()).await;
    let log = system.settled(SOON).await;
    let Some(Step::Failed(failed)) = &records(&log).last().unwrap().step.clone() else { panic!("{log:?}") };
    assert_eq!((failed.code.as_str(), failed.dead), ("CUE0417", false));
    assert_eq!(system.fetch(&direct).send().await.ok().str("/status"), "failed");
    assert_eq!(system.fetch(&before).send().await.ok().str("/status"), "completed");
    system.finish().await;
}
