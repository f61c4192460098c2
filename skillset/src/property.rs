//! Properties that hold whatever a person writes and whatever a model gives.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::ability::{Ability, Definition};
use crate::instruction::Instruction;
use crate::invocation::{Body, Invocation, Part, Place, Text, Tree};
use crate::mcp::Install;
use crate::nats::Message;
use crate::question::Question;

/// What parsers and receivers stumble over.
const HOSTILE: [&str; 44] = [
    "${SECRET_X}",
    "{{SECRET_X}}",
    "$[a]",
    "((b))",
    "\n",
    "\r\nX-Admin: 1\r\n\r\n",
    ": ",
    "- ",
    "\"",
    "'",
    "\\",
    "\\\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    "#",
    "&",
    "=",
    "?",
    "/",
    "//",
    "..",
    "%2e%2E",
    "%",
    "@evil.example",
    "*",
    ">",
    "|",
    "`",
    "\n```\n",
    "<<",
    "!fetch",
    "null",
    "true",
    "1e5",
    "ä",
    "\u{10E000}",
    "\u{0}",
    "\u{2028}",
    " ",
    "\t",
    "x",
];

/// Pieces that instructions are made of, good and bad.
const PIECES: [&str; 66] = [
    "```",
    "````",
    "fetch",
    "email",
    "mcp",
    "nats",
    "await",
    "echo",
    "/timeout=5",
    "/to=$[a]",
    "/x",
    "%2F",
    "\n",
    "\n\n",
    "  ",
    "GET ",
    "POST ",
    "https://",
    "x.example",
    "/",
    "?q=",
    "&",
    "#",
    ":",
    ": ",
    "url: ",
    "method: GET",
    "body:",
    "headers:",
    "query: ",
    "subject: ",
    "payload: ",
    "server: f",
    "content: |",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "$[",
    "${",
    "$(",
    "[[",
    "]]",
    "{{",
    "}}",
    "((",
    "))",
    "a",
    "b!",
    " num",
    " enum<x,y>",
    " default<x>",
    " sanitize<[^a]>",
    " j",
    "|what",
    "SECRET_X",
    "CONTACT_ID",
    "!fetch",
    "!string {name: a}",
    "!reference SECRET_X",
    "!concat",
    "&a *a",
    "template: x",
];

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![prop::collection::vec(select(&HOSTILE[..]), 0..6).prop_map(|pieces| pieces.concat()), any::<String>(), "[a-z0-9 /.-]{0,12}"]
}

fn soup() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(prop_oneof![4 => select(&PIECES[..]).prop_map(str::to_owned), 1 => hostile()], 0..40)
        .prop_map(|pieces| pieces.concat());
    let fenced = (select(&["fetch", "email", "mcp", "nats", "await", "search", "abort", "echo"][..]), pieces.clone())
        .prop_map(|(action, body)| format!("```{action}\n{body}\n```"));
    prop_oneof![2 => pieces, 3 => fenced, 1 => any::<String>()]
}

/// A placeholder of the text field `a`, the number field `n` or the JSON field `j`.
fn placeholder() -> impl Strategy<Value = String> {
    let operands = ["", " euc", " rn", " trim", " ys", " js", " dq", " edq", " sq", " esq", " dq?", " euc js?", " sanitize<[0-9]>"];
    let text = (select(operands.to_vec()), select(vec![("$[", "]"), ("[[", "]]"), ("((", "))"), ("{{", "}}"), ("${", "}")]));
    let text = text.prop_map(|(operands, (open, close))| format!("{open}a{operands}|words: with \"colons\"{close}"));
    prop_oneof![4 => text, 1 => Just("$[n num]".to_owned()), 1 => Just("$[j j]".to_owned()), 1 => Just("${CONTACT_NAME}".to_owned())]
}

/// An instruction of some form, with placeholders in all places that take them.
fn instruction() -> impl Strategy<Value = String> {
    let p = placeholder;
    let raw = (p(), p(), p(), p(), p()).prop_map(|(a, b, c, d, e)| {
        format!("```fetch\nPOST https://api.example.com/x/{a}/y?q={b}#z\nX-One: {c}\nX-Two: v {d}\nAuthorization: ${{SECRET_X}}\n\n{{\"k\": \"u {e} v\", \"l\": [{a}, {d}], \"m\": {{\"n\": {b}}}}}\n```")
    });
    let tree = (p(), p(), p(), p(), p()).prop_map(|(a, b, c, d, e)| {
        format!("```fetch\nmethod: POST\nurl: \"https://api.example.com/{a}\"\npath: [/x/, {b}]\nquery: {{q: {c}, r: [{d}, 1]}}\nheaders:\n  X-One: {e}\n  Authorization: ${{SECRET_X}}\nbody:\n  a: {a}\n  b: \"quoted {b}\"\n  c: {{d: 'single {c}', e: [{d}]}}\n  f: |\n    {{\"text\": \"{e}\"}}\n```")
    });
    let mail =
        (p(), p(), p()).prop_map(|(a, b, c)| format!("```email/to={a}/replyTo=${{CONTACT_EMAIL}}\nSubject: {b}\n\n{c} and {a}\n```"));
    let message =
        (p(), p()).prop_map(|(a, b)| format!("```nats\nsubject: orders.new\npayload: {{a: {a}, b: [{b}]}}\nheaders: {{H: {b}}}\n```"));
    let words = (p(), p()).prop_map(|(a, b)| format!("```await/choices=yes,no\n{a} - {b}?\n```"));
    let structured = Just(
        "!fetch\nmethod: POST\nurl: !concat ['https://api.example.com/', !string {name: a, optional: true}]\nbody:\n  n: !number {name: n, optional: true}\n  a: !string {name: a, optional: true}\n  r: !reference CONTACT_ID\n".to_owned(),
    );
    prop_oneof![raw, tree, mail, message, words, structured]
}

fn values() -> impl Strategy<Value = (String, f64, Value)> {
    let json = prop_oneof![
        Just(json!({ "x": [1] })),
        Just(json!("{\"y\": 2}")),
        Just(json!("[]")),
        Just(json!(7)),
        hostile().prop_map(|text| json!([text]))
    ];
    (hostile(), -1e6..1e6, json)
}

/// Those of the values that an instruction asks for.
fn arguments(instruction: &Instruction, (a, n, j): &(String, f64, Value)) -> Value {
    let all = [("a", json!(a)), ("n", json!(n)), ("j", j.clone())];
    let asked = all.into_iter().filter(|(name, _)| instruction.fields().iter().any(|field| field.name == *name));
    asked.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

/// All of an invocation but the values: keys, headers' names, lengths of lists, references.
fn structure(invocation: &Invocation) -> Value {
    let names: Vec<_> = invocation.parameters.keys().collect();
    let body = match &invocation.body {
        Body::Http(http) => {
            let headers: Vec<_> = http.headers.iter().map(|(name, value)| json!([name, references(value)])).collect();
            json!([references(&http.method), references(&http.url), headers, http.body.as_ref().map(references)])
        }
        Body::Text(text) => references(text),
        Body::Tree(tree) => shape(tree),
    };
    json!([format!("{:?}", invocation.action), names, body])
}

fn shape(tree: &Tree) -> Value {
    match tree {
        Tree::Value(_) => json!([]),
        Tree::Text(text) => references(text),
        Tree::List(items) => json!({ "list": items.iter().map(shape).collect::<Vec<_>>() }),
        Tree::Map(entries) => entries.iter().map(|(key, tree)| json!([key, shape(tree)])).collect(),
    }
}

fn references(text: &Text) -> Value {
    json!(text.references().collect::<Vec<_>>())
}

/// The structure of JSON: its keys and the lengths of its lists.
fn keys(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(keys).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), keys(value))).collect::<Map<_, _>>().into(),
        _ => Value::Null,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_every_fault_has_its_place(text in soup(), given in any_json()) {
        match Instruction::parse(&text) {
            Ok(instruction) => {
                match instruction.fill(&given) {
                    Ok(invocation) => {
                        let _read = (Install::read(&invocation), Message::read(&invocation), Question::read(&invocation));
                    }
                    Err(violation) => prop_assert!(!violation.problems.is_empty() && violation.to_string().contains("schema")),
                }
            }
            Err(faults) => {
                prop_assert!(faults.iter().count() > 0);
                for fault in faults.iter() {
                    prop_assert!(text.get(fault.span.clone()).is_some(), "{fault:?}");
                    prop_assert!(fault.line >= 1 && fault.column >= 1 && !fault.message.is_empty());
                }
                prop_assert!(faults.to_string().contains('^'));
            }
        }
        let definition = Definition { name: text.clone(), instruction: text, ..Definition::default() };
        let _parsed = Ability::parse(definition);
    }

    #[test]
    fn no_value_changes_the_structure(text in instruction(), one in values(), other in values()) {
        let instruction = Instruction::parse(&text).unwrap_or_else(|faults| panic!("{faults}"));
        let plain = instruction.fill(&arguments(&instruction, &("x".to_owned(), 1.0, json!({})))).unwrap_or_else(|violation| panic!("{text}\n{violation}"));
        for values in [one, other] {
            if let Ok(invocation) = instruction.fill(&arguments(&instruction, &values)) {
                prop_assert_eq!(structure(&invocation), structure(&plain), "{} with {:?}", text, values);
                check_places(&invocation);
            }
        }
    }

    #[test]
    fn a_text_comes_out_as_it_went_in(value in hostile()) {
        for text in ["```echo\n$[a]\n```", "```email/to=x\n$[a ys]\n```", "```nats\nsubject: s\npayload: $[a]\n```", "```nats\nsubject: s\npayload: \"$[a edq]\"\n```"] {
            let invocation = Instruction::parse(text).unwrap().fill(&json!({ "a": value })).unwrap();
            let out = match &invocation.body {
                Body::Text(text) => text.clone(),
                Body::Tree(Tree::Map(entries)) => entries.iter().find_map(|(key, tree)| match tree {
                    Tree::Text(text) if key == "payload" || key == "content" => Some(text.clone()),
                    _ => None,
                }).unwrap(),
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(out.words(), Some(value.clone()), "{}", text);
        }
    }

    #[test]
    fn json_in_a_body_is_one_value_at_its_place(a in hostile(), b in hostile()) {
        let text = "```fetch\nPOST https://x.example/\n\n{\"k\": \"u $[a] v $[b edq]\", \"l\": [$[b js], $[a ys]], \"s\": \"$[a js]\"}\n```";
        let invocation = Instruction::parse(text).unwrap().fill(&json!({ "a": a, "b": b })).unwrap();
        let Body::Http(http) = invocation.body else { panic!("no request") };
        let body: Value = serde_json::from_str(&http.body.unwrap().words().unwrap()).unwrap();
        prop_assert_eq!(body, json!({ "k": format!("u {a} v {b}"), "l": [b, &a], "s": json!(a).to_string() }));
    }

    #[test]
    fn a_part_of_a_url_stays_one_part(value in hostile()) {
        let text = "```fetch\nGET https://api.example.com/a/$[v euc]/b?q=$[v]&r=$[v euc]\n```";
        let Ok(invocation) = Instruction::parse(text).unwrap().fill(&json!({ "v": value })) else {
            prop_assert!(matches!(value.as_str(), "." | ".."), "{value:?} is refused");
            return Ok(());
        };
        let Body::Http(http) = invocation.body else { panic!("no request") };
        let url = http.url.words().unwrap();
        let (path, query) = url.split_once('?').unwrap();
        prop_assert_eq!(path.matches('/').count(), 5, "{}", &url);
        prop_assert_eq!(query.matches('&').count(), 1, "{}", &url);
        prop_assert_eq!(query.matches('=').count(), 2 + value.matches('=').count(), "{}", &url);
        prop_assert!(url.is_ascii() && !url.contains(['#', ' ']), "{}", &url);
    }
}

/// That values stay in their places: hosts, headers, and JSON bodies once references are in, too.
fn check_places(invocation: &Invocation) {
    let Body::Http(http) = &invocation.body else { return };
    let hostile = |_: &str| Ok::<_, ()>("\"\r\n/?#&${SECRET_X}".to_owned());
    let url = http.url.put(Place::Url, hostile).unwrap();
    assert!(url.starts_with("https://api.example.com/x/"), "{url}");
    assert_eq!(url.matches('#').count(), 1, "{url}");
    for (_, value) in &http.headers {
        let literals = value.0.iter().filter_map(|part| if let Part::Literal(words) = part { Some(words) } else { None });
        assert!(literals.into_iter().all(|words| !words.contains(['\r', '\n'])), "{value:?}");
    }
    let body = http.body.as_ref().unwrap().put(Place::Body, hostile).unwrap();
    let parsed: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let tops: Vec<_> = keys(&parsed).as_object().unwrap().keys().cloned().collect();
    assert_eq!(
        (tops, parsed["l"].as_array().map(Vec::len), parsed["k"].is_string()),
        (vec!["k".into(), "l".into(), "m".into()], Some(2), true),
        "{body}"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        hostile().prop_map(Value::from)
    ];
    let tree = leaf.prop_recursive(3, 12, 4, |inner| {
        let map = prop::collection::btree_map(
            prop_oneof![select(vec!["a", "b", "x", "justification"]).prop_map(str::to_owned), hostile()],
            inner.clone(),
            0..4,
        );
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), map.prop_map(|map| Value::Object(map.into_iter().collect()))]
    });
    prop_oneof![tree, hostile().prop_map(|a| json!({ "a": a, "b": "y" }))]
}
