//! Copies of events that were given up on or refused.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::code::Code;
use proto::header;
use proto::id::SessionKey;
use proto::idempotency::hex;
use proto::subject;
use proto::wire::DeadLetter;

use crate::port::{Broker, Unavailable, Waiting};

/// Where a letter lies.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// With its session.
    Session(&'a SessionKey),
    /// Among those whose subject, this one, names nothing.
    Invalid(&'a str),
}

/// Why there is a letter.
#[derive(Debug, Clone)]
pub struct Cause {
    /// The stable code.
    pub code: Code,
    /// The reason, for the reader.
    pub reason: String,
    /// How many attempts were counted.
    pub attempts: u32,
}

/// Stores the copy of an event, once whatever crashes: its id is its place in EVENTS.
pub async fn bury(broker: &dyn Broker, place: Place<'_>, waiting: &Waiting, cause: Cause) -> Result<(), Unavailable> {
    let (from, to) = match place {
        Place::Session(session) => (subject::event(session), subject::dead(session)),
        Place::Invalid(from) => (from.to_owned(), subject::dead_invalid(&bucket(from))),
    };
    let known = [(header::CONTENT_TYPE, &waiting.content_type), (header::TRACEPARENT, &waiting.traceparent)];
    let headers: BTreeMap<String, String> = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    let letter = DeadLetter {
        code: cause.code.as_str().to_owned(),
        reason: cause.reason,
        subject: from,
        epoch: waiting.event.epoch.to_string(),
        event: waiting.event.seq,
        body: waiting.body.clone(),
        headers,
        attempts: cause.attempts,
        received_at_ms: waiting.at_ms,
    };
    let id = format!("{}:{}", waiting.event.epoch, waiting.event.seq);
    broker.bury(to, id, letter.encode_to_vec().into()).await
}

/// One of 256 names, so that strangers cannot make subjects without end.
fn bucket(subject: &str) -> String {
    let sum = subject.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    hex(&[sum])
}
