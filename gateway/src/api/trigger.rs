//! Triggers.

use std::sync::Arc;

use axum::response::Response;
use backbone::catalogue::{Revised, Snapshot};
use bytes::Bytes;
use proto::code::Code;
use proto::event::Event;
use proto::idempotency::{self, Key};
use proto::resource::{Common, Resource, Scope, Trigger};
use serde_json::{Value, json};

use super::call::{Call, give};
use super::kind::{self, Empty, Kind};
use super::operation::{Access, Operation};
use super::shared::{self, CHANGES, Id, OPERATES, READS};
use crate::api_error::ApiError;
use crate::ingest::Submission;

mod body;
mod limits;
mod results;
mod told;

pub(super) use body::{StateWord, put_word, state, state_word};

const TAG: &str = "Triggers";
/// How long a second invocation is the same, in milliseconds.
const INVOKED_MS: i64 = 60_000;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("createTrigger", "/integration/trigger/create", OPERATES, kind::create::<Triggers>)
            .says(TAG, "Make a trigger")
            .more("Its secret is made here; fetch the trigger to see it.")
            .takes::<body::Body>(body::example())
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&CHANGES),
        shared::listed(Operation::get("listTriggers", "/integration/trigger/list", READS, kind::list::<Triggers>))
            .says(TAG, "List triggers")
            .lists::<told::Told>(told::example()),
        Operation::get("fetchTrigger", "/integration/trigger/{id}/fetch", READS, kind::fetch::<Triggers>)
            .says(TAG, "Fetch a trigger")
            .gives::<told::Told>(told::example())
            .refuses(&[Code::TriggerUnknown]),
        shared::fenced(Operation::post("updateTrigger", "/integration/trigger/{id}/update", OPERATES, kind::update::<Triggers>))
            .says(TAG, "Change a trigger")
            .more("What is left out stays as it is; null clears.")
            .takes::<body::Body>(json!({ "name": "Orders", "state": "paused" }))
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&CHANGES),
        shared::fenced(Operation::post("deleteTrigger", "/integration/trigger/{id}/delete", OPERATES, kind::delete::<Triggers>))
            .says(TAG, "Take a trigger away")
            .more("Its conversations stay.")
            .takes::<Empty>(json!({}))
            .gives::<Id>(json!({ "id": "t01k7" }))
            .refuses(&[Code::TriggerUnknown, Code::RevisionLost, Code::KeptByFile]),
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
pub(super) struct Triggers;

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
        let item = if is_new { body::with_secret(&call.door.master, item)? } else { item };
        body.apply(call, item).await
    }

    fn tell(call: &Call, item: &Revised<Trigger>, now_ms: i64) -> Value {
        told::tell(call, item, now_ms)
    }

    async fn complete(call: &Call, told: &mut [(String, Value)]) {
        told::add_last(&call.door.client, told).await;
    }
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
    let message_id = format!("invoked.{}", idempotency::message_id(&call.door.key, &trigger.id, &key));
    let event = Event {
        payload: Bytes::from_static(br#"{"type":"invoke"}"#),
        content_type: Some("application/json".to_owned()),
        session: Some(trigger.schedule.clone().unwrap_or_else(|| "invoke".to_owned())),
        ..Event::default()
    };
    Submission::named(&trigger, event, message_id, &call.headers).send(&call.door).await?;
    give(&json!({ "id": trigger.id.as_str() }))
}
