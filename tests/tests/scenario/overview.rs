//! How it goes, over all processes: each event and each end counted once, whoever counts and however often.

use std::collections::BTreeMap;

use proto::id::Receipt;
use reqwest::Method;
use serde_json::{Value, json};
use tests::call::Answer;
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::resource::{agent, scripted, skillset, token, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::{API_TOKEN, System};

use crate::{SOON, small, system};

/// How many events are sent.
const EVENTS: usize = 20;

async fn overview(system: &System, span: &str) -> Answer {
    system.request(0, Method::GET, &format!("/v1/overview/fetch?span={span}")).secret(API_TOKEN).send().await
}

/// Waits until the overview is so.
async fn shows(system: &System, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let fitting = async || Some(overview(system, "1h").await.ok().body).filter(|shown| fits(shown));
    eventually(what, SOON, fitting).await
}

/// How many calls all gateways have added up.
async fn accepted(system: &System) -> i64 {
    let slots: Vec<String> = system.view().redis(&["KEYS", "cue:{idx}:accepts:7d:*"]).await.unwrap();
    let mut sum = 0;
    for slot in slots {
        let fields: BTreeMap<String, i64> = system.view().redis(&["HGETALL", &slot]).await.unwrap();
        sum += fields.iter().filter(|(field, _)| *field != "r").map(|(_, count)| count).sum::<i64>();
    }
    sum
}

/// Checks one span of a system that has done all its events a moment ago.
fn check(shown: &Value, (span, step_ms, count): (&str, i64, usize)) {
    let points = shown["points"].as_array().unwrap();
    assert_eq!((shown["span"].as_str(), shown["stepMs"].as_i64(), points.len()), (Some(span), Some(step_ms), count), "{shown}");
    let times: Vec<i64> = points.iter().map(|point| point["at"].as_i64().unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == step_ms), "{times:?}");
    let (last, now) = (*times.last().unwrap(), shown["at"].as_i64().unwrap());
    assert!(last <= now && now < last + step_ms && last % step_ms == 0, "{last} of {now}");
    for name in ["events", "completed", "failed", "dead", "cancelled", "tokens"] {
        let sum: u64 = points.iter().map(|point| point[name].as_u64().unwrap()).sum();
        assert_eq!(Some(sum), shown["total"][name].as_u64(), "{name}");
    }
    // They were just sent: in the newest points, and nothing is in those before.
    let old = &points[..count - 3];
    assert!(old.iter().all(|point| point["events"] == 0 && point["turnP50Ms"].is_null()), "{old:?}");
    let total = &shown["total"];
    assert_eq!((&total["events"], &total["completed"], &total["failed"]), (&json!(EVENTS), &json!(EVENTS), &json!(0)), "{total}");
    let quantile = |name: &str| total[name].as_f64().unwrap_or_else(|| panic!("no {name}: {total}"));
    // The bot takes 100 ms, and what is told is wrong by at most 22 %.
    assert!((80.0..5_000.0).contains(&quantile("turnP50Ms")) && quantile("turnP99Ms") >= quantile("turnP50Ms"), "{total}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_several_gateways_and_indexers_count_is_counted_once() {
    let slow = scripted("slow", json!({ "latency": "100ms" }));
    let mut system =
        system().with(slow).with(trigger("orders").bot("slow")).workers(2, &Setup::here()).gateways(2, &Setup::here()).start().await;
    for number in 0..EVENTS {
        system.call_at(number % 2, "orders").said(&format!("s{}", number % 7), "hello").send().await.receipt();
    }
    let is_done = |shown: &Value| shown["total"]["completed"] == EVENTS && shown["now"]["backlog"] == 0;
    let shown = shows(&system, "all have ended", is_done).await;
    assert_eq!(shown["now"], json!({ "backlog": 0, "running": 0, "waiting": 0, "dead": 0, "workers": 2 }));
    assert_eq!((&shown["index"]["complete"], &shown["index"]["lag"]), (&json!(true), &json!(0)));
    let all_added = async || (accepted(&system).await == i64::try_from(EVENTS).unwrap()).then_some(());
    eventually("both gateways have added up", SOON, all_added).await;
    let spans = [("1h", 60_000, 60), ("24h", 1_800_000, 48), ("7d", 10_800_000, 56)];
    for span in spans {
        let shown = overview(&system, span.0).await.ok().body;
        check(&shown, span);
        let told = shown["total"]["acceptP50Ms"].as_f64().unwrap();
        assert!(told > 0.0 && told < 2_000.0 && shown["total"]["acceptP99Ms"].as_f64() >= Some(told), "{shown}");
    }
    system.start_worker(Setup::here()).await;
    for round in 0..2 {
        system.view().redis::<()>(&["FLUSHALL"]).await.unwrap();
        overview(&system, "7d").await.ok();
        shows(&system, "the figures are back", |shown| is_done(shown) && shown["index"]["complete"] == true).await;
        for span in spans {
            let shown = overview(&system, span.0).await.ok().body;
            check(&shown, span);
            assert_eq!(shown["total"]["acceptP50Ms"], Value::Null, "nobody can tell again how long calls took, round {round}");
        }
    }
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_calls_are_added_up_when_a_gateway_stops() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    for number in 0..3 {
        system.call("orders").said(&format!("s{number}"), "hello").send().await.receipt();
    }
    // Not an event's call.
    system.call("orders").secret("wrong").said("s", "hello").send().await.assert_refused(401, "CUE0201");
    system.gateway(0).stop().await;
    assert_eq!(accepted(&system).await, 3);
    system.start_worker(Setup::here()).await;
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_is_told_by_what_it_waits_for() {
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("ask".into(), json!({}))]),
        _ => Say::Text("thanks".into()),
    })
    .await;
    let sink = Sink::start().await;
    sink.hold();
    let call = json!({ "ability": "fetch", "with": { "url": sink.url("x"), "method": "POST" }, "doubt": "fail" });
    let mut system = system()
        .with(scripted("calls", json!({ "calls": [call], "reply": "done" })))
        .with(trigger("orders").bot("calls"))
        .with(skillset("shop", json!([{ "name": "ask", "instruction": "```await/timeout=1h\nWhich colour?\n```" }])))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "skillset": "shop" })))
        .with(trigger("questions").bot("clerk"))
        .workers(1, &Setup::here().settings(oracle.settings("")))
        .gateways(1, &Setup::here())
        .start()
        .await;
    system.call("orders").said("s", "first").send().await.receipt();
    system.call("orders").said("s", "second").send().await.receipt();
    let asked: Receipt = system.call("questions").said("s", "hello").send().await.receipt();
    system.publish_to("event.nothing.s", None, r#"{"text":"hi"}"#).await;
    let expected = json!({ "backlog": 1, "running": 1, "waiting": 1, "dead": 1, "workers": 1 });
    let shown = shows(&system, "each is where it is", |shown| shown["now"] == expected).await;
    // What has begun has been accepted; what waits in the queue is told once it begins.
    assert_eq!((&shown["total"]["events"], &shown["total"]["completed"]), (&json!(2), &json!(0)), "{shown}");
    sink.release();
    let answer = json!({ "event": asked.to_string(), "call": "1.0", "text": "blue" });
    system.publish_to(&proto::subject::answer(&asked.session), None, answer.to_string()).await;
    let expected = json!({ "backlog": 0, "running": 0, "waiting": 0, "dead": 1, "workers": 1 });
    let shown = shows(&system, "all have ended", |shown| shown["now"] == expected && shown["total"]["completed"] == 3).await;
    assert_eq!(shown["total"]["events"], 3, "{shown}");
    assert_eq!(system.take_dead().await.len(), 1);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_overview_is_refused_for_its_caller_or_its_span_and_for_nothing_else() {
    use proto::resource::{ApiToken, Resource, Scope};

    let limited = ApiToken { triggers: vec!["orders".parse().unwrap()], ..token("one", "sk-limited", &[Scope::Read]) };
    let system = small().with(trigger("orders")).with(Resource::Token(limited)).start().await;
    for span in ["2h", "1H", "60"] {
        let refused = overview(&system, span).await;
        refused.assert_refused(400, "CUE0106");
        assert_eq!(refused.str("/field"), "span");
    }
    let path = "/v1/overview/fetch";
    system.request(0, Method::GET, path).secret("sk-limited").send().await.assert_refused(403, "CUE0204");
    assert_eq!(system.request(0, Method::GET, path).secret(API_TOKEN).send().await.ok().str("/span"), "1h");
    system.redis.kill().await;
    let shown = overview(&system, "7d").await.ok().body;
    assert_eq!((&shown["points"], &shown["total"], &shown["index"]), (&json!([]), &Value::Null, &Value::Null));
    assert_eq!(shown["now"], json!({ "backlog": 0, "running": null, "waiting": null, "dead": 0, "workers": null }));
    system.redis.restart().await;
    shows(&system, "the index is back", |shown| shown["index"]["complete"] == true).await;
    system.finish().await;
}
