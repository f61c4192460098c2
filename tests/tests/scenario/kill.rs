//! Kill -9 at every step of a turn that thinks, acts, waits and replies.
//!
//! The words of the model come from a script, over a real wire; three abilities act on a real HTTP
//! service: one that may be done again by its method, one by its policy, one that must not. Whatever
//! the point, the conversation reads the same afterwards.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::id::Receipt;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::resource::{agent, skillset, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::System;

use crate::system;

/// How long a turn may take that another worker goes on with.
const RECOVERED: Duration = Duration::from_secs(30);

/// Where a worker dies: before and after each.
const PLACES: [&str; 20] = [
    "think#1",
    "append.intents#1",
    "run.look#1",
    "run.book#1",
    "run.pay#1",
    "append.outcomes#1",
    "think#2",
    "append.intents#2",
    "schedule#1",
    "append.suspended#1",
    "ack#1",
    "append.received#1",
    "think#3",
    "append.intents#3",
    "run.look#2",
    "append.outcomes#2",
    "think#4",
    "append.completed#1",
    "ack#2",
    "ack#3",
];

struct Stage {
    system: System,
    oracle: Oracle,
    sink: Sink,
}

impl Stage {
    async fn set() -> Self {
        let oracle = Oracle::start(|steps, _| match steps {
            0 => Say::Calls(vec![("look".into(), json!({ "id": "1" })), ("book".into(), json!({})), ("pay".into(), json!({}))]),
            1 => Say::Calls(vec![("ask".into(), json!({}))]),
            2 => Say::Calls(vec![("look".into(), json!({ "id": "2" }))]),
            _ => Say::Text("Booked and paid.".into()),
        })
        .await;
        let sink = Sink::start().await;
        // Long enough that a worker which dies at one call has begun the others.
        sink.set_latency(Duration::from_millis(50));
        let block = |request: &str, path: &str| format!("```fetch\n{request} {}\n```", sink.url(path));
        let abilities = json!([
            { "name": "look", "instruction": block("GET", "look/$[id! euc]/${CONVERSATION_SESSION}") },
            { "name": "book", "doubt": "retry", "instruction": block("PUT", "book/${CONVERSATION_SESSION}") },
            { "name": "pay", "instruction": block("POST", "pay/${CONVERSATION_SESSION}") },
            { "name": "ask", "instruction": "```await/timeout=1h\nGo on?\n```" },
        ]);
        let system = system()
            .with(skillset("shop", abilities))
            .with(agent("clerk", json!({ "model": "oracle/scripted", "skillset": "shop" })))
            .with(trigger("orders").bot("clerk"))
            .gateways(1, &Setup::here())
            .start()
            .await;
        Self { system, oracle, sink }
    }

    fn setup(&self, setup: Setup) -> Setup {
        setup.settings(self.oracle.settings(""))
    }

    /// Runs a turn, killing its first worker at a point if there is one; what the conversation says.
    async fn turn(&mut self, session: &str, point: Option<&str>) -> Vec<String> {
        let doomed = match point {
            Some(point) => self.system.start_worker(self.setup(Setup::child().fatal(point))).await,
            None => self.system.start_worker(self.setup(Setup::child())).await,
        };
        let receipt = self.system.call("orders").said(session, &format!("go {session}")).send().await.receipt();
        let mut heir = None;
        let mut is_answered = false;
        let until = tokio::time::Instant::now() + RECOVERED;
        loop {
            assert!(tokio::time::Instant::now() < until, "{point:?}: {}", self.system.fetch(&receipt).send().await.ok().body);
            if heir.is_none() && self.system.worker(doomed).has_died() {
                heir = Some(self.system.start_worker(self.setup(Setup::child())).await);
            }
            let told = self.system.fetch(&receipt).send().await.ok();
            match told.str("/status") {
                "completed" if point.is_none() || heir.is_some() => break,
                "waiting" if !is_answered => {
                    self.say_yes(&receipt).await;
                    is_answered = true;
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        let told = lines(&self.system.fetch(&receipt).send().await.ok().body);
        self.system.worker(heir.unwrap_or(doomed)).stop().await;
        told
    }

    async fn say_yes(&self, receipt: &Receipt) {
        let answer = json!({ "event": receipt.to_string(), "call": "2.0", "text": "yes", "by": "ada" });
        self.system.publish_to(&proto::subject::answer(&receipt.session), None, answer.to_string()).await;
    }
}

/// What a reader sees, without times and ids; what was said because of a doubt is told apart.
fn lines(told: &Value) -> Vec<String> {
    let line = |message: &Value| {
        let (activity, answer) = (&message["meta"]["activity"], &message["meta"]["answer"]);
        let waiting = message["meta"].get("waiting").map(|waiting| waiting["calls"].to_string()).unwrap_or_default();
        let function = activity.get("function").map(|function| match function.get("result") {
            Some(_) => "ended".to_owned(),
            None => function.to_string(),
        });
        let text = if message["type"] == "user" { "" } else { message["text"].as_str().unwrap_or_default() };
        let (kind, call) = (&activity["type"], &activity["call"]);
        format!("{} {text} {kind} {call} {} {waiting} {answer}", message["type"], function.unwrap_or_default())
    };
    told["messages"].as_array().expect("messages").iter().map(line).collect()
}

/// Kills a worker at some of the points; each conversation must read like one in which nobody died.
#[expect(clippy::print_stdout, reason = "the points stand beside the verdict")]
async fn check(part: usize, parts: usize) {
    let mut stage = Stage::set().await;
    let expected = stage.turn("calm", None).await;
    assert_eq!(stage.oracle.asked_about("go calm"), 4);
    let points: Vec<String> = PLACES.iter().flat_map(|place| [format!("{place}.before"), format!("{place}.after")]).collect();
    let mine: Vec<&String> = points.iter().skip(part).step_by(parts).collect();
    println!("{} of {} kill points: {mine:?}", mine.len(), points.len());
    assert!(points.len() >= 25);
    for (number, point) in mine.iter().enumerate() {
        let session = format!("k{part}x{number}");
        let found = stage.turn(&session, Some(point)).await;
        let doubts = found.iter().filter(|line| line.contains("inDoubt")).count();
        assert!(doubts <= 1, "{point}: {found:#?}");
        let settle = |lines: &[String]| lines.iter().map(|line| line.replace(r#"{"inDoubt":true}"#, "ended")).collect::<Vec<_>>();
        // Outcomes of one step come in the order in which they ended.
        let sorted = |lines: &[String]| {
            let mut lines = settle(lines);
            lines.sort();
            lines
        };
        assert_eq!(sorted(&found), sorted(&expected), "{point}");
        let asked = stage.oracle.asked_about(&format!("go {session}"));
        assert!((4..=5).contains(&asked), "{point}: the model was asked {asked} times");
        let hits: Vec<_> = stage.sink.hits().into_iter().filter(|hit| hit.path.ends_with(&format!("/{session}"))).collect();
        let of = |name: &str| hits.iter().filter(|hit| hit.path.contains(name)).collect::<Vec<_>>();
        assert!(of("/pay/").len() <= 1, "{point}: paid {} times", of("/pay/").len());
        for name in ["/look/1/", "/look/2/", "/book/"] {
            let keys: BTreeSet<&str> = of(name).iter().map(|hit| hit.key.as_str()).collect();
            assert_eq!(keys.len(), 1, "{point}: {name} under {keys:?}");
        }
    }
    // What was committed and not acked by those that died comes again, and is acked on sight.
    let setup = stage.setup(Setup::here());
    stage.system.start_worker(setup).await;
    stage.system.settled(RECOVERED).await;
    let is_clear = async || stage.system.view().try_waiting().await.filter(|waiting| *waiting == 0).map(drop);
    eventually("everything is acked", RECOVERED, is_clear).await;
    stage.system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_reads_the_same_whatever_point_its_worker_is_killed_at_first_quarter() {
    check(0, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_reads_the_same_whatever_point_its_worker_is_killed_at_second_quarter() {
    check(1, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_reads_the_same_whatever_point_its_worker_is_killed_at_third_quarter() {
    check(2, 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_reads_the_same_whatever_point_its_worker_is_killed_at_last_quarter() {
    check(3, 4).await;
}
