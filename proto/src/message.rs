//! What a record looks like to a reader: messages in ChatBotKit's shape.

use serde::Serialize;
use serde_json::{Value, json};

use crate::id::SessionKey;
use crate::record::{Record, Step};
use crate::trace::Traceparent;
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
    /// Something the bot should know.
    Context,
    /// Something the bot should do.
    Instruction,
    /// Who the bot is.
    Backstory,
    /// What was said before, in short.
    Checkpoint,
}

impl Kind {
    /// All kinds, by the names that they have outside.
    pub const ALL: [(&'static str, Self); 8] = [
        ("user", Self::User),
        ("bot", Self::Bot),
        ("reasoning", Self::Reasoning),
        ("activity", Self::Activity),
        ("context", Self::Context),
        ("instruction", Self::Instruction),
        ("backstory", Self::Backstory),
        ("checkpoint", Self::Checkpoint),
    ];

    /// The kind of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The name of the kind.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("activity", |(name, _)| name)
    }
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
    /// The display name, where somebody gave it one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is about, where somebody said so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Everything else.
    pub meta: Value,
    /// When it was committed, by the broker's clock, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was last changed; without a change the same.
    pub updated_at: i64,
}

/// What a reader is shown of one message, before it has an id.
struct Shown {
    kind: Kind,
    text: String,
    name: String,
    description: String,
    meta: Value,
}

impl From<(Kind, String, Value)> for Shown {
    fn from((kind, text, meta): (Kind, String, Value)) -> Self {
        Self { kind, text, name: String::new(), description: String::new(), meta }
    }
}

impl Shown {
    /// A message that somebody put down; a kind of a later version shows as activity.
    fn note(note: &wire::Note) -> Self {
        Self {
            kind: Kind::parse(&note.r#type).unwrap_or(Kind::Activity),
            text: note.text.clone(),
            name: note.name.clone(),
            description: note.description.clone(),
            meta: serde_json::from_str(&note.meta).unwrap_or_else(|_| json!({})),
        }
    }
}

/// A message as it is stored in an input or an edit: without the receipt, which is put in when it is read.
impl From<Message> for wire::Note {
    fn from(message: Message) -> Self {
        let Message { kind, text, name, description, meta, .. } = message;
        let meta = match meta {
            Value::Object(mut meta) => {
                meta.remove("event");
                crate::resource::common::text(&meta)
            }
            _ => String::new(),
        };
        Self { r#type: kind.as_str().to_owned(), text, name, description, meta, removed: false }
    }
}

/// The messages of one record that lies at `seq` since `at_ms`.
pub fn of(session: &SessionKey, seq: u64, at_ms: i64, record: &Record) -> Vec<Message> {
    if let Some(Step::Changed(wire::Changed { what: Some(wire::changed::What::Edited(edited)), .. })) = &record.step {
        return edited_of(session, at_ms, record, edited);
    }
    let notes: Vec<Shown> = record.input().iter().flat_map(|input| notes(input)).map(Shown::note).collect();
    let mut entries: Vec<(Kind, String, Value)> = Vec::new();
    let trace = Traceparent::parse(&record.traceparent);
    entries.extend(record.input().filter(|input| is_said(input)).map(|input| {
        let (kind, text, meta) = user(input);
        let meta = match &trace {
            Some(trace) => with(meta, "traceId", trace.trace_id().into()),
            None => meta,
        };
        (kind, text, meta)
    }));
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
        Some(Step::Started(_) | Step::Resumed(_) | Step::Checkpoint(_) | Step::Merged(_) | Step::Noted(_) | Step::Changed(_)) | None => {}
    }
    let receipt = crate::id::Receipt { session: session.clone(), event: record.event }.to_string();
    let complete = |(index, shown): (usize, Shown)| {
        let Shown { kind, text, name, description, meta } = shown;
        let meta = with(meta, "event", receipt.clone().into());
        Message { id: format!("{seq}.{index}"), kind, text, name, description, meta, created_at: at_ms, updated_at: at_ms }
    };
    notes.into_iter().chain(entries.into_iter().map(Shown::from)).enumerate().map(complete).collect()
}

/// What an input put down before its turn.
fn notes(input: &wire::Input) -> &[wire::Note] {
    input.direct.as_ref().map(|direct| direct.notes.as_slice()).unwrap_or_default()
}

/// Whether an input has words of its own beside what it put down: an event always has, even none.
fn is_said(input: &wire::Input) -> bool {
    input.direct.is_none() || !input.text.is_empty() || !input.payload.is_empty()
}

/// The messages of an earlier record as they are after a change, under the ids that they had.
fn edited_of(session: &SessionKey, at_ms: i64, record: &Record, edited: &wire::Edited) -> Vec<Message> {
    let event = record.edited_event().unwrap_or(record.event);
    let receipt = crate::id::Receipt { session: session.clone(), event }.to_string();
    let kept = edited.messages.iter().enumerate().filter(|(_, note)| !note.removed);
    kept.map(|(index, note)| {
        let Shown { kind, text, name, description, meta } = Shown::note(note);
        let meta = with(meta, "event", receipt.clone().into());
        let id = format!("{}.{index}", edited.of);
        Message { id, kind, text, name, description, meta, created_at: edited.at_ms, updated_at: at_ms }
    })
    .collect()
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
        // These change the conversation and stand in records of their own.
        Some(Said::Describe(_) | Said::Edit(_) | Said::Erase(_)) | None => ("unknown", ""),
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
