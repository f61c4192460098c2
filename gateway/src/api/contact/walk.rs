//! Contacts in pages.

use proto::resource::Card;

use super::told;
use crate::api::indexed;
use crate::api::list::Item;
use crate::api::page::{self, Wanted};
use crate::api_error::ApiError;
use crate::door::Door;

/// One page of all contacts, from the index.
pub(super) async fn indexed(door: &Door, wanted: &Wanted) -> Result<Vec<Item>, ApiError> {
    let part = door.index.contacts(&indexed::page(wanted), |card| wanted.admits(&card.common.meta)).await;
    let part = part.map_err(|error| indexed::refusal(&error))?;
    Ok(part.items.into_iter().map(|(id, (revision, card))| (id, told::tell(&card, revision))).collect())
}

/// One page of those who are given.
pub(super) fn page(all: &[(u64, Card)], wanted: &Wanted) -> Vec<Item> {
    let admitted = all.iter().filter(|(_, card)| wanted.admits(&card.common.meta));
    let page = page::pick(admitted, wanted, |(_, card)| (card.common.created_at_ms, card.id.as_str()));
    page.into_iter().map(|(revision, card)| (card.id.to_string(), told::tell(card, *revision))).collect()
}
