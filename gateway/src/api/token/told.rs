//! A token as it is told: without itself.

use backbone::catalogue::Revised;
use proto::resource::{ApiToken, Rate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::body::{self, RateBound, ScopeWord};
use crate::api::shared;

/// A token.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Token")]
pub(super) struct Told {
    #[serde(flatten)]
    common: shared::Common,
    /// The display name.
    name: String,
    /// What it may do.
    scopes: Vec<ScopeWord>,
    /// The triggers that it is limited to; none means all.
    triggers: Vec<String>,
    /// When it stops counting, in milliseconds since 1970.
    expires_at: Option<i64>,
    /// Its last four characters.
    hint: String,
    /// How many calls it may make in a time.
    rate: Option<RateBound>,
    /// When it was last used, to about a minute, in milliseconds since 1970; null where that is not known.
    last_used_at: Option<i64>,
}

/// A token as an admin may see it.
pub(super) fn tell(token: &Revised<ApiToken>, last_used_at: Option<i64>) -> Value {
    let told = Told {
        common: shared::Common::of(&token.common, token.id.as_str(), token.revision),
        name: token.name.clone(),
        scopes: body::words(&token.scopes),
        triggers: token.triggers.iter().map(ToString::to_string).collect(),
        expires_at: token.expires_at_ms,
        hint: token.hint.clone(),
        rate: token.rate.map(|Rate { count, per_ms }| RateBound { count, per_ms }),
        last_used_at,
    };
    serde_json::to_value(told).unwrap_or_default()
}

/// A token as it might be told.
pub(super) fn example() -> Value {
    json!({
        "id": "k01k7", "alias": null, "meta": {}, "name": "CI", "scopes": ["publish"], "triggers": [], "expiresAt": null,
        "hint": "a8c0", "rate": null, "lastUsedAt": 1_790_000_100_000_i64,
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "managedBy": "api", "revision": 40
    })
}
