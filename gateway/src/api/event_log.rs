//! What happened: the event log.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use index::entry;
use index::filter::Items;
use index::read;
use proto::code::Code;
use proto::resource::Scope;
use proto::subject;
use schemars::{JsonSchema, json_schema};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::call::Call;
use super::format::Format;
use super::indexed::{self, Searched, by, metas, page, paged, refusal, sees};
use super::list::{self, Item};
use super::operation::{Access, Answer, Form, Operation};
use super::page::Wanted;
use crate::api_error::ApiError;

const TAG: &str = "Event log";
/// The columns of an export.
const COLUMNS: &[&str] =
    &["id", "type", "name", "conversationId", "botId", "contactId", "skillsetId", "abilityId", "triggerIntegrationId", "meta", "createdAt"];
/// How often a subscriber's list is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After what silence a subscriber is told that all is well.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long one subscription lasts.
const SUBSCRIBED_MAX: Duration = Duration::from_hours(1);
/// How many earlier entries a subscriber may ask for.
const HISTORY_MAX: usize = 1_000;
/// How many entries one look takes.
const LOOK_ITEMS_MAX: usize = 100;

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let listed = Operation::get("listEventLogs", "/event/log/list", READS, |call| told(call, false))
        .says(TAG, "List what happened")
        .more("The newest 100,000 entries are kept.")
        .answers(Answer::List(form()));
    let exported = Operation::get("exportEventLogs", "/event/log/export", READS, |call| told(call, true))
        .says(TAG, "Export what happened")
        .answers(Answer::Export(form()));
    let subscribed = Operation::post("subscribeEventLog", "/event/log/subscribe", READS, subscribe)
        .says(TAG, "Follow what happens")
        .more("Ends after an hour; go on with a new call and historyLength.")
        .takes::<Subscribe>(json!({ "historyLength": 10 }))
        .answers(Answer::Lines(line()))
        .refuses(&[Code::FieldInvalid, Code::Unavailable, Code::IndexAway, Code::IndexBuilding]);
    vec![conditions(listed), conditions(exported), subscribed]
}

const READS: Access = Access::Scope(Scope::Read);

fn conditions(operation: Operation) -> Operation {
    let operation =
        by(paged(operation), "type", "Of these kinds, separated by commas, such as `integration.trigger.interact` or `action.fetch`.");
    let operation = by(operation, "conversationId", "Of a conversation.");
    let operation = by(operation, "botId", "Of a bot.");
    let operation = by(operation, "contactId", "Of a contact.");
    let operation = by(operation, "skillsetId", "Of a skillset.");
    let operation = by(operation, "abilityId", "Of an ability, by its name.");
    by(operation, "triggerIntegrationId", "Of a trigger.").refuses(&indexed::REFUSALS)
}

/// What a subscriber asks for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Subscribe {
    /// How many of the newest entries are told first.
    #[schemars(range(max = 1_000))]
    history_length: usize,
}

fn form() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" },
                "type": { "type": "string" },
                "name": { "type": "string" },
                "description": { "type": "string" },
                "meta": { "type": "object" },
                "conversationId": { "type": "string" },
                "botId": { "type": "string" },
                "contactId": { "type": "string" },
                "skillsetId": { "type": "string" },
                "abilityId": { "type": "string" },
                "triggerIntegrationId": { "type": "string" },
                "createdAt": { "type": "integer", "description": "Milliseconds since 1970." },
                "updatedAt": { "type": "integer", "description": "Milliseconds since 1970." }
            },
            "required": ["id", "type", "meta", "createdAt", "updatedAt"]
        })
    };
    Form { schema, example: example() }
}

fn line() -> Form {
    let schema = |_: &mut _| json_schema!({ "type": "object", "properties": { "type": { "type": "string" }, "data": { "type": "object" } }, "required": ["type", "data"] });
    Form { schema, example: json!({ "type": "item", "data": example() }) }
}

fn example() -> Value {
    json!({
        "id": "l00000000002a000", "type": "integration.trigger.interact", "name": "integration.trigger.interact", "description": "",
        "conversationId": "cnv.orders.k1f3.6a1b2c3d.42", "botId": "support", "triggerIntegrationId": "orders",
        "meta": { "event": "evt.orders.k1f3.6a1b2c3d.42", "status": "completed", "attempts": 1, "duration": 840 },
        "createdAt": 1_790_000_000_000_i64, "updatedAt": 1_790_000_000_000_i64
    })
}

fn filter(call: &Call) -> Result<Items, ApiError> {
    Ok(Items {
        kinds: indexed::ids(call, "type")?,
        conversation: call.asked("conversationId")?,
        trigger: call.asked("triggerIntegrationId")?,
        bot: call.asked("botId")?,
        contact: call.asked("contactId")?,
        skillset: call.asked("skillsetId")?,
        ability: call.asked("abilityId")?,
        meta: metas(&Wanted::parse(call.uri.query())?),
    })
}

async fn told(call: Call, is_export: bool) -> Result<Response, ApiError> {
    let (searched, filter, call) = (Searched::default(), Arc::new(filter(&call)?), Arc::new(call));
    let (noted, given) = (searched.clone(), Arc::clone(&call));
    let fetch = move |wanted: Wanted| {
        let (noted, filter, call) = (noted.clone(), Arc::clone(&filter), Arc::clone(&given));
        async move {
            let part = call.door.index.items(&page(&wanted), &filter).await.map_err(|error| refusal(&error))?;
            noted.note(&part);
            Ok(part.items.into_iter().filter(|(_, item)| sees(&call, &item.trigger)).map(shown).collect())
        }
    };
    let response = if is_export { list::export(&call, COLUMNS, fetch).await? } else { list::answer(&call, fetch).await? };
    Ok(searched.told(response, "entries", ""))
}

fn shown((id, item): (String, entry::Item)) -> Item {
    let mut meta = item.meta;
    meta.insert("event".into(), item.receipt.into());
    let mut shown = json!({
        "id": id, "type": item.kind, "name": item.kind, "description": "", "meta": meta,
        "conversationId": item.conversation, "createdAt": item.at_ms, "updatedAt": item.at_ms,
    });
    if let Some(shown) = shown.as_object_mut() {
        let trigger = if item.trigger == subject::DIRECT { String::new() } else { item.trigger };
        let known = [
            ("botId", item.bot),
            ("contactId", item.contact),
            ("skillsetId", item.skillset),
            ("abilityId", item.ability),
            ("triggerIntegrationId", trigger),
        ];
        shown.extend(known.into_iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| (name.to_owned(), id.into())));
    }
    (id, shown)
}

/// Somebody who follows the event log.
struct Subscriber {
    call: Call,
    cursor: Option<String>,
    /// What has to be told, the next one last.
    pieces: Vec<Bytes>,
    until: Instant,
    ping: Instant,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

async fn subscribe(call: Call) -> Result<Response, ApiError> {
    let asked: Subscribe = if call.body.is_empty() { Subscribe::default() } else { call.json()? };
    if asked.history_length > HISTORY_MAX {
        return Err(ApiError { limit: Some(HISTORY_MAX), ..ApiError::field("historyLength", "must be at most 1000") });
    }
    let place = Arc::clone(&call.door.followers).try_acquire_owned();
    let place = place.map_err(|_| ApiError::new(Code::Unavailable, "as many readers follow as may: try again later"))?;
    let take = asked.history_length.clamp(1, HISTORY_MAX);
    let newest = read::Wanted { cursor: None, order: read::Order::Descending, take };
    let newest = call.door.index.items(&newest, &Items::default()).await.map_err(|error| refusal(&error))?.items;
    let cursor = newest.first().map(|(id, _)| id.clone());
    let history = newest.into_iter().take(asked.history_length).filter(|(_, item)| sees(&call, &item.trigger));
    let pieces = history.map(|item| Format::Lines.piece("item", &shown(item).1)).collect();
    let now = Instant::now();
    let subscriber =
        Subscriber { call, cursor, pieces, until: now + SUBSCRIBED_MAX, ping: now + PING_EVERY, is_over: false, _place: place };
    let lines = stream::unfold(subscriber, |mut subscriber| async {
        let piece = subscriber.next().await?;
        Some((Ok::<_, Infallible>(piece), subscriber))
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(Format::Lines.content_type()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Subscriber {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(piece) = self.pieces.pop() {
                self.ping = Instant::now() + PING_EVERY;
                return Some(piece);
            }
            let now = Instant::now();
            if self.is_over || now >= self.until || self.call.door.shutdown.is_cancelled() {
                return None;
            }
            if now >= self.ping {
                self.pieces.push(Format::Lines.piece("ping", &json!({})));
                continue;
            }
            if !self.look().await {
                tokio::select! {
                    () = self.call.door.shutdown.cancelled() => return None,
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    /// Takes what has come; whether anything has.
    async fn look(&mut self) -> bool {
        let wanted = read::Wanted { cursor: self.cursor.clone(), order: read::Order::Ascending, take: LOOK_ITEMS_MAX };
        match self.call.door.index.items(&wanted, &Items::default()).await {
            Ok(part) => {
                let Some((last, _)) = part.items.last() else { return false };
                self.cursor = Some(last.clone());
                let news = part.items.into_iter().rev().filter(|(_, item)| sees(&self.call, &item.trigger));
                self.pieces = news.map(|item| Format::Lines.piece("item", &shown(item).1)).collect();
                true
            }
            Err(error) => {
                self.pieces = vec![Format::Lines.fault(&refusal(&error))];
                self.is_over = true;
                true
            }
        }
    }
}
