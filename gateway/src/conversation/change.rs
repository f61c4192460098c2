//! Changes that must not wait behind a turn: what is known of a conversation, a message of it, its end.
//!
//! They are answers in the session's inbox, which its owner takes in at once and puts on record; the
//! caller is told once that record stands. What it replaces is deleted by then or in a moment: readers
//! go by the record.

use std::time::Duration;

use backbone::journal::{self, Entry};
use backbone::publish;
use futures_util::StreamExt as _;
use proto::answer::{Answer, Kind, NO_CONVERSATION, NO_MESSAGE};
use proto::code::Code;
use proto::id::{ConversationId, EventSeq};
use proto::limit::{ANSWER_BYTES_MAX, PUBLISH_DEADLINE};
use proto::record::Step;
use proto::subject;
use proto::wire::changed::What;
use tokio::time::Instant;

use super::found::{self, Found};
use super::unknown;
use crate::api::call::Call;
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::door::Door;
use crate::fetch::unreadable;
use crate::ingest;

/// How long a caller waits for a change to be on record.
const CHANGE_DEADLINE: Duration = Duration::from_secs(15);
/// The pause between two looks where nothing rings.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Has a conversation changed, on record; what came of it.
pub(crate) async fn make(call: &Call, id: &ConversationId, action: &'static str, kind: Kind) -> Result<What, ApiError> {
    let door = &call.door;
    let deadline = Instant::now() + CHANGE_DEADLINE;
    begun(door, id, deadline).await?;
    let key = format!("conversation.{id}");
    let who = call.caller.who();
    let answer = Answer { event: id.event, call: String::new(), by: who.to_string(), kind };
    let what = audit::on_record(door, &who, Deed::of(action, &key), asked(door, id, answer, deadline)).await?;
    match what {
        What::Refused(reason) if reason == NO_CONVERSATION => Err(unknown()),
        What::Refused(reason) if reason == NO_MESSAGE => Err(ApiError::new(Code::MessageUnknown, reason)),
        What::Refused(reason) => Err(ApiError::new(Code::ChangeRefused, reason)),
        what => Ok(what),
    }
}

/// Waits until a conversation stands in the log.
async fn begun(door: &Door, id: &ConversationId, deadline: Instant) -> Result<(), ApiError> {
    while let Found::Queued { .. } = found::find(door, id).await? {
        if Instant::now() >= deadline {
            return Err(late("the conversation has not begun yet"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

fn late(what: &'static str) -> ApiError {
    ApiError::new(Code::Late, format!("{what} after {} s: it is asked for, and may still come", CHANGE_DEADLINE.as_secs()))
}

async fn asked(door: &Door, id: &ConversationId, answer: Answer, deadline: Instant) -> Result<What, ApiError> {
    let body = answer.encode();
    if body.len() > ANSWER_BYTES_MAX {
        return Err(ApiError::too_large("the change", ANSWER_BYTES_MAX));
    }
    let from = journal::last_from_leader(&door.client, &id.session).await.map_err(unreadable)?.map_or(0, |last| last.seq);
    // Listening begins before anything is asked for.
    let mut bell = tokio::time::timeout(PUBLISH_DEADLINE, door.client.subscribe(subject::log(&id.session))).await.ok().and_then(Result::ok);
    let stored = door.publish(publish::confirmed(&door.client, subject::answer(&id.session), None, body, PUBLISH_DEADLINE)).await;
    let stored = stored.map_err(|error| refusal(&error))?;
    let epoch = subject::epoch_of_stream(&stored.stream).unwrap_or(id.event.epoch);
    let asked = EventSeq { epoch, seq: stored.seq };
    loop {
        let rung = async {
            match bell.as_mut() {
                Some(bell) => drop(bell.next().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rung => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let last = journal::last_from_leader(&door.client, &id.session).await.map_err(unreadable)?;
        let is_taken_in = |last: &Entry| last.record.event.epoch == asked.epoch && last.record.answers >= asked.seq;
        if last.as_ref().is_some_and(is_taken_in)
            && let Some(what) = carried_out(door, id, asked, from).await?
        {
            return Ok(what);
        }
        if Instant::now() >= deadline {
            return Err(late("the change is not on record"));
        }
    }
}

/// What came of a change, by the first record that counts its answer.
async fn carried_out(door: &Door, id: &ConversationId, asked: EventSeq, from: u64) -> Result<Option<What>, ApiError> {
    let mut what = None;
    journal::walk(&door.client, &id.session, from, |entry| {
        let is_it = entry.record.event.epoch == asked.epoch && entry.record.answers == asked.seq;
        if let Some(Step::Changed(changed)) = entry.record.step.filter(|_| is_it) {
            what = changed.what;
        }
        what.is_none()
    })
    .await
    .map_err(unreadable)?;
    Ok(what)
}

fn refusal(error: &publish::Error) -> ApiError {
    let code = ingest::code(error);
    let message = match code {
        Code::SessionBacklogFull => "too many changes of this session wait to be taken in",
        Code::BrokerFull => "the broker holds as much as it may",
        Code::Unavailable => "the broker cannot be reached or is not set up",
        Code::Unconfirmed => "the broker did not confirm the change, which may or may not be made: fetch before you repeat the call",
        _ => "the broker refused the change",
    };
    ApiError { cause: Some(error.to_string()), ..ApiError::new(code, message) }
}
