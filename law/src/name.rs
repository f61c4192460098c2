//! Names: what parses prints itself, so that no two values print alike, and fits a subject.
//!
//! A part of a subject is never empty and has no dot, no wildcard, no blank and no control character,
//! or whoever wrote it would be heard under another's name.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proto::event::{Contact, parse_session};
use proto::id::{
    BotId, ContactId, ConversationId, DestinationId, Epoch, Receipt, SecretId, SessionKey, SessionToken, SkillsetId, TimerId, TimerReceipt,
    TokenId, TriggerId, WorkerId,
};
use proto::idempotency::{DeploymentKey, Key, message_id};
use proto::limit::TOKEN_CHARS_MAX;
use proto::message::Kind;
use proto::trace::Traceparent;
use proto::{session, subject};

/// The bytes are a text, and each kind of name reads all of it.
pub fn holds(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    tokens(text);
    receipts(text);
    subjects(text);
    words(text);
}

fn tokens(text: &str) {
    let is_token = printed::<TriggerId>(text, 1).is_some();
    let all = [
        printed::<BotId>(text, 1).is_some(),
        printed::<SkillsetId>(text, 1).is_some(),
        printed::<SecretId>(text, 1).is_some(),
        printed::<TokenId>(text, 1).is_some(),
        printed::<ContactId>(text, 1).is_some(),
        printed::<DestinationId>(text, 1).is_some(),
        printed::<SessionToken>(text, 1).is_some(),
        printed::<TimerId>(text, 1).is_some(),
        printed::<WorkerId>(text, 1).is_some(),
    ];
    assert!(all.iter().all(|one| *one == is_token), "one alphabet for all tokens");
    if let Some(epoch) = printed::<Epoch>(text, 1) {
        assert_eq!(Epoch::from_second(epoch.second()), epoch);
        assert_eq!(subject::epoch_of_stream(&subject::events_stream(epoch)), Some(epoch));
    }
    assert!(subject::epoch_of_stream(text).is_none_or(|epoch| subject::events_stream(epoch) == text));
}

fn receipts(text: &str) {
    let receipt = printed::<Receipt>(text, 5);
    let conversation = printed::<ConversationId>(text, 5);
    let timer = printed::<TimerReceipt>(text, 4);
    let kinds = [receipt.is_some(), conversation.is_some(), timer.is_some(), printed::<SessionKey>(text, 2).is_some()];
    assert!(kinds.into_iter().filter(|is_one| *is_one).count() <= 1, "no name is of two kinds");
    if let Some(receipt) = receipt {
        let conversation = ConversationId { session: receipt.session.clone(), event: receipt.event };
        assert_eq!(printed::<ConversationId>(&conversation.to_string(), 5), Some(conversation));
        of_session(&receipt.session);
    }
    assert!(timer.is_none_or(|receipt| receipt.timer.is_of_event()));
}

fn subjects(text: &str) {
    if let Some(key) = printed::<SessionKey>(text, 2) {
        of_session(&key);
    }
    let written = [
        (subject::session_of_event(text).map(|key| subject::event(&key)), 3),
        (subject::session_of_answer(text).map(|key| subject::answer(&key)), 3),
        (subject::session_of_log(text).map(|key| subject::log(&key)), 3),
        (subject::session_of_due(text).map(|(key, id)| subject::due(&key, id.as_str())), 4),
        (subject::session_of_out(text).map(|(key, id)| subject::out(&key, &id)), 4),
    ];
    for (again, parts) in written {
        let Some(again) = again else { continue };
        assert_eq!(again, text, "a subject that parses prints itself");
        fits(text, parts);
    }
    if let Some(trigger) = subject::trigger_of_schedule(text) {
        assert!([subject::schedule(&trigger), subject::schedule_due(&trigger)].iter().any(|again| again == text));
        fits(text, 4);
    }
}

/// What is made of a session is read back as that session, and of no other kind.
fn of_session(key: &SessionKey) {
    let (event, answer, log) = (subject::event(key), subject::answer(key), subject::log(key));
    assert_eq!(subject::session_of_event(&event).as_ref(), Some(key));
    assert_eq!(subject::session_of_answer(&answer).as_ref(), Some(key));
    assert_eq!(subject::session_of_log(&log).as_ref(), Some(key));
    let others = [subject::session_of_event(&log), subject::session_of_answer(&event), subject::session_of_log(&answer)];
    assert_eq!(others, [None, None, None]);
    for (subject, parts) in [(event, 3), (answer, 3), (log, 3), (subject::dead(key), 3), (subject::live(key), 3), (key.to_string(), 2)] {
        fits(&subject, parts);
    }
    let destination: DestinationId = "d".parse().expect("an id");
    let out = subject::out(key, &destination);
    assert_eq!(subject::session_of_out(&out), Some((key.clone(), destination)));
}

/// What becomes part of a header, a message or a hash: any text, or one that a rule fits.
fn words(text: &str) {
    if let Some(trace) = Traceparent::parse(text) {
        assert_eq!(trace.as_str(), text);
        assert_eq!((trace.trace_id().len(), trace.span_id().len(), text.len()), (32, 16, 55));
        assert!(text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
    }
    if let Ok(key) = Key::parse(text) {
        assert_eq!(key.as_str(), text);
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        let deployment = DeploymentKey::parse(&[7; 16]).expect("a key");
        let id = message_id(&deployment, &"t".parse().expect("an id"), &key);
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        fits(session::token_of_key(&"t".parse().expect("an id"), text).as_str(), 1);
    }
    fits(session::token(text).as_str(), 1);
    let given = || Some(text.to_owned());
    let is_plain = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    if let Ok(Some(session)) = parse_session(given()) {
        assert!(session == text && is_plain(&session));
    }
    for contact in [Contact::parse(given(), None, None), Contact::parse(None, given(), None), Contact::parse(None, None, given())] {
        let Ok(Contact { name, email, phone }) = contact else { continue };
        for part in [name, email, phone].into_iter().flatten() {
            assert!(part == text && is_plain(&part));
        }
    }
    assert!(Kind::parse(text).is_none_or(|kind| kind.as_str() == text));
}

/// Reads a name, which prints as it was written and has so many parts.
fn printed<N: FromStr + Display + Debug + PartialEq>(text: &str, parts: usize) -> Option<N> {
    let name: N = text.parse().ok()?;
    assert_eq!(name.to_string(), text);
    fits(text, parts);
    Some(name)
}

/// Whether a text can stand in a subject, in as many parts as it should have.
fn fits(text: &str, parts: usize) {
    let is_part = |part: &str| {
        (1..=TOKEN_CHARS_MAX).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    assert_eq!(text.split('.').filter(|part| is_part(part)).count(), parts, "{text:?}");
    assert_eq!(text.split('.').count(), parts, "{text:?}");
}
