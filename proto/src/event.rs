//! The envelope of an event.
//!
//! Both doors end here: the gateway encodes an [`Event`] from a call, a direct publisher sends the
//! protobuf message or a JSON object of the same fields, and the worker decodes whichever came.
//! What decodes is valid: nothing behind this module checks a field again.

use bytes::Bytes;
use prost::Message as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::id::{ConversationId, TriggerId};
use crate::limit::{CONTACT_BYTES_MAX, CONTENT_TYPE_BYTES_MAX, ENVELOPE_BYTES_MAX, SESSION_BYTES_MAX};
use crate::{header, wire};

/// What a message with a text opens with: the tag of the field, which is a line feed too.
const TEXT_TAG: u8 = b'\n';

/// Why an envelope is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The envelope is larger than any record could take in.
    #[error("the envelope has {bytes} bytes, at most {ENVELOPE_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The bytes are neither of the two encodings.
    #[error("the envelope is not a {encoding} event: {reason}")]
    Malformed {
        /// `JSON` or `protobuf`.
        encoding: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// The media type names another encoding.
    #[error("content type {content_type:?} is neither {} nor {}", header::JSON, header::PROTOBUF)]
    Encoding {
        /// The header's value.
        content_type: String,
    },
    /// It asks for what only a gateway may ask for.
    #[error("the envelope's `direct` is not sealed by a gateway of this deployment")]
    Unsealed,
    /// A field has a value that cannot be used.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The envelope names another trigger than its subject.
    #[error("the envelope names trigger {named:?}, its subject names {subject:?}")]
    Foreign {
        /// What the envelope says.
        named: String,
        /// What the subject says.
        subject: TriggerId,
    },
}

/// A field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct FieldError {
    /// The path of the field, such as `contact.email`.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

/// Who an event is from, as far as the caller said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// The display name.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
}

impl Contact {
    /// Checks the three properties; empty ones count as absent.
    pub fn parse(name: Option<String>, email: Option<String>, phone: Option<String>) -> Result<Self, FieldError> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (name, email, phone) = (present(name), present(email), present(phone));
        let fits = |text: &str| text.len() <= CONTACT_BYTES_MAX && !text.chars().any(char::is_control);
        if name.as_deref().is_some_and(|name| !fits(name)) {
            return Err(FieldError { field: "contact.name", rule: "must be at most 254 bytes without control characters" });
        }
        if email.as_deref().is_some_and(|email| !fits(email) || !is_email(email)) {
            return Err(FieldError { field: "contact.email", rule: "must be an address such as ada@example.com of at most 254 bytes" });
        }
        if phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            return Err(FieldError {
                field: "contact.phone",
                rule: "must be a number such as +44 20 7946 0000: 3 to 20 digits, with spaces, dots, dashes or brackets",
            });
        }
        Ok(Self { name, email, phone })
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.name.is_none() && self.email.is_none() && self.phone.is_none()
    }
}

fn is_email(text: &str) -> bool {
    let one_at = text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    one_at && !text.contains(char::is_whitespace)
}

fn is_phone(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let rest = text.strip_prefix('+').unwrap_or(text);
    (3..=20).contains(&digits) && text.len() <= 40 && rest.bytes().all(|byte| byte.is_ascii_digit() || b" .-()/".contains(&byte))
}

/// Checks a session string; an empty one counts as absent.
pub fn parse_session(session: Option<String>) -> Result<Option<String>, FieldError> {
    let session = session.filter(|session| !session.is_empty());
    match &session {
        Some(text) if text.len() > SESSION_BYTES_MAX || text.chars().any(char::is_control) => {
            Err(FieldError { field: "session", rule: "must be at most 1024 bytes without control characters" })
        }
        _ => Ok(session),
    }
}

/// One accepted input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Event {
    /// What the bot reads, where the caller gave a text.
    pub text: Option<String>,
    /// The body of the call, byte for byte.
    pub payload: Bytes,
    /// The media type of the payload.
    pub content_type: Option<String>,
    /// The session string, where there is one.
    pub session: Option<String>,
    /// Who it is from.
    pub contact: Contact,
    /// The conversation that it is meant for; otherwise the session's own goes on or a new one begins.
    pub conversation: Option<ConversationId>,
    /// What a direct call asks for beside the turn.
    pub direct: Option<wire::Direct>,
    /// When it is too late to begin with it, in milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// The timer that it came by.
    pub timer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonEvent<'a> {
    text: Option<String>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    content_type: Option<String>,
    session: Option<String>,
    contact: Option<JsonContact>,
    trigger: Option<String>,
    expires_at_ms: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonContact {
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

impl Event {
    /// SHA-256 over all that the caller said but for times and the gateway's seal, each part behind its length.
    pub fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let texts = [&self.text, &self.session, &self.contact.name, &self.contact.email, &self.contact.phone];
        let parts = texts.map(|text| text.as_deref().map(str::as_bytes));
        for part in parts.into_iter().chain([Some(self.payload.as_ref())]) {
            let part = part.unwrap_or_default();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        // Only what is there counts: the digests of events without it are as they ever were.
        let conversation = self.conversation.as_ref().map(|id| id.to_string().into_bytes());
        let unsealed = |direct: &wire::Direct| wire::Direct { seal: Bytes::new(), ..direct.clone() }.encode_to_vec();
        let direct = self.direct.as_ref().map(unsealed);
        // When it expires or was due is counted from each call's own time, which a repeat does not share.
        for (mark, part) in [(1_u8, conversation), (2, direct)] {
            let Some(part) = part else { continue };
            hash.update([mark]);
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// The protobuf envelope.
    pub fn encode(&self) -> Bytes {
        let envelope = wire::Event {
            text: self.text.clone().unwrap_or_default(),
            payload: self.payload.clone(),
            content_type: self.content_type.clone().unwrap_or_default(),
            session: self.session.clone().unwrap_or_default(),
            contact: (!self.contact.is_empty()).then(|| self.contact.clone().into()),
            digest: Bytes::copy_from_slice(&self.digest()),
            trigger: String::new(),
            conversation: self.conversation.as_ref().map(ToString::to_string).unwrap_or_default(),
            direct: self.direct.clone(),
            expires_at_ms: self.expires_at_ms.unwrap_or_default(),
            timer: self.timer.clone().unwrap_or_default(),
        };
        envelope.encode_to_vec().into()
    }

    /// Reads an envelope that came on a subject of `trigger`.
    ///
    /// Without a content type the first byte decides: `{` opens a JSON object and cannot open this message. Nor can a blank,
    /// but for a line feed: it is the tag of `text`, and what comes behind it may well look like `{`, which is the length 123.
    /// So what opens with one is this message, unless it cannot be.
    pub fn decode(trigger: &TriggerId, content_type: Option<&str>, body: &Bytes) -> Result<Self, Error> {
        if body.len() > ENVELOPE_BYTES_MAX {
            return Err(Error::TooLarge { bytes: body.len() });
        }
        let essence = content_type.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        match essence.as_deref() {
            Some(header::JSON) => Self::decode_json(trigger, body),
            Some(header::PROTOBUF | "application/protobuf") => Self::decode_protobuf(trigger, body.clone()),
            Some(_) => Err(Error::Encoding { content_type: content_type.unwrap_or_default().to_owned() }),
            None if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') => match body.first() {
                Some(&TEXT_TAG) if wire::Event::decode(body.clone()).is_ok() => Self::decode_protobuf(trigger, body.clone()),
                _ => Self::decode_json(trigger, body),
            },
            None => Self::decode_protobuf(trigger, body.clone()),
        }
    }

    fn decode_json(trigger: &TriggerId, body: &Bytes) -> Result<Self, Error> {
        let malformed = |reason: serde_json::Error| Error::Malformed { encoding: "JSON", reason: reason.to_string() };
        let json: JsonEvent<'_> = serde_json::from_slice(body).map_err(malformed)?;
        let payload = json.payload.map(|raw| body.slice_ref(raw.get().as_bytes()));
        let content_type = json.content_type.or_else(|| payload.as_ref().map(|_| header::JSON.to_owned()));
        let contact = json.contact.unwrap_or_default();
        Self::checked(
            trigger,
            json.trigger,
            Self {
                text: json.text,
                payload: payload.unwrap_or_default(),
                content_type,
                session: json.session,
                contact: Contact { name: contact.name, email: contact.email, phone: contact.phone },
                expires_at_ms: json.expires_at_ms,
                ..Self::default()
            },
        )
    }

    fn decode_protobuf(trigger: &TriggerId, body: Bytes) -> Result<Self, Error> {
        let malformed = |reason: prost::DecodeError| Error::Malformed { encoding: "protobuf", reason: reason.to_string() };
        let envelope = wire::Event::decode(body).map_err(malformed)?;
        let conversation = Some(envelope.conversation).filter(|id| !id.is_empty()).map(|id| id.parse()).transpose();
        let conversation = conversation.map_err(|_| FieldError { field: "conversation", rule: "must be the id of a conversation" })?;
        Self::checked(
            trigger,
            Some(envelope.trigger),
            Self {
                text: Some(envelope.text),
                payload: envelope.payload,
                content_type: Some(envelope.content_type),
                session: Some(envelope.session),
                contact: envelope.contact.unwrap_or_default().into(),
                conversation,
                direct: envelope.direct,
                expires_at_ms: Some(envelope.expires_at_ms),
                timer: Some(envelope.timer),
            },
        )
    }

    fn checked(trigger: &TriggerId, named: Option<String>, event: Self) -> Result<Self, Error> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        if let Some(named) = present(named).filter(|named| named != trigger.as_str()) {
            return Err(Error::Foreign { named, subject: trigger.clone() });
        }
        let Contact { name, email, phone } = event.contact;
        let content_type = present(event.content_type);
        if content_type.as_ref().is_some_and(|text| text.len() > CONTENT_TYPE_BYTES_MAX) {
            return Err(FieldError { field: "content_type", rule: "must be at most 256 bytes" }.into());
        }
        Ok(Self {
            text: present(event.text),
            payload: event.payload,
            content_type,
            session: parse_session(event.session)?,
            contact: Contact::parse(name, email, phone)?,
            conversation: event.conversation,
            direct: event.direct,
            expires_at_ms: event.expires_at_ms.filter(|at| *at > 0),
            timer: present(event.timer),
        })
    }
}

impl From<Contact> for wire::Contact {
    fn from(contact: Contact) -> Self {
        Self { name: contact.name.unwrap_or_default(), email: contact.email.unwrap_or_default(), phone: contact.phone.unwrap_or_default() }
    }
}

impl From<wire::Contact> for Contact {
    fn from(contact: wire::Contact) -> Self {
        let present = |text: String| Some(text).filter(|text| !text.is_empty());
        Self { name: present(contact.name), email: present(contact.email), phone: present(contact.phone) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Contact, Error, Event};
    use crate::id::TriggerId;

    fn trigger() -> TriggerId {
        "orders".parse().unwrap()
    }

    fn json(text: &'static str) -> Result<Event, Error> {
        Event::decode(&trigger(), None, &Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn protobuf_survives_the_round_trip() {
        let contact = Contact::parse(None, Some("ada@example.com".into()), None).unwrap();
        let event = Event {
            text: Some("hi".into()),
            payload: Bytes::from_static(b"\x00\xff"),
            content_type: None,
            session: Some("s".into()),
            contact,
            ..Event::default()
        };
        assert_eq!(Event::decode(&trigger(), None, &event.encode()), Ok(event));
    }

    #[test]
    fn an_event_whose_text_looks_like_json_is_told_from_json() {
        // The first bytes of the message are the tag of the text, which is a line feed, and the text's length.
        let texts = ["x".repeat(123), format!("{{{}", "x".repeat(31)), "{\"text\":1}".into(), format!("{{{}", "\n".repeat(12))];
        for text in texts {
            let event = Event { text: Some(text), ..Event::default() };
            assert_eq!(Event::decode(&trigger(), None, &event.encode()), Ok(event));
        }
        assert_eq!(json("\n{\"text\":\"hi\"}").unwrap().text.as_deref(), Some("hi"));
        assert_eq!(json("\r\n\t {\"text\":\"hi\"}").unwrap().text.as_deref(), Some("hi"));
        assert!(json("\n{\"text\":").unwrap_err().to_string().contains("JSON"));
    }

    #[test]
    fn json_keeps_the_payload_byte_for_byte() {
        let event = json(r#" {"text":"hi","payload":{"b": 1.50, "a":[ ]},"contact":{"phone":"+44 20"}}"#).unwrap();
        assert_eq!(event.payload, r#"{"b": 1.50, "a":[ ]}"#);
        assert_eq!(event.content_type.as_deref(), Some("application/json"));
        assert_eq!(event.contact.phone.as_deref(), Some("+44 20"));
    }

    #[test]
    fn each_fault_names_its_place() {
        let fault = |text| json(text).unwrap_err().to_string();
        assert!(fault(r#"{"texd":"x"}"#).contains("texd"));
        assert!(fault(r#"{"contact":{"email":"nobody"}}"#).contains("contact.email"));
        assert!(fault(r#"{"contact":{"phone":"x"}}"#).contains("contact.phone"));
        assert!(fault("{\"session\":\"\\u0007\"}").contains("session"));
        assert!(fault(r#"{"trigger":"other"}"#).contains("other"));
        assert!(Event::decode(&trigger(), Some("text/xml"), &Bytes::new()).unwrap_err().to_string().contains("text/xml"));
    }

    #[test]
    fn the_digest_tells_every_part_apart() {
        let event = json(r#"{"text":"a","session":"b"}"#).unwrap();
        let other = json(r#"{"text":"ab"}"#).unwrap();
        assert_ne!(event.digest(), other.digest());
        assert_eq!(event.digest(), json(r#"{"session":"b","text":"a"}"#).unwrap().digest());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), typed in 0..4_usize) {
            let content_type = [None, Some("application/json"), Some("application/x-protobuf"), Some("?")][typed];
            drop(Event::decode(&trigger(), content_type, &Bytes::from(bytes)));
        }
    }
}
