//! Selections, and expressions that would multiply what they read.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{jmes, length, path};

const DOCUMENT: &str = r#"{"a":[{"n":1,"s":"x"},{"n":2,"s":"$..[*,*]"}],"b":{"c":[1,2,3]},"e":"é"}"#;
/// How long the worst of the expressions below may take, on a slow machine and unoptimised.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_path_finds_a_list() {
    for (expression, expected) in [
        ("$.a[*].n", Ok(json!([1, 2]))),
        ("$..n", Ok(json!([1, 2]))),
        ("$.a[?@.n > 1].s", Ok(json!(["$..[*,*]"]))),
        ("$.a[?@.s == '$..[*,*],,(([[']", Ok(json!([]))),
        ("$.a[?length(@.s) == 1].n", Ok(json!([1]))),
        ("$.b.c[0,2]", Ok(json!([1, 3]))),
        ("$['e']", Ok(json!(["é"]))),
        ("$.none", Ok(json!([]))),
        ("a.b", Err("jsonpath: ")),
        ("$[?search(@.s, 'x')]", Err("jsonpath: ")),
        ("$[", Err("jsonpath: ")),
    ] {
        match (path(expression, DOCUMENT), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{expression}"),
            (Err(error), Err(start)) => assert!(error.starts_with(start), "{expression}: {error}"),
            (found, _) => panic!("{expression}: {found:?}"),
        }
    }
    assert!(path("$", "<html>").unwrap_err().starts_with("jsonpath: the response is not JSON: "));
}

#[test]
fn a_jmespath_makes_a_value() {
    for (expression, expected) in [
        ("a[*].n", Ok(json!([1, 2]))),
        ("a[?s=='x'] | [0].{number: n, kind: s}", Ok(json!({ "number": 1, "kind": "x" }))),
        ("sum(b.c)", Ok(json!(6.0))),
        ("max_by(a, &n).n", Ok(json!(2))),
        ("join(', ', a[*].s)", Ok(json!("x, $..[*,*]"))),
        ("none", Ok(Value::Null)),
        ("a[", Err("jmespath: ")),
        ("nothing(a)", Err("jmespath: ")),
        ("&a", Err("jmespath: the outcome is no JSON")),
    ] {
        match (jmes(expression, DOCUMENT), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{expression}"),
            (Err(error), Err(start)) => assert!(error.starts_with(start), "{expression}: {error}"),
            (found, _) => panic!("{expression}: {found:?}"),
        }
    }
    assert!(jmes("a", "<html>").unwrap_err().starts_with("jmespath: the response is not JSON: "));
}

/// Documents of half a megabyte: flat, deep, wide, one text.
fn large() -> [String; 5] {
    let flat = format!("[{}1]", "1,".repeat(250_000));
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    let both = format!("{}{}1{}", "[".repeat(120), "1,".repeat(250_000), "]".repeat(120));
    let objects = format!("[{}{{\"a\":1}}]", "{\"a\":{\"b\":1}},".repeat(36_000));
    [flat, deep, both, objects, format!("[\"{}\"]", "\\\"".repeat(250_000))]
}

#[test]
fn no_expression_multiplies_a_response() {
    let many = |piece: &str, times: usize| piece.repeat(times);
    let paths = [
        "$..*".to_owned(),
        "$..[*,*]".to_owned(),
        format!("${}", many("..*", 21)),
        format!("${}", many("[*,*]", 20)),
        format!("$[{}*]", many("*,", 500)),
        "$[?count($..*) > 1]".to_owned(),
        "$[?@[?@[?@[?count(@..*) > 1]]]]".to_owned(),
        "$[?count(@..*) == count($[*])]".to_owned(),
    ];
    let expressions = [
        many("[@,@]|[]|", 15) + "@",
        many("[@,@]|", 31) + "@",
        format!("[{}@]", many("@,", 500)),
        format!("[*].{{{}}}", (0..150).map(|n| format!("k{n}:a")).collect::<Vec<_>>().join(",")),
        format!("[*].[{}a]", many("a,", 400)),
        format!("[*].[`[{}1]`] | [] | []", many("1,", 400)),
        many("to_string(", 8) + "@" + &many(")", 8),
        "join([0], [0])".to_owned(),
        format!("join('{}', [*].to_string(@))", many("x", 900)),
        format!("map(&[{}@], @)", many("@,", 400)),
        "sort_by(@, &to_string(@))".to_owned(),
        many("reverse(", 8) + "@" + &many(")", 8),
    ];
    for document in large() {
        for (expression, run) in paths
            .iter()
            .map(|text| (text, path as fn(&str, &str) -> _))
            .chain(expressions.iter().map(|text| (text, jmes as fn(&str, &str) -> _)))
        {
            let began = Instant::now();
            // Run without a bound, most of these would take all memory, or for ever.
            drop(run(expression, &document));
            let start: String = expression.chars().take(30).collect();
            assert!(began.elapsed() < PATIENCE, "{start} took {:?}", began.elapsed());
        }
    }
    let refused = jmes(&(many("[@,@]|[]|", 15) + "@"), &large()[0]).unwrap_err();
    assert!(refused.starts_with("jmespath could make ") && refused.ends_with("say more exactly what you look for"), "{refused}");
    let refused = path("$[?count($..*) > 1]", &large()[0]).unwrap_err();
    assert!(refused.starts_with("jsonpath could visit ") && refused.ends_with("say more exactly what you look for"), "{refused}");
}

#[test]
fn what_is_over_the_cap_says_how_to_narrow_it() {
    let document = format!("[{}1]", "\"0123456789\",".repeat(30_000));
    for refused in [path("$[*]", &document).unwrap_err(), jmes("[*]", &document).unwrap_err()] {
        assert!(refused.starts_with("the result has 16"), "{refused}");
        assert!(refused.ends_with("bytes as JSON, at most 163840 are kept: narrow it with selectors, jsonpath or jmespath"), "{refused}");
    }
}

#[test]
fn deep_expressions_are_refused_and_long_ones_read() {
    // Three quarters of what a thread of the runtime has.
    std::thread::Builder::new().stack_size(3 << 19).spawn(deep_expressions).unwrap().join().unwrap();
}

fn deep_expressions() {
    let run = |expression: &str| (path(expression, DOCUMENT), jmes(expression, DOCUMENT));
    for piece in
        ["[", "(", "{", "!", "&", "[?", "$[?", "[*]", ".a", "a.", "a||", "[]", "@|", "-", "\"", "'", "`", "\\", "[?@", "!(", "a[?!"]
    {
        for times in [7, 8, 9, 30, 62, 63, 64, 1024 / piece.len()] {
            let text = piece.repeat(times);
            drop((
                run(&text),
                run(&format!("${text}")),
                run(&format!("a{text}")),
                run(&format!("{text}a")),
                run(&format!("$[?{text}@.a]")),
            ));
        }
    }
    assert_eq!(jmes(&("[".repeat(20) + &"]".repeat(20)), "{}"), Err("jmespath nests brackets more than 8 deep".into()));
    assert_eq!(path(&format!("${}@{}", "[?".repeat(20), "]".repeat(20)), "{}"), Err("jsonpath nests brackets more than 8 deep".into()));
    assert_eq!(jmes(&("!".repeat(65) + "a"), "{}"), Err("jmespath has more than 64 operators, wildcards and brackets".into()));
    assert_eq!(jmes(&["a"; 65].join("."), "{}"), Ok(Value::Null));
    assert_eq!(jmes(&["a"; 65].join("|"), "{}"), Ok(Value::Null));
    assert_eq!(path(&format!("${}", ".a".repeat(64)), "{}"), Ok(json!([])));
}

#[test]
fn lengths_are_those_of_the_text() {
    for value in [json!(null), json!("é\n"), json!({ "a": [1, 2.5, true], "b": {} })] {
        assert_eq!(length(&value), value.to_string().len());
    }
}

proptest! {
    #[test]
    fn no_expression_panics(expression in "[$@a.*\\[\\]?'\"`|&!(){}:,0-9<=> -]{0,40}") {
        drop(path(&expression, DOCUMENT));
        drop(jmes(&expression, DOCUMENT));
    }
}
