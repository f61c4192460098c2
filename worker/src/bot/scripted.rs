//! The `scripted` bot: a stand-in for a model, with a set latency, for tests and benchmarks.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use proto::message::Kind;
use proto::wire::Doubt;
use serde_json::{Value, json};

use super::rules::{CALLS_MAX, DOUBTS, NAME_BYTES_MAX, parse_json};
use super::{Bot, DefinitionError, Error, Request, Thought, Turn};
use crate::bot::node::Node;

/// Longest latency.
const LATENCY_MAX: Duration = Duration::from_mins(10);
/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A bot that waits, makes its calls one by one, and replies or fails.
#[derive(Debug)]
pub(super) struct Scripted {
    latency: Duration,
    calls: Vec<Request>,
    end: End,
}

#[derive(Debug)]
enum End {
    Echo,
    Reply(String),
    History,
    Fail(String),
}

impl Scripted {
    /// Reads a definition.
    pub(super) fn parse(definition: &str) -> Result<Self, DefinitionError> {
        let value = parse_json(definition)?;
        let root = Node::root(&value);
        let fields = root.fields(&["latency", "reply", "calls", "fail", "historyReply"])?;
        let latency = fields.get("latency").map(|node| latency(&node)).transpose()?.unwrap_or_default();
        let calls = fields.get("calls").map(|node| node.items(CALLS_MAX)).transpose()?.unwrap_or_default();
        let calls = calls.iter().map(call).collect::<Result<_, _>>()?;
        let reply = fields.get("reply").map(|node| node.text(TEXT_BYTES_MAX)).transpose()?;
        let fail = fields.get("fail").map(|node| node.text(TEXT_BYTES_MAX)).transpose()?;
        let is_history = fields.get("historyReply").map(|node| node.flag()).transpose()?.unwrap_or_default();
        let end = match (reply, fail, is_history) {
            (None, None, false) => End::Echo,
            (Some(text), None, false) => End::Reply(text.to_owned()),
            (None, Some(reason), false) => End::Fail(reason.to_owned()),
            (None, None, true) => End::History,
            _ => return Err(root.fault("may have only one of reply, fail and historyReply")),
        };
        Ok(Self { latency, calls, end })
    }
}

#[async_trait]
impl Bot for Scripted {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        if let Some(request) = self.calls.get(turn.steps.len()) {
            return Ok(Thought::call(vec![request.clone()]));
        }
        match &self.end {
            End::Echo => Ok(Thought::reply(turn.input.text.clone())),
            End::Reply(text) => Ok(Thought::reply(text.clone())),
            End::History => Ok(Thought::reply(retell(&turn))),
            End::Fail(reason) => Err(Error::new(reason.as_str())),
        }
    }

    fn wants_history(&self) -> bool {
        matches!(self.end, End::History)
    }
}

/// What was said before and now: a line `user: <text>` or `bot: <text>` for each.
fn retell(turn: &Turn<'_>) -> String {
    let mut text = String::new();
    let mut line = |who, words: &str| writeln!(text, "{who}: {words}").unwrap_or_default();
    for message in turn.history {
        match message.kind {
            Kind::User => line("user", &message.text),
            Kind::Bot => line("bot", &message.text),
            _ => {}
        }
    }
    line("user", &turn.input.text);
    text
}

fn call(node: &Node<'_>) -> Result<Request, DefinitionError> {
    let fields = node.fields(&["ability", "with", "doubt"])?;
    let doubt: Option<Doubt> = fields.get("doubt").map(|node| node.choice(&DOUBTS)).transpose()?;
    let arguments: Value = fields.get("with").map_or_else(|| json!({}), |node| node.value.clone());
    Ok(Request { ability: fields.need("ability")?.word(NAME_BYTES_MAX)?.to_owned(), arguments, doubt })
}

fn latency(node: &Node<'_>) -> Result<Duration, DefinitionError> {
    let text = node.value.as_str();
    let millis = match text.map(|text| (text.strip_suffix("ms"), text.strip_suffix('s'))) {
        None => node.value.as_u64(),
        Some((Some(digits), _)) => digits.parse().ok(),
        Some((None, Some(digits))) => digits.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000)),
        Some((None, None)) => None,
    };
    let latency = millis.map(Duration::from_millis).ok_or_else(|| node.fault("must be milliseconds, or text such as 50ms or 2s"))?;
    if latency > LATENCY_MAX { Err(node.fault("must be at most 600s")) } else { Ok(latency) }
}

#[cfg(test)]
mod tests {
    use proto::id::{Epoch, EventSeq};

    use crate::ability::Facts;
    use std::time::Duration;

    use proto::message::{Kind, Message};
    use proto::wire::Input;
    use serde_json::{Value, json};

    use super::Scripted;
    use crate::bot::{Bot as _, Step, Thought, Turn};

    fn parse(definition: &Value) -> Result<Scripted, String> {
        Scripted::parse(&definition.to_string()).map_err(|error| error.to_string())
    }

    async fn think(definition: Value, steps: usize) -> Result<Thought, String> {
        let said = |kind, text: &str| Message {
            id: String::new(),
            kind,
            text: text.to_owned(),
            name: String::new(),
            description: String::new(),
            meta: Value::Null,
            created_at: 0,
            updated_at: 0,
        };
        let history = [said(Kind::User, "a"), said(Kind::Activity, ""), said(Kind::Bot, "b")];
        let input = Input { text: "hi".into(), ..Input::default() };
        let steps = vec![Step { calls: Vec::new(), outcomes: Vec::new(), thought: None }; steps];
        let event = EventSeq { epoch: Epoch::from_second(1), seq: 1 };
        let turn = Turn { event, facts: &Facts::default(), input: &input, ordinal: 1, steps: &steps, history: &history, told: &|_| {} };
        parse(&definition).unwrap().think(turn).await.map_err(|error| error.to_string())
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_then_calls_then_ends_as_told() {
        let before = tokio::time::Instant::now();
        assert_eq!(think(json!({ "latency": "50ms" }), 0).await, Ok(Thought::reply("hi")));
        assert_eq!(before.elapsed(), Duration::from_millis(50));
        assert_eq!(think(json!({ "reply": "ok" }), 0).await, Ok(Thought::reply("ok")));
        assert_eq!(think(json!({ "historyReply": true }), 0).await, Ok(Thought::reply("user: a\nbot: b\nuser: hi\n")));
        let calls = json!([{ "ability": "echo", "with": { "a": 1 } }, { "ability": "fetch", "doubt": "fail" }]);
        let bot = json!({ "calls": calls, "fail": "out of order" });
        for (steps, ability) in [(0, "echo"), (1, "fetch")] {
            assert!(matches!(think(bot.clone(), steps).await, Ok(Thought::Call { requests, .. }) if requests[0].ability == ability));
        }
        assert_eq!(think(bot, 2).await, Err("out of order".into()));
    }

    #[test]
    fn latencies_are_milliseconds_or_text_with_a_unit() {
        for (latency, expected) in [
            (json!(7), Some(7)),
            (json!("50ms"), Some(50)),
            (json!("2s"), Some(2_000)),
            (json!("600s"), Some(600_000)),
            (json!("601s"), None),
            (json!("2m"), None),
            (json!("ms"), None),
            (json!("99999999999999999999s"), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!(null), None),
        ] {
            let parsed = parse(&json!({ "latency": latency })).map(|bot| bot.latency.as_millis());
            assert_eq!(parsed.as_ref().ok().copied(), expected, "{latency}: {parsed:?}");
        }
    }

    #[test]
    fn every_fault_names_its_place() {
        for (definition, expected) in [
            (json!([]), ": must be an object"),
            (json!({ "delay": 1 }), ": unknown field \"delay\""),
            (json!({ "reply": "a", "fail": "b" }), ": may have only one"),
            (json!({ "historyReply": 1 }), "historyReply: must be true or false"),
            (json!({ "calls": [{ "with": 1 }] }), "calls[0].ability: is missing"),
            (json!({ "calls": [{ "ability": "echo", "doubt": 1 }] }), "calls[0].doubt: must be retry or fail"),
        ] {
            assert!(parse(&definition).unwrap_err().starts_with(expected), "{definition}");
        }
    }
}
