//! Messages of a conversation.

use std::sync::Arc;

use axum::response::Response;
use proto::answer::Kind;
use proto::code::Code;
use proto::id::ConversationId;
use proto::patch;
use proto::wire::{Direct, Edit, Note};
use schemars::json_schema;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::conversation::body::{self, Fields};
use super::conversation::{CHANGES, NOTED_DEADLINE, PUTS, READS, named};
use super::kind::Empty;
use super::list::{self, Item};
use super::operation::{Answer, Form, Operation};
use super::page::Wanted;
use super::shared::{self, Id, OPERATES};
use crate::api_error::ApiError;
use crate::conversation::say::Saying;
use crate::conversation::{self, change};
use crate::door::Door;
use crate::place::Place;

const TAG: &str = "Messages";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        shared::listed(Operation::get("listMessages", "/conversation/{id}/message/list", READS, list))
            .says(TAG, "List the messages of a conversation")
            .answers(Answer::List(form()))
            .refuses(&[Code::ConversationUnknown, Code::Internal]),
        Operation::post("createMessage", "/conversation/{id}/message/create", OPERATES, create)
            .says(TAG, "Put a message down")
            .more("No bot answers to it by itself.")
            .body(fields(true))
            .answers(Answer::Object(put()))
            .refuses(&PUTS),
        Operation::get("fetchMessage", "/conversation/{id}/message/{message}/fetch", READS, fetch)
            .says(TAG, "Fetch a message")
            .answers(Answer::Object(form()))
            .refuses(&[Code::ConversationUnknown, Code::MessageUnknown]),
        Operation::post("updateMessage", "/conversation/{id}/message/{message}/update", OPERATES, update)
            .says(TAG, "Change a message")
            .more("What it said before is overwritten. What is left out stays; null clears. Messages of a turn that is under way are not changed.")
            .body(fields(false))
            .gives::<Id>(json!({ "id": "12.0" }))
            .refuses(&CHANGES)
            .refuses(&[Code::MessageUnknown, Code::FieldInvalid, Code::FieldUnknown]),
        Operation::post("deleteMessage", "/conversation/{id}/message/{message}/delete", OPERATES, delete)
            .says(TAG, "Delete a message")
            .more("What it said is overwritten.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "12.0" }))
            .refuses(&CHANGES)
            .refuses(&[Code::MessageUnknown]),
    ]
}

/// A message.
pub(super) fn form() -> Form {
    let schema = |_: &mut _| {
        let kinds: Vec<&str> = proto::message::Kind::ALL.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "type": { "type": "string", "enum": kinds },
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

/// What a body says about a message.
fn fields(is_new: bool) -> Form {
    let new = |_: &mut _| {
        let kinds: Vec<&str> = proto::message::Kind::ALL.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "type": "object",
            "properties": { "type": { "type": "string", "enum": kinds }, "text": { "type": ["string", "null"] }, "name": { "type": ["string", "null"] }, "description": { "type": ["string", "null"] }, "meta": { "type": ["object", "null"] }, "entities": {} },
            "required": ["type"],
            "additionalProperties": false
        })
    };
    let change = |_: &mut _| {
        let kinds: Vec<&str> = proto::message::Kind::ALL.iter().map(|(name, _)| *name).collect();
        json_schema!({
            "type": "object",
            "properties": { "type": { "type": "string", "enum": kinds }, "text": { "type": ["string", "null"] }, "name": { "type": ["string", "null"] }, "description": { "type": ["string", "null"] }, "meta": { "type": ["object", "null"] }, "entities": {} },
            "additionalProperties": false
        })
    };
    if is_new {
        Form { schema: new, example: json!({ "type": "user", "text": "Where is my order?" }) }
    } else {
        Form { schema: change, example: json!({ "text": "Where is my order 42?" }) }
    }
}

/// What is answered where something was put down.
pub(super) fn put() -> Form {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "id": { "type": "string" }, "entities": { "type": "array", "items": {} } }, "required": ["id", "entities"] });
    Form { schema, example: json!({ "id": "12.0", "entities": [] }) }
}

async fn list(call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let door = Arc::clone(&call.door);
    list::answer(&call, move |wanted| items(Arc::clone(&door), id.clone(), wanted)).await
}

/// A page of messages as items of a list.
pub(super) async fn items(door: Arc<Door>, id: ConversationId, wanted: Wanted) -> Result<Vec<Item>, ApiError> {
    let messages = conversation::list(&door, &id, &wanted).await?;
    let item = |message: proto::message::Message| Some((message.id.clone(), serde_json::to_value(message).ok()?));
    Ok(messages.into_iter().filter_map(item).collect())
}

async fn create(mut call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let note = body::note(Fields::of(&call)?.rest())?;
    call.release();
    put_down(&call, &id, note).await
}

/// Puts a message down, and answers with its id.
pub(super) async fn put_down(call: &Call, id: &ConversationId, note: Note) -> Result<Response, ApiError> {
    let direct = Direct { notes: vec![note], quiet: true, ..Direct::default() };
    let saying = Saying::on(&call.door, id, None, direct, &call.headers).await?;
    let (_, ended) = saying.finish(&call.door, &call.headers, (NOTED_DEADLINE, false)).await?;
    let messages = ended.noted()?;
    let message = messages.first().map(|message| message.id.clone()).unwrap_or_default();
    give(&json!({ "id": message, "entities": [] }))
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    give(&conversation::message(&call.door, &named(&call)?, call.place("message")).await?)
}

async fn update(call: Call) -> Result<Response, ApiError> {
    let mut fields = Fields::of(&call)?;
    drop(fields.take("entities"));
    let patch = fields.rest();
    patch::note(&Note::default(), &patch).map_err(body::refused)?;
    edit(&call, "message.update", |place| Edit { patch: Value::Object(patch).to_string(), ..place }).await
}

async fn delete(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    edit(&call, "message.delete", |place| Edit { remove: true, ..place }).await
}

async fn edit(call: &Call, action: &'static str, change: impl FnOnce(Edit) -> Edit) -> Result<Response, ApiError> {
    let id = named(call)?;
    let message = call.place("message");
    let place = Place::of_message(message).and_then(|place| Some((place.seq, u32::try_from(place.index).ok()?)));
    let (seq, index) = place.ok_or_else(|| ApiError::new(Code::MessageUnknown, "there is no such message of this conversation"))?;
    let edit = change(Edit { seq, index, ..Edit::default() });
    change::make(call, &id, action, Kind::Edit(edit)).await?;
    give(&json!({ "id": message }))
}
