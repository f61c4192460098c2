//! Persons and systems that conversations are held with.

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use super::{Common, Error};
use crate::event::Contact;
use crate::id::ContactId;
use crate::wire;

/// A person or system that conversations are held with; it lies in the bucket `contacts` under its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Its id.
    pub id: ContactId,
    /// What all kinds of resources have in common.
    pub common: Common,
    /// Names it for the system that knows it; unique.
    pub fingerprint: String,
    /// The display name.
    pub name: String,
    /// What is known besides.
    pub description: String,
    /// The mail address.
    pub email: String,
    /// The telephone number.
    pub phone: String,
    /// What it is called.
    pub nick: String,
    /// How it wants to be addressed.
    pub preferences: String,
    /// When it was verified, in milliseconds since 1970.
    pub verified_at_ms: Option<i64>,
}

impl Card {
    /// The stored bytes.
    pub fn encode(&self) -> Bytes {
        let message = wire::Card {
            common: self.common.wire(),
            fingerprint: self.fingerprint.clone(),
            name: self.name.clone(),
            description: self.description.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            nick: self.nick.clone(),
            preferences: self.preferences.clone(),
            verified_at_ms: self.verified_at_ms.unwrap_or_default(),
        };
        message.encode_to_vec().into()
    }

    /// Reads stored bytes.
    pub fn decode(id: ContactId, bytes: Bytes) -> Result<Self, Error> {
        let message = wire::Card::decode(bytes)?;
        Ok(Self {
            id,
            common: Common::parse(String::new(), message.common)?,
            fingerprint: message.fingerprint,
            name: message.name,
            description: message.description,
            email: message.email,
            phone: message.phone,
            nick: message.nick,
            preferences: message.preferences,
            verified_at_ms: Some(message.verified_at_ms).filter(|at| *at > 0),
        })
    }
}

/// The fingerprint of whom an event is from: of all that it says of them, as ChatBotKit has it.
///
/// Only a mail address or a telephone number makes somebody known; a name alone is none.
pub fn fingerprint(contact: &Contact) -> Option<String> {
    if contact.email.is_none() && contact.phone.is_none() {
        return None;
    }
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    Some(format!("{};{};{};", part(&contact.name), part(&contact.email), part(&contact.phone)))
}

/// The id of the contact with a fingerprint: the same wherever it is made, so that nobody is made twice.
pub fn id_of(fingerprint: &str) -> ContactId {
    let digest = crate::idempotency::hex(&Sha256::digest(fingerprint.as_bytes()));
    ContactId::of_digits(digest.get(..24).unwrap_or_default())
}
