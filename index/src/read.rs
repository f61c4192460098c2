//! Lists in pages.
//!
//! A list is ordered by (creation, id). A reader goes on behind the last entry that it has, by that
//! entry's own place, so entries that arrive meanwhile are neither shown twice nor push others out;
//! an entry that is gone keeps its place for a while. One script finds the place and reads behind
//! it, so nothing moves in between.

use proto::id::{ContactId, ConversationId};
use proto::resource::contact::Card;
use serde::de::DeserializeOwned;

use crate::bound::{PAGE_READ_MAX, SCAN_ENTRIES_MAX, SEARCH_CONVERSATIONS_MAX};
use crate::contact;
use crate::entry::{Approval, Conversation, Event, Item, State};
use crate::filter::{Conversations, Items};
use crate::key;
use crate::store::{Source, Store};

mod page;
mod pulse;
mod usage;

pub use page::Error;
use page::{Page, Row};
pub use pulse::{Point, Pulse};
pub use usage::{Day, Sums};

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Behind this entry; none from the beginning.
    pub cursor: Option<String>,
    /// In which direction.
    pub order: Order,
    /// How many.
    pub take: usize,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Part<T> {
    /// The entries with their ids.
    pub items: Vec<(String, T)>,
    /// How many entries were looked at.
    pub searched: usize,
    /// Whether the bound on that was reached before the list ended or the part was full.
    pub is_cut: bool,
}

impl Store {
    /// Conversations.
    pub async fn conversations(&self, wanted: &Wanted, filter: &Conversations) -> Result<Part<Conversation>, Error> {
        let page = Page::of(wanted, Source::Log, key::CONVERSATIONS, filter.set()).within(filter.from_ms, filter.to_ms);
        let bound = if filter.words.is_some() { SEARCH_CONVERSATIONS_MAX } else { SCAN_ENTRIES_MAX };
        let parse = |row: Row| {
            let entry: Conversation = json(&row.value)?;
            let is_wanted = filter.is_exact() || row.id.parse::<ConversationId>().is_ok_and(|id| filter.wants(&id, &entry));
            is_wanted.then_some(entry)
        };
        self.scan(page, wanted.take, bound, parse).await
    }

    /// One conversation; none where the index does not know it.
    pub async fn conversation(&self, id: &str) -> Result<Option<Conversation>, Error> {
        Ok(self.entry(key::CONVERSATIONS, id).await?.and_then(|value| json(&value)))
    }

    /// The event log.
    pub async fn items(&self, wanted: &Wanted, filter: &Items) -> Result<Part<Item>, Error> {
        let page = Page::of(wanted, Source::Log, key::ITEMS, filter.set());
        self.scan(page, wanted.take, SCAN_ENTRIES_MAX, |row| json::<Item>(&row.value).filter(|item| filter.wants(item))).await
    }

    /// Events of a trigger that have begun.
    pub async fn events(&self, wanted: &Wanted, trigger: &str, state: Option<State>) -> Result<Part<Event>, Error> {
        let set = match state {
            // Most are, so they have no set of their own.
            None | Some(State::Completed) => key::of_trigger(key::EVENTS, trigger),
            Some(state) => key::of_status(state.name(), trigger),
        };
        let page = Page::of(wanted, Source::Log, key::EVENTS, set).placed(key::of_trigger(key::EVENTS, trigger));
        let is_wanted = |event: &Event| state.is_none_or(|state| event.state == state);
        self.scan(page, wanted.take, SCAN_ENTRIES_MAX, |row| json::<Event>(&row.value).filter(is_wanted)).await
    }

    /// One event; none where the index does not know it.
    pub async fn event(&self, receipt: &str) -> Result<Option<Event>, Error> {
        Ok(self.entry(key::EVENTS, receipt).await?.and_then(|value| json(&value)))
    }

    /// Several events, those that the index does not know as none.
    pub async fn known_events(&self, receipts: &[String]) -> Result<Vec<Option<Event>>, Error> {
        let found = self.entries(key::EVENTS, receipts).await?;
        Ok(found.into_iter().map(|value| value.and_then(|value| json(&value))).collect())
    }

    /// Calls that wait for somebody.
    pub async fn approvals(&self, wanted: &Wanted, filter: impl Fn(&str, &Approval) -> bool) -> Result<Part<Approval>, Error> {
        let page = Page::of(wanted, Source::Log, key::APPROVALS, key::all(key::APPROVALS));
        let parse = |row: Row| json::<Approval>(&row.value).filter(|approval| filter(&row.id, approval));
        self.scan(page, wanted.take, SCAN_ENTRIES_MAX, parse).await
    }

    /// Contacts, with their revisions in the bucket.
    pub async fn contacts(&self, wanted: &Wanted, filter: impl Fn(&Card) -> bool) -> Result<Part<(u64, Card)>, Error> {
        let page = Page::of(wanted, Source::Contacts, key::CONTACTS, key::all(key::CONTACTS));
        let parse = |row: Row| {
            let id: ContactId = row.id.parse().ok()?;
            contact::parse(id, &row.value).filter(|(_, card)| filter(card))
        };
        self.scan(page, wanted.take, SCAN_ENTRIES_MAX, parse).await
    }

    /// Reads on until the part is full, the list ends, or enough was looked at.
    async fn scan<T>(&self, mut page: Page, take: usize, bound: usize, parse: impl Fn(Row) -> Option<T>) -> Result<Part<T>, Error> {
        let mut part = Part { items: Vec::new(), searched: 0, is_cut: false };
        page.count = take.clamp(1, PAGE_READ_MAX);
        loop {
            let rows = page.read(self).await?;
            let is_end = rows.len() < page.count;
            for row in rows {
                part.searched += 1;
                page.cursor.clone_from(&row.id);
                let id = row.id.clone();
                if let Some(item) = parse(row) {
                    part.items.push((id, item));
                }
                if part.items.len() >= take {
                    return Ok(part);
                }
            }
            if is_end {
                return Ok(part);
            }
            if part.searched >= bound {
                part.is_cut = true;
                return Ok(part);
            }
            // Few were wanted so far: the next read may be a large one.
            page.count = PAGE_READ_MAX;
        }
    }
}

fn json<T: DeserializeOwned>(value: &[u8]) -> Option<T> {
    serde_json::from_slice(value).ok()
}
