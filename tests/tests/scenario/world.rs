//! An agent among programs that nobody here wrote, and at the edges where such programs stand.
//!
//! The model's words come from a script over a real wire unless the test is about the model's side.

use serde_json::{Value, json};
use tests::call::Answer;
use tests::oracle::Oracle;
use tests::resource::{agent, skillset, trigger};
use tests::setup::Setup;
use tests::system::{Builder, System};

use crate::system;

mod mail;
mod mcp;
mod message;
mod provider;
mod search;

/// A block of an instruction.
fn block(action: &str, body: &str) -> String {
    format!("```{action}\n{body}\n```")
}

/// An agent with these abilities behind the trigger `orders`, and no worker yet.
fn clerk(abilities: Value) -> Builder {
    system()
        .with(skillset("shop", abilities))
        .with(agent("clerk", json!({ "model": "oracle/scripted", "skillset": "shop" })))
        .with(trigger("orders").bot("clerk"))
        .gateways(1, &Setup::here())
}

/// The same with one worker that lends it these sections of settings.
async fn served(oracle: &Oracle, abilities: Value, sections: &str) -> System {
    clerk(abilities).workers(1, &Setup::here().settings(oracle.settings(sections))).start().await
}

/// Says something in the session `s`, and waits for what comes of it.
async fn said(system: &System, text: &str) -> Answer {
    system.call("orders").said("s", text).query("wait=30").send().await.ok()
}

/// The functions that a question offers.
fn functions(question: &Value) -> Vec<&str> {
    let tools = question["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect()
}

/// What came of the calls of the current turn, as a question tells it.
fn outcomes(question: &Value) -> Vec<&str> {
    let messages = question["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let turn = messages.iter().rev().take_while(|message| message["role"] != "user");
    let mut outcomes: Vec<&str> =
        turn.filter(|message| message["role"] == "tool").filter_map(|message| message["content"].as_str()).collect();
    outcomes.reverse();
    outcomes
}

/// The result of a call, out of the fence that marks it as data for the model.
fn data(outcome: &str) -> Value {
    let fenced = outcome.strip_prefix("<data>").and_then(|rest| rest.strip_suffix("</data>"));
    serde_json::from_str(fenced.expect(outcome)).expect(outcome)
}

/// What the answer says of the usage of models: model, calls, input and output tokens.
fn usage(told: &Answer) -> Vec<(String, u64, u64, u64)> {
    let last = told.body["messages"].as_array().and_then(|messages| messages.last()).cloned().unwrap_or_default();
    let number = |usage: &Value, name: &str| usage[name].as_u64().unwrap_or_default();
    let line = |usage: &Value| {
        let model = usage["model"].as_str().unwrap_or_default().to_owned();
        (model, number(usage, "calls"), number(usage, "inputTokens"), number(usage, "outputTokens"))
    };
    last["meta"]["usage"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(line).collect()
}
