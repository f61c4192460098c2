//! What callers sent, and what they were told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::id::{EventSeq, SessionKey};

/// The way an event comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Door {
    /// A call to a gateway.
    Http,
    /// A message to the broker.
    Nats,
}

impl Door {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Http, Self::Nats];

    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Nats => "nats",
        }
    }
}

/// What an event has its bot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deed {
    /// Nothing but a reply.
    Plain,
    /// A call that must not run twice.
    Once,
    /// A call that may be repeated under its key.
    Again,
    /// A call that cannot succeed, so that the event fails.
    Sour,
    /// Nothing: it cannot be read, which only a message to the broker can be, and goes to DEAD.
    Torn,
}

impl Deed {
    /// The first word of the event's text, and of the path that is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Once => "once",
            Self::Again => "again",
            Self::Sour => "sour",
            Self::Torn => "torn",
        }
    }
}

/// One try to send an event.
#[derive(Debug, Clone)]
pub(crate) struct Try {
    /// When it began, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// What came of it.
    pub(crate) told: String,
}

/// What its caller knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It has a receipt.
    Accepted(EventSeq),
    /// No try was answered: it may be there or not. Its session is not written to any more.
    Unknown,
}

/// An event that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Its number in this run, which is in its text too.
    pub(crate) number: u64,
    /// Its session.
    pub(crate) session: SessionKey,
    /// The way it came by.
    pub(crate) door: Door,
    /// What it is for.
    pub(crate) deed: Deed,
    /// All tries; there is at least one.
    pub(crate) tries: Vec<Try>,
    /// What came of it.
    pub(crate) fate: Fate,
    /// What a try after the receipt was told, where there was one that was answered.
    pub(crate) repeat: Option<EventSeq>,
}

impl Sent {
    /// When it was first tried, in milliseconds since 1970.
    pub(crate) fn first_ms(&self) -> i64 {
        self.tries.first().map_or(0, |tried| tried.at_ms)
    }

    /// Where it was stored, as far as its caller knows.
    pub(crate) fn event(&self) -> Option<EventSeq> {
        match self.fate {
            Fate::Accepted(event) => Some(event),
            Fate::Unknown => None,
        }
    }
}

/// Everything that was sent, each session's events in the order in which they were accepted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book(Arc<Mutex<(Vec<Sent>, Vec<String>)>>);

impl Book {
    fn lock(&self) -> MutexGuard<'_, (Vec<Sent>, Vec<String>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an event once its caller is done with it.
    pub(crate) fn note(&self, sent: Sent) {
        self.lock().0.push(sent);
    }

    /// Notes an answer that nobody may give.
    pub(crate) fn object(&self, answer: String) {
        self.lock().1.push(answer);
    }

    /// All events, and all answers that nobody may give.
    pub(crate) fn read(&self) -> (Vec<Sent>, Vec<String>) {
        self.lock().clone()
    }
}
