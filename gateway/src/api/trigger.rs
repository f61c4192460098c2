//! Triggers.

use std::sync::Arc;

use axum::response::Response;
use backbone::catalogue::{Revised, Snapshot};
use bytes::Bytes;
use proto::code::Code;
use proto::event::Event;
use proto::idempotency::{self, Key};
use proto::resource::{Common, Resource, Scope, Trigger};
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, give};
use super::kind::{self, Empty, Kind};
use super::operation::{Access, Operation};
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::ingest::Submission;
use crate::secret;

mod body;
mod limits;
mod results;
mod told;

pub(super) use body::{StateWord, put_word, state, state_word};

const TAG: &str = "Triggers";
/// The parameter that says whether secrets are shown.
const SECRETS: &str = "secrets";
/// How long a second invocation is the same, in milliseconds.
const INVOKED_MS: i64 = 60_000;
/// How long the secret before a rotation counts unless the caller says otherwise, in milliseconds: a day.
const OVERLAP_MS: u64 = 24 * 3_600_000;
/// The longest that it may, in milliseconds: a week.
const OVERLAP_MS_MAX: u64 = 7 * OVERLAP_MS;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createTrigger", "/integration/trigger/create", OPERATES, kind::create::<Triggers>)
            .says(TAG, "Make a trigger")
            .more("Its secret is made here; fetch the trigger to see it.")
            .takes::<body::Body>(body::example())
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&CHANGES)
            .refuses(&[Code::DestinationInvalid]),
        shared::listed(concealable(Operation::get("listTriggers", "/integration/trigger/list", READS, list)))
            .says(TAG, "List triggers")
            .lists::<told::Told>(told::example()),
        concealable(Operation::get("fetchTrigger", "/integration/trigger/{id}/fetch", READS, fetch))
            .says(TAG, "Fetch a trigger")
            .gives::<told::Told>(told::example())
            .refuses(&[Code::TriggerUnknown, Code::ParameterInvalid]),
        shared::fenced(Operation::post("updateTrigger", "/integration/trigger/{id}/update", OPERATES, kind::update::<Triggers>))
            .says(TAG, "Change a trigger")
            .more("What is left out stays as it is; null clears.")
            .takes::<body::Body>(json!({ "name": "Orders", "state": "paused" }))
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&CHANGES)
            .refuses(&[Code::DestinationInvalid]),
        shared::fenced(Operation::post("deleteTrigger", "/integration/trigger/{id}/delete", OPERATES, kind::delete::<Triggers>))
            .says(TAG, "Take a trigger away")
            .more("Its conversations stay.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&[Code::TriggerUnknown, Code::RevisionLost, Code::KeptByFile]),
        shared::fenced(Operation::post("rotateTrigger", "/integration/trigger/{id}/rotate", OPERATES, rotate))
            .says(TAG, "Give a trigger a new secret")
            .more("The secret before counts on for `overlapMs`, so that callers can change over.")
            .takes::<Rotation>(json!({ "overlapMs": 86_400_000 }))
            .gives::<Rotated>(json!({ "id": "t01k7", "secret": "5f0c8a", "previousUntil": 1_790_086_400_000_i64 }))
            .refuses(&[
                Code::FieldInvalid,
                Code::FieldUnknown,
                Code::TriggerUnknown,
                Code::RevisionLost,
                Code::KeptByFile,
                Code::SecretUnreadable,
            ]),
        Operation::post("setupTrigger", "/integration/trigger/{id}/setup", OPERATES, setup)
            .says(TAG, "Set a trigger up")
            .more("There is nothing to set up; it is here for ChatBotKit's clients.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&[Code::TriggerUnknown]),
        Operation::post("invokeTrigger", "/integration/trigger/{id}/invoke", Access::Scope(Scope::Publish), invoke)
            .says(TAG, "Fire a trigger now")
            .more("An event as its schedule would send it. Calls within one minute make one event.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&[Code::TriggerUnknown, Code::SessionBacklogFull, Code::BrokerFull, Code::Unconfirmed]),
    ]
}

/// The kind.
#[derive(Debug)]
pub(crate) struct Triggers;

impl Kind for Triggers {
    type Item = Trigger;
    type Body = body::Body;

    const GROUP: &'static str = "trigger";
    const LETTER: char = 't';
    const ACTIONS: [&'static str; 3] = ["trigger.create", "trigger.update", "trigger.delete"];

    fn unknown() -> ApiError {
        ApiError::new(Code::TriggerUnknown, "there is no such trigger")
    }

    fn all(snapshot: &Snapshot) -> Vec<Arc<Revised<Trigger>>> {
        snapshot.triggers.values().cloned().collect()
    }

    fn get(snapshot: &Snapshot, id: &str) -> Option<Arc<Revised<Trigger>>> {
        snapshot.triggers.get(&id.parse().ok()?).cloned()
    }

    fn new(id: &str) -> Option<Trigger> {
        Some(Trigger::new(id.parse().ok()?, None))
    }

    fn wrap(item: Trigger) -> Resource {
        Resource::Trigger(item)
    }

    fn unwrap(resource: Resource) -> Option<Trigger> {
        if let Resource::Trigger(trigger) = resource { Some(trigger) } else { None }
    }

    fn common(item: &Trigger) -> &Common {
        &item.common
    }

    fn common_mut(item: &mut Trigger) -> &mut Common {
        &mut item.common
    }

    fn id(item: &Trigger) -> &str {
        item.id.as_str()
    }

    async fn apply(call: &Call, item: Trigger, body: body::Body, is_new: bool) -> Result<Trigger, ApiError> {
        let mut item = item;
        if is_new {
            secret::give(&call.door, &mut item, &secret::make(), None)?;
        }
        body.apply(call, item).await
    }

    fn tell(call: &Call, item: &Revised<Trigger>, now_ms: i64) -> Value {
        told::tell(call, item, now_ms)
    }

    async fn complete(call: &Call, told: &mut [(String, Value)]) {
        told::add_last(&call.door.client, told).await;
    }
}

/// Lists what the caller sees; that secrets are shown is on record.
async fn list(call: Call) -> Result<Response, ApiError> {
    revealed(&call, "trigger").await?;
    let caller = call.caller.clone();
    kind::list_where::<Triggers>(call, move |trigger| caller.sees(&trigger.id)).await
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let trigger = kind::find::<Triggers>(&call, call.place("id")).await?;
    if !trigger.secret_sealed.is_empty() {
        revealed(&call, &format!("trigger.{}", trigger.id)).await?;
    }
    kind::fetch::<Triggers>(call).await
}

/// Adds how secrets are left out.
fn concealable(operation: Operation) -> Operation {
    let schema = json!({ "type": "boolean", "default": true });
    operation.query(SECRETS, schema, "Whether secrets are shown to callers who may see them; where they are not, nothing is put on record.")
}

/// Whether secrets are shown: the caller may see them, and did not ask to leave them out.
fn reveals(call: &Call) -> Result<bool, ApiError> {
    match call.asked(SECRETS)?.as_deref() {
        None | Some("true") => Ok(call.caller.has(Scope::Operate)),
        Some("false") => Ok(false),
        Some(_) => Err(ApiError::parameter(SECRETS, "must be true or false")),
    }
}

/// Puts on record that secrets are shown, where they are.
async fn revealed(call: &Call, key: &str) -> Result<(), ApiError> {
    if reveals(call)? {
        // There is nothing behind it that could fail.
        drop(audit::begin(&call.door, &call.caller.who(), Deed::of("trigger.reveal", key)).await?);
    }
    Ok(())
}

/// What a body says about a rotation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "TriggerRotation")]
struct Rotation {
    /// How long the secret before still counts, in milliseconds; a day unless said.
    #[schemars(range(max = 604_800_000))]
    overlap_ms: Option<u64>,
}

/// A new secret, shown this once without the need to fetch the trigger.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TriggerRotated")]
struct Rotated {
    /// The trigger.
    id: String,
    /// The new secret.
    secret: String,
    /// When the secret before stops counting, in milliseconds since 1970.
    previous_until: i64,
}

async fn rotate(call: Call) -> Result<Response, ApiError> {
    let rotation: Rotation = call.json()?;
    let overlap_ms = rotation.overlap_ms.unwrap_or(OVERLAP_MS);
    if overlap_ms > OVERLAP_MS_MAX {
        let error = ApiError::field("overlapMs", format_args!("must be at most {OVERLAP_MS_MAX}"));
        return Err(ApiError { limit: usize::try_from(OVERLAP_MS_MAX).ok(), ..error });
    }
    let secret = secret::make();
    let until_ms = kind::now_ms(&call.door).await?.saturating_add(i64::try_from(overlap_ms).unwrap_or(i64::MAX));
    let (door, new) = (&call.door, &secret);
    let given = |mut trigger: Trigger| std::future::ready(secret::give(door, &mut trigger, new, Some(until_ms)).map(|()| trigger));
    let id = kind::changed_as::<Triggers, _>(&call, "trigger.rotate", given).await?;
    give(&Rotated { id, secret: secret.expose_secret().to_owned(), previous_until: until_ms })
}

async fn setup(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let trigger = kind::find::<Triggers>(&call, call.place("id")).await?;
    give(&json!({ "id": trigger.id.as_str() }))
}

async fn invoke(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let trigger = kind::find::<Triggers>(&call, call.place("id")).await?;
    let minute = kind::now_ms(&call.door).await? / INVOKED_MS;
    // No key of a caller has an id of this form.
    let key = Key::parse(&format!("invoke/{minute}"))?;
    let message_id = format!("invoked.{}", idempotency::message_id(&call.door.key.get(), &trigger.id, &key));
    let event = Event {
        payload: Bytes::from_static(br#"{"type":"invoke"}"#),
        content_type: Some("application/json".to_owned()),
        session: Some(trigger.schedule.clone().unwrap_or_else(|| "invoke".to_owned())),
        ..Event::default()
    };
    Submission::named(&trigger, event, message_id, &call.headers).send(&call.door).await?;
    give(&json!({ "id": trigger.id.as_str() }))
}
