//! Secrets: values that abilities use and nobody reads back.

use std::sync::Arc;

use axum::response::Response;
use backbone::catalogue::{Revised, Snapshot};
use bytes::Bytes;
use proto::code::Code;
use proto::id::SecretId;
use proto::resource::{Common, Resource, Secret};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::kind::{self, Empty, Kind};
use super::operation::Operation;
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use crate::api_error::ApiError;

mod body;
mod told;

const TAG: &str = "Secrets";
/// The kind whose values would be a contact's own.
const PERSONAL: &str = "personal";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let mut all = made();
    all.extend(checked());
    all.extend(of_contacts());
    all
}

fn made() -> Vec<Operation> {
    vec![
        Operation::post("createSecret", "/secret/create", OPERATES, kind::create::<Secrets>)
            .says(TAG, "Make a secret")
            .more("Its value is sealed and never told again. Abilities refer to it by its id, or as `${SECRET_<NAME>}`.")
            .takes::<body::Body>(body::example())
            .gives::<Id>(json!({ "id": "s01k7" }))
            .refuses(&CHANGES),
        shared::listed(Operation::get("listSecrets", "/secret/list", READS, kind::list::<Secrets>))
            .says(TAG, "List secrets")
            .lists::<told::Told>(told::example()),
        Operation::get("fetchSecret", "/secret/{id}/fetch", READS, kind::fetch::<Secrets>)
            .says(TAG, "Fetch a secret, without its value")
            .gives::<told::Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        shared::fenced(Operation::post("updateSecret", "/secret/{id}/update", OPERATES, kind::update::<Secrets>))
            .says(TAG, "Change a secret")
            .more("What is left out stays as it is; null clears. Earlier values are forgotten.")
            .takes::<body::Body>(json!({ "description": "Of the shop's test system." }))
            .gives::<Id>(json!({ "id": "s01k7" }))
            .refuses(&CHANGES),
        shared::fenced(Operation::post("deleteSecret", "/secret/{id}/delete", OPERATES, kind::delete::<Secrets>))
            .says(TAG, "Take a secret away")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "s01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
    ]
}

fn checked() -> Vec<Operation> {
    vec![
        Operation::post("verifySecret", "/secret/{id}/verify", OPERATES, verify)
            .says(TAG, "Say whether a secret has a value")
            .takes::<Empty>(json!({}))
            .gives::<Standing>(standing_example())
            .refuses(&[Code::ResourceUnknown]),
        Operation::post("authenticateSecret", "/secret/{id}/authenticate", OPERATES, verify)
            .says(TAG, "Say whether a secret has a value")
            .more("Values are given by create and update; there is no page where somebody would sign in.")
            .takes::<Empty>(json!({}))
            .gives::<Standing>(standing_example())
            .refuses(&[Code::ResourceUnknown]),
        shared::fenced(Operation::post("revokeSecret", "/secret/{id}/revoke", OPERATES, revoke))
            .says(TAG, "Forget a secret's value")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "s01k7" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost, Code::KeptByFile]),
    ]
}

/// A contact has no values of its own here: what there is to say of them is that they are not there.
fn of_contacts() -> Vec<Operation> {
    let standing = json!({ "id": "s01k7", "status": "unauthenticated" });
    vec![
        shared::listed(Operation::get("listContactSecrets", "/contact/{id}/secret/list", READS, personal))
            .says(TAG, "List the secrets of kind personal")
            .lists::<told::Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        Operation::post("verifyContactSecret", "/contact/{id}/secret/{secret}/verify", OPERATES, verify_personal)
            .says(TAG, "Say whether a contact has a value of its own")
            .takes::<Empty>(json!({}))
            .gives::<Standing>(standing.clone())
            .refuses(&[Code::ResourceUnknown]),
        Operation::post("authenticateContactSecret", "/contact/{id}/secret/{secret}/authenticate", OPERATES, verify_personal)
            .says(TAG, "Say whether a contact has a value of its own")
            .takes::<Empty>(json!({}))
            .gives::<Standing>(standing)
            .refuses(&[Code::ResourceUnknown]),
        Operation::post("revokeContactSecret", "/contact/{id}/secret/{secret}/revoke", OPERATES, revoke_personal)
            .says(TAG, "Forget a contact's own value")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "s01k7" }))
            .refuses(&[Code::ResourceUnknown]),
    ]
}

/// Whether there is a value.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SecretStanding")]
struct Standing {
    /// The secret.
    id: String,
    /// `authenticated` where there is a value.
    status: Status,
}

/// Whether there is a value.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "SecretStatus")]
enum Status {
    /// There is one.
    Authenticated,
    /// There is none.
    Unauthenticated,
}

fn standing_example() -> Value {
    json!({ "id": "s01k7", "status": "authenticated" })
}

/// The kind.
#[derive(Debug)]
pub(super) struct Secrets;

impl Kind for Secrets {
    type Item = Secret;
    type Body = body::Body;

    const GROUP: &'static str = "secret";
    const LETTER: char = 's';
    const ACTIONS: [&'static str; 3] = ["secret.create", "secret.update", "secret.delete"];

    fn unknown() -> ApiError {
        ApiError::new(Code::ResourceUnknown, "Secret not found")
    }

    fn all(snapshot: &Snapshot) -> Vec<Arc<Revised<Secret>>> {
        snapshot.secrets.values().cloned().collect()
    }

    fn get(snapshot: &Snapshot, id: &str) -> Option<Arc<Revised<Secret>>> {
        snapshot.secrets.get(&id.parse().ok()?).cloned()
    }

    fn new(id: &str) -> Option<Secret> {
        let id: SecretId = id.parse().ok()?;
        let (name, description, config) = (String::new(), String::new(), String::new());
        Some(Secret {
            id,
            common: Common::default(),
            name,
            description,
            kind: "shared".to_owned(),
            form: "plain".to_owned(),
            sealed: Bytes::new(),
            config,
        })
    }

    fn wrap(item: Secret) -> Resource {
        Resource::Secret(item)
    }

    fn unwrap(resource: Resource) -> Option<Secret> {
        if let Resource::Secret(secret) = resource { Some(secret) } else { None }
    }

    fn common(item: &Secret) -> &Common {
        &item.common
    }

    fn common_mut(item: &mut Secret) -> &mut Common {
        &mut item.common
    }

    fn id(item: &Secret) -> &str {
        item.id.as_str()
    }

    async fn apply(call: &Call, item: Secret, body: body::Body, _is_new: bool) -> Result<Secret, ApiError> {
        body.apply(call, item)
    }

    fn tell(_call: &Call, item: &Revised<Secret>, _now_ms: i64) -> Value {
        told::tell(item)
    }
}

async fn verify(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let secret = kind::find::<Secrets>(&call, call.place("id")).await?;
    let status = if secret.sealed.is_empty() { Status::Unauthenticated } else { Status::Authenticated };
    give(&Standing { id: secret.id.to_string(), status })
}

async fn revoke(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let id = kind::edited::<Secrets>(&call, |secret| Ok(Secret { sealed: Bytes::new(), ..secret })).await?;
    give(&json!({ "id": id }))
}

async fn personal(call: Call) -> Result<Response, ApiError> {
    super::contact::existing(&call.door, call.place("id")).await?;
    kind::list_where::<Secrets>(call, |secret| secret.kind == PERSONAL).await
}

async fn of_contact(call: &Call) -> Result<String, ApiError> {
    let Empty {} = call.json()?;
    super::contact::existing(&call.door, call.place("id")).await?;
    Ok(kind::find::<Secrets>(call, call.place("secret")).await?.id.to_string())
}

async fn verify_personal(call: Call) -> Result<Response, ApiError> {
    give(&Standing { id: of_contact(&call).await?, status: Status::Unauthenticated })
}

async fn revoke_personal(call: Call) -> Result<Response, ApiError> {
    give(&json!({ "id": of_contact(&call).await? }))
}
