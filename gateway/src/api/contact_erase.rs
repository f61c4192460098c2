//! A person forgotten: every conversation with them erased, then their card deleted.
//!
//! Erasing is the work of each session's owner, who is told so in the session's inbox. This call
//! tells them, waits a while for it to be done, and deletes the card once nothing is left; where
//! it answers that something is, it is called again and goes on.

use std::time::Duration;

use async_nats::HeaderMap;
use axum::response::Response;
use backbone::publish;
use index::contact::subject_of;
use index::filter::Conversations;
use index::read::{Order, Wanted};
use proto::answer::Kind;
use proto::code::Code;
use proto::id::{ContactId, ConversationId, Receipt};
use proto::limit::PUBLISH_DEADLINE;
use proto::resource::Scope;
use proto::wire::Erase;
use schemars::json_schema;
use serde_json::json;
use tokio::time::Instant;

use super::call::{Call, give};
use super::indexed::refusal;
use super::operation::{Access, Answer, Form, Operation};
use super::trigger_event::Nothing;
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::{ingest, speak};

/// How many conversations one call erases.
const ERASED_AT_ONCE_MAX: usize = 500;
/// How long one call waits for them to be gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("eraseContact", "/contact/{id}/erase", Access::Scope(Scope::Operate), erase)
            .says("Contacts", "Forget a contact")
            .more("Erases all conversations with the contact, then deletes its card. Call again while `done` is false: a call erases up to 500.")
            .takes::<Nothing>(json!({}))
            .answers(Answer::Object(form()))
            .refuses(&[Code::ResourceUnknown, Code::TriggerForeign, Code::IndexAway, Code::IndexBuilding, Code::Unconfirmed, Code::Unavailable]),
    ]
}

fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "conversations": { "type": "integer", "description": "How many were told to go." },
                "done": { "type": "boolean", "description": "Whether all are gone, and the card too." }
            },
            "required": ["id", "conversations", "done"]
        })
    };
    Form { schema, example: json!({ "id": "c3a7bd3e2360a3d29eea436fc", "conversations": 3, "done": true }) }
}

async fn erase(call: Call) -> Result<Response, ApiError> {
    let Nothing {} = call.json()?;
    let id: ContactId = call.place("id").parse().map_err(|_| ApiError::new(Code::ResourceUnknown, "there is no such contact"))?;
    if call.caller.is_limited() {
        return Err(ApiError::new(Code::TriggerForeign, "the token is limited to some triggers, and a contact's conversations are of any"));
    }
    let key = format!("contact.{id}");
    let done = audit::on_record(&call.door, &call.caller.who(), Deed::of("contact.erase", &key), forget(&call, &id)).await?;
    give(&json!({ "id": id.to_string(), "conversations": done.0, "done": done.1 }))
}

async fn left(call: &Call, id: &ContactId) -> Result<Vec<ConversationId>, ApiError> {
    let filter = Conversations { contacts: vec![id.to_string()], ..Conversations::default() };
    let wanted = Wanted { cursor: None, order: Order::Ascending, take: ERASED_AT_ONCE_MAX };
    let part = call.door.index.conversations(&wanted, &filter).await.map_err(|error| refusal(&error))?;
    Ok(part.items.into_iter().filter_map(|(id, _)| id.parse().ok()).collect())
}

/// How many conversations were told to go, and whether all is gone.
async fn forget(call: &Call, id: &ContactId) -> Result<(usize, bool), ApiError> {
    let conversations = left(call, id).await?;
    for conversation in &conversations {
        let opening = Receipt { session: conversation.session.clone(), event: conversation.event };
        speak::tell(&call.door, &opening, call.caller.who().to_string(), Kind::Erase(Erase {})).await?;
    }
    let until = Instant::now() + PATIENCE;
    while !left(call, id).await?.is_empty() {
        if Instant::now() >= until {
            return Ok((conversations.len(), false));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let mut headers = HeaderMap::new();
    headers.insert("KV-Operation", "DEL");
    let deleting = publish::confirmed(&call.door.client, subject_of(id.as_str()), Some(headers), bytes::Bytes::new(), PUBLISH_DEADLINE);
    let gone = call.door.publish(deleting).await;
    gone.map_err(|error| ApiError {
        cause: Some(error.to_string()),
        ..ApiError::new(ingest::code(&error), "the card could not be deleted: repeat the call")
    })?;
    Ok((conversations.len(), true))
}
