//! Whatever the arguments are, an instruction is filled in or says what is wrong, and its structure is the same.
//!
//! The input is an instruction, a zero byte, and arguments: JSON, or text that is given to every field.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use skillset::instruction::Instruction;
use skillset::invocation::{Body, Invocation, Text, Tree};
use skillset::{mcp, nats, question};

fuzz_target!(|input: &str| {
    let (text, given) = input.split_once('\0').unwrap_or((input, "x"));
    let Ok(instruction) = Instruction::parse(text) else { return };
    let json = serde_json::from_str::<Value>(given).unwrap_or(Value::Null);
    if let Ok(invocation) = instruction.fill(&json) {
        let _read = (mcp::Install::read(&invocation), nats::Message::read(&invocation), question::Question::read(&invocation));
    }
    let all = |value: &str| -> Value {
        let fields = instruction.fields().iter().filter(|field| !field.is_hidden);
        fields.map(|field| (field.name.clone(), Value::from(value))).collect::<Map<_, _>>().into()
    };
    let (one, other) = (instruction.fill(&all(given)), instruction.fill(&all("x")));
    if let (Ok(one), Ok(other), false) = (one, other, text.contains('?')) {
        assert_eq!(structure(&one), structure(&other));
    }
});

/// Keys, headers' names, lengths of lists and references, in their order.
fn structure(invocation: &Invocation) -> Vec<String> {
    let mut found: Vec<String> = invocation.parameters.keys().cloned().collect();
    match &invocation.body {
        Body::Http(http) => {
            text(&http.method, &mut found);
            text(&http.url, &mut found);
            for (name, value) in &http.headers {
                found.push(name.clone());
                text(value, &mut found);
            }
            found.push(http.body.is_some().to_string());
            http.body.iter().for_each(|body| text(body, &mut found));
        }
        Body::Text(words) => text(words, &mut found),
        Body::Tree(shown) => tree(shown, &mut found),
    }
    found
}

fn text(words: &Text, found: &mut Vec<String>) {
    found.extend(words.references().map(str::to_owned));
}

fn tree(shown: &Tree, found: &mut Vec<String>) {
    match shown {
        Tree::Value(_) => {}
        Tree::Text(words) => text(words, found),
        Tree::List(items) => {
            found.push(items.len().to_string());
            items.iter().for_each(|item| tree(item, found));
        }
        Tree::Map(entries) => {
            for (key, node) in entries {
                found.push(key.clone());
                tree(node, found);
            }
        }
    }
}
