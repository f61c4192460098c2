//! A model that reads events and acts: over a real wire, with words from a script.

use std::time::Duration;

use proto::answer::Answer;
use proto::id::Receipt;
use proto::resource::{Budget, Limits};
use reqwest::Method;
use serde_json::{Value, json};
use tests::eventually::eventually;
use tests::oracle::{Oracle, Say};
use tests::peer::browser;
use tests::resource::{agent, skillset, trigger};
use tests::setup::Setup;
use tests::sink::Sink;
use tests::system::{API_TOKEN, System};

use crate::{SOON, system};

fn block(action: &str, body: &str) -> String {
    format!("```{action}\n{body}\n```")
}

/// What a bot of these abilities runs on.
async fn shop(oracle: &Oracle, abilities: Value, more: &str) -> System {
    system()
        .with(skillset("shop", abilities))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "backstory": "You are the clerk.", "skillset": "shop" })))
        .with(trigger("orders").bot("clerk"))
        .workers(1, &Setup::here().settings(oracle.settings(more)))
        .gateways(1, &Setup::here())
        .start()
        .await
}

/// Says something to a turn over NATS.
async fn say(system: &System, receipt: &Receipt, answer: Value) {
    let mut answer = answer;
    answer["event"] = receipt.to_string().into();
    system.publish_to(&proto::subject::answer(&receipt.session), None, answer.to_string()).await;
}

async fn waits(system: &System, receipt: &Receipt) {
    let is_waiting = async || Some(system.fetch(receipt).send().await.ok()).filter(|told| told.str("/status") == "waiting").map(drop);
    eventually("the turn waits", SOON, is_waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_looks_something_up_and_replies() {
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("look_up".into(), json!({ "id": "42" })), ("look_up".into(), json!({ "id": "43" }))]),
        _ => Say::Text("Both are on their way. ✓".into()),
    })
    .await;
    let sink = Sink::start().await;
    let look_up = block("fetch", &format!("GET {}\nAuthorization: ${{SECRET_SHOP}}", sink.url("orders/$[id! euc|the order]")));
    let secrets = "secrets: [{ name: shop, type: bearer, file: token.txt }]";
    let abilities = json!([{ "name": "Look up", "description": "Looks an order up.", "instruction": look_up }]);
    let token = format!("{}/token.txt", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&token, "t0ps3cret").unwrap();
    let system = shop(&oracle, abilities, &secrets.replace("token.txt", &format!("'{token}'"))).await;
    let told = system.call("orders").said("s", "Where are 42 and 43?").query("wait=20").send().await.ok();
    assert_eq!((told.str("/status"), told.str("/text")), ("completed", "Both are on their way. ✓"));
    let paths: Vec<String> = sink.hits().into_iter().map(|hit| hit.path).collect();
    assert_eq!(paths.len(), 2);
    assert!(paths.contains(&"/orders/42".into()) && paths.contains(&"/orders/43".into()));
    let questions = oracle.asked();
    assert_eq!(questions.len(), 2);
    assert_eq!(questions[0]["tools"][0]["function"]["name"], "look_up");
    assert!(questions[0]["messages"].to_string().contains("You are the clerk."));
    let text = format!("{questions:?} {:?}", system.view().log().await);
    assert!(!text.contains("t0ps3cret"), "no model and no record sees a secret");
    let usage = &told.body["messages"].as_array().unwrap().last().unwrap()["meta"]["usage"][0];
    assert_eq!(
        (usage["model"].as_str(), usage["calls"].as_u64(), usage["inputTokens"].as_u64()),
        (Some("oracle/scripted"), Some(2), Some(200))
    );
    let again = system.call("orders").said("s", "Thanks").query("wait=20").send().await.ok();
    assert_eq!(again.str("/status"), "completed");
    assert!(oracle.asked()[2]["messages"].to_string().contains("Where are 42 and 43?"), "the next turn knows what was said");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_that_do_not_fit_go_back_to_the_model() {
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("say".into(), json!({ "loudness": "x" }))]),
        1 => Say::Calls(vec![("say".into(), json!({ "words": "hi" })), ("nothing".into(), json!({}))]),
        _ => Say::Text("done".into()),
    })
    .await;
    let system = shop(&oracle, json!([{ "name": "say", "instruction": block("echo", "$[words!]") }]), "").await;
    let told = system.call("orders").said("s", "go").query("wait=20").send().await.ok();
    assert_eq!(told.str("/text"), "done");
    let questions = oracle.asked();
    assert!(questions[1]["messages"].to_string().contains("JSON schema"));
    let last = questions[2]["messages"].to_string();
    assert!(last.contains("there is no function") && last.contains("hi"), "{last}");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_waits_for_leave_and_for_words_without_holding_a_worker() {
    let oracle = Oracle::start(|steps, question| match steps {
        0 if question["messages"].to_string().contains("And then?") => Say::Text("nothing".into()),
        0 => Say::Calls(vec![("pay".into(), json!({ "id": "7" })), ("ask".into(), json!({}))]),
        _ => Say::Text(format!("paid; the colour is {}", if question.to_string().contains("blue") { "blue" } else { "unknown" })),
    })
    .await;
    let sink = Sink::start().await;
    let abilities = json!([
        { "name": "pay", "approval": true, "instruction": block("fetch", &format!("POST {}", sink.url("pay/$[id! euc]"))) },
        { "name": "ask", "instruction": "```await/timeout=1h\nWhich colour?\n```" },
    ]);
    let system = shop(&oracle, abilities, "").await;
    let receipt = system.call("orders").said("s", "Pay 7").send().await.receipt();
    waits(&system, &receipt).await;
    let later = system.call("orders").said("s", "And then?").send().await.receipt();
    let is_free = async || system.view().try_leases().await.filter(Vec::is_empty).map(drop);
    eventually("the lease is given back while the turn waits", SOON, is_free).await;
    assert_eq!(sink.hits().len(), 0, "nothing is paid without leave");
    say(&system, &receipt, json!({ "call": "9.9", "approve": true })).await;
    let list = async |path: &str| system.request(0, Method::GET, path).secret(API_TOKEN).send().await;
    let asked = async || {
        Some(list("/v1/approval/list?order=asc").await).filter(|asked| asked.body["items"].as_array().is_some_and(|items| items.len() == 2))
    };
    let asked = eventually("both questions are listed", SOON, asked).await;
    assert_eq!((asked.str("/items/0/id"), asked.str("/items/0/type")), (format!("{receipt}.1.0").as_str(), "approval"));
    assert_eq!((asked.str("/items/0/arguments/id"), asked.str("/items/1/question")), ("7", "Which colour?"));
    let decide = |call: &str, verb: &str| {
        system
            .request(0, Method::POST, &format!("/v1/approval/{receipt}.{call}/{verb}"))
            .secret(API_TOKEN)
            .json(&json!({ "reason": "fine" }))
    };
    decide("1.1", "approve").send().await.assert_refused(409, "CUE0404");
    decide("9.9", "approve").send().await.assert_refused(409, "CUE0404");
    decide("1.0", "approve").send().await.ok();
    say(&system, &receipt, json!({ "call": "1.1", "text": "blue" })).await;
    let none =
        async || Some(list("/v1/approval/list").await).filter(|asked| asked.body["items"].as_array().is_some_and(Vec::is_empty)).map(drop);
    eventually("nobody is asked any more", SOON, none).await;
    let is_done = async || Some(system.fetch(&receipt).send().await.ok()).filter(|told| told.str("/status") == "completed");
    let told = eventually("the turn goes on", SOON, is_done).await;
    assert_eq!(told.str("/text"), "paid; the colour is blue");
    assert_eq!(sink.hits().len(), 1);
    let is_done = async || Some(system.fetch(&later).send().await.ok()).filter(|told| told.str("/status") == "completed").map(drop);
    eventually("the event behind it has its turn at once", SOON, is_done).await;
    assert!(told.told().iter().any(|line| line.starts_with("activity:")));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_answers_and_the_time_out_goes_on_with_the_turn() {
    let oracle = Oracle::start(|steps, _| match steps {
        0 => Say::Calls(vec![("ask".into(), json!({}))]),
        _ => Say::Text("I went on alone.".into()),
    })
    .await;
    let system = shop(&oracle, json!([{ "name": "ask", "instruction": "```await/timeout=2s\nWhich colour?\n```" }]), "").await;
    let told = system.call("orders").said("s", "go").query("wait=30").send().await.ok();
    assert_eq!((told.str("/status"), told.str("/text")), ("completed", "I went on alone."));
    assert!(oracle.asked()[1]["messages"].to_string().contains("nobody answered in time"));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_waits_survives_the_worker_it_was_begun_by() {
    let oracle =
        Oracle::start(|steps, _| if steps == 0 { Say::Calls(vec![("ask".into(), json!({}))]) } else { Say::Text("thanks".into()) }).await;
    let mut system = shop(&oracle, json!([{ "name": "ask", "instruction": "```await\nWell?\n```" }]), "").await;
    let receipt = system.call("orders").said("s", "go").send().await.receipt();
    waits(&system, &receipt).await;
    system.worker(0).stop().await;
    system.start_worker(Setup::here().settings(oracle.settings(""))).await;
    say(&system, &receipt, json!({ "call": "1.0", "text": "yes" })).await;
    let is_done = async || Some(system.fetch(&receipt).send().await.ok()).filter(|told| told.str("/status") == "completed").map(drop);
    eventually("the turn goes on elsewhere", SOON, is_done).await;
    assert_eq!(oracle.asked().len(), 2);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_turn_may_take_is_not_passed() {
    let oracle = Oracle::start(|_, _| Say::Calls(vec![("say".into(), json!({ "words": "again" }))])).await;
    let limits = |turn| Limits { turn: Some(turn), ..Limits::default() };
    let abilities = json!([{ "name": "say", "instruction": block("echo", "$[words!]") }]);
    let system = system()
        .with(skillset("shop", abilities))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "skillset": "shop" })))
        .with(trigger("calls").bot("clerk").limits(limits(Budget { model_calls: 3, ..Budget::default() })))
        .with(trigger("acts").bot("clerk").limits(limits(Budget { ability_calls: 1, ..Budget::default() })))
        .with(trigger("tokens").bot("clerk").limits(limits(Budget { tokens: 1_700, ..Budget::default() })))
        .with(trigger("day").bot("clerk").limits(Limits { day: Some(Budget { model_calls: 5, ..Budget::default() }), ..Limits::default() }))
        .workers(1, &Setup::here().settings(oracle.settings("")))
        .gateways(1, &Setup::here())
        .start()
        .await;
    for (name, calls, reason) in [("calls", 3, "3 model calls"), ("acts", 2, "1 ability calls"), ("day", 5, "5 model calls")] {
        let before = oracle.asked().len();
        let told = system.call(name).said("s", "go").query("wait=20").send().await.ok();
        assert_eq!(told.str("/status"), "failed");
        let failure = told.body["messages"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(failure["meta"]["failure"]["code"], "CUE0611");
        assert!(failure["text"].as_str().unwrap().contains(reason), "{failure}");
        assert_eq!(oracle.asked().len() - before, calls, "{name}");
        assert_eq!(failure["meta"]["usage"][0]["calls"], calls);
    }
    let told = system.call("tokens").said("s", "go").query("wait=20").send().await.ok();
    assert_eq!(told.str("/status"), "failed");
    let told = system.call("day").said("other", "go").query("wait=20").send().await.ok();
    assert_eq!(told.str("/status"), "failed", "the day's budget is everybody's");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_turn_goes_on_with_the_configuration_that_it_began_with() {
    let oracle = Oracle::start(|steps, question| match steps {
        0 => Say::Calls(vec![("ask".into(), json!({}))]),
        _ => Say::Text(if question.to_string().contains("OLD") { "old" } else { "new" }.into()),
    })
    .await;
    let system = shop(&oracle, json!([{ "name": "ask", "instruction": "```await\nWell?\n```" }]), "").await;
    let clerk = |backstory: &str| agent("clerk", json!({ "model": "oracle/scripted", "backstory": backstory, "skillset": "shop" }));
    system.put(&clerk("OLD")).await;
    let fresh = async || {
        let told = system.call("orders").text("probe").send().await.receipt();
        waits(&system, &told).await;
        let asked = oracle.asked().last().unwrap()["messages"].to_string();
        say(&system, &told, json!({ "call": "1.0", "text": "x" })).await;
        asked.contains("OLD").then_some(())
    };
    eventually("the worker knows the new backstory", SOON, fresh).await;
    let receipt = system.call("orders").said("s", "go").send().await.receipt();
    waits(&system, &receipt).await;
    system.put(&clerk("NEW")).await;
    system.put(&skillset("shop", json!([{ "name": "other", "instruction": block("echo", "x") }]))).await;
    let changed = async || {
        let told = system.call("orders").text("probe").query("wait=5").send().await.ok();
        let asked = oracle.asked();
        drop(told);
        asked.iter().any(|question| question["messages"].to_string().contains("NEW")).then_some(())
    };
    eventually("the worker knows the newer backstory", SOON, changed).await;
    say(&system, &receipt, json!({ "call": "1.0", "text": "yes" })).await;
    let is_done = async || Some(system.fetch(&receipt).send().await.ok()).filter(|told| told.str("/status") == "completed");
    let told = eventually("the turn goes on", SOON, is_done).await;
    assert_eq!(told.str("/text"), "old");
    // Turns of the probes that wait for ever are called off, so that nothing is left open.
    for logged in system.view().log().await {
        let record = &logged.entry.record;
        if matches!(record.step, Some(proto::record::Step::Suspended(_))) {
            let receipt = Receipt { session: logged.session.clone(), event: record.event };
            let cancel = Answer {
                event: receipt.event,
                call: String::new(),
                by: "test".into(),
                kind: proto::answer::Kind::Cancel(proto::wire::Cancel::default()),
            };
            system.publish_to(&proto::subject::answer(&receipt.session), None, cancel.encode()).await;
        }
    }
    system.settled(SOON).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_away_fails_the_turn_with_its_reason() {
    let system = system()
        .with(agent("clerk", json!({ "model": "nowhere/scripted" })))
        .with(agent("stranger", json!({ "model": "inside/scripted" })))
        .with(
            trigger("orders")
                .bot("clerk")
                .limits(Limits { turn: Some(Budget { time_ms: 3_000, ..Budget::default() }), ..Limits::default() }),
        )
        .with(trigger("inside").bot("stranger"))
        .workers(
            1,
            &Setup::here().settings(
                "providers:\n  - { id: nowhere, kind: compatible, baseUrl: 'http://127.0.0.1:1/v1/' }\n  \
                 - { id: inside, kind: compatible, baseUrl: 'http://10.1.2.3/v1/' }\n",
            ),
        )
        .gateways(1, &Setup::here())
        .start()
        .await;
    let told = system.call("orders").text("go").query("wait=30").send().await.ok();
    assert_eq!(told.str("/status"), "failed");
    let told = system.call("inside").text("go").query("wait=30").send().await.ok();
    let failure = told.body["messages"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(failure["meta"]["failure"]["code"], "CUE0610", "{failure}");
    assert!(failure["text"].as_str().unwrap().contains("private"), "{failure}");
    system.settled(Duration::from_secs(5)).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_follows_turns_and_decides_in_a_browser() {
    let oracle = Oracle::start(|steps, question| {
        let last = question["messages"].as_array().and_then(|messages| messages.iter().rfind(|message| message["role"] == "user"));
        let last = last.map(ToString::to_string).unwrap_or_default();
        match steps {
            0 if last.contains("slowly") => Say::Text(format!("Once upon a time {} The end.", "and then ".repeat(12))),
            0 if last.contains("Pay") => Say::Calls(vec![("pay".into(), json!({ "id": "7" })), ("ask".into(), json!({}))]),
            0 => Say::Text("a short tale".into()),
            _ => Say::Text("paid; the colour is blue".into()),
        }
    })
    .await;
    oracle.set_pace(Duration::from_millis(60));
    let sink = Sink::start().await;
    let abilities = json!([
        { "name": "pay", "approval": true, "instruction": block("fetch", &format!("POST {}", sink.url("pay/$[id! euc]"))) },
        { "name": "ask", "instruction": "```await/timeout=1h\nWhich colour?\n```" },
    ]);
    let mut system = shop(&oracle, abilities, "").await;
    system.ledger().allow_strangers();
    let url = format!("http://{}", system.gateway(0).name);
    assert!(browser::run("agent", &url, API_TOKEN).await, "what failed stands above");
    assert_eq!(sink.hits().len(), 1);
    system.finish().await;
}
