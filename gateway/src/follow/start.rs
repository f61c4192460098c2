//! Where a follower begins.

use axum::http::{HeaderMap, Uri};
use backbone::journal::{self, Entry};
use proto::id::{ConversationId, EventSeq, Receipt};
use proto::record::Conversation;
use proto::status::Status;

use super::follower::committed;
use super::window::Window;
use crate::api_error::ApiError;
use crate::door::Door;
use crate::fetch::{self, unreadable};
use crate::place::Place;
use crate::{conversation, progress, query};

/// Where a follower begins.
#[derive(Debug)]
pub(super) struct Start {
    /// The log sequence after which to read.
    pub(super) read_from: u64,
    /// Behind what to tell.
    pub(super) after: Place,
    /// The last record of the session at the beginning, as its leader had it.
    pub(super) tip: u64,
    /// The last event that is known to have ended.
    pub(super) ended: Option<EventSeq>,
    /// The event whose turn stands open, where it is of what is followed.
    pub(super) open: Option<EventSeq>,
    /// Whether nothing comes behind the tip.
    pub(super) is_past: bool,
    /// How long it may go on, for a conversation.
    pub(super) window: Option<Window>,
}

/// What the caller was told already: `Last-Event-ID`, else `?after`.
pub(super) fn resumption(uri: &Uri, headers: &HeaderMap) -> Result<Option<Place>, ApiError> {
    let rule = "must be the id of something that was told, such as 12.0, or 0 for everything";
    if let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) {
        let place = value.to_str().ok().and_then(Place::parse);
        return place.map(Some).ok_or_else(|| ApiError::parameter("Last-Event-ID", rule));
    }
    match query::first(uri.query(), "after") {
        None => Ok(None),
        Some(text) => text.ok().as_deref().and_then(Place::parse).map(Some).ok_or_else(|| ApiError::parameter("after", rule)),
    }
}

impl Start {
    fn new(begins_after: u64, given: Option<Place>, last: Option<&Entry>) -> Self {
        Self {
            read_from: given.map_or(begins_after, |given| given.read_from().max(begins_after)),
            after: given.unwrap_or(Place { seq: 0, index: 0 }),
            tip: last.map_or(0, |last| last.seq),
            ended: last.map(|last| committed(&last.record)),
            open: None,
            is_past: false,
            window: None,
        }
    }

    /// The beginning, or what comes behind `given`, of a conversation; without it, only what is new.
    pub(super) async fn of_conversation(door: &Door, id: &ConversationId, given: Option<Place>) -> Result<Self, ApiError> {
        let last = journal::last_from_leader(&door.client, &id.session).await.map_err(unreadable)?;
        let last = last.ok_or_else(conversation::unknown)?;
        let given = given.unwrap_or_else(|| Place::behind(last.seq));
        if last.record.conversation.opening != id.event {
            let found = find(door, id).await?.ok_or_else(conversation::unknown)?;
            return Ok(Self { is_past: true, ..Self::new(found.base, Some(given), Some(&last)) });
        }
        let known = last.record.conversation;
        let start = Self::new(known.base, Some(given), Some(&last));
        Ok(Self { open: open(&last), window: Some(Window::of(&known)), ..start })
    }

    /// The beginning, or what comes behind `given`, of an event's turn.
    pub(super) async fn of_event(door: &Door, receipt: &Receipt, given: Option<Place>) -> Result<Self, ApiError> {
        let report = progress::of(&door.line, receipt).await.map_err(unreadable)?;
        if report.status == Status::Expired {
            return Err(fetch::unknown());
        }
        let last = journal::last_from_leader(&door.client, &receipt.session).await.map_err(unreadable)?;
        let begins_after = match &last {
            None => 0,
            Some(last) if last.record.event == receipt.event && !last.record.is_idle() => last.record.base,
            Some(last) if committed(&last.record) >= receipt.event => first(door, receipt).await?,
            Some(last) => last.seq,
        };
        let start = Self::new(begins_after, given, last.as_ref());
        let is_past = start.ended.is_some_and(|ended| ended >= receipt.event);
        Ok(Self { is_past, open: last.as_ref().and_then(open), ..start })
    }
}

/// The event whose turn the last record leaves open.
fn open(last: &Entry) -> Option<EventSeq> {
    let is_open = !last.record.is_terminal() && !last.record.is_idle();
    is_open.then_some(last.record.event)
}

/// A conversation that is not the session's last.
async fn find(door: &Door, id: &ConversationId) -> Result<Option<Conversation>, ApiError> {
    let mut found = None;
    let visit = |entry: Entry| {
        found = Some(entry.record.conversation).filter(|conversation| conversation.opening == id.event);
        found.is_none()
    };
    journal::walk(&door.client, &id.session, 0, visit).await.map_err(unreadable)?;
    Ok(found)
}

/// The log sequence before the first record of an event that has ended.
async fn first(door: &Door, receipt: &Receipt) -> Result<u64, ApiError> {
    let mut before = 0;
    let visit = |entry: Entry| {
        let is_before = entry.record.event < receipt.event;
        if is_before {
            before = entry.seq;
        }
        is_before
    };
    journal::walk(&door.client, &receipt.session, 0, visit).await.map_err(unreadable)?;
    Ok(before)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{Start, resumption};
    use crate::place::Place;

    #[test]
    fn the_header_precedes_the_parameter() {
        let asked = |header: &str, uri: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", header.parse().unwrap());
            resumption(&uri.parse().unwrap(), &headers)
                .map_err(|error| error.field.unwrap().into_owned())
                .map(|place| place.map(|place| place.to_string()))
        };
        assert_eq!(asked("", "/x"), Ok(None));
        assert_eq!(asked("", "/x?after=12.0"), Ok(Some("12.0".into())));
        assert_eq!(asked("13", "/x?after=12.0"), Ok(Some("13".into())));
        assert_eq!(asked("x", "/x?after=12.0"), Err("Last-Event-ID".into()));
        for bad in ["", "x", "1.x", "-1", "%ff"] {
            assert_eq!(asked("", &format!("/x?after={bad}")), Err("after".into()), "{bad}");
        }
    }

    #[test]
    fn what_was_told_is_not_read_again_and_nothing_before_the_beginning_is() {
        for (begins_after, given, read_from) in
            [(5, None, 5), (5, Some("0"), 5), (5, Some("9.1"), 8), (5, Some("9"), 9), (5, Some("5.7"), 5)]
        {
            let start = Start::new(begins_after, given.and_then(Place::parse), None);
            assert_eq!(start.read_from, read_from, "{given:?}");
        }
    }
}
