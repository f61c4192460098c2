//! Finds the event that a message id was first used for.
//!
//! The broker says where it was stored. There it lies until its turn is committed; from then on
//! the record of the turn has its digest. An event that cannot be shown to be this trigger's is
//! never answered for.

use backbone::bug::{self, Bug};
use backbone::direct::{self, Stored};
use backbone::journal;
use backbone::requests::Line;
use proto::event::Event;
use proto::id::{EventSeq, Receipt, SessionKey, TriggerId};
use proto::record::Record;
use proto::{header, subject, wire};

use crate::api_error::ApiError;

/// An event that was sent under the key before.
struct Original {
    session: SessionKey,
    /// Absent where the event was committed without its contents.
    digest: Option<[u8; 32]>,
}

/// The receipt of the first event, if this is a repeat of it.
pub(crate) async fn original(line: &Line, session: &SessionKey, event: EventSeq, digest: &[u8; 32]) -> Result<Receipt, ApiError> {
    let silent = |error: journal::Error| ApiError::unavailable("the first event of this key cannot be read", &error);
    match find(line, session, event).await.map_err(silent)? {
        None => Err(super::unknown()),
        Some(Original { digest: Some(found), .. }) if found != *digest && !bug::is(Bug::DigestIgnored) => Err(super::reused()),
        Some(Original { session, .. }) => Ok(Receipt { session, event }),
    }
}

async fn find(line: &Line, session: &SessionKey, event: EventSeq) -> Result<Option<Original>, journal::Error> {
    let stream = subject::events_stream(event.epoch);
    if let Some(stored) = direct::at(line, &stream, event.seq).await? {
        return Ok(waiting(&session.trigger, &stored));
    }
    // A follower may not have it yet.
    let next = direct::next_from_leader(line, &stream, &subject::event(session), event.seq).await?;
    match next.filter(|stored| stored.seq == event.seq) {
        Some(stored) => Ok(waiting(&session.trigger, &stored)),
        None => committed(line, session, event).await,
    }
}

fn waiting(trigger: &TriggerId, stored: &Stored) -> Option<Original> {
    let session = subject::session_of_event(&stored.subject).filter(|session| session.trigger == *trigger)?;
    let content_type = stored.headers.get(header::CONTENT_TYPE).map(async_nats::HeaderValue::as_str);
    let digest = Event::decode(trigger, content_type, &stored.body).ok().map(|event| event.digest());
    Some(Original { session, digest })
}

async fn committed(line: &Line, session: &SessionKey, event: EventSeq) -> Result<Option<Original>, journal::Error> {
    let last = journal::last_from_leader(line, session).await?;
    let Some(last) = last else { return Ok(None) };
    let is_its_own = last.record.event == event && !last.record.is_idle();
    let from = if is_its_own { last.record.base } else { 0 };
    let (mut found, mut read_to, mut has_passed) = (None, from, false);
    journal::walk(line, session, from, |entry| {
        let record = &entry.record;
        read_to = entry.seq;
        if record.edited_event() == Some(event) {
            // The record that had its contents is gone; what was changed of it stands for it.
            found.get_or_insert_with(|| Original { session: session.clone(), digest: None });
            return true;
        }
        if record.event == event && !record.is_idle() {
            let digest = record.input().map(digest_of);
            let goes_on = digest.is_none() && !record.is_terminal();
            found = Some(Original { session: session.clone(), digest });
            goes_on
        } else {
            has_passed |= !record.is_idle() && is_past(record, event);
            !has_passed
        }
    })
    .await?;
    // Records are read from any replica: one that lags behind the leader has not shown that there is none.
    if found.is_none() && !has_passed && read_to < last.seq {
        return Err(journal::Error::Read(direct::Error::Late));
    }
    Ok(found)
}

fn is_past(record: &Record, event: EventSeq) -> bool {
    record.event > event
}

fn digest_of(input: &wire::Input) -> [u8; 32] {
    input.digest.as_ref().try_into().unwrap_or_else(|_| {
        let present = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let event = Event {
            text: present(&input.text),
            payload: input.payload.clone(),
            content_type: present(&input.content_type),
            session: present(&input.session),
            contact: input.contact.clone().unwrap_or_default().into(),
            direct: input.direct.clone(),
            ..Event::default()
        };
        event.digest()
    })
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use backbone::direct::Stored;
    use bytes::Bytes;
    use proto::event::{Contact, Event};
    use proto::wire;

    use super::{digest_of, waiting};

    fn event() -> Event {
        Event {
            text: Some("hi".into()),
            payload: Bytes::from_static(b"{}"),
            content_type: None,
            session: Some("s".into()),
            contact: Contact::default(),
            ..Event::default()
        }
    }

    #[test]
    fn only_an_event_of_the_trigger_is_an_original() {
        let trigger = "t".parse().unwrap();
        let stored =
            |subject: &str| Stored { subject: subject.into(), seq: 1, at_ms: 0, headers: HeaderMap::new(), body: event().encode() };
        assert_eq!(waiting(&trigger, &stored("event.t.a")).unwrap().digest, Some(event().digest()));
        for subject in ["event.u.a", "answer.t.a", "log.t.a"] {
            assert!(waiting(&trigger, &stored(subject)).is_none(), "{subject}");
        }
    }

    #[test]
    fn a_record_tells_the_digest_with_and_without_saying_it() {
        let mut input =
            wire::Input { text: "hi".into(), payload: Bytes::from_static(b"{}"), session: "s".into(), ..wire::Input::default() };
        assert_eq!(digest_of(&input), event().digest());
        input.digest = Bytes::from_static(&[7; 32]);
        assert_eq!(digest_of(&input), [7; 32]);
    }
}
