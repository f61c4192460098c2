//! The events of a trigger: listed, called off many at a time, run again.

use std::sync::Arc;

use axum::response::Response;
use backbone::{direct, journal, topology};
use index::entry::{Event, State};
use index::read;
use proto::answer::Kind;
use proto::code::Code;
use proto::event::{self, Contact};
use proto::id::{EventSeq, Receipt, TriggerId};
use proto::limit::{READ_BATCH_MAX, REASON_BYTES_MAX};
use proto::resource::Scope;
use proto::subject;
use proto::wire::{self, Cancel};
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::indexed::{self, page, paged, refusal};
use super::list::{self, Item};
use super::operation::{Access, Answer, Form, Operation};
use super::page::{Order, Wanted};
use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::fetch::{unknown, unreadable};
use crate::ingest::Submission;
use crate::{progress, speak};

const TAG: &str = "Events";
/// The status that the index does not know.
const QUEUED: &str = "queued";
/// How many waiting events one list looks through.
const QUEUED_READ_MAX: usize = 2_000;
/// How many bytes of waiting events one read asks for.
const QUEUED_READ_BYTES_MAX: usize = 4 << 20;
/// How many events one call calls off.
const CANCELS_AT_ONCE_MAX: usize = 500;
/// The statuses of events that can be called off, in the order in which they are.
const OPEN: [&str; 3] = [QUEUED, "waiting", "running"];

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let statuses: Vec<&str> = State::ALL.map(State::name).into_iter().chain([QUEUED]).collect();
    vec![
        paged(Operation::get("listEvents", "/integration/trigger/{id}/event/list", Access::Trigger(Scope::Read), listed))
            .says(TAG, "List the events of a trigger")
            .more("Without a status those that have begun, the newest 100,000 of all triggers; `queued` lists those that wait, up to 2,000 of them.")
            .query("status", json!({ "type": "string", "enum": statuses }), "Where they are on their way.")
            .answers(Answer::List(form()))
            .refuses(&indexed::REFUSALS)
            .refuses(&[Code::TriggerUnknown, Code::Unavailable]),
        Operation::post("cancelEvents", "/integration/trigger/{id}/event/cancel", Access::Trigger(Scope::Operate), cancel)
            .says(TAG, "Call off the events of a trigger")
            .more("Up to 500 at a time: call again with the cursor until there is none.")
            .takes::<CancelMany>(json!({ "status": "queued", "reason": "sent by mistake" }))
            .answers(Answer::Object(cancelled()))
            .refuses(&[Code::FieldInvalid, Code::TriggerUnknown, Code::CursorUnknown, Code::Unavailable, Code::IndexAway, Code::IndexBuilding]),
        Operation::post("rerunEvent", "/integration/trigger/{id}/event/{receipt}/rerun", Access::Trigger(Scope::Operate), rerun)
            .says(TAG, "Run an event again")
            .more("What a finished event said is sent as a new one, at the end of its session.")
            .takes::<Nothing>(json!({}))
            .header("Idempotency-Key", json!({ "type": "string", "maxLength": 255 }), "Calls with one key make one event.")
            .answers(Answer::Object(sent()))
            .refuses(&[Code::KeyInvalid, Code::KeyReused, Code::TriggerUnknown, Code::ReceiptUnknown, Code::SessionBusy, Code::SessionBacklogFull, Code::BrokerFull, Code::Unconfirmed, Code::Unavailable]),
    ]
}

/// A body that says nothing.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Which events are called off.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct CancelMany {
    /// `queued`, `waiting` or `running`; all of them where it is left out.
    status: Option<String>,
    /// Only those that came before, in milliseconds since 1970.
    before: Option<i64>,
    /// Why, for the reader.
    reason: Option<String>,
    /// Where the call before stopped.
    cursor: Option<String>,
    /// How many at most.
    take: Option<usize>,
}

fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string", "description": "The receipt." },
                "triggerId": { "type": "string" },
                "session": { "type": "string", "description": "The session's token." },
                "status": { "type": "string" },
                "attempts": { "type": "integer" },
                "conversationId": { "type": "string" },
                "receivedAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "endedAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "duration": { "type": "integer", "description": "From its receipt to its end, in milliseconds." },
                "createdAt": { "type": "integer" },
                "updatedAt": { "type": "integer" }
            },
            "required": ["id", "triggerId", "session", "status", "attempts", "createdAt", "updatedAt"]
        })
    };
    let example = json!({
        "id": "evt.orders.k1f3.6a1b2c3d.42", "triggerId": "orders", "session": "k1f3", "status": "completed", "attempts": 1, "conversationId": "cnv.orders.k1f3.6a1b2c3d.42",
        "receivedAt": 1_790_000_000_000_i64, "endedAt": 1_790_000_000_840_i64, "duration": 840, "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_840_i64
    });
    Form { schema, example }
}

fn cancelled() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "cancelled": { "type": "integer", "description": "How many were told to end." },
                "failed": { "type": "integer", "description": "How many could not be told." },
                "cursor": { "type": "string", "description": "Where to go on; absent at the end." }
            },
            "required": ["cancelled", "failed"]
        })
    };
    Form { schema, example: json!({ "cancelled": 12, "failed": 0 }) }
}

/// A receipt.
pub(super) fn sent() -> Form {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "id": { "type": "string" }, "session": { "type": "string" } }, "required": ["id"] });
    Form { schema, example: json!({ "id": "evt.orders.k1f3.6a1b2c3d.43", "session": "k1f3" }) }
}

/// An event that waits.
struct Queued {
    receipt: Receipt,
    at_ms: i64,
}

async fn trigger(call: &Call) -> Result<TriggerId, ApiError> {
    Ok(call.door.directory.trigger(Some(call.place("id"))).await?.id.clone())
}

async fn listed(call: Call) -> Result<Response, ApiError> {
    let trigger = trigger(&call).await?;
    let status = call.asked("status")?;
    let state = status
        .as_deref()
        .filter(|name| *name != QUEUED)
        .map(|name| State::parse(name).ok_or_else(|| ApiError::parameter("status", "must be a status of an event")));
    let (state, is_queued) = (state.transpose()?, status.as_deref() == Some(QUEUED));
    let given = (Arc::new(call), trigger);
    let call = Arc::clone(&given.0);
    list::answer(&call, move |wanted: Wanted| {
        let (call, trigger) = given.clone();
        async move {
            if is_queued {
                return queued(&call, &trigger, &wanted).await;
            }
            let part = call.door.index.events(&page(&wanted), trigger.as_str(), state).await.map_err(|error| refusal(&error))?;
            Ok(part.items.into_iter().filter_map(|(id, event)| shown(id, &event)).collect())
        }
    })
    .await
}

fn shown(id: String, event: &Event) -> Option<Item> {
    let receipt: Receipt = id.parse().ok()?;
    let mut shown = json!({
        "id": id, "triggerId": receipt.session.trigger, "session": receipt.session.token, "status": event.state.name(), "attempts": event.attempts,
        "conversationId": event.conversation, "receivedAt": event.received_at_ms, "createdAt": event.received_at_ms, "updatedAt": event.updated_at_ms,
    });
    if let (true, Some(shown)) = (event.state.is_final(), shown.as_object_mut()) {
        shown.insert("endedAt".into(), event.updated_at_ms.into());
        shown.insert("duration".into(), (event.updated_at_ms - event.received_at_ms).max(0).into());
    }
    Some((id, shown))
}

/// A page of the events that wait, as the stream has them.
async fn queued(call: &Call, trigger: &TriggerId, wanted: &Wanted) -> Result<Vec<Item>, ApiError> {
    let after = match &wanted.cursor {
        None => None,
        Some(cursor) => Some(cursor.parse::<Receipt>().map_err(|_| refusal(&read::Error::Cursor))?.event.seq),
    };
    let mut waiting = waiting(call, trigger, if wanted.order == Order::Ascending { after.unwrap_or_default() } else { 0 }).await?;
    if wanted.order == Order::Descending {
        waiting.retain(|queued| after.is_none_or(|after| queued.receipt.event.seq < after));
        waiting.reverse();
    }
    waiting.truncate(wanted.take);
    let item = |queued: Queued| {
        let Queued { receipt, at_ms } = queued;
        let id = receipt.to_string();
        let shown: Value = json!({
            "id": id, "triggerId": receipt.session.trigger, "session": receipt.session.token, "status": QUEUED, "attempts": 0,
            "receivedAt": at_ms, "createdAt": at_ms, "updatedAt": at_ms,
        });
        (id, shown)
    };
    Ok(waiting.into_iter().map(item).collect())
}

/// Events of a trigger that lie in the inbox and have not begun, oldest first, a bounded number of them.
async fn waiting(call: &Call, trigger: &TriggerId, after: u64) -> Result<Vec<Queued>, ApiError> {
    let unread = |error: &dyn std::error::Error| ApiError::unavailable("the events that wait cannot be read right now", &error.to_string());
    let epoch = topology::current_epoch(&call.door.context).await.map_err(|error| unread(&error))?;
    let (stream, of_trigger) = (subject::events_stream(epoch), format!("event.{trigger}.>"));
    let (mut found, mut from) = (Vec::new(), after + 1);
    while found.len() < QUEUED_READ_MAX {
        let bounds = (READ_BATCH_MAX, QUEUED_READ_BYTES_MAX);
        let stored = direct::batch_within(&call.door.client, &stream, &of_trigger, from, bounds).await.map_err(|error| unread(&error))?;
        let Some(last) = stored.last().map(|stored| stored.seq) else { break };
        from = last + 1;
        found.extend(stored.into_iter().filter_map(|stored| {
            let session = subject::session_of_event(&stored.subject)?;
            Some(Queued { receipt: Receipt { session, event: EventSeq { epoch, seq: stored.seq } }, at_ms: stored.at_ms })
        }));
    }
    // What has begun lies there until it has ended.
    let receipts: Vec<String> = found.iter().map(|queued| queued.receipt.to_string()).collect();
    let known = call.door.index.known_events(&receipts).await.map_err(|error| refusal(&error))?;
    let mut known = known.into_iter();
    found.retain(|_| known.next().flatten().is_none());
    Ok(found)
}

async fn cancel(call: Call) -> Result<Response, ApiError> {
    let trigger = trigger(&call).await?;
    let asked: CancelMany = call.json()?;
    let reason = asked.reason.clone().unwrap_or_default();
    if reason.len() > REASON_BYTES_MAX {
        return Err(ApiError { limit: Some(REASON_BYTES_MAX), ..ApiError::field("reason", "must be at most 4096 bytes") });
    }
    let statuses: Vec<&str> = match &asked.status {
        None => OPEN.to_vec(),
        Some(status) => match OPEN.iter().find(|open| *open == status) {
            Some(status) => vec![*status],
            None => return Err(ApiError::field("status", "must be queued, waiting or running")),
        },
    };
    let key = format!("trigger.{trigger}");
    let deed = Deed::of("event.cancel", &key);
    let done = audit::on_record(&call.door, &call.caller.who(), deed, cancel_many(&call, &trigger, (asked, reason), statuses)).await?;
    give(&done)
}

async fn cancel_many(
    call: &Call,
    trigger: &TriggerId,
    (asked, reason): (CancelMany, String),
    statuses: Vec<&str>,
) -> Result<Value, ApiError> {
    let take = asked.take.unwrap_or(CANCELS_AT_ONCE_MAX).clamp(1, CANCELS_AT_ONCE_MAX);
    let (begun, mut after) = match asked.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(|cursor| cursor.split_once(':')) {
        None => (None, None),
        Some(Some((status, after))) if statuses.contains(&status) => {
            (Some(status.to_owned()), Some(after.to_owned()).filter(|after| !after.is_empty()))
        }
        Some(_) => return Err(refusal(&read::Error::Cursor)),
    };
    let (mut cancelled, mut failed) = (0_usize, 0_usize);
    for status in statuses.iter().skip_while(|status| begun.as_deref().is_some_and(|begun| begun != **status)) {
        let open = open(call, trigger, status, (after.take(), take - cancelled - failed)).await?;
        for (receipt, at_ms) in open {
            if asked.before.is_some_and(|before| at_ms >= before) {
                continue;
            }
            let kind = Kind::Cancel(Cancel { reason: reason.clone() });
            match speak::tell(&call.door, &receipt, call.caller.who().to_string(), kind).await {
                Ok(()) => cancelled += 1,
                Err(error) => {
                    call.door.complaints.note(&error);
                    failed += 1;
                }
            }
            if cancelled + failed >= take {
                return Ok(json!({ "cancelled": cancelled, "failed": failed, "cursor": format!("{status}:{receipt}") }));
            }
        }
    }
    Ok(json!({ "cancelled": cancelled, "failed": failed }))
}

/// Events of a status behind one of them, oldest first.
async fn open(
    call: &Call,
    trigger: &TriggerId,
    status: &str,
    (after, take): (Option<String>, usize),
) -> Result<Vec<(Receipt, i64)>, ApiError> {
    let cursor = || refusal(&read::Error::Cursor);
    let Some(state) = State::parse(status) else {
        let after = after.map(|after| after.parse::<Receipt>().map_err(|_| cursor())).transpose()?;
        let waiting = waiting(call, trigger, after.map_or(0, |after| after.event.seq)).await?;
        return Ok(waiting.into_iter().map(|queued| (queued.receipt, queued.at_ms)).collect());
    };
    let wanted = read::Wanted { cursor: after, order: read::Order::Ascending, take: take.max(1) };
    let part = call.door.index.events(&wanted, trigger.as_str(), Some(state)).await.map_err(|error| refusal(&error))?;
    Ok(part.items.into_iter().filter_map(|(id, event)| Some((id.parse().ok()?, event.received_at_ms))).collect())
}

async fn rerun(call: Call) -> Result<Response, ApiError> {
    let trigger = trigger(&call).await?;
    let Nothing {} = call.json()?;
    let receipt: Receipt = call.place("receipt").parse().map_err(|_| unknown())?;
    if receipt.session.trigger != trigger {
        return Err(unknown());
    }
    let key = indexed::key(&call)?;
    let report = progress::of(&call.door.line, &receipt).await.map_err(unreadable)?;
    if !report.status.is_final() {
        return Err(ApiError::new(Code::SessionBusy, "the event has not ended: it can be run again once it has"));
    }
    let input = input(&call, &receipt).await?.ok_or_else(unknown)?;
    let subject = format!("event.{receipt}");
    let sending = async {
        let event = again(input);
        Submission::to(&call.door, receipt.session.clone(), event, key.as_ref(), &call.headers).send(&call.door).await
    };
    let accepted = audit::on_record(&call.door, &call.caller.who(), Deed::of("event.rerun", &subject), sending).await?;
    give(&json!({ "id": accepted.receipt.to_string(), "session": accepted.receipt.session.token }))
}

/// What an event said, as its turn took it in.
async fn input(call: &Call, receipt: &Receipt) -> Result<Option<wire::Input>, ApiError> {
    let mut found = None;
    journal::walk(&call.door.client, &receipt.session, 0, |entry| {
        if entry.record.event == receipt.event {
            found = entry.record.input().cloned();
        }
        found.is_none()
    })
    .await
    .map_err(unreadable)?;
    Ok(found)
}

fn again(input: wire::Input) -> event::Event {
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    event::Event {
        text: present(input.text),
        payload: input.payload,
        content_type: present(input.content_type),
        session: present(input.session),
        contact: input.contact.map(Contact::from).unwrap_or_default(),
        direct: input.direct,
        ..event::Event::default()
    }
}
