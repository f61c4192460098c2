//! The messages of a conversation.
//!
//! A conversation is a slice of its session's log, and its id says which session and which opening
//! event; nothing else is needed to read it. One page holds at most `take` messages in memory,
//! whatever the length of the conversation.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use backbone::journal;
use proto::code::Code;
use proto::id::ConversationId;
use proto::message::Message;
use proto::resource::Scope;
use serde::Serialize;

use crate::api_error::ApiError;
use crate::door::Door;
use crate::fetch::unreadable;
use crate::{auth, route};

mod page;

use page::{Order, Page, Wanted};

#[derive(Serialize)]
struct List {
    items: Vec<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// Lists messages, the newest first unless asked otherwise.
pub(crate) async fn list(State(door): State<Arc<Door>>, id: Result<Path<String>, PathRejection>, uri: Uri, headers: HeaderMap) -> Response {
    let id = id.map(|Path(id)| id).unwrap_or_default();
    let listed = match read(&door, &id, uri.query(), &headers).await {
        Ok(items) => List { cursor: items.last().map(|message| message.id.clone()), items },
        Err(error) => return door.refuse(error),
    };
    route::json(StatusCode::OK, serde_json::to_vec(&listed).unwrap_or_default())
}

/// A conversation that never was, or is gone.
pub(crate) fn unknown() -> ApiError {
    ApiError::new(Code::ConversationUnknown, "there is no such conversation")
}

async fn read(door: &Door, id: &str, query: Option<&str>, headers: &HeaderMap) -> Result<Vec<Message>, ApiError> {
    let id = admit(door, id, headers).await?;
    let wanted = Wanted::parse(query)?;
    let from = start(door, &id, &wanted).await.map_err(unreadable)?;
    let mut page = Page::new(id.event, wanted);
    journal::walk(&door.client, &id.session, from, |entry| page.visit(&id.session, &entry)).await.map_err(unreadable)?;
    page.items().ok_or_else(unknown)
}

/// The conversation in a path, once the caller is known to be somebody whom it concerns.
pub(crate) async fn admit(door: &Door, id: &str, headers: &HeaderMap) -> Result<ConversationId, ApiError> {
    let id: ConversationId = id.parse().map_err(|_| unknown())?;
    let trigger = door.directory.trigger(Some(id.session.trigger.as_str())).await;
    let trigger = trigger.map_err(|error| if error.code == Code::TriggerUnknown { unknown() } else { error })?;
    if let Err(error) = auth::admit_to(door, &trigger, Scope::Read, headers).await {
        let is_refused = matches!(error.code, Code::NotAuthenticated | Code::TriggerForeign);
        let is_foreign = error.code == Code::TriggerForeign || auth::is_known_elsewhere(&door.directory.catalogue.snapshot(), headers);
        return Err(if is_refused && is_foreign { unknown() } else { error });
    }
    Ok(id)
}

/// The log sequence after which to read: the conversation's own beginning where the last record knows it.
async fn start(door: &Door, id: &ConversationId, wanted: &Wanted) -> Result<u64, journal::Error> {
    let last = journal::last(&door.client, &id.session).await?;
    let current = last.map(|entry| entry.record.conversation).filter(|conversation| conversation.opening == id.event);
    let base = current.map_or(0, |conversation| conversation.base);
    Ok(match (wanted.order, wanted.cursor) {
        (Order::Ascending, Some(cursor)) => base.max(cursor.seq.saturating_sub(1)),
        _ => base,
    })
}
