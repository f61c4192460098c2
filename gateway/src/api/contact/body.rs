//! What a body says about a contact.

use proto::event::Contact;
use proto::id::ContactId;
use proto::resource::{Card, Common};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::given::Given;
use crate::api::notes::{self, DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX};
use crate::api_error::ApiError;

/// Longest fingerprint, in characters.
const FINGERPRINT_CHARS_MAX: usize = 1_024;
/// Longest preferences, in characters.
const PREFERENCES_CHARS_MAX: usize = 16 * 1024;

/// What a body says about a contact.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ContactChange")]
pub(super) struct Body {
    /// Names it for the system that knows it; unique.
    #[schemars(length(max = 1_024))]
    fingerprint: Given<String>,
    /// The display name.
    #[schemars(length(max = 256))]
    name: Given<String>,
    /// What is known besides.
    #[schemars(length(max = 8192))]
    description: Given<String>,
    /// The mail address.
    #[schemars(length(max = 254), regex(pattern = "^([!-?A-~]+@[!-?A-~]+)?$"))]
    email: Given<String>,
    /// The telephone number.
    #[schemars(length(max = 40), regex(pattern = "^([+]?[0-9](?:[ .()/-]?[0-9]){2,19})?$"))]
    phone: Given<String>,
    /// What it is called.
    #[schemars(length(max = 256))]
    nick: Given<String>,
    /// How it wants to be addressed.
    #[schemars(length(max = 16_384))]
    preferences: Given<String>,
    /// When it was verified, in milliseconds since 1970.
    verified_at: Given<i64>,
    /// Notes; `{"$update": {..}}` adds to those that are there.
    meta: Given<Map<String, Value>>,
}

/// A contact of which nothing is known.
pub(super) fn blank(id: ContactId, common: Common) -> Card {
    let nothing = String::new;
    Card {
        id,
        common,
        fingerprint: nothing(),
        name: nothing(),
        description: nothing(),
        email: nothing(),
        phone: nothing(),
        nick: nothing(),
        preferences: nothing(),
        verified_at_ms: None,
    }
}

impl Body {
    /// The fingerprint, where there is one.
    pub(super) fn fingerprint(&self) -> Option<&String> {
        self.fingerprint.value().filter(|text| !text.is_empty())
    }

    /// The contact with what the body says.
    pub(super) fn apply(self, mut card: Card) -> Result<Card, ApiError> {
        if let Some(fingerprint) = self.fingerprint() {
            notes::check_text("fingerprint", fingerprint, FINGERPRINT_CHARS_MAX)?;
            card.fingerprint.clone_from(fingerprint);
        }
        notes::put_meta(&mut card.common.meta, self.meta)?;
        self.name.put(&mut card.name);
        self.description.put(&mut card.description);
        self.email.put(&mut card.email);
        self.phone.put(&mut card.phone);
        self.nick.put(&mut card.nick);
        self.preferences.put(&mut card.preferences);
        self.verified_at.put_optional(&mut card.verified_at_ms);
        card.verified_at_ms = card.verified_at_ms.filter(|at| *at > 0);
        notes::check_text("name", &card.name, NAME_CHARS_MAX)?;
        notes::check_text("nick", &card.nick, NAME_CHARS_MAX)?;
        notes::check_text("description", &card.description, DESCRIPTION_CHARS_MAX)?;
        notes::check_text("preferences", &card.preferences, PREFERENCES_CHARS_MAX)?;
        // The same rules as for the contact of an event.
        let checked = Contact::parse(None, Some(card.email.clone()), Some(card.phone.clone()));
        let Contact { email, phone, .. } = checked.map_err(|error| {
            let field = error.field.trim_start_matches("contact.");
            ApiError::field(field, error.rule)
        })?;
        (card.email, card.phone) = (email.unwrap_or_default(), phone.unwrap_or_default());
        Ok(card)
    }
}

/// A body as somebody might send it.
pub(super) fn example() -> Value {
    json!({ "fingerprint": "crm-4711", "name": "Ada", "email": "ada@example.com", "phone": "+44 20 7946 0000", "meta": { "plan": "gold" } })
}
