//! The handler that tells what became of an event.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use backbone::journal;
use proto::code::Code;
use proto::id::Receipt;
use proto::resource::Scope;
use proto::status::Status;

use crate::api_error::ApiError;
use crate::auth::Caller;
use crate::door::Door;
use crate::{auth, later, progress, route};

/// Tells the status of an event by its receipt.
pub(crate) async fn fetch(
    State(door): State<Arc<Door>>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
) -> Response {
    let (trigger, receipt) = path.map(|Path(pair)| pair).unwrap_or_default();
    let told = match receipt.parse() {
        Ok(timer) => Box::pin(later::tell(&door, &trigger, &timer, &headers)).await,
        Err(_) => tell(&door, &trigger, &receipt, &headers).await,
    };
    match told {
        Ok(body) => route::json(StatusCode::OK, body),
        Err(error) => door.refuse(error),
    }
}

async fn tell(door: &Door, trigger: &str, receipt: &str, headers: &HeaderMap) -> Result<Vec<u8>, ApiError> {
    let (receipt, _) = admit(door, trigger, receipt, headers, Scope::Read).await?;
    let report = progress::of(&door.line, &receipt).await.map_err(unreadable)?;
    if report.status == Status::Expired { Err(unknown()) } else { Ok(progress::render(&receipt, None, Some(&report))) }
}

/// The receipt in a path and the caller, once the caller is known to be somebody whom it concerns.
pub(crate) async fn admit(
    door: &Door,
    trigger: &str,
    receipt: &str,
    headers: &HeaderMap,
    scope: Scope,
) -> Result<(Receipt, Caller), ApiError> {
    let trigger = door.directory.trigger(Some(trigger)).await?;
    let caller = auth::admit_to(door, &trigger, scope, headers).await?;
    let receipt: Receipt = receipt.parse().map_err(|_| unknown())?;
    if receipt.session.trigger == trigger.id { Ok((receipt, caller)) } else { Err(unknown()) }
}

/// A receipt that was never given, or whose traces are gone.
pub(crate) fn unknown() -> ApiError {
    ApiError::new(Code::ReceiptUnknown, "there is no such receipt of this trigger, or it has expired")
}

/// A read of the streams that gave nothing.
pub(crate) fn unreadable(error: journal::Error) -> ApiError {
    match error {
        journal::Error::Read(error) => ApiError::unavailable("the conversation log cannot be read right now", &error),
        journal::Error::Foreign { .. } => {
            ApiError { cause: Some(error.to_string()), ..ApiError::new(Code::Internal, "an entry of the conversation log cannot be read") }
        }
    }
}
