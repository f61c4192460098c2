//! A conversation that begins with what was said in another, and whom one is held with.

use axum::response::Response;
use proto::answer::Kind;
use proto::code::Code;
use proto::wire::{Describe, Direct, Note};
use schemars::json_schema;
use serde_json::json;

use super::body::Fields;
use super::{CHANGES, NOTED_DEADLINE, PUTS, TAG, existing, named};
use crate::api::call::{Call, give};
use crate::api::contact;
use crate::api::operation::{Form, Operation};
use crate::api::shared::{Id, OPERATES};
use crate::api_error::ApiError;
use crate::conversation;
use crate::conversation::change;
use crate::conversation::say::Saying;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let example = || json!({ "id": "cnv._api.Zk3f0aQ1.6a1b2c3d.42" });
    let at = |_: &mut _| json_schema!({ "type": "object", "properties": { "messageId": { "type": ["string", "null"] }, "name": { "type": ["string", "null"] } }, "additionalProperties": false });
    let card = |_: &mut _| json_schema!({ "type": "object", "properties": { "fingerprint": { "type": ["string", "null"] }, "name": { "type": ["string", "null"] }, "email": { "type": ["string", "null"] }, "phone": { "type": ["string", "null"] } }, "additionalProperties": false });
    vec![
        Operation::post("forkConversation", "/conversation/{id}/fork", OPERATES, fork)
            .says(TAG, "Begin a conversation with what was said in another")
            .more("The messages up to the one that is named stand in the new one, which has the same bot.")
            .body(Form { schema: at, example: json!({ "messageId": "12.0" }) })
            .gives::<Id>(example())
            .refuses(&PUTS)
            .refuses(&[Code::MessageUnknown]),
        Operation::post("upsertConversationContact", "/conversation/{id}/contact/upsert", OPERATES, upsert)
            .says(TAG, "Say whom a conversation is held with")
            .body(Form { schema: card, example: json!({ "fingerprint": "crm-7", "name": "Ada" }) })
            .gives::<Id>(json!({ "id": "c3f1" }))
            .refuses(&CHANGES)
            .refuses(&[Code::FieldInvalid, Code::FieldUnknown]),
    ]
}

async fn fork(mut call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let mut fields = Fields::of(&call)?;
    let (at, name) = (fields.text("messageId")?, fields.text("name")?);
    fields.end()?;
    call.release();
    let found = existing(&call, &id).await?;
    let mut settings = found.settings().cloned().unwrap_or_default();
    if settings.bot.is_empty() && settings.definition.is_empty() {
        // The new one has no trigger whose bot would answer.
        let trigger = call.door.directory.catalogue.trigger(&id.session.trigger);
        settings.bot = trigger.and_then(|trigger| trigger.bot.as_ref().map(ToString::to_string)).unwrap_or_default();
    }
    if let Some(name) = name {
        settings.name = name;
    }
    let mut messages = conversation::all(&call.door, &id).await?;
    if let Some(at) = at {
        let end = messages.iter().position(|message| message.id == at);
        let end = end.ok_or_else(|| ApiError::new(Code::MessageUnknown, "there is no such message of this conversation"))?;
        messages.truncate(end + 1);
    }
    let notes = messages.into_iter().map(Note::from).collect();
    let direct = Direct { settings: Some(settings), notes, quiet: true, ..Direct::default() };
    let saying = Saying::anew(None, direct, &call.headers)?;
    let (said, ended) = saying.finish(&call.door, &call.headers, (NOTED_DEADLINE, false)).await?;
    ended.noted()?;
    give(&json!({ "id": said.conversation.to_string() }))
}

async fn upsert(call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    existing(&call, &id).await?;
    let contact = contact::ensured(&call, Fields::of(&call)?.rest()).await?;
    let patch = json!({ "contactId": contact.as_str() }).to_string();
    change::make(&call, &id, "conversation.update", Kind::Describe(Describe { patch })).await?;
    give(&json!({ "id": contact.as_str() }))
}
