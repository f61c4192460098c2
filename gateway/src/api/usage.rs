//! What was taken: tokens, conversations, messages.

use std::sync::Arc;

use axum::response::Response;
use index::read::{Day, Sums};
use proto::code::Code;
use proto::resource::Scope;
use schemars::json_schema;
use serde_json::{Value, json};

use super::call::{Call, give};
use super::indexed::{self, between, bot, paged, refusal};
use super::list::{self, Item};
use super::operation::{Access, Answer, Form, Operation};
use super::page::{Wanted, pick};
use crate::api_error::ApiError;

const TAG: &str = "Usage";
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How many days are summed up where nobody says.
const DAYS_DEFAULT: i64 = 30;
/// The longest time that is summed up, in days.
const DAYS_MAX: i64 = 400;
/// What stands for everything.
const ALL: &str = "*";

/// The operations of the group.
pub(super) fn operations() -> Vec<Operation> {
    let fetched = Operation::get("fetchUsage", "/usage/fetch", READS, fetch)
        .says(TAG, "Fetch what was taken in a time")
        .more("Sums of whole days in UTC; the last 30 where nothing is said. What was erased stays in the sums.")
        .answers(Answer::Object(sums()));
    let of_bot = Operation::get("fetchBotUsage", "/bot/{id}/usage/fetch", READS, fetch_of_bot)
        .says(TAG, "Fetch what a bot took in a time")
        .answers(Answer::Object(sums_of_bot()))
        .refuses(&[Code::ResourceUnknown]);
    let series = Operation::get("fetchUsageSeries", "/usage/series/fetch", READS, series)
        .says(TAG, "Fetch what was taken, day by day")
        .answers(Answer::Object(points()));
    let listed = Operation::get("listUsage", "/usage/list", READS, list_all)
        .says(TAG, "List what was taken")
        .more("An item for each day, kind, and trigger, bot or model.")
        .answers(Answer::List(item()));
    let refuses = |operation: Operation| between(operation).refuses(&[Code::ParameterInvalid, Code::IndexAway, Code::IndexBuilding]);
    vec![refuses(fetched), refuses(of_bot), refuses(series), refuses(paged(listed))]
}

const READS: Access = Access::Scope(Scope::Read);

fn sums() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "tokens": { "type": "integer" }, "conversations": { "type": "integer" }, "messages": { "type": "integer" },
                "calls": { "type": "integer" }, "turns": { "type": "integer" }, "failures": { "type": "integer" }, "costMicroUsd": { "type": "integer" },
                "database": { "type": "object" }
            },
            "required": ["tokens", "conversations", "messages", "database"]
        })
    };
    let database = json!({ "datasets": 0, "records": 0, "skillsets": 1, "abilities": 3, "files": 0, "users": 0 });
    Form {
        schema,
        example: json!({ "tokens": 310, "conversations": 1, "messages": 2, "calls": 0, "turns": 1, "failures": 0, "costMicroUsd": 0, "database": database }),
    }
}

fn sums_of_bot() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "tokens": { "type": "integer" }, "conversations": { "type": "integer" }, "messages": { "type": "integer" },
                "calls": { "type": "integer" }, "turns": { "type": "integer" }, "failures": { "type": "integer" }, "costMicroUsd": { "type": "integer" }
            },
            "required": ["tokens", "conversations", "messages"]
        })
    };
    Form {
        schema,
        example: json!({ "tokens": 310, "conversations": 1, "messages": 2, "calls": 0, "turns": 1, "failures": 0, "costMicroUsd": 0 }),
    }
}

fn points() -> Form {
    let schema = |_: &mut _| {
        let point = json!({
            "type": "array",
            "items": { "type": "object", "properties": { "date": { "type": "integer" }, "total": { "type": "integer" } }, "required": ["date", "total"] }
        });
        json_schema!({
            "type": "object",
            "properties": { "tokens": &point, "conversations": &point, "messages": &point },
            "required": ["tokens", "conversations", "messages"]
        })
    };
    let point = json!([{ "date": 1_790_000_000_000_i64, "total": 2 }]);
    Form { schema, example: json!({ "tokens": point, "conversations": point, "messages": point }) }
}

fn item() -> Form {
    let schema = |_: &mut _| {
        json_schema!({
            "type": "object",
            "properties": {
                "id": { "type": "string" }, "type": { "type": "string" }, "count": { "type": "integer" }, "name": { "type": "string" }, "meta": { "type": "object" },
                "botId": { "type": "string" }, "triggerIntegrationId": { "type": "string" }, "model": { "type": "string" },
                "createdAt": { "type": "integer" }, "updatedAt": { "type": "integer" }
            },
            "required": ["id", "type", "count", "createdAt", "updatedAt"]
        })
    };
    let example = json!({ "id": "20717.b.support.token", "type": "token", "count": 310, "name": "token", "meta": {}, "botId": "support", "createdAt": 1_789_948_800_000_i64, "updatedAt": 1_789_948_800_000_i64 });
    Form { schema, example }
}

/// The days that are asked for.
async fn days(call: &Call) -> Result<(i64, i64), ApiError> {
    let to = match indexed::time(call, "to")? {
        Some(to) => to,
        None => call
            .door
            .clock
            .now_ms(&call.door.client)
            .await
            .ok_or_else(|| ApiError::unavailable("the broker's clock cannot be read", &"no answer"))?,
    };
    let to = to.div_euclid(DAY_MS);
    let from = indexed::time(call, "from")?.map_or(to - DAYS_DEFAULT + 1, |from| from.div_euclid(DAY_MS));
    if from > to {
        return Err(ApiError::parameter("from", "must not lie behind `to`"));
    }
    Ok((from.max(to - DAYS_MAX + 1), to))
}

async fn read(call: &Call, dimension: Option<&str>) -> Result<Vec<Day>, ApiError> {
    let (from, to) = days(call).await?;
    call.door.index.usage(from, to, dimension).await.map_err(|error| refusal(&error))
}

fn total(days: &[Day]) -> Sums {
    days.iter().flat_map(|day| day.sums.values()).fold(Sums::default(), |sums, day| sums.plus(*day))
}

fn shown(sums: Sums) -> Value {
    json!({
        "tokens": sums.tokens(), "conversations": sums.conversations, "messages": sums.messages, "calls": sums.calls,
        "turns": sums.turns, "failures": sums.failures, "costMicroUsd": sums.cost_micro_usd,
    })
}

/// Sums over all triggers are for those who see all of them.
pub(super) fn admit(call: &Call) -> Result<(), ApiError> {
    if call.caller.is_limited() {
        return Err(ApiError::new(Code::TriggerForeign, "the token is limited to some triggers, and these are sums over all"));
    }
    Ok(())
}

async fn fetch(call: Call) -> Result<Response, ApiError> {
    admit(&call)?;
    let mut sums = shown(total(&read(&call, Some(ALL)).await?));
    let snapshot = call.door.directory.catalogue.snapshot();
    let abilities = |definition: &str| {
        serde_json::from_str::<Value>(definition).ok().map_or(0, |value| {
            value.as_array().map_or_else(|| value.get("abilities").and_then(Value::as_array).map_or(0, Vec::len), Vec::len)
        })
    };
    let abilities: usize = snapshot.skillsets.values().map(|skillset| abilities(&skillset.definition)).sum();
    if let Some(sums) = sums.as_object_mut() {
        let database =
            json!({ "datasets": 0, "records": 0, "skillsets": snapshot.skillsets.len(), "abilities": abilities, "files": 0, "users": 0 });
        sums.insert("database".into(), database);
    }
    give(&sums)
}

async fn fetch_of_bot(call: Call) -> Result<Response, ApiError> {
    admit(&call)?;
    let bot = bot(&call)?;
    give(&shown(total(&read(&call, Some(&format!("b.{bot}"))).await?)))
}

async fn series(call: Call) -> Result<Response, ApiError> {
    admit(&call)?;
    let days = read(&call, Some(ALL)).await?;
    let points = |of: fn(&Sums) -> u64| -> Vec<Value> {
        let point = |day: &Day| json!({ "date": day.day * DAY_MS, "total": day.sums.values().map(of).sum::<u64>() });
        days.iter().map(point).collect()
    };
    give(
        &json!({ "tokens": points(Sums::tokens), "conversations": points(|sums| sums.conversations), "messages": points(|sums| sums.messages) }),
    )
}

async fn list_all(call: Call) -> Result<Response, ApiError> {
    admit(&call)?;
    let items: Arc<Vec<(i64, String, Value)>> = Arc::new(read(&call, None).await?.iter().flat_map(items).collect());
    list::answer(&call, move |wanted: Wanted| {
        let items = Arc::clone(&items);
        async move {
            let page = pick(items.iter(), &wanted, |(at, id, _)| (*at, id.as_str()));
            Ok(page.into_iter().map(|(_, id, value)| (id.clone(), value.clone())).collect::<Vec<Item>>())
        }
    })
    .await
}

/// What is told of a day: each kind of each trigger, bot and model.
fn items(day: &Day) -> Vec<(i64, String, Value)> {
    let at = day.day * DAY_MS;
    let mut items = Vec::new();
    for (dimension, sums) in day.sums.iter().filter(|(dimension, _)| *dimension != ALL) {
        let Some((kind, id)) = dimension.split_once('.') else { continue };
        let name = match kind {
            "b" => "botId",
            "t" => "triggerIntegrationId",
            _ => "model",
        };
        let counts = [
            ("token", sums.tokens()),
            ("conversation", sums.conversations),
            ("message", sums.messages),
            ("call", sums.calls),
            ("costMicroUsd", sums.cost_micro_usd),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            let own = format!("{}.{dimension}.{what}", day.day);
            items.push((
                at,
                own.clone(),
                json!({ "id": own, "type": what, "count": count, "name": what, "meta": {}, name: id, "createdAt": at, "updatedAt": at }),
            ));
        }
    }
    items
}
