//! Events, and what is said to their turns.

use axum::routing::{any, get, post};
use proto::code::Code;
use proto::limit::BATCH_BYTES_MAX;
use proto::resource::Scope;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::conversation;
use super::operation::{Access, Answer, Form, Method, Operation};
use crate::{event, fetch, follow, speak};

const TAG: &str = "Events";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![send(), batch(), fetched(), cancel(), answer(), subscribe()]
}

fn send() -> Operation {
    Operation::raw("sendEvent", Method::Any, "/integration/trigger/{id}/event", Access::Event, any(event::event))
        .says(TAG, "Send an event to a trigger")
        .more("The body is the event's payload, whatever it is. Without `wait` the answer comes as soon as the event is stored.")
        .query(
            "session",
            json!({ "type": "string", "maxLength": 1024 }),
            "Events of one session are handled in order and share a conversation.",
        )
        .query(
            "contact.name",
            json!({ "type": "string", "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "maxLength": 63 }),
            "The name of whom the event is from.",
        )
        .query(
            "contact.email",
            json!({ "type": "string", "pattern": "^[!-?A-~]+@[!-?A-~]+$", "maxLength": 254 }),
            "The mail address of whom the event is from.",
        )
        .query(
            "contact.phone",
            json!({ "type": "string", "pattern": "^[+]?([ .()/-]*[0-9]){3,20}[ .()/-]*$", "maxLength": 40 }),
            "The telephone number of whom the event is from.",
        )
        .query("wait", wait(), "How long to stay for the end of the turn, in seconds.")
        .query(
            "delay",
            length(),
            "How long the event is put off, at most 30 days: milliseconds, or a text such as `90s`. Also as header `Cuepoint-Delay`.",
        )
        .query(
            "at",
            json!({ "type": "string", "minLength": 1, "maxLength": 64 }),
            "When the event comes instead, at most 30 days ahead: milliseconds since 1970 or ISO 8601. Also as header `Cuepoint-At`.",
        )
        .query("expiresIn", length(), "How long the event may wait for its turn, from when it comes. Also as header `Cuepoint-Expires-In`.")
        .header("Idempotency-Key", json!({ "type": "string", "maxLength": 255 }), "Calls with one key make one event.")
        .answers(Answer::Object(Form { schema: progress, example: receipt() }))
        .refuses(&[
            Code::BodyMalformed,
            Code::BodyTooLarge,
            Code::SessionInvalid,
            Code::ContactInvalid,
            Code::KeyInvalid,
            Code::ParameterInvalid,
            Code::TextInvalid,
            Code::TriggerUnknown,
            Code::KeyReused,
            Code::KeyUnknown,
            Code::SessionBusy,
            Code::SessionBacklogFull,
            Code::BrokerFull,
            Code::Overloaded,
            Code::Unconfirmed,
            Code::Internal,
            Code::TimingInvalid,
            Code::TriggerDraining,
        ])
}

fn batch() -> Operation {
    let example =
        json!({ "events": [{ "text": "where is my order?", "session": "order-42" }, { "payload": { "order": 43 }, "delay": "10m" }] });
    let results = json!({ "results": [
        { "id": "evt.orders.k1f3.6a1b2c3d.42", "session": "k1f3", "durability": "replicated" },
        { "id": "tmr.orders.x2.later-00112233445566778899aabbccddeeff", "session": "x2", "status": "scheduled", "dueAt": 1_790_000_600_000_i64, "durability": "replicated" },
    ] });
    Operation::post("sendEvents", "/integration/trigger/{id}/event/batch", Access::Event, crate::batch::send)
        .says(TAG, "Send up to 100 events to a trigger")
        .more("The results stand in the order of the events: a receipt, or the shape of an error. Events of one session keep their order.")
        .takes::<crate::batch::Events>(example)
        .at_most(BATCH_BYTES_MAX)
        .answers(Answer::Object(Form { schema: results_schema, example: results }))
        .refuses(&[
            Code::BodyMalformed,
            Code::BodyTooLarge,
            Code::FieldInvalid,
            Code::FieldUnknown,
            Code::BatchInvalid,
            Code::TriggerUnknown,
            Code::TriggerDraining,
        ])
}

fn results_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { "results": { "type": "array", "maxItems": 100, "items": { "type": "object", "additionalProperties": true } } },
        "required": ["results"]
    })
}

fn length() -> Value {
    json!({ "type": "string", "pattern": "^([1-9][0-9]{0,7}|[1-9][0-9]?(ms|s|m|h))$" })
}

fn fetched() -> Operation {
    Operation::raw("fetchEvent", Method::Get, "/integration/trigger/{id}/event/{receipt}/fetch", READS, get(fetch::fetch))
        .says(TAG, "Fetch what became of an event")
        .answers(Answer::Object(Form { schema: progress, example: example() }))
        .refuses(&[Code::TriggerUnknown, Code::ReceiptUnknown, Code::Internal])
}

fn cancel() -> Operation {
    let told = json!({ "reason": "no longer needed" });
    Operation::raw("cancelEvent", Method::Post, "/integration/trigger/{id}/event/{receipt}/cancel", SPEAKS, post(speak::cancel))
        .says(TAG, "Call an event's turn off")
        .query("wait", wait(), "How long to stay for the end of the turn, in seconds.")
        .answers(Answer::Object(Form { schema: progress, example: example() }))
        .body(Form { schema: |_| json_schema!({ "type": "object", "properties": { "reason": { "type": ["string", "null"] }, "by": { "type": ["string", "null"], "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$" } }, "additionalProperties": false }), example: told })
        .refuses(&SAID)
}

fn answer() -> Operation {
    let told = json!({ "call": "2.0", "approve": true });
    Operation::raw("answerEvent", Method::Post, "/integration/trigger/{id}/event/{receipt}/answer", SPEAKS, post(speak::answer))
        .says(TAG, "Answer a call that waits for somebody")
        .query("wait", wait(), "How long to stay for the end of the turn, in seconds.")
        .answers(Answer::Object(Form { schema: progress, example: example() }))
        .body(Form { schema: answered, example: told })
        .refuses(&SAID)
}

/// What answers a call: words, or a yes or no.
fn answered(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "call": { "type": "string", "minLength": 1, "maxLength": 254, "description": "The id of the call that waits." },
            "text": { "type": ["string", "number", "boolean", "object", "array"], "items": {}, "description": "What is said; what is no text is told as JSON." },
            "approve": { "type": "boolean", "description": "Whether the call may run." },
            "reason": { "type": ["string", "null"], "description": "Why, beside approve; at most 4096 bytes." },
            "by": { "type": ["string", "null"], "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$", "description": "Who says so, in at most 254 bytes." }
        },
        "required": ["call"],
        "oneOf": [{ "required": ["text"], "not": { "required": ["approve"] }, "properties": { "reason": { "type": "null" } } }, { "required": ["approve"], "not": { "required": ["text"] } }],
        "additionalProperties": false
    })
}

fn subscribe() -> Operation {
    Operation::raw("subscribeEvent", Method::Get, "/integration/trigger/{id}/event/{receipt}/subscribe", READS, get(follow::event))
        .says(TAG, "Follow an event's turn")
        .query(
            "after",
            json!({ "type": "string", "pattern": "^(0|[1-9][0-9]{0,14}[.][0-9]{1,4})$" }),
            "The id of the last thing that was told.",
        )
        .answers(Answer::Lines(conversation::line()))
        .refuses(&[Code::ParameterInvalid, Code::TriggerUnknown, Code::ReceiptUnknown, Code::Internal])
}

const READS: Access = Access::Trigger(Scope::Read);
const SPEAKS: Access = Access::Trigger(Scope::Operate);
const SAID: [Code; 11] = [
    Code::TimerRunOff,
    Code::BodyMalformed,
    Code::BodyTooLarge,
    Code::ParameterInvalid,
    Code::TextInvalid,
    Code::TriggerUnknown,
    Code::ReceiptUnknown,
    Code::TurnEnded,
    Code::SessionBacklogFull,
    Code::Overloaded,
    Code::Unconfirmed,
];

fn wait() -> Value {
    json!({ "type": "number", "minimum": 0.001, "maximum": 60 })
}

/// What is told about an event.
fn progress(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "description": "The receipt." },
            "eventId": { "type": "string", "description": "The receipt of the event itself, where `id` is that of its timer." },
            "dueAt": { "type": "integer", "description": "When a later event comes, in milliseconds since 1970." },
            "session": { "type": "string", "description": "The session's token." },
            "durability": { "type": "string", "enum": ["written", "replicated", "fsynced"], "description": "In the answer of the call that sent it: how safe the event is by now." },
            "status": { "type": "string", "description": "Where the event is on its way." },
            "attempts": { "type": "integer", "description": "How often it was attempted." },
            "conversationId": { "type": "string", "description": "The conversation, once it is known." },
            "text": { "type": "string", "description": "The reply." },
            "messages": { "type": "array", "items": { "type": "object" }, "description": "What was said in the turn." }
        },
        "required": ["id"]
    })
}

/// What a call that does not wait is answered with.
fn receipt() -> Value {
    json!({ "id": "evt.orders.k1f3.6a1b2c3d.42", "session": "k1f3", "durability": "replicated" })
}

fn example() -> Value {
    json!({ "id": "evt.orders.k1f3.6a1b2c3d.42", "session": "k1f3", "status": "completed", "attempts": 1, "conversationId": "cnv.orders.k1f3.6a1b2c3d.42", "text": "Your order is on its way.", "messages": [] })
}
