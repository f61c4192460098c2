//! The rules bot as a whole.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use proto::id::{Epoch, EventSeq};
use proto::wire::outcome::End;
use proto::wire::{Call, Doubt, Input, Outcome, Unknown};
use serde_json::{Value, json};

use super::Rules;
use crate::ability::Facts;
use crate::bot::{Bot as _, Error, Request, Step, Thought, Turn};

pub(super) fn turn(input: &Input) -> Turn<'_> {
    static FACTS: LazyLock<Facts> = LazyLock::new(Facts::default);
    let event = EventSeq { epoch: Epoch::from_second(1), seq: 1 };
    Turn { event, facts: &FACTS, input, ordinal: 4, steps: &[], history: &[], told: &|_| {} }
}

fn rules(definition: &Value) -> Rules {
    Rules::parse(&definition.to_string()).unwrap()
}

fn shop() -> Rules {
    rules(&json!({
        "rules": [
            {
                "name": "order",
                "when": { "text": r"(?i)order (?P<id>\d+)" },
                "do": [
                    { "ability": "echo", "with": { "order": "{{ captures.id }}" }, "as": "order", "doubt": "retry" },
                    { "ability": "fetch", "with": { "url": "http://h/{{ results.order.order }}" }, "onError": "continue" },
                ],
                "reply": "Order {{ captures.id }} noted ({{ results.order.order }}){% if errors['1'] %}, but {{ errors['1'] }}{% endif %}.",
            },
            { "when": { "payload": [{ "pointer": "/status", "equals": "paid" }] }, "reply": "Paid: {{ payload.amount }}." },
            { "when": { "payload": [{ "pointer": "/quiet", "exists": true }] }, "do": [{ "ability": "echo" }] },
        ],
        "otherwise": "No rule matched {{ text }}.",
    }))
}

fn input(text: &str, payload: &str) -> Input {
    Input { text: text.to_owned(), payload: Bytes::copy_from_slice(payload.as_bytes()), ..Input::default() }
}

fn step(ability: &str, end: End) -> Step {
    let call = Call { ability: ability.to_owned(), ..Call::default() };
    Step { calls: vec![call], outcomes: vec![Outcome { end: Some(end), ..Outcome::default() }], thought: None }
}

fn think(rules: &Rules, input: &Input, steps: &[Step]) -> Result<Thought, Error> {
    rules.decide(&Turn { steps, ..turn(input) })
}

fn reply(thought: Result<Thought, Error>) -> String {
    match thought {
        Ok(Thought::Reply(reply)) => reply.text,
        other => panic!("no reply: {other:?}"),
    }
}

#[test]
fn a_rule_makes_its_calls_one_by_one_and_then_replies() {
    let (shop, order) = (shop(), input("my Order 17", ""));
    let request = |ability: &str, arguments, doubt| Ok(Thought::call(vec![Request { ability: ability.to_owned(), arguments, doubt }]));
    let first = think(&shop, &order, &[]);
    assert!(matches!((first, request("echo", json!({ "order": "17" }), Some(Doubt::Retry))), (Ok(a), Ok::<_, Error>(b)) if a == b));
    let echoed = step("echo", End::Result(r#"{"order":"17"}"#.into()));
    let second = think(&shop, &order, std::slice::from_ref(&echoed));
    assert!(matches!((second, request("fetch", json!({ "url": "http://h/17" }), None)), (Ok(a), Ok::<_, Error>(b)) if a == b));
    let fetched = step("fetch", End::Result("{}".into()));
    assert_eq!(reply(think(&shop, &order, &[echoed.clone(), fetched])), "Order 17 noted (17).");
    let failed = step("fetch", End::Error("Status code: 503".into()));
    assert_eq!(reply(think(&shop, &order, &[echoed.clone(), failed])), "Order 17 noted (17), but Status code: 503.");
    let lost = step("fetch", End::Unknown(Unknown {}));
    assert!(reply(think(&shop, &order, &[echoed, lost])).contains("but the outcome is unknown: it may have happened"));
}

#[test]
fn a_failed_call_fails_its_turn_unless_it_may_go_on() {
    let (shop, order) = (shop(), input("order 17", ""));
    let error = think(&shop, &order, &[step("echo", End::Error("no".into()))]).unwrap_err();
    assert_eq!(error.to_string(), "order: call order (echo) failed: no");
}

#[test]
fn the_first_rule_that_matches_wins() {
    let shop = shop();
    assert_eq!(reply(think(&shop, &input("hi", r#"{"status":"paid","amount":1.5}"#), &[])), "Paid: 1.5.");
    assert!(matches!(think(&shop, &input("order 1", r#"{"status":"paid"}"#), &[]), Ok(Thought::Call { requests: _, .. })));
    assert_eq!(reply(think(&shop, &input("hi", "not json"), &[])), "No rule matched hi.");
    let quiet = input("", r#"{"quiet":0}"#);
    assert!(matches!(think(&shop, &quiet, &[]), Ok(Thought::Call { requests, .. }) if requests[0].arguments == json!({})));
    assert_eq!(reply(think(&shop, &quiet, &[step("echo", End::Result("1".into()))])), "");
    let silent = rules(&json!({ "rules": [{ "when": { "text": "^$" }, "reply": "x" }] }));
    assert_eq!(reply(think(&silent, &input("hi", ""), &[])), "");
}

#[test]
fn steps_of_another_rule_fail_the_turn() {
    let shop = shop();
    let step = step("fetch", End::Result("1".into()));
    for text in ["order 17", "nothing matches this"] {
        let error = think(&shop, &input(text, ""), std::slice::from_ref(&step)).unwrap_err();
        assert!(error.to_string().starts_with("the rules were changed"), "{error}");
    }
}

#[test]
fn history_is_asked_for_only_by_a_template_that_reads_it() {
    assert!(!shop().wants_history());
    let reader = rules(&json!({ "rules": [{ "reply": "x" }], "otherwise": "{{ history | length }}" }));
    assert!(reader.wants_history());
    let reader = rules(&json!({ "rules": [{ "reply": "{{ history | map(attribute='text') | join('|') }}/{{ history[0].type }}" }] }));
    let said = |kind, text: &str| proto::message::Message {
        id: String::new(),
        kind,
        text: text.to_owned(),
        name: String::new(),
        description: String::new(),
        meta: Value::Null,
        created_at: 0,
        updated_at: 0,
    };
    let history = [said(proto::message::Kind::User, "a"), said(proto::message::Kind::Bot, "b")];
    assert_eq!(reply(reader.decide(&Turn { history: &history, ..turn(&input("", "")) })), "a|b/user");
}

#[test]
fn every_fault_names_its_place() {
    let rule = |rule: Value| json!({ "rules": [{ "reply": "x" }, rule] });
    let call = |call: Value| rule(json!({ "do": [{ "ability": "echo", "as": "a" }, call] }));
    for (definition, expected) in [
        (json!(null), ": must be an object"),
        (json!({}), "rules: is missing"),
        (json!({ "rules": [] }), "rules: has 0 items, must have 1 to 256"),
        (json!({ "rules": vec![json!({ "reply": "" }); 257] }), "rules: has 257 items"),
        (json!({ "rules": [{ "reply": "x" }], "else": "" }), ": unknown field \"else\""),
        (json!({ "rules": [{ "reply": "x" }], "otherwise": "{{ captures.id }}" }), "otherwise: reads captures.id"),
        (rule(json!({})), "rules[1]: must have do or reply"),
        (rule(json!({ "name": "", "reply": "x" })), "rules[1].name: must not be empty"),
        (rule(json!({ "when": { "text": "(" }, "reply": "x" })), "rules[1].when.text: is no regular expression"),
        (rule(json!({ "reply": 1 })), "rules[1].reply: must be a string"),
        (rule(json!({ "reply": "{{ x }}" })), "rules[1].reply: knows no variable \"x\""),
        (rule(json!({ "reply": "x".repeat(16 * 1024 + 1) })), "rules[1].reply: has 16385 bytes"),
        (rule(json!({ "do": vec![json!({ "ability": "echo" }); 33] })), "rules[1].do: has 33 items, must have 1 to 32"),
        (call(json!({})), "rules[1].do[1].ability: is missing"),
        (call(json!({ "ability": "" })), "rules[1].do[1].ability: must not be empty"),
        (call(json!({ "ability": "echo", "as": "a" })), "rules[1].do[1].as: names a second call \"a\""),
        (call(json!({ "ability": "echo", "as": "1" })), "rules[1].do[1].as: must be letters"),
        (call(json!({ "ability": "echo", "doubt": "maybe" })), "rules[1].do[1].doubt: must be retry or fail"),
        (call(json!({ "ability": "echo", "onError": 1 })), "rules[1].do[1].onError: must be fail or continue"),
        (call(json!({ "ability": "echo", "with": [{ "x": "{{ results.b }}" }] })), "rules[1].do[1].with[0].x: reads results.b"),
        (call(json!({ "ability": "echo", "onerror": "fail" })), "rules[1].do[1]: unknown field \"onerror\""),
    ] {
        let error = Rules::parse(&definition.to_string()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{expected}: {error}");
    }
    assert!(Rules::parse("{").unwrap_err().to_string().contains("is no JSON"));
    assert!(Rules::parse(&" ".repeat(256 * 1024 + 1)).unwrap_err().to_string().contains("262145 bytes"));
}

proptest! {
    #[test]
    fn no_event_panics(text in ".*", payload in proptest::collection::vec(any::<u8>(), 0..200), taken in 0..4_usize) {
        let shop = shop();
        let steps: Vec<Step> = (0..taken).map(|k| step(["echo", "fetch", "x"][k], End::Result(text.clone()))).collect();
        let order = Input { text: format!("order 1{text}"), payload: Bytes::from(payload.clone()), ..Input::default() };
        drop(think(&shop, &order, &steps));
        drop(think(&shop, &Input { text, payload: Bytes::from(payload), ..Input::default() }, &steps));
    }

    #[test]
    fn any_json_is_matched_and_rendered(number in any::<i64>(), word in ".*", key in ".*", depth in 0..200_usize) {
        let rules = rules(&json!({ "rules": [{
            "when": { "payload": [{ "pointer": "", "exists": true }] },
            "do": [{ "ability": "echo", "with": ["{{ payload }}", "{{ payload }}!"] }],
        }] }));
        let deep = format!("{}{}{}", "[".repeat(depth), json!({ key: [number, word] }), "]".repeat(depth));
        let Thought::Call { requests, .. } = think(&rules, &input("", &deep), &[]).unwrap() else { panic!("no call") };
        let payload: Value = serde_json::from_str(&deep).unwrap_or_else(|_| deep.clone().into());
        prop_assert_eq!(&requests[0].arguments[0], &payload);
    }

    #[test]
    fn no_definition_panics(definition in ".*", template in ".*", pattern in ".*") {
        drop(Rules::parse(&definition));
        drop(Rules::parse(&json!({ "rules": [{ "when": { "text": pattern }, "reply": template }] }).to_string()));
    }

    #[test]
    fn the_same_turn_gives_the_same_thought(text in "(order [0-9]{1,3}|.*)", payload in ".*") {
        let input = input(&text, &payload);
        let (once, again) = (think(&shop(), &input, &[]), think(&shop(), &input, &[]));
        prop_assert_eq!(format!("{once:?}"), format!("{again:?}"));
    }
}
