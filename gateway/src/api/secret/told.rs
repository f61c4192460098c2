//! A secret as it is told: without its value.

use backbone::catalogue::Revised;
use proto::resource::{Secret, common};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::body::{FormWord, KindWord};
use crate::api::shared;

/// A secret.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Secret")]
pub(super) struct Told {
    #[serde(flatten)]
    common: shared::Common,
    /// The display name; `${SECRET_<NAME>}` refers to it.
    name: String,
    /// What it is for.
    description: String,
    /// Whose it is.
    kind: Option<KindWord>,
    /// How the value is presented.
    #[serde(rename = "type")]
    form: Option<FormWord>,
    /// What the type needs besides.
    config: Map<String, Value>,
    /// Whether it has a value.
    has_value: bool,
}

/// A secret as anybody may see it who may read.
pub(super) fn tell(secret: &Revised<Secret>) -> Value {
    let told = Told {
        common: shared::Common::of(&secret.common, secret.id.as_str(), secret.revision),
        name: secret.name.clone(),
        description: secret.description.clone(),
        kind: serde_json::from_value(secret.kind.clone().into()).ok(),
        form: serde_json::from_value(secret.form.clone().into()).ok(),
        config: common::object(&secret.config).unwrap_or_default(),
        has_value: !secret.sealed.is_empty(),
    };
    serde_json::to_value(told).unwrap_or_default()
}

/// A secret as it might be told.
pub(super) fn example() -> Value {
    json!({
        "id": "s01k7", "alias": null, "name": "Shop API", "description": "Reads orders.", "meta": {}, "kind": "shared", "type": "bearer",
        "config": {}, "hasValue": true,
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64, "managedBy": "api", "revision": 39
    })
}
