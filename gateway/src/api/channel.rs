//! Channels: turns that were dispatched, as they go on.
//!
//! A channel is the event of its turn, by its receipt, so it needs no entry anywhere. Whoever comes late
//! is told all that is on record; only the pieces of an answer that was on its way are gone.

use std::sync::Arc;

use axum::response::Response;
use proto::code::Code;
use proto::id::{ConversationId, Receipt};
use proto::status::Status;
use schemars::json_schema;
use serde_json::json;

use super::call::Call;
use super::conversation::body::Fields;
use super::conversation::{line, stream};
use super::format::Format;
use super::operation::{Answer, Form, Operation};
use super::shared::READS;
use crate::api_error::ApiError;
use crate::conversation::say::{HangUp, Said};
use crate::fetch::unreadable;
use crate::ingest::Accepted;
use crate::{follow, progress};

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "historyLength": { "type": ["integer", "null"], "minimum": 0 } }, "additionalProperties": false });
    vec![
        Operation::post("subscribeChannel", "/channel/{id}/subscribe", READS, subscribe)
            .says("Channels", "Follow what was dispatched")
            .more("Each line is a message whose data is one event of the turn, as complete tells them; result is the last.")
            .body(Form { schema, example: json!({ "historyLength": 10 }) })
            .answers(Answer::Lines(line()))
            .refuses(&[Code::ChannelUnknown, Code::FieldInvalid, Code::FieldUnknown, Code::AcceptUnknown]),
    ]
}

async fn subscribe(call: Call) -> Result<Response, ApiError> {
    let unknown = || ApiError::new(Code::ChannelUnknown, "there is no such channel, or it is over");
    let format = match Format::of(&call.headers, &[Format::Json, Format::Lines, Format::Events])? {
        Format::Json => Format::Lines,
        format => format,
    };
    let mut fields = Fields::of(&call)?;
    if fields.take("historyLength").is_some_and(|length| length.as_u64().is_none()) {
        return Err(ApiError::field("historyLength", "must be a whole number"));
    }
    fields.end()?;
    let receipt: Receipt = call.place("id").parse().map_err(|_| unknown())?;
    let listening = follow::listen(&call.door, &receipt.session).await?;
    let report = progress::of(&call.door.line, &receipt).await.map_err(unreadable)?;
    if report.status == Status::Expired {
        return Err(unknown());
    }
    let opened = ConversationId { session: receipt.session.clone(), event: receipt.event };
    let said =
        Said { accepted: Accepted { receipt: receipt.clone(), is_replay: true }, conversation: report.conversation.unwrap_or(opened) };
    let guard = HangUp::new(&call.door, &receipt, false);
    let body = listening.event(&call.door, receipt).await?;
    Ok(stream::channel(format, stream::Turn::new(said, Arc::clone(&call.door)), (body, guard)))
}
