//! Pages of the audit log, read from the stream itself.
//!
//! A page goes on behind a sequence, so it is right whatever is written meanwhile. Newest first is read
//! in windows from the end. Filters are applied here: one page looks at a bounded number of entries.
//! A page that is short for that goes on behind its last entry as any does; where nothing at all fits
//! among so many, the refusal names the cursor to go on with.

use backbone::direct::{self, Stored};
use proto::code::Code;
use proto::limit::READ_BATCH_MAX;
use proto::subject::{AUDIT, AUDIT_STREAM};
use serde_json::Value;

use super::{Entry, Who};
use crate::api::call::Call;
use crate::api::list::Item;
use crate::api::page::{Order, Wanted};
use crate::api_error::ApiError;
use crate::door::Door;

/// How many entries one page looks at.
const LOOKED_AT_MAX: u64 = 100_000;

/// What entries are asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    who: Option<String>,
    action: Option<String>,
    key: Option<String>,
    from_ms: Option<i64>,
    to_ms: Option<i64>,
}

impl Filter {
    /// Reads a query.
    pub(crate) fn parse(call: &Call) -> Result<Self, ApiError> {
        let time = |name: &'static str| -> Result<Option<i64>, ApiError> {
            let text = call.asked(name)?;
            let parsed = text.map(|text| text.parse().map_err(|_| ApiError::parameter(name, "must be milliseconds since 1970")));
            parsed.transpose()
        };
        Ok(Self {
            who: call.asked("who")?,
            action: call.asked("action")?,
            key: call.asked("key")?,
            from_ms: time("from")?,
            to_ms: time("to")?,
        })
    }

    fn admits(&self, at_ms: i64, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let action = self
            .action
            .as_deref()
            .is_none_or(|action| entry.action == action || (action.ends_with('.') && entry.action.starts_with(action)));
        let who = self.who.as_deref().is_none_or(|wanted| match &entry.who {
            Who::Config => wanted == "config",
            Who::Token { id, name } => wanted == id.as_str() || wanted == name,
            Who::Secret { trigger } | Who::Signature { trigger } => wanted == trigger.as_str(),
            Who::Anybody => wanted == "anybody",
        });
        who && action
            && is(&self.key, &entry.key)
            && self.from_ms.is_none_or(|from| at_ms >= from)
            && self.to_ms.is_none_or(|to| at_ms < to)
    }
}

/// A page of entries; their ids are their sequences.
pub(crate) async fn fetch(door: &Door, filter: &Filter, wanted: &Wanted) -> Result<Vec<Item>, ApiError> {
    let cursor = wanted.cursor.as_deref().map(str::parse::<u64>).transpose();
    let cursor = cursor.map_err(|_| ApiError::parameter("cursor", "must be the id of an entry"))?;
    let mut stream = door.context.get_stream(AUDIT_STREAM).await.map_err(|error| unreadable(&error))?;
    let state = stream.info().await.map_err(|error| unreadable(&error))?.state.clone();
    let (first, last) = (state.first_sequence.max(1), state.last_sequence);
    match wanted.order {
        Order::Ascending => ascending(door, filter, wanted, (cursor.map_or(first, |cursor| first.max(cursor + 1)), last)).await,
        Order::Descending => {
            descending(door, filter, wanted, (first, cursor.map_or(last, |cursor| last.min(cursor.saturating_sub(1))))).await
        }
    }
}

async fn ascending(door: &Door, filter: &Filter, wanted: &Wanted, (first, last): (u64, u64)) -> Result<Vec<Item>, ApiError> {
    let (mut found, mut at) = (Vec::new(), first);
    while at <= last && at - first < LOOKED_AT_MAX && found.len() < wanted.take {
        let window = window(door, at).await?;
        let Some(end) = window.last().map(|stored| stored.seq) else { break };
        found.extend(window.iter().filter_map(|stored| told(filter, stored)));
        at = end + 1;
    }
    finished(found, wanted, (at <= last).then(|| at - 1))
}

async fn descending(door: &Door, filter: &Filter, wanted: &Wanted, (first, last): (u64, u64)) -> Result<Vec<Item>, ApiError> {
    let (mut found, mut end) = (Vec::new(), last);
    while end >= first && last - end < LOOKED_AT_MAX && found.len() < wanted.take {
        let start = first.max((end + 1).saturating_sub(READ_BATCH_MAX as u64));
        let window = window(door, start).await?;
        found.extend(window.iter().rev().filter(|stored| stored.seq <= end).filter_map(|stored| told(filter, stored)));
        end = start - 1;
    }
    finished(found, wanted, (end >= first).then_some(end + 1))
}

/// The page, unless nothing fits and there is more to look at, behind a cursor.
fn finished(mut found: Vec<Item>, wanted: &Wanted, behind: Option<u64>) -> Result<Vec<Item>, ApiError> {
    found.truncate(wanted.take);
    match behind {
        Some(cursor) if found.is_empty() => {
            let message = format!("none of {LOOKED_AT_MAX} entries fits: go on with cursor={cursor}");
            Err(ApiError { field: Some("cursor".into()), ..ApiError::new(Code::ParameterInvalid, message) })
        }
        _ => Ok(found),
    }
}

async fn window(door: &Door, from: u64) -> Result<Vec<Stored>, ApiError> {
    direct::batch(&door.client, AUDIT_STREAM, AUDIT, from, READ_BATCH_MAX).await.map_err(|error| unreadable(&error))
}

fn told(filter: &Filter, stored: &Stored) -> Option<Item> {
    let entry: Entry = serde_json::from_slice(&stored.body).ok()?;
    if !filter.admits(stored.at_ms, &entry) {
        return None;
    }
    let mut told = serde_json::to_value(&entry).ok()?;
    let object = told.as_object_mut()?;
    object.insert("id".to_owned(), Value::String(stored.seq.to_string()));
    object.insert("at".to_owned(), stored.at_ms.into());
    Some((stored.seq.to_string(), told))
}

fn unreadable(error: &impl ToString) -> ApiError {
    ApiError::unavailable("the audit log cannot be read", error)
}

#[cfg(test)]
mod tests {
    use super::super::{Entry, Outcome, Who};
    use super::Filter;

    #[test]
    fn a_filter_takes_what_all_of_it_fits() {
        let entry = Entry {
            who: Who::Token { id: "k1".parse().unwrap(), name: "CI".into() },
            action: "trigger.update".into(),
            key: "trigger.orders".into(),
            before: None,
            after: None,
            trace_id: None,
            outcome: Outcome::Begun,
            of: None,
            reason: None,
        };
        let text = |text: &str| Some(text.to_owned());
        for (filter, expected) in [
            (Filter::default(), true),
            (Filter { who: text("CI"), ..Filter::default() }, true),
            (Filter { who: text("k1"), key: text("trigger.orders"), ..Filter::default() }, true),
            (Filter { who: text("config"), ..Filter::default() }, false),
            (Filter { action: text("trigger."), ..Filter::default() }, true),
            (Filter { action: text("trigger"), ..Filter::default() }, false),
            (Filter { key: text("trigger.order"), ..Filter::default() }, false),
            (Filter { from_ms: Some(10), to_ms: Some(11), ..Filter::default() }, true),
            (Filter { from_ms: Some(11), ..Filter::default() }, false),
            (Filter { to_ms: Some(10), ..Filter::default() }, false),
        ] {
            assert_eq!(filter.admits(10, &entry), expected, "{filter:?}");
        }
    }
}
