//! What all lists have in common that are read from the index.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderValue;
use axum::response::Response;
use index::filter::MetaIs;
use index::read::{self, Part};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proto::code::Code;
use proto::id::{BotId, TriggerId};
use proto::idempotency::Key;
use serde_json::json;

use super::call::Call;
use super::operation::Operation;
use super::page::{Order, Wanted};
use crate::api_error::ApiError;

/// How a list may refuse that is read from the index.
pub(super) const REFUSALS: [Code; 4] = [Code::ParameterInvalid, Code::CursorUnknown, Code::IndexAway, Code::IndexBuilding];
/// The header that says how far a list with conditions looked.
const SEARCHED: &str = "cuepoint-searched";
/// How many ids one condition takes.
const IDS_MAX: usize = 64;

/// The page in the words of the index.
pub(super) fn page(wanted: &Wanted) -> read::Wanted {
    let order = if wanted.order == Order::Ascending { read::Order::Ascending } else { read::Order::Descending };
    read::Wanted { cursor: wanted.cursor.clone(), order, take: wanted.take }
}

/// The conditions on `meta` in the words of the index.
pub(super) fn metas(wanted: &Wanted) -> Vec<MetaIs> {
    wanted.meta.iter().map(|(path, value)| MetaIs { path: path.join("."), value: value.clone() }).collect()
}

/// Why a list cannot be shown.
pub(super) fn refusal(error: &read::Error) -> ApiError {
    let (code, message) = match error {
        read::Error::Away(_) => (Code::IndexAway, "lists cannot be read right now; everything else goes on".to_owned()),
        read::Error::Building { .. } => (Code::IndexBuilding, format!("lists cannot be read yet: {error}")),
        read::Error::Cursor => (Code::CursorUnknown, error.to_string()),
        read::Error::Foreign => (Code::Internal, error.to_string()),
    };
    let field = (code == Code::CursorUnknown).then(|| "cursor".into());
    ApiError { field, cause: Some(error.to_string()), ..ApiError::new(code, message) }
}

/// The ids of a condition, separated by commas.
pub(super) fn ids(call: &Call, name: &'static str) -> Result<Vec<String>, ApiError> {
    let Some(text) = call.asked(name)? else { return Ok(Vec::new()) };
    let ids: Vec<String> = text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    if ids.len() > IDS_MAX {
        return Err(ApiError { limit: Some(IDS_MAX), ..ApiError::parameter(name, "may name at most 64 ids") });
    }
    Ok(ids)
}

/// A time: milliseconds since 1970, or ISO 8601; a date is its first moment in UTC.
pub(super) fn time(call: &Call, name: &'static str) -> Result<Option<i64>, ApiError> {
    let Some(text) = call.asked(name)? else { return Ok(None) };
    let of_date = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let parsed = text.parse::<i64>().ok().or_else(|| text.parse::<Timestamp>().ok().or_else(of_date).map(Timestamp::as_millisecond));
    parsed.map(Some).ok_or_else(|| ApiError::parameter(name, "must be a time in ISO 8601, or in milliseconds since 1970"))
}

/// The bot that a path names, by id or `@alias`.
pub(super) fn bot(call: &Call) -> Result<BotId, ApiError> {
    let (named, snapshot) = (call.place("id"), call.door.directory.catalogue.snapshot());
    let found = match named.strip_prefix('@') {
        Some(alias) => snapshot.bots.values().find(|bot| bot.common.alias.as_deref() == Some(alias)),
        None => named.parse::<BotId>().ok().and_then(|id| snapshot.bots.get(&id)),
    };
    found.map(|bot| bot.id.clone()).ok_or_else(|| ApiError::new(Code::ResourceUnknown, "there is no such bot"))
}

/// The key that makes repeats of a call one, where it has one.
pub(super) fn key(call: &Call) -> Result<Option<Key>, ApiError> {
    let value = call.headers.get("Idempotency-Key").filter(|value| !value.is_empty());
    // What is no text fails as a key.
    Ok(value.map(|value| Key::parse(value.to_str().unwrap_or_default())).transpose()?)
}

/// Whether something of a trigger may be shown to the caller; what names none is for those who see all.
pub(super) fn sees(call: &Call, trigger: &str) -> bool {
    match trigger.parse::<TriggerId>() {
        Ok(trigger) => call.caller.sees(&trigger),
        Err(_) => !call.caller.is_limited(),
    }
}

/// How far a list looked, told in a header.
#[derive(Debug, Clone, Default)]
pub(super) struct Searched(Arc<AtomicUsize>);

impl Searched {
    /// Takes note of a part.
    pub(super) fn note<T>(&self, part: &Part<T>) {
        self.0.fetch_add(part.searched, Ordering::Relaxed);
    }

    /// Says it, with what else was looked at.
    pub(super) fn told(&self, mut response: Response, what: &str, more: &str) -> Response {
        let text = format!("{what}={}{more}", self.0.load(Ordering::Relaxed));
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(SEARCHED, value);
        }
        response
    }
}

/// Adds what every list takes.
pub(super) fn paged(operation: Operation) -> Operation {
    operation
        .query("cursor", json!({ "type": "string" }), "The id of the last item of the page before.")
        .query("order", json!({ "type": "string", "enum": ["asc", "desc"], "default": "desc" }), "Oldest or newest first.")
        .query("take", json!({ "type": "integer", "default": 100 }), "How many; brought to 1 to 100.")
}

/// Adds a condition by ids or words.
pub(super) fn by(operation: Operation, name: &'static str, description: &'static str) -> Operation {
    operation.query(name, json!({ "type": "string" }), description)
}

/// Adds a beginning and an end.
pub(super) fn between(operation: Operation) -> Operation {
    let operation = by(operation, "from", "Not before: ISO 8601, or milliseconds since 1970.");
    by(operation, "to", "Not after: ISO 8601, or milliseconds since 1970.")
}
