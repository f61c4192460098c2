//! An ability, tried without being kept.

use axum::response::Response;
use proto::code::Code;
use serde_json::json;
use skillset::ability::Definition;

use super::function::{self, Offer};
use super::{body, definition, find};
use crate::api::call::{Call, give};
use crate::api::kind;
use crate::api::operation::Operation;
use crate::api::shared::OPERATES;
use crate::api::skillset::Skillsets;
use crate::api_error::ApiError;

/// The operation.
pub(super) fn operation() -> Operation {
    Operation::post("checkAbility", "/skillset/{id}/ability/check", OPERATES, check)
        .says("Abilities", "Check an ability")
        .more("Takes what creating takes, or of a change what is to be another, and tells what a model would be offered, or what is wrong. Nothing is kept.")
        .query("ability", json!({ "type": "string" }), "The ability that it is a change of; without it, it is a new one.")
        .takes::<body::Body>(body::example())
        .gives::<Offer>(json!({ "action": "fetch", "function": function::example() }))
        .refuses(&[
            Code::FieldInvalid,
            Code::FieldUnknown,
            Code::ParameterInvalid,
            Code::ResourceUnknown,
            Code::AliasTaken,
            Code::InstructionInvalid,
        ])
}

async fn check(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    let skillset = kind::find::<Skillsets>(&call, call.place("id")).await?;
    let mut abilities = definition(&skillset).abilities;
    let index = if let Some(name) = call.asked("ability")? {
        find(&abilities, &name)?
    } else {
        abilities.push(Definition::default());
        abilities.len() - 1
    };
    let before = abilities.get(index).cloned().unwrap_or_default();
    let after = body.apply(before)?;
    if let Some(slot) = abilities.get_mut(index) {
        *slot = after;
    }
    body::check_alias(&abilities, index)?;
    body::check_count(abilities.len())?;
    give(&function::of_all(&abilities).get(index).cloned().unwrap_or_default())
}
