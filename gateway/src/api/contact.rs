//! Contacts: whom conversations are held with.
//!
//! There may be very many, so they lie in a bucket of their own and nobody holds them in memory. A
//! contact with a fingerprint has an id that is made of it, which is what keeps one from being made
//! twice, by callers and by workers alike.

use axum::response::Response;
use proto::code::Code;
use proto::id::ContactId;
use proto::resource::contact::id_of;
use proto::resource::{Card, Common};
use proto::subject::CONTACTS;
use serde_json::json;

use super::call::{Call, give};
use super::kind::{self, Empty};
use super::operation::Operation;
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use super::{id, list};
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::door::Door;
use crate::store::{self, Change, Unwritten};

mod body;
mod told;
mod walk;

const TAG: &str = "Contacts";
/// How often a change is decided anew because somebody else was faster.
const TRIES_MAX: u32 = 2;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createContact", "/contact/create", OPERATES, create)
            .says(TAG, "Make a contact")
            .more("409 where another has the fingerprint; `ensure` gives that one.")
            .takes::<body::Body>(body::example())
            .gives::<Id>(json!({ "id": "c3f1" }))
            .refuses(&CHANGES),
        Operation::post("ensureContact", "/contact/ensure", OPERATES, ensure)
            .says(TAG, "Give the contact with a fingerprint, made where there is none")
            .more("One that is there stays as it is.")
            .takes::<body::Body>(body::example())
            .gives::<Id>(json!({ "id": "c3f1" }))
            .refuses(&CHANGES),
        shared::listed(Operation::get("listContacts", "/contact/list", READS, listed))
            .says(TAG, "List contacts")
            .query("fingerprint", json!({ "type": "string", "maxLength": 1024 }), "Only the contact with this fingerprint.")
            .lists::<told::Told>(told::example()),
        Operation::get("fetchContact", "/contact/{id}/fetch", READS, fetch)
            .says(TAG, "Fetch a contact")
            .gives::<told::Told>(told::example())
            .refuses(&[Code::ResourceUnknown]),
        Operation::post("updateContact", "/contact/{id}/update", OPERATES, update)
            .says(TAG, "Change a contact")
            .more("What is left out stays as it is; null clears. The fingerprint cannot be changed.")
            .takes::<body::Body>(json!({ "nick": "ada" }))
            .gives::<Id>(json!({ "id": "c3f1" }))
            .refuses(&CHANGES),
        Operation::post("deleteContact", "/contact/{id}/delete", OPERATES, delete)
            .says(TAG, "Take a contact away")
            .more("Its conversations stay.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "c3f1" }))
            .refuses(&[Code::ResourceUnknown, Code::RevisionLost]),
    ]
}

fn unknown() -> ApiError {
    ApiError::new(Code::ResourceUnknown, "Contact not found")
}

/// A contact as the leader has it.
pub(crate) async fn read(door: &Door, id: &ContactId) -> Result<(u64, Option<Card>), ApiError> {
    let entry = store::read(door, CONTACTS, id.as_str()).await?;
    let Some(value) = entry.value else { return Ok((entry.revision, None)) };
    let card = Card::decode(id.clone(), value);
    let broken = |error: proto::resource::Error| ApiError {
        cause: Some(error.to_string()),
        ..ApiError::new(Code::Internal, "the contact cannot be read")
    };
    Ok((entry.revision, Some(card.map_err(broken)?)))
}

/// A contact that is there, with its revision.
pub(crate) async fn existing(door: &Door, name: &str) -> Result<(u64, Card), ApiError> {
    let id: ContactId = name.parse().map_err(|_| unknown())?;
    let (revision, card) = read(door, &id).await?;
    Ok((revision, card.ok_or_else(unknown)?))
}

async fn put(call: &Call, action: &'static str, revision: u64, before: Option<&Card>, after: Option<&Card>) -> Result<u64, Unwritten> {
    let Some(card) = after.or(before) else { return Err(unknown().into()) };
    let (old, new) = (before.map(Card::encode), after.map(Card::encode));
    let key = format!("contact.{}", card.id);
    let deed = Deed { before: old.as_deref(), after: new.as_deref(), ..Deed::of(action, &key) };
    let begun = audit::begin(&call.door, &call.caller.who(), deed).await?;
    // What is known of a person is forgotten where it is changed, not only covered.
    let change = new.map_or(Change::Purge, Change::Replace);
    let written = store::write(&call.door, CONTACTS, card.id.as_str(), revision, change).await;
    match &written {
        Ok(_) => {}
        Err(Unwritten::Lost) => begun.failed(&call.door, &store::lost()).await,
        Err(Unwritten::Refused(error)) => begun.failed(&call.door, error).await,
    }
    written
}

async fn create(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    let (id, is_new) = made(&call, body).await?;
    if is_new {
        return give(&json!({ "id": id.as_str() }));
    }
    let message = format!("the contact {id} has this fingerprint");
    Err(ApiError { field: Some("fingerprint".into()), ..ApiError::new(Code::AliasTaken, message) })
}

async fn ensure(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    if body.fingerprint().is_none() {
        return Err(ApiError::field("fingerprint", "is needed: it names the contact"));
    }
    let (id, _) = made(&call, body).await?;
    give(&json!({ "id": id.as_str() }))
}

/// The contact with a body's fingerprint, made where there is none.
pub(crate) async fn ensured(call: &Call, fields: serde_json::Map<String, serde_json::Value>) -> Result<ContactId, ApiError> {
    let body: body::Body = super::call::read(serde_json::Value::Object(fields).to_string().as_bytes())?;
    made(call, body).await.map(|(id, _)| id)
}

/// A contact as a body says, where there is none with its fingerprint; whether it was made.
async fn made(call: &Call, body: body::Body) -> Result<(ContactId, bool), ApiError> {
    let now_ms = kind::now_ms(&call.door).await?;
    let id = match body.fingerprint() {
        Some(fingerprint) => id_of(fingerprint),
        None => id::mint('c', now_ms).parse().map_err(|_| unknown())?,
    };
    let common = Common { created_at_ms: now_ms, updated_at_ms: now_ms, ..Common::default() };
    let card = body.apply(body::blank(id.clone(), common))?;
    for _ in 0..TRIES_MAX {
        let (revision, found) = read(&call.door, &id).await?;
        if found.is_some() {
            return Ok((id, false));
        }
        match put(call, "contact.create", revision, None, Some(&card)).await {
            Ok(_) => return Ok((id, true)),
            Err(Unwritten::Lost) => {}
            Err(Unwritten::Refused(error)) => return Err(error),
        }
    }
    Err(store::lost())
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let (revision, card) = existing(&call.door, call.place("id")).await?;
    give(&told::tell(&card, revision))
}

async fn update(call: Call) -> Result<Response, ApiError> {
    let body: body::Body = call.json()?;
    for _ in 0..TRIES_MAX {
        let (revision, before) = existing(&call.door, call.place("id")).await?;
        if body.fingerprint().is_some_and(|fingerprint| *fingerprint != before.fingerprint) {
            return Err(ApiError::field("fingerprint", "names the contact and cannot be changed: make another"));
        }
        let mut after = body.clone().apply(before.clone())?;
        after.common.updated_at_ms = kind::now_ms(&call.door).await?.max(after.common.created_at_ms);
        match put(&call, "contact.update", revision, Some(&before), Some(&after)).await {
            Ok(_) => return give(&json!({ "id": after.id.as_str() })),
            Err(Unwritten::Lost) => {}
            Err(Unwritten::Refused(error)) => return Err(error),
        }
    }
    Err(store::lost())
}

async fn delete(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let (revision, before) = existing(&call.door, call.place("id")).await?;
    put(&call, "contact.delete", revision, Some(&before), None).await?;
    give(&json!({ "id": before.id.as_str() }))
}

async fn listed(call: Call) -> Result<Response, ApiError> {
    let found = match call.asked("fingerprint")? {
        Some(fingerprint) => {
            let (revision, card) = read(&call.door, &id_of(&fingerprint)).await?;
            card.map(|card| (revision, card)).into_iter().collect()
        }
        None => walk::all(&call.door).await?,
    };
    list::answer(&call, move |wanted| {
        let page = walk::page(&found, &wanted);
        async move { Ok(page) }
    })
    .await
}
