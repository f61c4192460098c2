//! What a record looks like to a reader: messages in ChatBotKit's shape.

use serde::Serialize;
use serde_json::{Value, json};

use crate::id::SessionKey;
use crate::record::{Record, Step};
use crate::wire;
use crate::wire::outcome::End;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The event.
    User,
    /// The reply.
    Bot,
    /// What a model thought on the way.
    Reasoning,
    /// A call of an ability, or its end.
    Activity,
}

/// One entry of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Names the message in its session: `<log sequence>.<index>`.
    pub id: String,
    /// Who speaks.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The words.
    pub text: String,
    /// Everything else.
    pub meta: Value,
    /// When it was committed, by the broker's clock, in milliseconds since 1970.
    pub created_at: i64,
    /// The same: a committed message does not change.
    pub updated_at: i64,
}

/// The messages of one record that lies at `seq` since `at_ms`.
pub fn of(session: &SessionKey, seq: u64, at_ms: i64, record: &Record) -> Vec<Message> {
    let mut entries: Vec<(Kind, String, Value)> = Vec::new();
    entries.extend(record.input().map(user));
    match &record.step {
        Some(Step::Intents(step)) => {
            entries.extend(step.thought.iter().flat_map(thought));
            entries.extend(step.calls.iter().map(request));
        }
        Some(Step::Outcomes(step)) => entries.extend(step.outcomes.iter().map(response)),
        Some(Step::Completed(step)) => {
            entries.extend(step.thought.iter().filter(|thought| !thought.reasoning.is_empty()).map(reasoning));
            let mut meta = used(&step.usage);
            if let (Some(map), true) = (meta.as_object_mut(), step.truncated) {
                map.insert("truncated".into(), true.into());
            }
            entries.push((Kind::Bot, step.reply.clone(), meta));
        }
        Some(Step::Failed(step)) => entries.push((
            Kind::Activity,
            step.message.clone(),
            with(used(&step.usage), "failure", json!({ "code": step.code, "dead": step.dead, "attempts": record.attempt })),
        )),
        Some(Step::Cancelled(step)) => {
            let meta = with(used(&step.usage), "cancelled", true.into());
            entries.push((
                Kind::Activity,
                step.reason.clone(),
                if step.by.is_empty() { meta } else { with(meta, "by", step.by.clone().into()) },
            ));
        }
        Some(Step::Received(step)) => entries.extend(step.answer.as_ref().filter(|_| !step.unwanted).map(answer)),
        Some(Step::Suspended(step)) => {
            let waiting = json!({ "calls": step.calls, "until": step.until_ms });
            entries.push((Kind::Activity, String::new(), json!({ "waiting": waiting })));
        }
        Some(Step::Started(_) | Step::Resumed(_) | Step::Checkpoint(_) | Step::Merged(_)) | None => {}
    }
    let receipt = crate::id::Receipt { session: session.clone(), event: record.event }.to_string();
    let complete = |(index, (kind, text, mut meta)): (usize, (Kind, String, Value))| {
        if let Some(map) = meta.as_object_mut() {
            map.insert("event".into(), receipt.clone().into());
        }
        Message { id: format!("{seq}.{index}"), kind, text, meta, created_at: at_ms, updated_at: at_ms }
    };
    entries.into_iter().enumerate().map(complete).collect()
}

fn user(input: &wire::Input) -> (Kind, String, Value) {
    let text = if input.text.is_empty() { String::from_utf8_lossy(&input.payload).into_owned() } else { input.text.clone() };
    let mut meta = json!({});
    if let Some(map) = meta.as_object_mut() {
        if !input.payload.is_empty() {
            let payload = serde_json::from_slice(&input.payload).unwrap_or_else(|_| String::from_utf8_lossy(&input.payload).into());
            map.insert("payload".into(), payload);
        }
        for (name, value) in [("contentType", &input.content_type), ("session", &input.session)] {
            if !value.is_empty() {
                map.insert(name.into(), value.clone().into());
            }
        }
        if let Some(contact) = &input.contact {
            let known = [("name", &contact.name), ("email", &contact.email), ("phone", &contact.phone)];
            let known = known.into_iter().filter(|(_, value)| !value.is_empty());
            map.insert("contact".into(), known.map(|(name, value)| (name.to_owned(), Value::from(value.clone()))).collect());
        }
    }
    (Kind::User, text, meta)
}

fn with(mut meta: Value, name: &str, value: Value) -> Value {
    if let Some(map) = meta.as_object_mut() {
        map.insert(name.into(), value);
    }
    meta
}

/// What a turn took, where models were asked.
fn used(usage: &[wire::Usage]) -> Value {
    let one = |usage: &wire::Usage| {
        json!({
            "model": usage.model, "calls": usage.calls, "inputTokens": usage.input, "cachedTokens": usage.cached,
            "outputTokens": usage.output, "reasoningTokens": usage.reasoning, "costMicroUsd": usage.cost_micro_usd,
        })
    };
    if usage.is_empty() { json!({}) } else { json!({ "usage": usage.iter().map(one).collect::<Vec<_>>() }) }
}

fn thought(thought: &wire::Thought) -> Vec<(Kind, String, Value)> {
    let words = (!thought.text.is_empty()).then(|| (Kind::Bot, thought.text.clone(), json!({})));
    let thoughts = (!thought.reasoning.is_empty()).then(|| reasoning(thought));
    thoughts.into_iter().chain(words).collect()
}

fn reasoning(thought: &wire::Thought) -> (Kind, String, Value) {
    (Kind::Reasoning, thought.reasoning.clone(), json!({}))
}

fn answer(answer: &wire::Answer) -> (Kind, String, Value) {
    use wire::answer::Kind as Said;
    let (kind, text) = match &answer.kind {
        Some(Said::Said(said)) => ("said", said.text.as_str()),
        Some(Said::Approved(said)) => ("approved", said.reason.as_str()),
        Some(Said::Rejected(said)) => ("rejected", said.reason.as_str()),
        Some(Said::Elapsed(_)) => ("elapsed", ""),
        Some(Said::Cancel(said)) => ("cancel", said.reason.as_str()),
        None => ("unknown", ""),
    };
    (Kind::Activity, text.to_owned(), json!({ "answer": { "type": kind, "call": answer.call, "by": answer.by } }))
}

fn request(call: &wire::Call) -> (Kind, String, Value) {
    let arguments = serde_json::from_str(&call.arguments).unwrap_or(Value::Null);
    let function = json!({ "name": call.ability, "arguments": arguments });
    let mut activity = json!({ "type": "request", "call": call.id, "function": function });
    if call.wait() != wire::Wait::Unspecified {
        let kind = if call.wait() == wire::Wait::Approval { "approval" } else { "answer" };
        activity = with(activity, "waits", json!({ "for": kind, "question": call.question, "until": call.wait_until_ms }));
    }
    (Kind::Activity, String::new(), json!({ "activity": activity }))
}

fn response(outcome: &wire::Outcome) -> (Kind, String, Value) {
    let function = match &outcome.end {
        Some(End::Result(result)) => json!({ "result": serde_json::from_str(result).unwrap_or(Value::Null) }),
        Some(End::Error(error)) => json!({ "error": error }),
        Some(End::Unknown(_)) | None => json!({ "inDoubt": true }),
    };
    let activity = json!({ "type": "response", "call": outcome.call, "function": function, "durationMs": outcome.duration_ms });
    (Kind::Activity, String::new(), json!({ "activity": activity }))
}
