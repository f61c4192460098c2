use std::path::Path;
use std::time::Duration;

use super::Document;
use crate::config::source::SecretSource;

const BOT: &str = "bots:\n  - { id: b, kind: rules, rules: [{ reply: hi }] }\n";

fn faults(text: &str) -> Vec<String> {
    let faults = Document::parse("f.yaml", text, Path::new("")).unwrap_err().to_string();
    faults.lines().filter(|line| !line.starts_with("    ")).map(str::to_owned).collect()
}

fn check(text: &str, expected: &[&str]) {
    let faults = faults(text);
    assert_eq!(faults.len(), expected.len(), "{text}\n{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.starts_with(expected), "{fault}\ndoes not begin with\n{expected}");
    }
}

/// One trigger with these fields, beside a bot `b`.
fn check_trigger(fields: &str, expected: &str) {
    check(&format!("triggers:\n  - {{ {fields} }}\n{BOT}"), &[expected]);
}

#[test]
fn each_fault_names_its_line() {
    check("triggers: [", &["f.yaml:1:"]);
    check("- a", &["f.yaml:1:1: must be a mapping, not a list"]);
    check(
        "trigers: []",
        &["f.yaml:1:1: trigers: is not known here: egress, triggers, bots, skillsets, providers, secrets, smtp, search, mcp, nats are"],
    );
    check("triggers:\n  - id: t\n", &["f.yaml:2:5: triggers[0].bot: is missing"]);
    check("egress: { allow: ['not an address'] }\n", &["f.yaml:1:19: egress.allow[0]: "]);
    check("bots:\n  - { id: b, kind: oracle }\n", &["f.yaml:2:20: bots[0].kind: \"oracle\" is not a kind of bot"]);
    check_trigger("id: t x, bot: b", "f.yaml:2:11: triggers[0].id: a trigger id must be 1 to 64");
    check_trigger("id: 7, bot: b", "f.yaml:2:11: triggers[0].id: must be text, not a number");
    check_trigger("id: t, bot: c", "f.yaml:2:19: triggers[0].bot: there is no bot c in this file");
    check_trigger("id: t, bot: b, secrt: x", "f.yaml:2:22: triggers[0].secrt: is not known here");
    check_trigger("id: t, bot: b, secret: hunter2", "f.yaml:2:30: triggers[0].secret: a secret does not stand in this file");
    check_trigger("id: t, bot: b, secret: { env: A, file: b }", "f.yaml:2:30: triggers[0].secret: must be one of");
    check_trigger("id: t, bot: b, sessionDuration: 32d", "f.yaml:2:39: triggers[0].sessionDuration: may be at most");
    check_trigger("id: t, bot: b, sessionDuration: -1", "f.yaml:2:39: triggers[0].sessionDuration: must not be negative");
    let long = format!("id: t, bot: b, text: {}", "x".repeat(40_000));
    check_trigger(&long, "f.yaml:2:28: triggers[0].text: has 40000 bytes, at most 32768 are taken");
    check_trigger("id: t, bot: b, authenticate: maybe", "f.yaml:2:36: triggers[0].authenticate: must be true or false, not text");
    check(
        &format!("triggers:\n  - {{ id: t, bot: b }}\n  - {{ id: t, bot: b }}\n{BOT}"),
        &["f.yaml:3:11: triggers[1].id: t stands twice, first in line 2"],
    );
}

#[test]
fn what_is_lent_is_checked_without_its_secrets() {
    let with = |sections: &str| format!("triggers: [{{ id: t, bot: b }}]\n{BOT}{sections}");
    let right = "providers:\n  - { id: a, kind: openai, key: { env: CUEPOINT_NOT_SET } }\nsecrets:\n  - { name: s, file: nowhere }\n";
    Document::parse("f.yaml", &with(right), Path::new("")).unwrap();
    check(&with("providers:\n  - { id: a, kind: openai }\n"), &[r#"f.yaml:5:3: providers: providers["a"].key is missing"#]);
    check(&with("secrets:\n  - { name: s, value: hunter2 }\n"), &["f.yaml:5:3: secrets: unknown field `value`"]);
    check(&with("secrets:\n  - { name: s }\n"), &["f.yaml:5:5: secrets[0]: must be one of { env: NAME } and { file: PATH }"]);
    check(&with("search: { url: nowhere }\n"), &["f.yaml:4:9: search: "]);
}

#[test]
fn a_fault_of_an_instruction_shows_its_line_with_a_caret() {
    let text = format!(
        "triggers: [{{ id: t, bot: b }}]\n{BOT}skillsets:\n  - id: s\n    abilities:\n      - name: look up\n        instruction: |\n          \
         ```fetch\n          GET https://example.com/$[id! eucc]\n          ```\n"
    );
    let faults = Document::parse("f.yaml", &text, Path::new("")).unwrap_err().to_string();
    let mut lines = faults.lines();
    assert_eq!(lines.next(), Some("f.yaml:7:9: skillsets[0]: abilities[0] (look up): instruction:"));
    assert!(lines.next().unwrap().ends_with("line 2, column 31: unknown operand `eucc`"), "{faults}");
    let (shown, caret) = (lines.nth(1).unwrap(), lines.next().unwrap());
    assert_eq!(shown.find("eucc"), caret.find("^^^^"), "{faults}");
    assert!(faults.contains("did you mean `euc`?"), "{faults}");
}

#[test]
fn all_faults_come_at_once_in_the_order_of_lines() {
    check(
        "triggers:\n  - id: t\n    bot: nobody\n    sessionDuration: soon\nbots:\n  - { id: b, kind: oracle }\n",
        &["f.yaml:3:10: triggers[0].bot", "f.yaml:4:22: triggers[0].sessionDuration", "f.yaml:6:20: bots[0].kind"],
    );
}

#[test]
fn a_fault_inside_a_definition_has_a_line_too() {
    check(
        "bots:\n  - id: b\n    kind: rules\n    rules:\n      - when:\n          text: '('\n        reply: hi\n",
        &["f.yaml:6:17: bots[0].rules[0].when.text: "],
    );
    check("bots:\n  - id: b\n    kind: rules\n    rulez: []\n    otherwise: hi\n", &["f.yaml:"]);
}

#[test]
fn what_is_right_is_read() {
    let text = format!(
        "egress: {{ allow: [127.0.0.1] }}\ntriggers:\n  - {{ id: t, name: T, bot: b, authenticate: false, sessionDuration: 0 }}\n  \
         - {{ id: u, bot: b, text: hello, sessionDuration: 90m, secret: {{ file: x }} }}\n{BOT}"
    );
    let document = Document::parse("f.yaml", &text, Path::new("/base")).unwrap();
    let [t, u] = document.triggers.as_slice() else { panic!("not two triggers") };
    assert_eq!((t.resource.open, t.resource.session_duration, &t.secret), (true, Duration::ZERO, &SecretSource::Made));
    assert_eq!((u.resource.open, u.resource.session_duration, u.resource.text.as_deref()), (false, Duration::from_mins(90), Some("hello")));
    assert!(matches!(&u.secret, SecretSource::File { file, .. } if file == Path::new("/base/x")));
    assert_eq!((document.egress.len(), document.bots.len()), (1, 1));
}
