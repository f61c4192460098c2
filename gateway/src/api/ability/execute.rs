//! One ability, done now.
//!
//! It is a turn like any other, in a session of its own, so it has its budget, its guard and its
//! record; the caller waits for its end.

use std::sync::Arc;

use axum::response::Response;
use proto::code::Code;
use proto::event::Event;
use proto::limit::WAIT_MAX;
use proto::message::Kind;
use proto::resource::{State, Trigger};
use proto::subject::DIRECT;
use proto::wire::Direct;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{definition, find, id_of};
use crate::api::call::{Call, give};
use crate::api::format::Format;
use crate::api::kind;
use crate::api::notes;
use crate::api::operation::{Answer, Form, Operation};
use crate::api::shared::OPERATES;
use crate::api::skillset::Skillsets;
use crate::api_error::ApiError;
use crate::ingest::Submission;
use crate::wait::Watch;

/// Longest input, in characters.
const INPUT_CHARS_MAX: usize = 32 * 1024;

/// What a body says about a call.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "AbilityCall")]
struct Body {
    /// The arguments: a JSON or YAML mapping, or the words for the only parameter.
    #[schemars(length(max = 32_768))]
    input: Option<String>,
    /// For whom it is done.
    #[schemars(length(max = 64))]
    contact_id: Option<String>,
    /// Only taken.
    #[expect(dead_code, reason = "a field of ChatBotKit's clients that means nothing here")]
    debug: Option<Value>,
    /// Only taken.
    #[expect(dead_code, reason = "a field of ChatBotKit's clients that means nothing here")]
    namespace: Option<Value>,
}

/// What came of a call.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AbilityOutcome")]
struct Told {
    /// What it took.
    usage: Usage,
    /// What it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Why it came to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
    /// What the turn left behind.
    messages: Vec<Value>,
}

/// What a call took; no model is asked.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "AbilityUsage")]
struct Usage {
    /// Tokens.
    token: u64,
    /// The model.
    model: Option<String>,
}

/// The operation.
pub(super) fn operation() -> Operation {
    let outcome = json!({ "usage": { "token": 0, "model": null }, "result": { "status": 200 }, "messages": [] });
    let line = json!({ "type": "result", "data": outcome.clone() });
    Operation::post("executeAbility", "/skillset/{id}/ability/{ability}/execute", OPERATES, execute)
        .says("Abilities", "Do what an ability does, once")
        .more("Waits up to 60 s for its end. It has the effects that the ability has.")
        .takes::<Body>(json!({ "input": "{\"id\":\"7\"}" }))
        .answers(Answer::Stream {
            object: Form::of::<Told>(outcome),
            line: Form { schema: |_| schemars::json_schema!({ "type": "object", "required": ["type", "data"] }), example: line },
        })
        .refuses(&[
            Code::FieldInvalid,
            Code::FieldUnknown,
            Code::ResourceUnknown,
            Code::AcceptUnknown,
            Code::Late,
            Code::BrokerFull,
            Code::Unconfirmed,
        ])
}

async fn execute(mut call: Call) -> Result<Response, ApiError> {
    let Body { input, contact_id, .. } = call.json()?;
    let format = Format::of(&call.headers, &[Format::Json, Format::Lines, Format::Events])?;
    notes::check_text("input", input.as_deref().unwrap_or_default(), INPUT_CHARS_MAX)?;
    notes::check_text("contactId", contact_id.as_deref().unwrap_or_default(), 64)?;
    let skillset = kind::find::<Skillsets>(&call, call.place("id")).await?;
    let abilities = definition(&skillset).abilities;
    let ability = id_of(&abilities, find(&abilities, call.place("ability"))?);
    // An ability that a file keeps has no id of its own where its worker looks it up.
    let named = abilities.iter().enumerate().find(|(index, _)| id_of(&abilities, *index) == ability);
    let known_as = named.map_or(ability.clone(), |(_, found)| found.id.clone().unwrap_or_else(|| found.name.clone()));
    let asked =
        json!({ "execute": { "skillsetId": skillset.id.as_str(), "abilityId": known_as, "input": input, "contactId": contact_id } });
    call.release();
    let messages = turn(&call, &asked).await?;
    let reply = messages.iter().rev().find(|message| message.kind == Kind::Bot).map(|message| message.text.as_str());
    let outcome: Value =
        reply.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({ "error": "the turn ended without an outcome" }));
    let messages = messages.iter().filter_map(|message| serde_json::to_value(message).ok()).collect();
    let told = Told { usage: Usage::default(), result: outcome.get("result").cloned(), error: outcome.get("error").cloned(), messages };
    if format == Format::Json {
        return give(&told);
    }
    let mut response = Response::new(format.piece("result", &told).into());
    let content_type = axum::http::HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(axum::http::header::CONTENT_TYPE, content_type);
    Ok(response)
}

/// Has a turn made that does what is asked; what it left behind.
async fn turn(call: &Call, asked: &Value) -> Result<Vec<proto::message::Message>, ApiError> {
    let id = DIRECT.parse().map_err(|error: proto::id::Error| ApiError {
        cause: Some(error.to_string()),
        ..ApiError::new(Code::Internal, "the call cannot be addressed")
    })?;
    let trigger = Trigger { state: State::Active, ..Trigger::new(id, None) };
    let direct = Direct { extensions: asked.to_string(), ..Direct::default() };
    let event = Event { direct: Some(direct), ..Event::default() };
    let submission = Submission::new(&call.door, &trigger, event, None, &call.headers);
    let door = Arc::clone(&call.door);
    let watch = Box::pin(Watch::open(&door, &submission.session, WAIT_MAX)).await;
    let watch = watch.ok_or_else(|| ApiError::unavailable("as many wait as may", &"--waits is used up"))?;
    let accepted = submission.send(&call.door).await?;
    let report = Box::pin(watch.turn(&accepted)).await;
    let late =
        || ApiError::new(Code::Late, format!("the turn has not ended within {} s: it goes on as {}", WAIT_MAX.as_secs(), accepted.receipt));
    Ok(report.filter(|report| report.status.is_final()).ok_or_else(late)?.messages)
}
