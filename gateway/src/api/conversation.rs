//! Conversations and their messages.

use axum::routing::get;
use proto::code::Code;
use proto::resource::Scope;
use schemars::json_schema;
use serde_json::json;

use super::operation::{Access, Answer, Form, Method, Operation};
use crate::{conversation, follow};

const TAG: &str = "Conversations";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::raw("listMessages", Method::Get, "/conversation/{id}/message/list", READS, get(conversation::list))
            .says("Messages", "List the messages of a conversation")
            .query("cursor", json!({ "type": "string" }), "The id of the last message of the page before.")
            .query("order", json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" }), "Oldest or newest first.")
            .query("take", json!({ "type": "integer", "default": 100 }), "How many; brought to 1 to 100.")
            .answers(Answer::List(message()))
            .refuses(&[Code::ParameterInvalid, Code::ConversationUnknown, Code::Internal]),
        Operation::raw("subscribeConversation", Method::Get, "/conversation/{id}/subscribe", READS, get(follow::conversation))
            .says(TAG, "Follow a conversation")
            .query("after", json!({ "type": "string" }), "The id of the last thing that was told; 0 for everything.")
            .answers(Answer::Lines(line()))
            .refuses(&[Code::ParameterInvalid, Code::ConversationUnknown, Code::Internal]),
    ]
}

const READS: Access = Access::Trigger(Scope::Read);

/// A message.
pub(super) fn message() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "type": { "type": "string", "enum": ["user", "bot", "reasoning", "activity", "context", "instruction", "backstory", "checkpoint"] },
                "text": { "type": "string" },
                "name": { "type": "string" },
                "description": { "type": "string" },
                "meta": { "type": "object" },
                "createdAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "updatedAt": { "type": "integer", "description": "Milliseconds since 1970." }
            },
            "required": ["id", "type", "text", "meta", "createdAt", "updatedAt"]
        })
    };
    let example = json!({ "id": "12.0", "type": "user", "text": "Where is my order?", "meta": {}, "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64 });
    Form { schema, example }
}

/// Something that is told while following.
pub(super) fn line() -> Form {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "type": { "type": "string" }, "data": { "type": "object" } }, "required": ["type", "data"] });
    Form { schema, example: json!({ "type": "message", "data": { "id": "12.0", "type": "user", "text": "Where is my order?" } }) }
}
