//! Dead letters, read and sent again.
//!
//! A letter is named by its sequence in the stream DEAD. Sending one again publishes its bytes where
//! they were meant for: an event becomes a new event at the end of its session, an answer becomes an
//! answer once more and never an event. The letter stays.

use async_nats::{Client, HeaderMap};
use prost::Message as _;
use proto::answer::Answer;
use proto::id::{EventSeq, Receipt, SessionKey, TriggerId};
use proto::limit::PUBLISH_DEADLINE;
use proto::subject::{self, DEAD_STREAM};
use proto::wire::DeadLetter;
use proto::{header, idempotency};

use crate::{chance, direct, publish};

/// A letter where it lies.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its sequence.
    pub id: u64,
    /// When it was put there, in milliseconds since 1970.
    pub at_ms: i64,
    /// What it says.
    pub content: DeadLetter,
}

/// Why a letter cannot be read or sent again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such letter.
    #[error("there is no letter {0}")]
    Missing(u64),
    /// The bytes are not a letter.
    #[error("the letter {0} cannot be read")]
    Unreadable(u64, #[source] prost::DecodeError),
    /// It came on a subject that neither an event nor an answer can lie on.
    #[error("the letter {id} came on {subject:?}, which names no trigger and session: publish its bytes to event.TRIGGER.SESSION instead")]
    Subject {
        /// The letter.
        id: u64,
        /// The subject.
        subject: String,
    },
    /// It is an answer that cannot be read: there is nothing that it could be sent to.
    #[error("the letter {0} is an answer that cannot be read, so it cannot be given again")]
    Answer(u64),
    /// Its trigger does not exist.
    #[error("the letter {id} came for the trigger {trigger}, which does not exist: create it first")]
    Trigger {
        /// The letter.
        id: u64,
        /// The trigger.
        trigger: TriggerId,
    },
    /// DEAD cannot be read.
    #[error("the dead letters cannot be read")]
    Read(#[from] direct::Error),
    /// The broker did not take it.
    #[error("the letter {0} was not published")]
    Publish(u64, #[source] publish::Error),
}

/// What a letter was to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// An event of a session.
    Event(SessionKey),
    /// An answer to the turn of an event.
    Answer(Receipt),
}

impl Meant {
    /// The session.
    pub fn session(&self) -> &SessionKey {
        match self {
            Self::Event(session) => session,
            Self::Answer(receipt) => &receipt.session,
        }
    }
}

/// Reads a letter.
pub async fn find(client: &Client, id: u64) -> Result<Letter, Error> {
    let stored = direct::at(client, DEAD_STREAM, id).await?.ok_or(Error::Missing(id))?;
    let at_ms = stored.at_ms;
    let content = DeadLetter::decode(stored.body).map_err(|source| Error::Unreadable(id, source))?;
    Ok(Letter { id, at_ms, content })
}

/// What a letter was to be.
pub fn meant(id: u64, letter: &DeadLetter) -> Result<Meant, Error> {
    if let Some(session) = subject::session_of_event(&letter.subject) {
        return Ok(Meant::Event(session));
    }
    let Some(session) = subject::session_of_answer(&letter.subject) else {
        return Err(Error::Subject { id, subject: letter.subject.clone() });
    };
    let answer = Answer::decode(&session, &letter.body).map_err(|_| Error::Answer(id))?;
    Ok(Meant::Answer(Receipt { session, event: answer.event }))
}

/// Sends a letter again under a message id, which makes repeats one. Answers the event, or the one that is answered.
pub async fn replay(client: &Client, id: u64, letter: DeadLetter, meant: &Meant, message_id: String) -> Result<Receipt, Error> {
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::TRACEPARENT] {
        if let Some(value) = letter.headers.get(name).filter(|value| !value.contains(char::is_control)) {
            headers.insert(name, value.as_str());
        }
    }
    headers.insert(header::MESSAGE_ID, message_id);
    let stored = publish::confirmed(client, letter.subject, Some(headers), letter.body, PUBLISH_DEADLINE)
        .await
        .map_err(|source| Error::Publish(id, source))?;
    match meant {
        Meant::Answer(receipt) => Ok(receipt.clone()),
        Meant::Event(session) => {
            let foreign =
                || Error::Publish(id, publish::Error::Refused(format!("{} took it, which is no stream of events", stored.stream)));
            let epoch = subject::epoch_of_stream(&stored.stream).ok_or_else(foreign)?;
            Ok(Receipt { session: session.clone(), event: EventSeq { epoch, seq: stored.seq } })
        }
    }
}

/// A message id that nobody can guess, for a letter that is sent again each time that it is asked for.
pub fn fresh_id(letter: &DeadLetter) -> String {
    format!("{}:{}:{}", letter.epoch, letter.event, idempotency::hex(&chance::bytes::<8>()))
}

#[cfg(test)]
mod tests {
    use proto::answer::{Answer, Kind};
    use proto::id::{Epoch, EventSeq};
    use proto::wire::{Approved, DeadLetter};

    use super::{Error, Meant, meant};

    fn letter(subject: &str, body: bytes::Bytes) -> DeadLetter {
        DeadLetter { subject: subject.into(), body, ..DeadLetter::default() }
    }

    #[test]
    fn an_answer_is_never_taken_for_an_event() {
        let event = EventSeq { epoch: Epoch::from_second(7), seq: 3 };
        let answer = Answer { event, call: "1.0".into(), by: String::new(), kind: Kind::Approved(Approved::default()) }.encode();
        let found = meant(1, &letter("answer.t.s", answer)).unwrap();
        assert!(matches!(found, Meant::Answer(receipt) if receipt.event == event));
        assert!(matches!(meant(1, &letter("answer.t.s", bytes::Bytes::from_static(b"\xff"))), Err(Error::Answer(1))));
        assert!(matches!(meant(1, &letter("event.t.s", bytes::Bytes::new())), Ok(Meant::Event(_))));
        assert!(matches!(meant(1, &letter("event.t", bytes::Bytes::new())), Err(Error::Subject { .. })));
    }
}
