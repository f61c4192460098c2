//! Conversations.
//!
//! Everything that changes one goes through its session's inbox, and is answered once the record
//! stands: see [`crate::conversation`].

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use axum::routing::get;
use proto::answer::Kind;
use proto::code::Code;
use proto::id::ConversationId;
use proto::patch;
use proto::resource::Scope;
use proto::wire::{Describe, Direct, Erase, Settings};
use schemars::json_schema;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::kind::{self, Empty};
use super::operation::{Access, Answer, Form, Method, Operation};
use super::shared::{Id, OPERATES};
use super::{bot, contact, list, message, skillset};
use crate::api_error::ApiError;
use crate::conversation::found::{self, Found};
use crate::conversation::say::Saying;
use crate::conversation::{self, change};
use crate::follow;

pub(super) mod body;
mod fork;
pub(super) mod stream;
mod talk;
mod told;
mod usage;

use body::Fields;

pub(super) const TAG: &str = "Conversations";
/// Whoever may read a conversation: also the secret of its trigger.
pub(crate) const READS: Access = Access::Trigger(Scope::Read);
/// The path of the operation that follows one.
pub(crate) const SUBSCRIBE: &str = "/conversation/{id}/subscribe";
/// How long a caller waits for what it puts down to be on record.
pub(super) const NOTED_DEADLINE: Duration = Duration::from_secs(15);
/// What an export of messages has a column for.
const COLUMNS: [&str; 8] = ["id", "type", "text", "name", "description", "meta", "createdAt", "updatedAt"];
/// How what is put down may be refused.
pub(super) const PUTS: [Code; 10] = [
    Code::FieldInvalid,
    Code::FieldUnknown,
    Code::KeyInvalid,
    Code::ConversationUnknown,
    Code::ConversationEnded,
    Code::KeyReused,
    Code::Late,
    Code::BodyTooLarge,
    Code::SessionBacklogFull,
    Code::BrokerFull,
];

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = vec![
        Operation::post("createConversation", "/conversation/create", OPERATES, create)
            .says(TAG, "Make a conversation")
            .more("With a bot, or with a model and a backstory of its own, and with messages to begin with. Its id counts at once; the messages have theirs once they are on record.")
            .body(Form { schema: |_| body::settings_schema(&json!({ "messages": messages_schema() })), example: json!({ "name": "Order 42", "botId": "support", "messages": [{ "type": "bot", "text": "Hello!" }] }) })
            .answers(Answer::Object(Form { schema: |_| json_schema!({ "type": "object", "properties": { "id": { "type": "string" }, "messages": { "type": "array", "items": { "type": "object" } } }, "required": ["id"] }), example: json!({ "id": "cnv._api.Zk3f0aQ1.6a1b2c3d.42" }) }))
            .refuses(&PUTS)
            .refuses(&[Code::ResourceUnknown]),
        Operation::get("fetchConversation", "/conversation/{id}/fetch", READS, fetch)
            .says(TAG, "Fetch a conversation")
            .answers(Answer::Object(told::form()))
            .refuses(&[Code::ConversationUnknown]),
        Operation::post("updateConversation", "/conversation/{id}/update", OPERATES, update)
            .says(TAG, "Change what is known of a conversation")
            .more("What is left out stays; null clears. It counts from the next turn on.")
            .body(Form { schema: |_| body::settings_schema(&json!({})), example: json!({ "name": "Order 42", "meta": { "$update": { "solved": true } } }) })
            .gives::<Id>(json!({ "id": "cnv._api.Zk3f0aQ1.6a1b2c3d.42" }))
            .refuses(&CHANGES)
            .refuses(&[Code::ResourceUnknown, Code::FieldInvalid, Code::FieldUnknown]),
        Operation::post("deleteConversation", "/conversation/{id}/delete", OPERATES, delete)
            .says(TAG, "Delete a conversation")
            .more("A turn that is under way is called off. All records of the conversation are overwritten, and the dead letters of its events.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "cnv._api.Zk3f0aQ1.6a1b2c3d.42" }))
            .refuses(&CHANGES),
        Operation::raw("subscribeConversation", Method::Get, SUBSCRIBE, READS, get(follow::conversation))
            .says(TAG, "Follow a conversation")
            .query("after", json!({ "type": "string", "pattern": "^(0|[1-9][0-9]{0,14}[.][0-9]{1,4})$" }), "The id of the last thing that was told; 0 for everything.")
            .answers(Answer::Lines(line()))
            .refuses(&[Code::ParameterInvalid, Code::ConversationUnknown, Code::Internal]),
        super::shared::listed(Operation::get("exportMessages", "/conversation/{id}/export", READS, export))
            .says(TAG, "Export the messages of a conversation")
            .answers(Answer::Export(message::form()))
            .refuses(&[Code::ConversationUnknown]),
        usage::operation(),
    ];
    all.extend(fork::operations());
    all.extend(talk::operations());
    all
}

/// How a change of a conversation may be refused.
pub(super) const CHANGES: [Code; 7] = [
    Code::ConversationUnknown,
    Code::ChangeRefused,
    Code::Late,
    Code::BodyTooLarge,
    Code::SessionBacklogFull,
    Code::BrokerFull,
    Code::Unrecorded,
];

/// Something that is told while following.
pub(super) fn line() -> Form {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "type": { "type": "string" }, "data": { "type": "object" } }, "required": ["type", "data"] });
    Form { schema, example: json!({ "type": "message", "data": { "id": "12.0", "type": "user", "text": "Where is my order?" } }) }
}

/// Messages that are put down.
fn messages_schema() -> Value {
    let kinds: Vec<&str> = proto::message::Kind::ALL.iter().map(|(name, _)| *name).collect();
    json!({
        "type": ["array", "null"],
        "maxItems": 1000,
        "items": {
            "type": "object",
            "properties": { "type": { "type": "string", "enum": kinds }, "text": { "type": "string" }, "name": { "type": "string" }, "description": { "type": "string" }, "meta": { "type": "object" } },
            "required": ["type"],
            "additionalProperties": false
        }
    })
}

/// The conversation in the path.
pub(super) fn named(call: &Call) -> Result<ConversationId, ApiError> {
    conversation::named(call.place("id"))
}

/// What a conversation is, by the fields of a body; what it names must be there.
pub(super) async fn settings(call: &Call, fields: &mut Fields) -> Result<Settings, ApiError> {
    for name in ["botId", "skillsetId", "contactId"] {
        let Some(value) = fields.take(name) else { continue };
        let named = match (name, &value) {
            ("contactId", Value::Object(card)) => contact::ensured(call, card.clone()).await?.to_string(),
            ("contactId", Value::String(id)) => contact::existing(&call.door, id).await?.1.id.to_string(),
            ("botId", Value::String(id)) => kind::find::<bot::Bots>(call, id).await?.id.to_string(),
            ("skillsetId", Value::String(id)) => kind::find::<skillset::Skillsets>(call, id).await?.id.to_string(),
            _ => return Err(ApiError::field(name, "must be an id")),
        };
        fields.put(name, named.into());
    }
    fields.settings()
}

async fn create(mut call: Call) -> Result<Response, ApiError> {
    let mut fields = Fields::of(&call)?;
    let notes = fields.notes()?;
    let settings = settings(&call, &mut fields).await?;
    call.release();
    let has_messages = !notes.is_empty();
    let direct = Direct { settings: Some(settings), notes, quiet: true, ..Direct::default() };
    let saying = Saying::anew(None, direct, &call.headers)?;
    let (said, ended) = saying.finish(&call.door, &call.headers, (NOTED_DEADLINE, false)).await?;
    let messages = ended.noted()?;
    let id = said.conversation.to_string();
    give(&if has_messages { json!({ "id": id, "messages": messages }) } else { json!({ "id": id }) })
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let found = found::find(&call.door, &id).await?;
    give(&told::tell(&call.door, &id, &found))
}

async fn update(call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let mut fields = Fields::of(&call)?;
    let cleared: Vec<String> =
        ["botId", "skillsetId", "contactId"].into_iter().filter(|name| !fields.has(name)).map(str::to_owned).collect();
    let given = Fields::of(&call)?.rest();
    settings(&call, &mut fields).await?;
    let mut patch = fields.rest();
    // What was cleared was taken for nothing above.
    patch.extend(cleared.into_iter().filter(|name| given.contains_key(name)).map(|name| (name, Value::Null)));
    patch::settings(&Settings::default(), &patch).map_err(body::refused)?;
    let kind = Kind::Describe(Describe { patch: Value::Object(patch).to_string() });
    change::make(&call, &id, "conversation.update", kind).await?;
    give(&json!({ "id": id.to_string() }))
}

async fn delete(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let id = named(&call)?;
    change::make(&call, &id, "conversation.delete", Kind::Erase(Erase {})).await?;
    give(&json!({ "id": id.to_string() }))
}

async fn export(call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let door = Arc::clone(&call.door);
    list::export(&call, &COLUMNS, move |wanted| message::items(Arc::clone(&door), id.clone(), wanted)).await
}

/// Whether a conversation is there, so that it can be gone on with.
pub(super) async fn existing(call: &Call, id: &ConversationId) -> Result<Found, ApiError> {
    found::find(&call.door, id).await
}
