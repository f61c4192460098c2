//! Calls that the bot answers, and the parts of them.
//!
//! They run through the same inbox, workers, budgets and log as triggers. As JSON the end of the turn is
//! waited for; as lines or events it is told while it goes on.

use std::sync::Arc;

use axum::response::Response;
use proto::code::Code;
use proto::id::ConversationId;
use proto::limit::WAIT_MAX;
use proto::message::Kind;
use proto::wire::Direct;
use schemars::json_schema;
use serde_json::{Value, json};

use super::body::{self, Asked, Fields};
use super::{PUTS, TAG, existing, line, messages_schema, named, settings, stream};
use crate::api::call::{Call, give};
use crate::api::format::Format;
use crate::api::operation::{Answer, Form, Operation};
use crate::api::shared::OPERATES;
use crate::api_error::ApiError;
use crate::conversation::say::{Ended, Said, Saying};
use crate::{follow, wait};

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let example = || json!({ "text": "Where is my order?" });
    let asked = |_: &mut _| json_schema!({ "type": "object", "properties": body::asked_properties(), "additionalProperties": false });
    let spoken = |_: &mut _| {
        let mut properties = body::asked_properties();
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("text".into(), json!({ "type": "string", "minLength": 1 }));
        }
        json_schema!({ "type": "object", "properties": properties, "required": ["text"], "additionalProperties": false })
    };
    let heard = |_: &mut _| {
        let mut properties = body::asked_properties();
        if let Some(properties) = properties.as_object_mut() {
            properties.insert("text".into(), json!({ "type": "null" }));
        }
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    };
    let whole = |_: &mut _| {
        let mut more = body::asked_properties();
        if let Some(more) = more.as_object_mut() {
            more.insert("messages".into(), messages_schema());
        }
        let mut schema = body::settings_schema(&more);
        let said = json!([
            { "required": ["messages"], "properties": { "messages": { "type": "array", "items": {}, "minItems": 1 } } },
            { "required": ["text"], "properties": { "text": { "type": "string", "minLength": 1 } } }
        ]);
        schema.insert("anyOf".to_owned(), said);
        schema
    };
    let messages = || json!({ "botId": "support", "messages": [{ "type": "user", "text": "Where is my order?" }] });
    let said = Operation::post("sendToConversation", "/conversation/{id}/send", OPERATES, send)
        .says(TAG, "Put a user's message down")
        .more("No bot answers to it by itself: receive its answer, or complete at once.")
        .body(Form { schema: spoken, example: example() })
        .answers(Answer::Object(super::message::put()))
        .refuses(&PUTS);
    let dispatched = |operation: Operation| {
        operation
            .answers(Answer::Object(Form { schema: |_| json_schema!({ "type": "object", "properties": { "channelId": { "type": "string" } }, "required": ["channelId"] }), example: json!({ "channelId": "evt._api.Zk3f0aQ1.6a1b2c3d.42" }) }))
            .refuses(&PUTS)
    };
    vec![
        said,
        answered(Operation::post("receiveFromConversation", "/conversation/{id}/receive", OPERATES, receive))
            .says(TAG, "Have the bot answer to what stands")
            .body(Form { schema: heard, example: json!({}) }),
        answered(Operation::post("completeConversation", "/conversation/{id}/complete", OPERATES, complete))
            .says(TAG, "Say something, and have the bot answer")
            .body(Form { schema: asked, example: example() }),
        answered(Operation::post("completeMessages", "/conversation/complete", OPERATES, complete_anew))
            .says(TAG, "Have a bot answer to messages")
            .more("The conversation stays, as any other: delete it where it should not.")
            .body(Form { schema: whole, example: messages() })
            .refuses(&[Code::ResourceUnknown]),
        dispatched(Operation::post("dispatchConversation", "/conversation/{id}/dispatch", OPERATES, dispatch))
            .says(TAG, "Say something, and follow the answer on a channel")
            .body(Form { schema: asked, example: example() }),
        dispatched(Operation::post("dispatchMessages", "/conversation/dispatch", OPERATES, dispatch_anew))
            .says(TAG, "Have a bot answer to messages, and follow that on a channel")
            .body(Form { schema: whole, example: messages() })
            .refuses(&[Code::ResourceUnknown]),
    ]
}

fn answered(operation: Operation) -> Operation {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string", "description": "The id of the message." },
                "text": { "type": "string" },
                "usage": { "type": "object", "properties": { "token": { "type": "integer" }, "models": { "type": "array", "items": { "type": "object" } } }, "required": ["token"] },
                "end": { "type": "object", "properties": { "reason": { "type": "string", "enum": ["stop", "length", "iteration", "abort", "error"] } }, "required": ["reason"] },
                "conversationId": { "type": "string" },
                "eventId": { "type": "string", "description": "The receipt of the event." }
            },
            "required": ["id", "text", "usage", "end", "conversationId", "eventId"]
        })
    };
    let example = json!({
        "id": "13.1", "text": "It is on its way.", "usage": { "token": 310, "models": [] }, "end": { "reason": "stop" },
        "conversationId": "cnv._api.Zk3f0aQ1.6a1b2c3d.42", "eventId": "evt._api.Zk3f0aQ1.6a1b2c3d.43"
    });
    operation
        .query(
            "wait",
            json!({ "type": "number", "minimum": 0.001, "maximum": 60 }),
            "How long to wait for the end of the turn, in seconds; 60 unless it says less.",
        )
        .query(
            "hangup",
            json!({ "type": "string", "enum": ["cancel", "continue"] }),
            "What becomes of the turn where the caller closes the connection before its end: it goes on unless this says cancel.",
        )
        .answers(Answer::Stream { object: Form { schema, example }, line: line() })
        .refuses(&PUTS)
        .refuses(&[Code::ParameterInvalid, Code::AcceptUnknown])
}

async fn send(mut call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let mut fields = Fields::of(&call)?;
    let asked = fields.asked()?;
    fields.end()?;
    call.release();
    let text = asked.text.ok_or_else(|| ApiError::field("text", "must be there"))?;
    super::message::put_down(&call, &id, body::user(text)).await
}

async fn receive(call: Call) -> Result<Response, ApiError> {
    let mut fields = Fields::of(&call)?;
    if fields.take("text").is_some() {
        return Err(ApiError::field("text", "is not taken here: send it, or complete"));
    }
    let asked = fields.asked()?;
    fields.end()?;
    on(call, asked).await
}

async fn complete(call: Call) -> Result<Response, ApiError> {
    let mut fields = Fields::of(&call)?;
    let asked = fields.asked()?;
    fields.end()?;
    on(call, asked).await
}

async fn on(mut call: Call, asked: Asked) -> Result<Response, ApiError> {
    let id = named(&call)?;
    existing(&call, &id).await?;
    call.release();
    let saying = say(&call, &id, asked).await?;
    answer(&call, saying).await
}

async fn say(call: &Call, id: &ConversationId, asked: Asked) -> Result<Saying, ApiError> {
    let Asked { text, extensions, limits } = asked;
    Saying::on(&call.door, id, text, Direct { extensions, limits, ..Direct::default() }, &call.headers).await
}

async fn complete_anew(mut call: Call) -> Result<Response, ApiError> {
    let saying = say_anew(&mut call).await?;
    answer(&call, saying).await
}

/// A conversation that is opened and answered in one event; the last words of a user are what is answered to.
async fn say_anew(call: &mut Call) -> Result<Saying, ApiError> {
    let mut fields = Fields::of(call)?;
    let mut notes = fields.notes()?;
    let Asked { mut text, extensions, limits } = fields.asked()?;
    let settings = settings(call, &mut fields).await?;
    call.release();
    let is_last = |note: &proto::wire::Note| note.r#type == Kind::User.as_str() && note.meta.is_empty() && note.name.is_empty();
    if text.is_none() && notes.last().is_some_and(|note| is_last(note) && !note.text.is_empty()) {
        text = notes.pop().map(|note| note.text);
    }
    if text.is_none() && notes.is_empty() {
        return Err(ApiError::field("messages", "or text must be there"));
    }
    let direct = Direct { settings: Some(settings), notes, extensions, limits, ..Direct::default() };
    Saying::anew(text, direct, &call.headers)
}

async fn dispatch(mut call: Call) -> Result<Response, ApiError> {
    let id = named(&call)?;
    let mut fields = Fields::of(&call)?;
    no_channel(&mut fields)?;
    let asked = fields.asked()?;
    fields.end()?;
    call.release();
    let saying = say(&call, &id, asked).await?;
    let said = saying.send(&call.door, &call.headers).await?;
    give(&json!({ "channelId": said.accepted.receipt.to_string(), "conversationId": said.conversation.to_string() }))
}

async fn dispatch_anew(mut call: Call) -> Result<Response, ApiError> {
    no_channel(&mut Fields::of(&call)?)?;
    let saying = say_anew(&mut call).await?;
    let said = saying.send(&call.door, &call.headers).await?;
    give(&json!({ "channelId": said.accepted.receipt.to_string(), "conversationId": said.conversation.to_string() }))
}

/// A channel is the event's own: it needs no entry anywhere, and nobody else can take its name.
fn no_channel(fields: &mut Fields) -> Result<(), ApiError> {
    if fields.take("channelId").is_some() {
        return Err(ApiError::field("channelId", "is not chosen by the caller here: leave it out, and take the one that is answered"));
    }
    Ok(())
}

/// Has it said, and answers with the end of the turn, or with all that leads to it.
async fn answer(call: &Call, saying: Saying) -> Result<Response, ApiError> {
    let format = Format::of(&call.headers, &[Format::Json, Format::Lines, Format::Events])?;
    let patience = wait::patience(call.uri.query(), &call.headers)?.unwrap_or(WAIT_MAX);
    let hangs_up = match call.asked("hangup")?.as_deref() {
        None | Some("continue") => false,
        Some("cancel") => true,
        Some(_) => return Err(ApiError::parameter("hangup", "must be cancel or continue")),
    };
    if format == Format::Json {
        let (said, ended) = Box::pin(saying.finish(&call.door, &call.headers, (patience, hangs_up))).await?;
        return give(&told(&said, ended));
    }
    let listening = follow::listen(&call.door, &saying.session).await?;
    let said = saying.send(&call.door, &call.headers).await?;
    let guard = crate::conversation::say::HangUp::new(&call.door, &said.accepted.receipt, hangs_up);
    let body = listening.event(&call.door, said.accepted.receipt.clone()).await?;
    Ok(stream::response(format, stream::Turn::new(said, Arc::clone(&call.door)), (body, guard)))
}

/// How a turn ended.
fn told(said: &Said, ended: Ended) -> Value {
    let Ended { reply, usage, end, .. } = ended;
    let receipt = said.accepted.receipt.to_string();
    let (id, text) = reply.map_or_else(|| (receipt.clone(), String::new()), |reply| (reply.id, reply.text));
    json!({ "id": id, "text": text, "usage": usage, "end": end, "conversationId": said.conversation.to_string(), "eventId": receipt })
}
