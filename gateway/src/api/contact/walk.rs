//! All contacts, in one pass over their bucket.
//!
//! It holds no more than [`CONTACTS_MAX`]; past that a list says that it needs the index.

use std::time::Duration;

use async_nats::jetstream::kv::Operation;
use futures_util::StreamExt as _;
use proto::id::ContactId;
use proto::resource::Card;
use proto::subject::CONTACTS;

use super::told;
use crate::api::list::Item;
use crate::api::page::{self, Wanted};
use crate::api_error::ApiError;
use crate::door::Door;

/// How many contacts one pass takes in.
const CONTACTS_MAX: usize = 10_000;
/// How long it may take.
const WALK_DEADLINE: Duration = Duration::from_secs(10);

/// All contacts, with their revisions.
pub(super) async fn all(door: &Door) -> Result<Vec<(u64, Card)>, ApiError> {
    let walked = tokio::time::timeout(WALK_DEADLINE, walk(door)).await;
    let walked = walked.map_err(|_| ApiError::unavailable("the contacts cannot be read in time", &"no end of the bucket"))?;
    walked.map_err(|error| ApiError::unavailable("the contacts cannot be read", &error))
}

async fn walk(door: &Door) -> Result<Vec<(u64, Card)>, async_nats::Error> {
    let bucket = door.context.get_key_value(CONTACTS).await?;
    let mut found = Vec::new();
    if bucket.status().await?.values() == 0 {
        return Ok(found);
    }
    let mut entries = bucket.watch_with_history(">").await?;
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let is_last = entry.delta == 0;
        if let (Operation::Put, Ok(id)) = (entry.operation, entry.key.parse::<ContactId>())
            && let Ok(card) = Card::decode(id, entry.value)
        {
            found.push((entry.revision, card));
        }
        if is_last {
            break;
        }
        if found.len() >= CONTACTS_MAX {
            return Err(format!("there are more than {CONTACTS_MAX}, as many as are listed without the index").into());
        }
    }
    Ok(found)
}

/// One page of them.
pub(super) fn page(all: &[(u64, Card)], wanted: &Wanted) -> Vec<Item> {
    let admitted = all.iter().filter(|(_, card)| wanted.admits(&card.common.meta));
    let page = page::pick(admitted, wanted, |(_, card)| (card.common.created_at_ms, card.id.as_str()));
    page.into_iter().map(|(revision, card)| (card.id.to_string(), told::tell(card, *revision))).collect()
}
