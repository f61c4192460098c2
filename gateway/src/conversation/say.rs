//! What must keep its place among the turns of a session: messages, and calls that the bot answers.
//!
//! Each is an event with what a direct call asks for. It is published like any other event, and its
//! caller waits for the record that ends it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use backbone::chance;
use backbone::publish;
use backbone::receipt::Report;
use proto::answer::{Answer, Kind};
use proto::code::Code;
use proto::event::Event;
use proto::id::{ConversationId, Receipt, SessionKey, TriggerId};
use proto::idempotency::Key;
use proto::limit::PUBLISH_DEADLINE;
use proto::message::Message;
use proto::status::Status;
use proto::wire::{Cancel, Direct};
use proto::{ending, message, session, subject};
use serde_json::{Value, json};

use super::found::{self, Found};
use crate::api_error::ApiError;
use crate::door::Door;
use crate::ingest::{Accepted, Submission};
use crate::replay;
use crate::wait::Watch;

/// Something to say, addressed.
#[derive(Debug)]
pub(crate) struct Saying {
    /// Where it goes.
    pub(crate) session: SessionKey,
    conversation: Option<ConversationId>,
    event: Event,
    key: Option<Key>,
}

/// Something that was said, and where.
#[derive(Debug)]
pub(crate) struct Said {
    /// The event.
    pub(crate) accepted: Accepted,
    /// The conversation that it went to, or opened.
    pub(crate) conversation: ConversationId,
}

/// How a turn ended, as a caller is told.
#[derive(Debug)]
pub(crate) struct Ended {
    /// All that was said in it.
    pub(crate) messages: Vec<Message>,
    /// The last words of the bot, with their id.
    pub(crate) reply: Option<Message>,
    /// What it took.
    pub(crate) usage: Value,
    /// Why it ended.
    pub(crate) end: Value,
}

impl Saying {
    /// Something that goes on with a conversation, which must be its session's last.
    pub(crate) async fn on(
        door: &Door,
        id: &ConversationId,
        text: Option<String>,
        direct: Direct,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        if let Found::Begun(known) = found::find(door, id).await?
            && !known.is_current
        {
            return Err(ApiError::new(Code::ConversationEnded, "the conversation has ended: another one of its session has begun since"));
        }
        let event = Event { text, direct: Some(direct), conversation: Some(id.clone()), ..Event::default() };
        Ok(Self { session: id.session.clone(), conversation: Some(id.clone()), event, key: replay::key(headers)? })
    }

    /// Something that opens a conversation without a trigger.
    pub(crate) fn anew(text: Option<String>, direct: Direct, headers: &HeaderMap) -> Result<Self, ApiError> {
        let (trigger, key) = (TriggerId::direct(), replay::key(headers)?);
        let token = match &key {
            Some(key) => session::token_of_key(&trigger, key.as_str()),
            None => session::fresh_token(chance::bytes()),
        };
        let event = Event { text, direct: Some(direct), ..Event::default() };
        Ok(Self { session: SessionKey { trigger, token }, conversation: None, event, key })
    }

    /// Publishes it.
    pub(crate) async fn send(self, door: &Arc<Door>, headers: &HeaderMap) -> Result<Said, ApiError> {
        let accepted = Submission::to(door, self.session.clone(), self.event, self.key.as_ref(), headers).send(door).await?;
        let opened = || ConversationId { session: self.session, event: accepted.receipt.event };
        Ok(Said { conversation: self.conversation.unwrap_or_else(opened), accepted })
    }

    /// Publishes it, and waits for its end at most so long; a caller that goes meanwhile may have it called off.
    pub(crate) async fn finish(
        self,
        door: &Arc<Door>,
        headers: &HeaderMap,
        (patience, hangs_up): (Duration, bool),
    ) -> Result<(Said, Ended), ApiError> {
        let watch = Box::pin(Watch::open(door, &self.session, patience)).await;
        let watch = watch.ok_or_else(|| ApiError::unavailable("as many wait as may", &"--waits is used up"))?;
        let said = self.send(door, headers).await?;
        let mut guard = HangUp::new(door, &said.accepted.receipt, hangs_up);
        let report = Box::pin(watch.turn(&said.accepted)).await;
        guard.disarm();
        let receipt = &said.accepted.receipt;
        match report.filter(|report| report.status.is_final()) {
            Some(report) => Ok((said, Ended::of(report))),
            None => Err(late(receipt, patience)),
        }
    }
}

fn late(receipt: &Receipt, patience: Duration) -> ApiError {
    let message = format!(
        "the turn has not ended within {} s and goes on as {receipt}: follow the conversation, or ask for JSON lines",
        patience.as_secs()
    );
    ApiError::new(Code::Late, message)
}

impl Ended {
    fn of(report: Report) -> Self {
        let Report { status, messages, .. } = report;
        let last = messages.last().map(|message| message.meta.clone()).unwrap_or_default();
        let reply = messages.iter().rfind(|message| message.kind == message::Kind::Bot).cloned();
        let words = || messages.last().map(|message| message.text.clone()).unwrap_or_default();
        let end = match status {
            Status::Completed if last.get("truncated").is_some() => json!({ "reason": "length" }),
            Status::Completed => json!({ "reason": "stop" }),
            Status::Cancelled => json!({ "reason": "abort", "message": words() }),
            _ => {
                let code = last.pointer("/failure/code").and_then(Value::as_str).unwrap_or_default();
                let reason = if code == Code::TurnLimit.as_str() { "iteration" } else { "error" };
                json!({ "reason": reason, "error": code, "message": words() })
            }
        };
        Self { usage: usage(&last), messages, reply: reply.filter(|_| status == Status::Completed), end }
    }

    /// The messages, where the event ended as its caller wished; otherwise why it did not.
    pub(crate) fn noted(self) -> Result<Vec<Message>, ApiError> {
        match self.end.get("error").and_then(Value::as_str) {
            None if self.end.get("reason").and_then(Value::as_str) != Some("abort") => Ok(self.messages),
            code => {
                let code = code.and_then(|code| Code::ALL.iter().find(|known| known.as_str() == code)).copied();
                let words = self.messages.last().map(|message| message.text.clone()).unwrap_or_default();
                Err(ApiError::new(code.unwrap_or(Code::TurnEnded), words))
            }
        }
    }
}

/// What a turn took by its last message: the sum that ChatBotKit tells, and each model's share.
pub(crate) fn usage(meta: &Value) -> Value {
    let models = meta.get("usage").and_then(Value::as_array).cloned().unwrap_or_default();
    json!({ "token": ending::tokens(&models), "models": models })
}

/// Calls a turn off when it is dropped, unless it was told that the turn has ended.
#[derive(Debug)]
#[must_use = "a turn whose guard is dropped is called off"]
pub(crate) struct HangUp {
    door: Arc<Door>,
    receipt: Option<Receipt>,
}

impl HangUp {
    /// A guard over a turn, where its caller wants one.
    pub(crate) fn new(door: &Arc<Door>, receipt: &Receipt, is_wanted: bool) -> Self {
        Self { door: Arc::clone(door), receipt: is_wanted.then(|| receipt.clone()) }
    }

    /// The turn has ended, or goes on by its caller's leave.
    pub(crate) fn disarm(&mut self) {
        self.receipt = None;
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        let Some(receipt) = self.receipt.take() else { return };
        let door = Arc::clone(&self.door);
        // Best effort: nobody is there any more who could be told that it failed.
        drop(self.door.tracker.spawn(async move {
            let kind = Kind::Cancel(Cancel { reason: "the caller hung up".to_owned() });
            let answer = Answer { event: receipt.event, call: String::new(), by: "caller".to_owned(), kind };
            let published = publish::confirmed(&door.client, subject::answer(&receipt.session), None, answer.encode(), PUBLISH_DEADLINE);
            if let Err(error) = door.publish(published).await {
                tracing::warn!(event.id = %receipt, %error, "a turn goes on although its caller hung up");
            }
        }));
    }
}
