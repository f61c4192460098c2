//! Calls that wait for somebody: listed, let through, or refused.

use std::sync::Arc;

use axum::response::Response;
use index::entry::{Approval, approval_of};
use proto::answer::Kind;
use proto::code::Code;
use proto::id::Receipt;
use proto::limit::{BY_BYTES_MAX, REASON_BYTES_MAX};
use proto::resource::Scope;
use proto::wire::{Approved, Rejected};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::indexed::{self, Searched, by, page, paged, refusal, sees};
use super::list;
use super::operation::{Access, Answer, Form, Operation};
use super::page::Wanted;
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::speak;

const TAG: &str = "Approvals";
const REFUSALS: [Code; 6] =
    [Code::FieldInvalid, Code::ReceiptUnknown, Code::TurnEnded, Code::SessionBacklogFull, Code::Unconfirmed, Code::Unavailable];

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let listed = paged(Operation::get("listApprovals", "/approval/list", Access::Scope(Scope::Read), listed))
        .says(TAG, "List the calls that wait for somebody")
        .answers(Answer::List(form()))
        .refuses(&indexed::REFUSALS);
    let listed = by(by(by(listed, "triggerId", "Of a trigger."), "botId", "Of a bot."), "conversationId", "Of a conversation.");
    vec![
        listed,
        Operation::post("approveCall", "/approval/{id}/approve", Access::Scope(Scope::Operate), |call| decide(call, true))
            .says(TAG, "Let a call run")
            .takes::<Decision>(json!({ "reason": "checked with Ada" }))
            .answers(Answer::Object(told()))
            .refuses(&REFUSALS),
        Operation::post("rejectCall", "/approval/{id}/reject", Access::Scope(Scope::Operate), |call| decide(call, false))
            .says(TAG, "Refuse a call")
            .takes::<Decision>(json!({ "reason": "too much" }))
            .answers(Answer::Object(told()))
            .refuses(&REFUSALS),
    ]
}

/// What goes with a decision.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Decision {
    /// A remark for the bot and the reader.
    reason: Option<String>,
    /// Who decides; the token's name where it is left out.
    #[schemars(regex(pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$"))]
    by: Option<String>,
}

fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "type": { "type": "string", "enum": ["approval", "answer"], "description": "Whether a yes is enough, or words are wanted." },
                "call": { "type": "string" },
                "ability": { "type": "string" },
                "arguments": { "description": "The arguments of the call, cut to text where they are long." },
                "question": { "type": "string" },
                "eventId": { "type": "string" },
                "triggerId": { "type": "string" },
                "conversationId": { "type": "string" },
                "botId": { "type": "string" },
                "contactId": { "type": "string" },
                "expiresAt": { "type": "integer" },
                "createdAt": { "type": "integer" },
                "updatedAt": { "type": "integer" }
            },
            "required": ["id", "type", "call", "ability", "question", "eventId", "conversationId", "expiresAt", "createdAt", "updatedAt"]
        })
    };
    let example = json!({
        "id": "evt.orders.k1f3.6a1b2c3d.42.1.0", "type": "approval", "call": "1.0", "ability": "refund", "arguments": { "order": 42 }, "question": "Refund order 42?",
        "eventId": "evt.orders.k1f3.6a1b2c3d.42", "triggerId": "orders", "conversationId": "cnv.orders.k1f3.6a1b2c3d.42", "botId": "support",
        "expiresAt": 1_790_086_400_000_i64, "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64
    });
    Form { schema, example }
}

fn told() -> Form {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "id": { "type": "string" }, "eventId": { "type": "string" } }, "required": ["id", "eventId"] });
    Form { schema, example: json!({ "id": "evt.orders.k1f3.6a1b2c3d.42.1.0", "eventId": "evt.orders.k1f3.6a1b2c3d.42" }) }
}

async fn listed(call: Call) -> Result<Response, ApiError> {
    let wanted = [call.asked("triggerId")?, call.asked("botId")?, call.asked("conversationId")?];
    let (call, searched) = (Arc::new(call), Searched::default());
    let given = (Arc::clone(&call), wanted, searched.clone());
    let response = list::answer(&call, move |wanted: Wanted| {
        let (call, [trigger, bot, conversation], searched) = given.clone();
        async move {
            let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
            let filter = |id: &str, approval: &Approval| {
                let of = trigger_of(id);
                sees(&call, of) && is(&trigger, of) && is(&bot, &approval.bot) && is(&conversation, &approval.conversation)
            };
            let part = call.door.index.approvals(&page(&wanted), filter).await.map_err(|error| refusal(&error))?;
            searched.note(&part);
            Ok(part.items.into_iter().map(|(id, approval)| (id.clone(), shown(&id, &approval))).collect())
        }
    });
    Ok(searched.told(response.await?, "entries", ""))
}

/// The trigger in the id of a call.
fn trigger_of(id: &str) -> &str {
    id.split('.').nth(1).unwrap_or_default()
}

fn shown(id: &str, approval: &Approval) -> Value {
    let (event, call) = approval_of(id).map(|(receipt, call)| (receipt.to_string(), call)).unwrap_or_default();
    let arguments = serde_json::from_str(&approval.waits.arguments).unwrap_or_else(|_| Value::from(approval.waits.arguments.clone()));
    let mut shown = json!({
        "id": id, "type": if approval.waits.approval { "approval" } else { "answer" }, "call": call, "ability": approval.ability, "arguments": arguments,
        "question": approval.waits.question, "eventId": event, "triggerId": trigger_of(id), "conversationId": approval.conversation,
        "expiresAt": approval.waits.until_ms, "createdAt": approval.waits.since_ms, "updatedAt": approval.waits.since_ms,
    });
    if let Some(shown) = shown.as_object_mut() {
        let known = [("botId", &approval.bot), ("contactId", &approval.contact)];
        shown.extend(known.into_iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| (name.to_owned(), id.clone().into())));
    }
    shown
}

async fn decide(call: Call, is_approved: bool) -> Result<Response, ApiError> {
    let unknown = || ApiError::new(Code::ReceiptUnknown, "there is no such call");
    let (receipt, name): (Receipt, &str) = approval_of(call.place("id")).ok_or_else(unknown)?;
    if !sees(&call, receipt.session.trigger.as_str()) {
        return Err(unknown());
    }
    let Decision { reason, by } = if call.body.trim_ascii().is_empty() { Decision::default() } else { call.json()? };
    let reason = reason.unwrap_or_default();
    if reason.len() > REASON_BYTES_MAX {
        return Err(ApiError { limit: Some(REASON_BYTES_MAX), ..ApiError::field("reason", "must be at most 4096 bytes") });
    }
    let by = by.filter(|by| !by.is_empty()).unwrap_or_else(|| call.caller.who().to_string());
    if by.len() > BY_BYTES_MAX || by.chars().any(char::is_control) {
        return Err(ApiError {
            limit: Some(BY_BYTES_MAX),
            ..ApiError::field("by", "must be at most 254 bytes without control characters")
        });
    }
    let (action, kind) = if is_approved {
        ("approval.approve", Kind::Approved(Approved { reason }))
    } else {
        ("approval.reject", Kind::Rejected(Rejected { reason }))
    };
    let subject = format!("event.{receipt}");
    audit::on_record(&call.door, &call.caller.who(), Deed::of(action, &subject), speak::decide(&call.door, &receipt, name, (by, kind)))
        .await?;
    give(&json!({ "id": call.place("id"), "eventId": receipt.to_string() }))
}
