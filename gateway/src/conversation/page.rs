//! One page of a conversation, taken while its records pass by.
//!
//! What was changed stands where it stood before, although its record lies behind all others.

use std::collections::{BTreeMap, VecDeque};

use backbone::journal::Entry;
use proto::id::{EventSeq, SessionKey};
use proto::limit::TAKE_MAX;
use proto::message::{self, Message};

use crate::api::page;
use crate::api_error::ApiError;
use crate::place::Place;

/// The direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// Which messages are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) cursor: Option<Place>,
    pub(super) order: Order,
    take: usize,
}

impl Wanted {
    /// All messages, the oldest first.
    pub(super) fn all() -> Self {
        Self { cursor: None, order: Order::Ascending, take: usize::MAX }
    }

    /// Takes over what a list is asked for.
    pub(super) fn of(wanted: &page::Wanted) -> Result<Self, ApiError> {
        let place = |text: &String| Place::of_message(text).ok_or_else(|| ApiError::parameter("cursor", "must be the id of a message"));
        let order = match wanted.order {
            page::Order::Ascending => Order::Ascending,
            page::Order::Descending => Order::Descending,
        };
        Ok(Self { cursor: wanted.cursor.as_ref().map(place).transpose()?, order, take: wanted.take.clamp(1, TAKE_MAX) })
    }

    /// Reads `cursor`, `order` and `take`; a number outside 1 to 100 is brought to the nearer end.
    #[cfg(test)]
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let value = |name: &'static str| crate::query::first(query, name).map(Result::unwrap_or_default).filter(|text| !text.is_empty());
        let cursor = value("cursor")
            .map(|text| Place::of_message(&text).ok_or_else(|| ApiError::parameter("cursor", "must be the id of a message")));
        let order = match value("order").as_deref() {
            None | Some("desc") => Order::Descending,
            Some("asc") => Order::Ascending,
            Some(_) => return Err(ApiError::parameter("order", "must be asc or desc")),
        };
        let take =
            value("take").map(|text| text.parse::<usize>().map_err(|_| ApiError::parameter("take", "must be a number from 1 to 100")));
        Ok(Self { cursor: cursor.transpose()?, order, take: take.transpose()?.map_or(TAKE_MAX, |take| take.clamp(1, TAKE_MAX)) })
    }
}

/// A page that fills.
#[derive(Debug)]
pub(super) struct Page {
    opening: EventSeq,
    wanted: Wanted,
    exists: bool,
    is_over: bool,
    /// The last change of each record some of whose messages were changed, until it was told.
    edits: BTreeMap<u64, Entry>,
    messages: VecDeque<Message>,
}

impl Page {
    /// An empty page of the conversation that an event opened.
    pub(super) fn new(opening: EventSeq, wanted: Wanted, edits: BTreeMap<u64, Entry>) -> Self {
        Self { opening, wanted, exists: !edits.is_empty(), is_over: false, edits, messages: VecDeque::new() }
    }

    /// Takes what a record has for this page; whether the next record may have more.
    pub(super) fn visit(&mut self, session: &SessionKey, entry: &Entry) -> bool {
        if entry.record.conversation.opening != self.opening {
            return !self.exists || entry.record.conversation.opening < self.opening;
        }
        self.exists = true;
        if entry.record.edited().is_some() {
            return true;
        }
        let is_changed = self.edits.contains_key(&entry.seq);
        if !self.catch_up(session, entry.seq) {
            return false;
        }
        is_changed || self.tell(session, entry)
    }

    /// Takes what was changed of records up to a place; whether there may be more.
    fn catch_up(&mut self, session: &SessionKey, upto: u64) -> bool {
        while let Some(first) = self.edits.first_entry().filter(|first| *first.key() <= upto) {
            let entry = first.remove();
            if !self.tell(session, &entry) {
                return false;
            }
        }
        true
    }

    fn tell(&mut self, session: &SessionKey, entry: &Entry) -> bool {
        let messages = message::of(session, entry.seq, entry.at_ms, &entry.record);
        let told = messages.into_iter().all(|message| Place::of_message(&message.id).is_none_or(|place| self.take(place, message)));
        self.is_over |= !told;
        told
    }

    fn take(&mut self, place: Place, message: Message) -> bool {
        let Wanted { cursor, order, take } = self.wanted;
        match order {
            Order::Ascending => {
                if cursor.is_none_or(|cursor| place > cursor) {
                    self.messages.push_back(message);
                }
                self.messages.len() < take
            }
            Order::Descending => {
                if cursor.is_some_and(|cursor| place >= cursor) {
                    return false;
                }
                if self.messages.len() == take {
                    self.messages.pop_front();
                }
                self.messages.push_back(message);
                true
            }
        }
    }

    /// The messages in the order asked for; `None` where no record is of this conversation.
    pub(super) fn items(mut self, session: &SessionKey) -> Option<Vec<Message>> {
        if !self.is_over {
            self.catch_up(session, u64::MAX);
        }
        let items = self.messages.into_iter();
        self.exists.then(|| match self.wanted.order {
            Order::Ascending => items.collect(),
            Order::Descending => items.rev().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use backbone::journal::Entry;
    use proto::id::{Epoch, EventSeq, SessionKey};
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::wire;

    use super::{Page, Wanted};

    fn event(seq: u64) -> EventSeq {
        EventSeq { epoch: Epoch::from_second(1), seq }
    }

    /// A turn with two messages, `<seq>.0` and `<seq>.1`.
    fn entry(seq: u64, opening: u64) -> Entry {
        let input = wire::Input { text: "q".into(), ..wire::Input::default() };
        let record = Record {
            id: RecordId([0; 16]),
            event: event(seq),
            cursor: seq,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening: event(opening), opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(Step::Completed(wire::Completed { input: Some(input), reply: "a".into(), ..wire::Completed::default() })),
        };
        Entry { seq, at_ms: 0, record }
    }

    fn check(query: &str, expected: Option<&str>) {
        check_with(&[], query, expected);
    }

    fn check_with(edits: &[(u64, Entry)], query: &str, expected: Option<&str>) {
        let session: SessionKey = "t.s".parse().unwrap();
        let mut page = Page::new(event(2), Wanted::parse(Some(query)).unwrap(), edits.iter().cloned().collect());
        let log = [entry(1, 1), entry(2, 2), entry(3, 2), entry(4, 2), entry(5, 5)];
        log.iter().all(|entry| page.visit(&session, entry));
        let found = page.items(&session).map(|items| items.into_iter().map(|message| message.id).collect::<Vec<_>>().join(" "));
        assert_eq!(found.as_deref(), expected, "{query}");
    }

    #[test]
    fn pages_follow_each_other_in_both_directions() {
        check("", Some("4.1 4.0 3.1 3.0 2.1 2.0"));
        check("take=2", Some("4.1 4.0"));
        check("take=3&cursor=4.0", Some("3.1 3.0 2.1"));
        check("cursor=2.0", Some(""));
        check("order=asc&take=3", Some("2.0 2.1 3.0"));
        check("order=asc&cursor=3.0&take=2", Some("3.1 4.0"));
        check("order=asc&cursor=4.1", Some(""));
        check("take=0", Some("4.1"));
        check("take=1000&order=desc&cursor=", Some("4.1 4.0 3.1 3.0 2.1 2.0"));
    }

    /// A change of the record at `of`: the first message goes, or both stay.
    fn edit(of: u64, is_gone: bool) -> (u64, Entry) {
        let note = |removed| wire::Note { r#type: "user".into(), removed, ..wire::Note::default() };
        let edited = wire::Edited { of, messages: vec![note(is_gone), note(false)], ..wire::Edited::default() };
        let mut entry = entry(9, 2);
        entry.record.step = Some(Step::Changed(wire::Changed { answer: None, what: Some(wire::changed::What::Edited(edited)) }));
        (of, entry)
    }

    #[test]
    fn what_was_changed_stays_in_its_place_in_both_directions() {
        // Of the record 3 the bytes are still there, those of 1 and 6 are gone.
        let edits = [edit(1, false), edit(3, true), edit(6, false)];
        check_with(&edits, "order=asc", Some("1.0 1.1 2.0 2.1 3.1 4.0 4.1 6.0 6.1"));
        check_with(&edits, "order=asc&take=3&cursor=2.1", Some("3.1 4.0 4.1"));
        check_with(&edits, "", Some("6.1 6.0 4.1 4.0 3.1 2.1 2.0 1.1 1.0"));
        check_with(&edits, "take=2&cursor=4.0", Some("3.1 2.1"));
        check_with(&edits, "take=2&cursor=6.1", Some("6.0 4.1"));
    }

    #[test]
    fn another_conversation_has_no_page() {
        let session: SessionKey = "t.s".parse().unwrap();
        let mut page = Page::new(event(9), Wanted::parse(None).unwrap(), BTreeMap::new());
        assert!(page.visit(&session, &entry(1, 1)));
        assert_eq!(page.items(&session), None);
    }

    #[test]
    fn a_parameter_that_cannot_be_used_is_named() {
        for (query, field) in
            [("cursor=x", "cursor"), ("cursor=1", "cursor"), ("order=up", "order"), ("take=all", "take"), ("take=-1", "take")]
        {
            assert_eq!(Wanted::parse(Some(query)).unwrap_err().field.as_deref(), Some(field));
        }
    }
}
