//! What somebody outside says to a turn: that it is called off, or what one of its calls waits for.
//!
//! It is published to the session's own inbox, where its owner takes it in behind the fence. So
//! success means that it is stored, not that it had its effect: the turn may end meanwhile, and
//! the broker keeps what came too late only as a record. What can be seen to be too late is
//! refused here. A repeat within the broker's window is one: its message id is derived from what
//! is said, under the deployment's key, so that no publisher can take it away beforehand.

use std::sync::Arc;

use async_nats::HeaderMap;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::EXPECT;
use axum::http::request::Parts;
use axum::response::Response;
use backbone::publish;
use bytes::Bytes;
use proto::answer::{Answer, Kind};
use proto::code::Code;
use proto::id::Receipt;
use proto::idempotency::{self, Key};
use proto::limit::{ANSWER_BYTES_MAX, PUBLISH_DEADLINE};
use proto::resource::Scope;
use proto::status::Status;
use proto::{header, subject};
use serde_json::json;

use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::body::Reader;
use crate::door::Door;
use crate::fetch::{self, unreadable};
use crate::ingest::{self, Accepted};
use crate::later::{self, Off};
use crate::wait::{self, Watch};
use crate::{progress, route};

mod pending;
mod words;

use words::{Form, Said};

/// The path of both calls: a trigger and a receipt.
type Place = Result<Path<(String, String)>, PathRejection>;

/// Calls a turn off.
pub(crate) async fn cancel(State(door): State<Arc<Door>>, place: Place, request: Request) -> Response {
    let place = match place {
        Ok(Path((trigger, receipt))) if receipt.starts_with("tmr.") => {
            let Ok(timer) = receipt.parse() else { return door.refuse(fetch::unknown()) };
            match Box::pin(later::call_off(&door, &trigger, &timer, request.headers())).await {
                Ok(Off::TakenBack(told)) => return route::json(StatusCode::OK, told.to_string()),
                Ok(Off::Event(event)) => Ok(Path((trigger, event.to_string()))),
                Err(error) => return door.refuse(error),
            }
        }
        place => place,
    };
    take(&door, place, request, Form::Cancel).await
}

/// Answers a call that waits.
pub(crate) async fn answer(State(door): State<Arc<Door>>, place: Place, request: Request) -> Response {
    take(&door, place, request, Form::Answer).await
}

async fn take(door: &Arc<Door>, place: Place, request: Request, form: Form) -> Response {
    let (parts, body) = request.into_parts();
    let budget = match door.budget.take(&body) {
        Ok(budget) => budget,
        Err(error) => return door.refuse(error),
    };
    let mut reader = Reader::new(body);
    match said(door, place, &parts, &mut reader, form).await {
        Ok((accepted, status, None)) => told(&accepted.receipt, status),
        Ok((accepted, status, Some(watch))) => {
            drop(budget);
            match Box::pin(watch.turn(&accepted)).await {
                Some(report) => route::json(StatusCode::OK, progress::render(&accepted.receipt, None, Some(&report))),
                None => told(&accepted.receipt, status),
            }
        }
        Err(error) => {
            if !parts.headers.contains_key(EXPECT) {
                Box::pin(reader.discard()).await;
            }
            door.refuse(error)
        }
    }
}

/// A receipt, and where its event was when something was said to it.
fn told(receipt: &Receipt, status: Status) -> Response {
    route::json(StatusCode::OK, json!({ "id": receipt.to_string(), "status": status }).to_string())
}

async fn said<'a>(
    door: &'a Arc<Door>,
    place: Place,
    parts: &Parts,
    reader: &mut Reader,
    form: Form,
) -> Result<(Accepted, Status, Option<Watch<'a>>), ApiError> {
    let (trigger, receipt) = place.map(|Path(pair)| pair).unwrap_or_default();
    let (receipt, caller) = fetch::admit(door, &trigger, &receipt, &parts.headers, Scope::Operate).await?;
    let patience = wait::patience(parts.uri.query(), &parts.headers)?;
    let body = reader.read(&door.budget, ANSWER_BYTES_MAX).await?;
    let said = form.read(&body)?;
    let status = standing(door, &receipt, &said).await?;
    let watch = match patience {
        Some(patience) => Box::pin(Watch::open(door, &receipt.session, patience)).await,
        None => None,
    };
    let (message_id, body) = address(door, &receipt, said)?;
    let key = format!("event.{receipt}");
    let deed = Deed { after: Some(&body), ..Deed::of(form.action(), &key) };
    audit::on_record(door, &caller.who(), deed, publish_to(door, &receipt, message_id, body.clone())).await?;
    Ok((Accepted { receipt, is_replay: false }, status, watch))
}

/// The status of an event to which this can be said.
async fn standing(door: &Door, receipt: &Receipt, said: &Said) -> Result<Status, ApiError> {
    let turn = match said {
        Said::Cancel(..) => None,
        Said::Answer(_) => pending::turn(&door.client, receipt).await.map_err(unreadable)?,
    };
    if let (Said::Answer(answer), Some(records)) = (said, &turn) {
        pending::check(records, answer)?;
        return Ok(records.last().map_or(Status::Running, Status::of));
    }
    let report = progress::of(&door.line, receipt).await.map_err(unreadable)?;
    match (report.status, said) {
        (Status::Expired, _) => Err(fetch::unknown()),
        (status, Said::Cancel(..)) if !status.is_final() => Ok(status),
        (status, Said::Cancel(..)) => Err(ended(status, "there is nothing to call off")),
        (status, Said::Answer(_)) => Err(ended(status, "no call of it waits for an answer")),
    }
}

/// Answers a call that waits, where it does.
pub(crate) async fn decide(door: &Door, receipt: &Receipt, call: &str, (by, kind): (String, Kind)) -> Result<(), ApiError> {
    let said = Said::Answer(words::Answered { call: call.to_owned(), by, kind });
    standing(door, receipt, &said).await?;
    let (message_id, body) = address(door, receipt, said)?;
    publish_to(door, receipt, message_id, body).await
}

/// Tells the owner of a session something about an event, whatever became of that.
pub(crate) async fn tell(door: &Door, receipt: &Receipt, by: String, kind: Kind) -> Result<(), ApiError> {
    let said = match kind {
        Kind::Cancel(_) => Said::Cancel(by, kind),
        kind => Said::Answer(words::Answered { call: String::new(), by, kind }),
    };
    let (message_id, body) = address(door, receipt, said)?;
    publish_to(door, receipt, message_id, body).await
}

async fn publish_to(door: &Door, receipt: &Receipt, message_id: String, body: Bytes) -> Result<(), ApiError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, message_id);
    let published = publish::confirmed(&door.client, subject::answer(&receipt.session), Some(headers), body, PUBLISH_DEADLINE);
    let published = door.publish(published).await;
    published.map(drop).map_err(|error| refusal(&error))
}

/// A turn to which nothing can be said any more.
pub(crate) fn ended(status: Status, consequence: &str) -> ApiError {
    let status = serde_json::to_value(status).ok();
    let status = status.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    ApiError::new(Code::TurnEnded, format!("the event is {status}: {consequence}"))
}

/// The message id and the bytes of what is said.
fn address(door: &Door, receipt: &Receipt, said: Said) -> Result<(String, Bytes), ApiError> {
    let (answer, key) = match said {
        // Whatever the reason, a turn is called off once.
        Said::Cancel(by, kind) => (Answer { event: receipt.event, call: String::new(), by, kind }.encode(), format!("{receipt}/cancel")),
        Said::Answer(said) => {
            let answer = Answer { event: receipt.event, call: said.call, by: said.by, kind: said.kind }.encode();
            let key = format!("{receipt}/{}", idempotency::hex(&words::digest(&answer)));
            (answer, key)
        }
    };
    if answer.len() > ANSWER_BYTES_MAX {
        let error = ApiError::too_large("the answer with what goes with it", ANSWER_BYTES_MAX);
        return Err(ApiError { field: Some("text".into()), ..error });
    }
    let key = Key::parse(&key)?;
    // No key of a caller has an id of this form.
    Ok((format!("said.{}", idempotency::message_id(&door.key.get(), &receipt.session.trigger, &key)), answer))
}

fn refusal(error: &publish::Error) -> ApiError {
    let code = ingest::code(error);
    let message = match code {
        Code::SessionBacklogFull => "too many answers of this session wait to be taken in",
        Code::BrokerFull => "the broker holds as much as it may",
        Code::Unavailable => "the broker cannot be reached or is not set up",
        Code::Overloaded => "the broker is slower than calls come in: nothing was sent",
        Code::Unconfirmed => "the broker did not confirm it, and it may or may not be stored: repeat the call",
        _ => "the broker refused it",
    };
    ApiError { cause: Some(error.to_string()), ..ApiError::new(code, message) }
}
