//! One page of a conversation, taken while its records pass by.

use std::collections::VecDeque;

use backbone::journal::Entry;
use proto::id::{EventSeq, SessionKey};
use proto::limit::TAKE_MAX;
use proto::message::{self, Message};

use crate::api_error::ApiError;
use crate::place::Place;
use crate::query;

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
    /// Reads `cursor`, `order` and `take`; a number outside 1 to 100 is brought to the nearer end.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let value = |name: &'static str| query::first(query, name).map(Result::unwrap_or_default).filter(|text| !text.is_empty());
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
    messages: VecDeque<Message>,
}

impl Page {
    /// An empty page of the conversation that an event opened.
    pub(super) fn new(opening: EventSeq, wanted: Wanted) -> Self {
        Self { opening, wanted, exists: false, messages: VecDeque::new() }
    }

    /// Takes what a record has for this page; whether the next record may have more.
    pub(super) fn visit(&mut self, session: &SessionKey, entry: &Entry) -> bool {
        if entry.record.conversation.opening != self.opening {
            return !self.exists;
        }
        self.exists = true;
        let messages = message::of(session, entry.seq, entry.at_ms, &entry.record);
        messages.into_iter().enumerate().all(|(index, message)| self.take(Place { seq: entry.seq, index }, message))
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
    pub(super) fn items(self) -> Option<Vec<Message>> {
        let items = self.messages.into_iter();
        self.exists.then(|| match self.wanted.order {
            Order::Ascending => items.collect(),
            Order::Descending => items.rev().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
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
        let session: SessionKey = "t.s".parse().unwrap();
        let mut page = Page::new(event(2), Wanted::parse(Some(query)).unwrap());
        let log = [entry(1, 1), entry(2, 2), entry(3, 2), entry(4, 2), entry(5, 5)];
        log.iter().all(|entry| page.visit(&session, entry));
        let found = page.items().map(|items| items.into_iter().map(|message| message.id).collect::<Vec<_>>().join(" "));
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

    #[test]
    fn another_conversation_has_no_page() {
        let mut page = Page::new(event(9), Wanted::parse(None).unwrap());
        assert!(page.visit(&"t.s".parse().unwrap(), &entry(1, 1)));
        assert_eq!(page.items(), None);
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
