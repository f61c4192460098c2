//! One confirmed publish.
//!
//! Guarantees: an answer with a receipt means that the broker has stored the event, or had stored
//! it before under the same key. An error that says "unconfirmed" means that nobody knows; the
//! caller repeats the call with the same key and gets one event.
//!
//! A call without a key carries no message id. Neither this module nor the client library sends a
//! publish twice, so an id of our own would protect nothing, while the broker keeps every id of
//! its window in memory (2 min of calls) and a deduplicated publish costs a fifth of the accept
//! rate. Nor does the envelope name its media type: a protobuf event is what a message without
//! one is (`Event::decode`), and every header costs some 5 % at both ends.

use std::sync::Arc;

use async_nats::{HeaderMap, HeaderName};
use backbone::bug::{self, Bug};
use backbone::chance;
use backbone::later::name;
use backbone::publish::{self, Stored};
use backbone::requests::Line;
use backbone::seal::direct;
use bytes::Bytes;
use proto::code::Code;
use proto::event::Event;
use proto::id::{EventSeq, Receipt, SessionKey, TimerReceipt};
use proto::idempotency::{self, Key};
use proto::limit::{ENVELOPE_BYTES_MAX, PUBLISH_DEADLINE};
use proto::resource::{Busy, Trigger};
use proto::trace::Traceparent;
use proto::{header, session, subject};
use telemetry::{context, convention, span};
use tracing::Instrument as _;

use crate::api_error::ApiError;
use crate::busy;
use crate::door::Door;
use crate::later::{self, Booked};
use crate::replay::{self, Remembered};
use crate::timing::Moments;

/// The names of headers, parsed once.
const TRACEPARENT: HeaderName = HeaderName::from_static(header::TRACEPARENT);
const MESSAGE_ID: HeaderName = HeaderName::from_static(header::MESSAGE_ID);

/// What the headers of one message take on the broker at most, in bytes.
const HEADER_BYTES_MAX: usize = 512;

/// An event on its way to the broker.
#[derive(Debug)]
pub(crate) struct Submission {
    /// Where it goes.
    pub(crate) session: SessionKey,
    event: Event,
    /// The caller's trace. Without one the event has none: an id that nobody recorded spans under is only weight.
    trace: Option<Traceparent>,
    message_id: Option<String>,
    /// When it comes, where that is later: in milliseconds since 1970.
    due_ms: Option<i64>,
    /// Whether a busy session refuses it.
    is_refusable: bool,
}

/// An event that the broker has.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// Its receipt.
    pub(crate) receipt: Receipt,
    /// Whether an earlier call sent it.
    pub(crate) is_replay: bool,
}

/// What was taken.
#[derive(Debug)]
pub(crate) enum Taken {
    /// An event.
    Event(Accepted),
    /// One that comes later.
    Later(Booked),
}

impl Taken {
    /// Whether an earlier call sent it.
    pub(crate) fn is_replay(&self) -> bool {
        match self {
            Self::Event(accepted) => accepted.is_replay,
            Self::Later(booked) => booked.is_replay,
        }
    }
}

impl Submission {
    /// Addresses an event.
    pub(crate) fn new(door: &Door, trigger: &Trigger, event: Event, key: Option<&Key>, headers: &axum::http::HeaderMap) -> Self {
        let trace = trace(headers);
        let string = session::string(event.session.as_deref(), &event.contact);
        // A session that nobody else can name is never busy.
        let is_refusable = trigger.busy == Busy::Reject && (string.is_some() || key.is_some());
        let token = match (string, key) {
            (Some(string), _) => session::token(string),
            (None, Some(key)) => session::token_of_key(&trigger.id, key.as_str()),
            (None, None) => session::fresh_token(chance::bytes()),
        };
        let message_id = key.filter(|_| !bug::is(Bug::MessageIdDropped));
        let message_id = message_id.map(|key| idempotency::message_id(&door.key.get(), &trigger.id, key));
        Self { session: SessionKey { trigger: trigger.id.clone(), token }, event, trace, message_id, due_ms: None, is_refusable }
    }

    /// Says when it counts.
    pub(crate) fn at(mut self, moments: Moments) -> Self {
        self.event.expires_at_ms = moments.expires_at_ms;
        Self { due_ms: moments.due_ms, ..self }
    }

    /// Publishes it, or stores it until it is due.
    pub(crate) async fn take(self, door: &Arc<Door>) -> Result<Taken, ApiError> {
        if let Some(due_ms) = self.due_ms {
            Box::pin(self.book(door, due_ms)).await.map(Taken::Later)
        } else {
            self.send(door).await.map(Taken::Event)
        }
    }

    async fn book(mut self, door: &Arc<Door>, due_ms: i64) -> Result<Booked, ApiError> {
        let timer = later::timer(self.message_id.as_deref());
        self.event.timer = Some(name(timer.as_str(), due_ms));
        close(door, &self.session, &mut self.event)?;
        check_size(&door.line, &self.event.encode())?;
        let receipt = TimerReceipt { session: self.session, timer };
        let trace = self.trace.as_ref().map(Traceparent::as_str);
        later::book(door, receipt, self.event, trace, self.message_id.is_some()).await
    }

    /// Addresses an event that is known by an id of the gateway's own, which no key of a caller makes.
    pub(crate) fn named(trigger: &Trigger, event: Event, message_id: String, headers: &axum::http::HeaderMap) -> Self {
        let trace = trace(headers);
        let token =
            session::string(event.session.as_deref(), &event.contact).map_or_else(|| session::fresh_token(chance::bytes()), session::token);
        let session = SessionKey { trigger: trigger.id.clone(), token };
        Self { session, event, trace, message_id: Some(message_id), due_ms: None, is_refusable: trigger.busy == Busy::Reject }
    }

    /// Addresses an event for a session that is known already; a key makes a repeat one event.
    pub(crate) fn to(door: &Door, session: SessionKey, event: Event, key: Option<&Key>, headers: &axum::http::HeaderMap) -> Self {
        let trace = trace(headers);
        let message_id = key.map(|key| idempotency::message_id(&door.key.get(), &session.trigger, key));
        Self { session, event, trace, message_id, due_ms: None, is_refusable: false }
    }

    /// Publishes it, unless it is known already.
    pub(crate) async fn send(self, door: &Arc<Door>) -> Result<Accepted, ApiError> {
        let sent = match &self.message_id {
            None if self.is_refusable => Box::pin(self.send_where_free(door)).await,
            None => self.send_once(door, None).await.map(|(receipt, _)| fresh(receipt)),
            // Boxed, so that calls without a key do not carry the room for it.
            Some(message_id) => Box::pin(self.send_keyed(door, message_id)).await,
        };
        // A failed call gets an id by which caller and operator can speak of it.
        sent.map_err(|error| {
            let trace = self.trace.unwrap_or_else(|| Traceparent::start(chance::bytes()));
            ApiError { trace_id: Some(trace.trace_id().into()), ..error }
        })
    }

    async fn send_where_free(&self, door: &Door) -> Result<Accepted, ApiError> {
        busy::check(door, &self.session, None).await?;
        self.send_once(door, None).await.map(|(receipt, _)| fresh(receipt))
    }

    async fn send_keyed(&self, door: &Arc<Door>, message_id: &str) -> Result<Accepted, ApiError> {
        let digest = self.event.digest();
        if let Some(known) = replay::recall(&door.redis, message_id).await {
            return known.answer(&digest, &self.session.trigger);
        }
        if self.is_refusable {
            busy::check(door, &self.session, Some(message_id)).await?;
        }
        let (receipt, is_duplicate) = self.send_once(door, Some(message_id)).await?;
        let accepted = if is_duplicate {
            let original = replay::original(&door.line, &self.session, receipt.event, &digest).await?;
            Accepted { receipt: original, is_replay: true }
        } else {
            fresh(receipt)
        };
        replay::remember(door, message_id, &Remembered::new(&digest, accepted.receipt.clone()));
        Ok(accepted)
    }

    async fn send_once(&self, door: &Door, message_id: Option<&str>) -> Result<(Receipt, bool), ApiError> {
        let envelope = if self.event.direct.is_none() {
            self.event.encode()
        } else {
            let mut sealed = self.event.clone();
            close(door, &self.session, &mut sealed)?;
            sealed.encode()
        };
        check_size(&door.line, &envelope)?;
        let told = span::publish(&self.session, envelope.len());
        let trace = context::of(&told);
        let known = [(TRACEPARENT, trace.as_ref().or(self.trace.as_ref()).map(Traceparent::as_str)), (MESSAGE_ID, message_id)];
        let headers: HeaderMap = known.into_iter().filter_map(|(name, value)| Some((name, value?.into()))).collect();
        let subject = subject::event(&self.session);
        let headers = Some(headers).filter(|headers| !headers.is_empty());
        let place = door.enter().await.map_err(|error| refusal(&error))?;
        let published = publish::confirmed(&door.line, subject, headers, envelope, PUBLISH_DEADLINE).instrument(told.clone()).await;
        let stored = place.told(published).map_err(|error| refusal(&error));
        match &stored {
            Ok(Stored { seq, .. }) => drop(told.record(convention::STREAM_SEQUENCE, seq)),
            Err(error) => span::fail(&told, error.code.as_str()),
        }
        let Stored { stream, seq, duplicate } = stored?;
        let epoch = subject::epoch_of_stream(&stream).ok_or_else(|| ApiError {
            cause: Some(format!("stream {stream} takes events: its name has no epoch")),
            ..ApiError::new(Code::Internal, "the broker is not set up for events")
        })?;
        Ok((Receipt { session: self.session.clone(), event: EventSeq { epoch, seq } }, duplicate))
    }
}

/// Has workers know that a gateway asks for what an event asks for beside its turn.
fn close(door: &Door, session: &SessionKey, event: &mut Event) -> Result<(), ApiError> {
    let sealed = direct::close(&door.master, session, event);
    sealed.map_err(|error| ApiError { cause: Some(error.to_string()), ..ApiError::new(Code::Internal, "the event cannot be sealed") })
}

/// The trace that an event goes on with: that of the call, where it is told, or else its caller's.
fn trace(headers: &axum::http::HeaderMap) -> Option<Traceparent> {
    let of_caller = || headers.get(header::TRACEPARENT).and_then(|value| Traceparent::parse(value.to_str().ok()?));
    context::current().or_else(of_caller)
}

fn fresh(receipt: Receipt) -> Accepted {
    Accepted { receipt, is_replay: false }
}

/// A body under its own limit can still be over the envelope's: the text taken from it is stored beside it.
fn check_size(line: &Line, envelope: &Bytes) -> Result<(), ApiError> {
    let broker_max = line.payload_bytes_max().saturating_sub(HEADER_BYTES_MAX);
    let bytes_max = broker_max.min(ENVELOPE_BYTES_MAX);
    if envelope.len() > bytes_max { Err(ApiError::too_large("the body with the text taken from it", bytes_max)) } else { Ok(()) }
}

/// The code of a publish that was not confirmed.
pub(crate) fn code(error: &publish::Error) -> Code {
    use publish::Error;

    match error {
        Error::SubjectFull => Code::SessionBacklogFull,
        Error::StreamFull(_) => Code::BrokerFull,
        Error::NoStream => Code::Unavailable,
        Error::Shed => Code::Overloaded,
        Error::Unconfirmed | Error::Refused(_) => Code::Unconfirmed,
        Error::Fenced => Code::Internal,
    }
}

/// What a caller is told of a publish that was not confirmed.
pub(crate) fn refusal(error: &publish::Error) -> ApiError {
    let code = code(error);
    let message = match code {
        Code::SessionBacklogFull => "too many events of this session wait to be handled",
        Code::BrokerFull => "the broker holds as many events as it may",
        Code::Unavailable => "the broker cannot be reached or is not set up",
        Code::Overloaded => "the broker is slower than calls come in: nothing was sent",
        Code::Unconfirmed => {
            "the broker did not confirm the event, which may or may not be stored: repeat the call with an Idempotency-Key"
        }
        _ => "the broker refused the event",
    };
    ApiError { cause: Some(error.to_string()), ..ApiError::new(code, message) }
}

#[cfg(test)]
mod tests {
    use backbone::publish::Error;

    use super::refusal;

    #[test]
    fn each_refusal_of_the_broker_has_its_code() {
        for (error, code, status) in [
            (Error::SubjectFull, "CUE0501", 429),
            (Error::StreamFull("maximum bytes exceeded".into()), "CUE0502", 503),
            (Error::Unconfirmed, "CUE0503", 503),
            (Error::Refused("?".into()), "CUE0503", 503),
            (Error::NoStream, "CUE0504", 503),
            (Error::Shed, "CUE0509", 503),
            (Error::Fenced, "CUE0505", 500),
        ] {
            let found = refusal(&error).code;
            assert_eq!((found.as_str(), found.status()), (code, status));
        }
    }
}
