//! Conversations, read and changed.
//!
//! A conversation is a slice of its session's log, and its id says which session and which opening
//! event; nothing else is needed to read it. One page holds at most `take` messages in memory,
//! whatever the length of the conversation. Whatever changes one goes into its session's inbox: as
//! an event where it must keep its place among the turns, as an answer where it must not wait for one.
//!
//! - [`page`]: one page of messages;
//! - [`found`]: what is known of a conversation;
//! - [`change`]: what must not wait behind a turn;
//! - [`say`]: what must keep its place.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use backbone::edits;
use backbone::journal::{self, Entry};
use proto::code::Code;
use proto::id::ConversationId;
use proto::message::Message;

use crate::api;
use crate::api_error::ApiError;
use crate::auth;
use crate::door::Door;
use crate::fetch::unreadable;
use crate::place::Place;

pub(crate) mod change;
pub(crate) mod found;
mod page;
pub(crate) mod say;

use found::{Found, Known};
use page::{Order, Page, Wanted};

/// A conversation that never was, or is gone.
pub(crate) fn unknown() -> ApiError {
    ApiError::new(Code::ConversationUnknown, "there is no such conversation")
}

/// The conversation that a path names.
pub(crate) fn named(text: &str) -> Result<ConversationId, ApiError> {
    text.parse().map_err(|_| unknown())
}

/// A page of messages.
pub(crate) async fn list(door: &Door, id: &ConversationId, wanted: &api::page::Wanted) -> Result<Vec<Message>, ApiError> {
    read(door, id, Wanted::of(wanted)?).await
}

/// All messages, the oldest first.
pub(crate) async fn all(door: &Door, id: &ConversationId) -> Result<Vec<Message>, ApiError> {
    read(door, id, Wanted::all()).await
}

async fn read(door: &Door, id: &ConversationId, wanted: Wanted) -> Result<Vec<Message>, ApiError> {
    let known = match found::find(door, id).await? {
        Found::Begun(known) => known,
        // Nothing stands in it yet.
        Found::Queued { .. } => return Ok(Vec::new()),
    };
    let base = known.conversation.base;
    let from = match (wanted.order, wanted.cursor) {
        (Order::Ascending, Some(cursor)) => base.max(cursor.seq.saturating_sub(1)),
        _ => base,
    };
    let mut page = Page::new(id.event, wanted, edits(door, id, &known).await?);
    journal::walk(&door.client, &id.session, from, |entry| page.visit(&id.session, &entry)).await.map_err(unreadable)?;
    page.items(&id.session).ok_or_else(unknown)
}

async fn edits(door: &Door, id: &ConversationId, known: &Known) -> Result<BTreeMap<u64, Entry>, ApiError> {
    edits::of(&door.client, &id.session, id.event, known.conversation.base, &known.last).await.map_err(unreadable)
}

/// One message.
pub(crate) async fn message(door: &Door, id: &ConversationId, message: &str) -> Result<Message, ApiError> {
    let unknown = || ApiError::new(Code::MessageUnknown, "there is no such message of this conversation");
    let place = Place::of_message(message).ok_or_else(unknown)?;
    let Found::Begun(known) = found::find(door, id).await? else { return Err(unknown()) };
    let changed = edits(door, id, &known).await?.remove(&place.seq);
    let entry = match changed {
        Some(entry) => Some(entry),
        None => edits::at_seq(&door.client, &id.session, place.seq).await.map_err(unreadable)?,
    };
    let entry = entry.filter(|entry| entry.record.concerns() == id.event).ok_or_else(unknown)?;
    let messages = proto::message::of(&id.session, entry.seq, entry.at_ms, &entry.record);
    messages.into_iter().find(|found| found.id == message).ok_or_else(unknown)
}

/// The conversation in a path, once the caller is known to be somebody whom it concerns.
pub(crate) async fn admit(door: &Door, id: &str, headers: &HeaderMap) -> Result<ConversationId, ApiError> {
    let asked = auth::Asked { access: api::conversation::READS, path: api::conversation::SUBSCRIBE, id };
    auth::admit(door, asked, headers).await?;
    named(id)
}
