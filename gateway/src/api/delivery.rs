//! Where ends of turns are told, and how that went.

use std::sync::Arc;

use axum::response::Response;
use backbone::catalogue::Revised;
use outbox::attempt::Attempt;
use outbox::inventory::{self, Delivery};
use outbox::parcel::DeliveryId;
use outbox::stopped;
use proto::code::Code;
use proto::id::DestinationId;
use proto::resource::{Destination, Scope, Trigger};
use proto::wire::destination::To;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, give};
use super::list;
use super::operation::{Access, Operation};
use super::page::Order;
use crate::api_error::ApiError;
use crate::audit::{self, Deed};

const TAG: &str = "Results";
const READS: Access = Access::Scope(Scope::Read);
const CHANGES: Access = Access::Scope(Scope::Operate);

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("listDestinations", "/integration/trigger/{id}/destination/list", READS, destinations)
            .says(TAG, "List where the ends of a trigger's turns are told")
            .lists::<DestinationSays>(destination_example())
            .refuses(&[Code::TriggerUnknown, Code::ParameterInvalid]),
        Operation::post("enableDestination", "/integration/trigger/{id}/destination/{destination}/enable", CHANGES, enable)
            .says(TAG, "Tell a stopped destination of what ends from now on")
            .more("A destination that answers 410 hears nothing more until this is called. What ended meanwhile is told again one by one.")
            .takes::<Empty>(json!({}))
            .gives::<Enabled>(json!({ "id": "crm", "wasStopped": true }))
            .refuses(&[Code::TriggerUnknown, Code::DeliveryUnknown]),
        Operation::post("testDestination", "/integration/trigger/{id}/destination/{destination}/test", CHANGES, test)
            .says(TAG, "Send a test to a destination")
            .more("The payload has the type `test`. The answer names the delivery; fetch it to see how it went.")
            .takes::<Empty>(json!({}))
            .gives::<Named>(json!({ "id": "dlv.orders._test.crm.7" }))
            .refuses(&[Code::TriggerUnknown, Code::DeliveryUnknown]),
        Operation::get("listDeliveries", "/integration/trigger/{id}/delivery/list", READS, deliveries)
            .says(TAG, "List what was told of the ends of a trigger's turns")
            .more("Each with its attempts. Deliveries are kept for seven days.")
            .query("cursor", json!({ "type": "string" }), "The id of the last delivery of the page before.")
            .query("order", json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" }), "Oldest or newest first.")
            .query("take", json!({ "type": "integer", "default": 100 }), "How many; brought to 1 to 100.")
            .lists::<DeliverySays>(delivery_example(false))
            .refuses(&[Code::TriggerUnknown, Code::ParameterInvalid]),
        Operation::get("fetchDelivery", "/delivery/{id}/fetch", READS, fetch)
            .says(TAG, "Fetch a delivery with its payload")
            .gives::<DeliverySays>(delivery_example(true))
            .refuses(&[Code::DeliveryUnknown]),
        Operation::post("redeliver", "/delivery/{id}/redeliver", CHANGES, redeliver)
            .says(TAG, "Tell a destination once more")
            .more("The payload and the webhook id are the first one's; it goes behind whatever waits for the destination in that session.")
            .takes::<Empty>(json!({}))
            .gives::<Named>(json!({ "id": "dlv.orders.k1f3.crm.9" }))
            .refuses(&[Code::DeliveryUnknown]),
    ]
}

/// A body that says nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// The id of a delivery.
#[derive(Debug, Serialize, JsonSchema)]
struct Named {
    /// The delivery.
    id: String,
}

/// A destination that is told again.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Enabled {
    /// The destination.
    id: String,
    /// Whether it was stopped.
    was_stopped: bool,
}

/// A destination.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DestinationSays {
    /// Names it in its trigger.
    id: String,
    /// `webhook` or `subject`.
    r#type: &'static str,
    /// The address of the webhook, without its query.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Which ends are told; none means all.
    statuses: Vec<String>,
    /// Whether it is left out by the trigger's configuration.
    disabled: bool,
    /// Whether it answered 410 and hears nothing more.
    stopped: bool,
    /// When it did, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<i64>,
    /// The delivery that it answered so.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_by: Option<String>,
}

/// An attempt.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AttemptSays {
    /// Which attempt, from 1; 0 where none was made.
    number: u32,
    /// `sending`, `delivered`, `failed`, `givenUp`, `stopped` or `removed`.
    status: &'static str,
    /// When it began, in milliseconds since 1970.
    at: i64,
    /// How long it took, in milliseconds.
    duration_ms: u64,
    /// The status that the destination answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// A delivery.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct DeliverySays {
    /// Its id.
    id: String,
    /// The trigger.
    trigger_id: String,
    /// The destination.
    destination_id: String,
    /// The session's token.
    session: String,
    /// The receipt of the event; none for a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// The type of the payload.
    r#type: String,
    /// The same whenever it is sent.
    webhook_id: String,
    /// `queued`, `sending`, `waiting`, `delivered`, `givenUp`, `stopped` or `removed`.
    status: &'static str,
    /// The attempts so far.
    attempts: Vec<AttemptSays>,
    /// When it is tried again, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<i64>,
    /// The delivery that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeats: Option<String>,
    /// When it was put down, in milliseconds since 1970.
    created_at: i64,
    /// What goes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Value>,
}

fn destination_example() -> Value {
    json!({ "id": "crm", "type": "webhook", "url": "https://crm.example.com/hooks", "statuses": [], "disabled": false, "stopped": false })
}

fn delivery_example(has_payload: bool) -> Value {
    let mut example = json!({
        "id": "dlv.orders.k1f3.crm.7", "triggerId": "orders", "destinationId": "crm", "session": "k1f3",
        "eventId": "evt.orders.k1f3.6a1b2c3d.42", "type": "turn.completed", "webhookId": "msg_0a1b_crm", "status": "delivered",
        "attempts": [{ "number": 1, "status": "delivered", "at": 1_790_000_000_000_i64, "durationMs": 84, "httpStatus": 204 }],
        "createdAt": 1_790_000_000_000_i64
    });
    if let (Some(map), true) = (example.as_object_mut(), has_payload) {
        map.insert("payload".into(), json!({ "type": "turn.completed", "timestamp": "2026-09-21T13:46:40Z", "data": {} }));
    }
    example
}

fn says(destination: &Destination, mark: Option<stopped::Mark>) -> DestinationSays {
    let (r#type, url, subject) = match &destination.to {
        // A query may carry a token.
        Some(To::Webhook(webhook)) => ("webhook", webhook.url.split(['?', '#']).next().map(str::to_owned), None),
        Some(To::Subject(subject)) => ("subject", None, Some(subject.clone())),
        None => ("none", None, None),
    };
    let (stopped_at, stopped_by) = mark.map(|mark| (mark.at_ms, mark.delivery)).unzip();
    DestinationSays {
        id: destination.id.clone(),
        r#type,
        url,
        subject,
        statuses: destination.statuses.clone(),
        disabled: destination.disabled,
        stopped: stopped_at.is_some(),
        stopped_at,
        stopped_by,
    }
}

fn attempt(attempt: Attempt) -> AttemptSays {
    AttemptSays {
        number: attempt.number,
        status: attempt.state.as_str(),
        at: attempt.at_ms,
        duration_ms: attempt.duration_ms,
        http_status: attempt.status,
        error: attempt.error,
    }
}

fn delivery(delivery: Delivery, has_payload: bool) -> DeliverySays {
    let Delivery { parcel, status, attempts } = delivery;
    let (lane, text) = (&parcel.id.lane, |text: String| Some(text).filter(|text| !text.is_empty()));
    DeliverySays {
        id: parcel.id.to_string(),
        trigger_id: lane.session.trigger.to_string(),
        destination_id: lane.destination.to_string(),
        session: lane.session.token.to_string(),
        event_id: text(parcel.label.receipt),
        r#type: parcel.label.kind,
        webhook_id: parcel.label.webhook_id,
        status: status.as_str(),
        next_attempt_at: attempts.last().and_then(|last| last.next_at_ms),
        attempts: attempts.into_iter().map(attempt).collect(),
        repeats: text(parcel.label.repeats),
        created_at: parcel.at_ms,
        payload: has_payload.then(|| serde_json::from_slice(&parcel.body).unwrap_or_default()),
    }
}

fn unknown() -> ApiError {
    ApiError::new(Code::DeliveryUnknown, "there is no such delivery, or it is older than seven days")
}

fn silent(cause: &impl ToString) -> ApiError {
    ApiError::unavailable("what is on its way out cannot be read or written right now", cause)
}

/// The trigger in the path, and the destination if one is named there.
async fn named(call: &Call) -> Result<(Arc<Revised<Trigger>>, Option<DestinationId>), ApiError> {
    let name = call.place("id");
    let snapshot = call.door.directory.catalogue.snapshot();
    let by_alias =
        name.strip_prefix('@').and_then(|alias| snapshot.triggers.values().find(|trigger| trigger.common.alias.as_deref() == Some(alias)));
    let trigger = match by_alias {
        Some(trigger) => Arc::clone(trigger),
        None => call.door.directory.trigger(Some(name)).await?,
    };
    let destination = call.place("destination");
    let found = trigger.results.iter().find(|one| one.id == destination).and_then(|one| one.id.parse().ok());
    if found.is_none() && !destination.is_empty() {
        return Err(ApiError::new(Code::DeliveryUnknown, "the trigger has no such destination"));
    }
    Ok((trigger, found))
}

async fn destinations(call: Call) -> Result<Response, ApiError> {
    let (trigger, _) = named(&call).await?;
    let mut items = Vec::with_capacity(trigger.results.len());
    for destination in &trigger.results {
        let mark = match destination.id.parse() {
            Ok(id) => stopped::mark(&call.door.context, &trigger.id, &id).await.map_err(|error| silent(&error))?,
            Err(_) => None,
        };
        let told = serde_json::to_value(says(destination, mark)).unwrap_or_default();
        items.push((destination.id.clone(), told));
    }
    list::answer(&call, move |wanted| {
        // A trigger has few: they are one page.
        let page = if wanted.cursor.is_none() { items.clone() } else { Vec::new() };
        async move { Ok(page) }
    })
    .await
}

async fn deliveries(call: Call) -> Result<Response, ApiError> {
    let (trigger, _) = named(&call).await?;
    let client = call.door.client.clone();
    list::answer(&call, move |wanted| {
        let (client, trigger) = (client.clone(), trigger.id.clone());
        async move {
            let cursor = wanted.cursor.as_deref().map(str::parse::<DeliveryId>).transpose();
            let cursor = cursor.map_err(|_| ApiError::parameter("cursor", "must be the id of a delivery"))?.map(|id| id.seq);
            let found = match wanted.order {
                Order::Ascending => inventory::list(&client, &trigger, cursor.map_or(1, |seq| seq.saturating_add(1)), wanted.take).await,
                Order::Descending => inventory::list_back(&client, &trigger, cursor, wanted.take).await,
            };
            let found = found.map_err(|error| silent(&error))?;
            Ok(found
                .into_iter()
                .map(|one| (one.parcel.id.to_string(), serde_json::to_value(delivery(one, false)).unwrap_or_default()))
                .collect())
        }
    })
    .await
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    let id: DeliveryId = call.place("id").parse().map_err(|_| unknown())?;
    let found = inventory::fetch(&call.door.client, &id).await.map_err(|error| silent(&error))?;
    give(&delivery(found.ok_or_else(unknown)?, true))
}

async fn redeliver(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let id: DeliveryId = call.place("id").parse().map_err(|_| unknown())?;
    let key = id.to_string();
    let who = call.caller.who();
    let again = audit::on_record(&call.door, &who, Deed::of("delivery.redeliver", &key), async {
        inventory::again(&call.door.client, &id).await.map_err(|error| silent(&error))?.ok_or_else(unknown)
    });
    give(&Named { id: again.await?.to_string() })
}

async fn enable(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let (trigger, Some(destination)) = named(&call).await? else { return Err(unknown()) };
    let key = format!("trigger.{}/results/{destination}", trigger.id);
    let who = call.caller.who();
    let was_stopped = audit::on_record(&call.door, &who, Deed::of("destination.enable", &key), async {
        stopped::enable(&call.door.context, &trigger.id, &destination).await.map_err(|error| silent(&error))
    });
    let was_stopped = was_stopped.await?;
    give(&Enabled { id: destination.to_string(), was_stopped })
}

async fn test(call: Call) -> Result<Response, ApiError> {
    let Empty {} = call.json()?;
    let (trigger, Some(destination)) = named(&call).await? else { return Err(unknown()) };
    let now_ms = call.door.clock.now_ms(&call.door.client).await;
    let now_ms = now_ms.ok_or_else(|| silent(&"the broker does not say what time it is"))?;
    let key = format!("trigger.{}/results/{destination}", trigger.id);
    let who = call.caller.who();
    let sent = audit::on_record(&call.door, &who, Deed::of("destination.test", &key), async {
        inventory::test(&call.door.client, &trigger.id, &destination, now_ms).await.map_err(|error| silent(&error))
    });
    give(&Named { id: sent.await?.to_string() })
}
