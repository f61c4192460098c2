//! A contact as it is told.

use proto::resource::Card;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::api::kind::with_extra;

/// A contact.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Contact")]
pub(crate) struct Told {
    /// The id.
    id: String,
    /// Names it for the system that knows it; unique.
    fingerprint: Option<String>,
    /// The display name.
    name: String,
    /// What is known besides.
    description: String,
    /// The mail address.
    email: Option<String>,
    /// The telephone number.
    phone: Option<String>,
    /// What it is called.
    nick: Option<String>,
    /// How it wants to be addressed.
    preferences: Option<String>,
    /// When it was verified, in milliseconds since 1970.
    verified_at: Option<i64>,
    /// Notes.
    meta: Map<String, Value>,
    /// When it was made, in milliseconds since 1970.
    created_at: i64,
    /// When it was last changed, in milliseconds since 1970.
    updated_at: i64,
    /// Which version of it this is.
    revision: u64,
}

/// A contact as anybody may see it who may read.
pub(crate) fn tell(card: &Card, revision: u64) -> Value {
    let present = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let told = Told {
        id: card.id.to_string(),
        fingerprint: present(&card.fingerprint),
        name: card.name.clone(),
        description: card.description.clone(),
        email: present(&card.email),
        phone: present(&card.phone),
        nick: present(&card.nick),
        preferences: present(&card.preferences),
        verified_at: card.verified_at_ms,
        meta: card.common.meta.clone(),
        created_at: card.common.created_at_ms,
        updated_at: card.common.updated_at_ms,
        revision,
    };
    with_extra(&card.common, serde_json::to_value(told).unwrap_or_default())
}

/// A contact as it might be told.
pub(crate) fn example() -> Value {
    json!({
        "id": "c3f1", "fingerprint": "crm-4711", "name": "Ada", "description": "", "email": "ada@example.com", "phone": "+44 20 7946 0000",
        "nick": null, "preferences": null, "verifiedAt": null, "meta": { "plan": "gold" },
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "revision": 7
    })
}
