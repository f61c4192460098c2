//! What lies in the broker: events, records, answers, letters, resources.
//!
//! No bytes panic. What decodes, encodes to bytes that decode to the same, whichever encoding it came
//! in; and bytes with something behind their end are refused.

use std::fmt::Debug;

use bytes::Bytes;
use prost::Message;
use proto::answer::Answer;
use proto::event::{Contact, Event, parse_session};
use proto::id::{ConversationId, SessionKey, TriggerId};
use proto::limit::{ANSWER_BYTES_MAX, CONTENT_TYPE_BYTES_MAX, ENVELOPE_BYTES_MAX};
use proto::record::Record;
use proto::resource::{Card, Resource};
use proto::{ending, header, message, wire};

use crate::split;

/// A tag of a field 0, which no message has.
const NO_FIELD: u8 = 0x07;
/// Where the records of these cases lie in their log.
const PLACE: u64 = 9;

/// The first byte says what the rest is said to be.
pub fn holds(data: &[u8]) {
    let Some((kind, rest)) = split::choice(data, 12) else { return };
    let body = Bytes::copy_from_slice(rest);
    match kind {
        0 => event(None, &body),
        1 => event(Some(header::JSON), &body),
        2 => event(Some(header::PROTOBUF), &body),
        3 => {
            let Some((content_type, rest)) = split::text(rest) else { return };
            event(Some(content_type), &Bytes::copy_from_slice(rest));
        }
        4 => record(&body),
        5 => answer(&body),
        6 => plain::<wire::DeadLetter>(&body),
        7 => plain::<wire::Alarm>(&body),
        8 | 9 => {
            let Some((key, rest)) = split::text(rest) else { return };
            resource(key, &Bytes::copy_from_slice(rest));
        }
        10 => card(&body),
        _ => patch(&body),
    }
}

/// The trigger on whose subjects all this comes.
///
/// # Panics
/// Never: the id is one.
pub fn trigger() -> TriggerId {
    "orders".parse().expect("an id")
}

/// The session on whose subjects all this comes.
///
/// # Panics
/// Never: the key is one.
pub fn session() -> SessionKey {
    "orders.s".parse().expect("a session")
}

fn event(content_type: Option<&str>, body: &Bytes) {
    let Ok(event) = Event::decode(&trigger(), content_type, body) else { return };
    event_is_kept(&event);
    if content_type == Some(header::PROTOBUF) {
        assert!(Event::decode(&trigger(), content_type, &with(body, NO_FIELD)).is_err(), "bytes behind the end are taken");
    }
    if content_type == Some(header::JSON) {
        assert!(Event::decode(&trigger(), content_type, &with(body, b'}')).is_err(), "bytes behind the end are taken");
        let _whole: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).expect("an event is a JSON object");
    }
}

/// What an event encodes to is the event again, with and without a content type, and keeps its digest.
///
/// # Panics
/// Where that is not so.
pub fn event_is_kept(event: &Event) {
    let encoded = event.encode();
    if encoded.len() > ENVELOPE_BYTES_MAX {
        return;
    }
    for content_type in [Some(header::PROTOBUF), None] {
        let again = Event::decode(&trigger(), content_type, &encoded).expect("what was encoded decodes");
        assert_eq!(&again, event, "{content_type:?}");
        assert_eq!(again.encode(), encoded, "it is encoded in one way");
    }
    let envelope = wire::Event::decode(encoded).expect("it is the message");
    assert_eq!(envelope.digest.as_ref(), event.digest());
    let Contact { name, email, phone } = event.contact.clone();
    assert_eq!(Contact::parse(name, email, phone).as_ref(), Ok(&event.contact));
    assert_eq!(parse_session(event.session.clone()).as_ref(), Ok(&event.session));
    assert!(event.content_type.as_ref().is_none_or(|text| (1..=CONTENT_TYPE_BYTES_MAX).contains(&text.len())));
    let id = |id: &ConversationId| id.to_string().parse::<ConversationId>();
    assert_eq!(event.conversation.as_ref().map(id).transpose().ok(), Some(event.conversation.clone()));
}

fn record(body: &Bytes) {
    let Ok(record) = Record::decode(body.clone()) else { return };
    record_is_kept(&record);
    assert!(Record::decode(with(body, NO_FIELD)).is_err(), "bytes behind the end are taken");
}

/// What a record encodes to is the record again, and whoever reads it can show it.
///
/// # Panics
/// Where that is not so.
pub fn record_is_kept(record: &Record) {
    let encoded = record.clone().encode();
    let again = Record::decode(encoded.clone()).expect("what was encoded decodes");
    assert_eq!(&again, record);
    assert_eq!(again.encode(), encoded, "it is encoded in one way");
    let shown = message::of(&session(), PLACE, 1, record);
    let mut ids: Vec<&str> = shown.iter().map(|message| message.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), shown.len(), "each message has an id of its own");
    let told = ending::result(&session(), record, &shown);
    assert!(told.is_none() || record.is_terminal(), "only an end is told as one");
    for message in shown {
        let note = wire::Note::from(message);
        plain::<wire::Note>(&note.encode_to_vec().into());
    }
    let _places = (record.settings_at(PLACE), record.edits_at(PLACE), record.concerns(), record.is_idle(), record.usage().len());
}

fn answer(body: &Bytes) {
    let Ok(answer) = Answer::decode(&session(), body) else { return };
    answer_is_kept(&answer);
}

/// What an answer encodes to is the answer again.
///
/// # Panics
/// Where that is not so.
pub fn answer_is_kept(answer: &Answer) {
    let encoded = answer.encode();
    if encoded.len() > ANSWER_BYTES_MAX {
        return;
    }
    let again = Answer::decode(&session(), &encoded).expect("what was encoded decodes");
    assert_eq!(&again, answer);
    assert_eq!(again.encode(), encoded, "it is encoded in one way");
}

/// What a message encodes to is the message again.
fn plain<M: Message + Default + PartialEq + Debug>(body: &Bytes) {
    let Ok(message) = M::decode(body.clone()) else { return };
    let encoded = message.encode_to_vec();
    let again = M::decode(encoded.as_slice()).expect("what was encoded decodes");
    assert_eq!(again, message);
    assert_eq!(again.encode_to_vec(), encoded, "it is encoded in one way");
    assert!(M::decode(with(body, NO_FIELD)).is_err(), "bytes behind the end are taken");
}

fn resource(key: &str, body: &Bytes) {
    let Ok(Some(resource)) = Resource::decode(key, body.clone()) else { return };
    assert_eq!(resource.key(), key, "a resource lies under its own key");
    let encoded = resource.encode();
    let again = Resource::decode(key, encoded.clone()).expect("what was encoded decodes").expect("it is of this version");
    assert_eq!(format!("{again:?}"), format!("{resource:?}"));
    assert_eq!(again.encode(), encoded, "it is encoded in one way");
}

fn card(body: &Bytes) {
    let id = "c1".parse().expect("an id");
    let Ok(card) = Card::decode(id, body.clone()) else { return };
    let again = Card::decode(card.id.clone(), card.encode()).expect("what was encoded decodes");
    assert_eq!(again, card);
}

/// A patch of a conversation and of a message, applied to nothing and to its own outcome: once is twice.
fn patch(body: &Bytes) {
    use proto::patch;

    let Ok(change) = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body) else { return };
    if let Ok(once) = patch::settings(&wire::Settings::default(), &change) {
        let twice = patch::settings(&once, &change).expect("what could be changed can be changed so again");
        assert_eq!(twice, once);
    }
    if let Ok(once) = patch::note(&wire::Note::default(), &change) {
        let twice = patch::note(&once, &change).expect("what could be changed can be changed so again");
        assert_eq!(twice, once);
    }
}

fn with(body: &Bytes, last: u8) -> Bytes {
    body.iter().copied().chain([last]).collect()
}
