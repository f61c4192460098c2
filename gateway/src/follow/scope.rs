//! What is followed, and what a record of the session is to that: pure.

use proto::id::{ConversationId, Receipt, SessionKey};
use proto::record::Record;

/// What is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scope {
    /// A conversation, to its end.
    Conversation(ConversationId),
    /// One event, to the end of its turn.
    Event(Receipt),
}

/// What a record is to a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Regard {
    /// It belongs to what is followed.
    Mine,
    /// It belongs to something else.
    Foreign,
    /// Nothing of what is followed comes any more.
    Past,
}

impl Scope {
    /// The session that it lies in.
    pub(super) fn session(&self) -> &SessionKey {
        match self {
            Self::Conversation(id) => &id.session,
            Self::Event(receipt) => &receipt.session,
        }
    }

    /// What a record of the session is to it.
    pub(super) fn regard(&self, record: &Record) -> Regard {
        match self {
            Self::Conversation(id) => {
                let opening = record.conversation.opening;
                match opening.cmp(&id.event) {
                    std::cmp::Ordering::Equal => Regard::Mine,
                    // A record before the first turn of a session has no conversation yet.
                    std::cmp::Ordering::Greater if opening.seq > 0 => Regard::Past,
                    _ => Regard::Foreign,
                }
            }
            // What stands between two turns is about an event that has ended.
            Self::Event(receipt) if record.event == receipt.event && !record.is_idle() => Regard::Mine,
            Self::Event(receipt) if record.event >= receipt.event => Regard::Past,
            Self::Event(_) => Regard::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::id::{Epoch, EventSeq};
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::wire;

    use super::{Regard, Scope};

    fn record(event: u64, opening: u64, step: Step) -> Record {
        let at = |seq| EventSeq { epoch: Epoch::from_second(1), seq };
        Record {
            id: RecordId([0; 16]),
            event: at(event),
            cursor: event,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening: at(opening), opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(step),
        }
    }

    #[test]
    fn a_conversation_ends_where_a_later_one_begins() {
        let scope = Scope::Conversation("cnv.t.s.00000001.5".parse().unwrap());
        let ended = || Step::Completed(wire::Completed::default());
        for (opening, expected) in [(3, Regard::Foreign), (5, Regard::Mine), (7, Regard::Past), (0, Regard::Foreign)] {
            assert_eq!(scope.regard(&record(8, opening, ended())), expected, "{opening}");
        }
    }

    #[test]
    fn an_event_is_past_once_anything_stands_behind_its_end() {
        let scope = Scope::Event("evt.t.s.00000001.5".parse().unwrap());
        let (ended, idle) = (|| Step::Completed(wire::Completed::default()), || Step::Received(wire::Received::default()));
        for (event, step, expected) in [
            (4, ended(), Regard::Foreign),
            (5, ended(), Regard::Mine),
            (5, idle(), Regard::Past),
            (4, idle(), Regard::Foreign),
            (6, ended(), Regard::Past),
        ] {
            assert_eq!(scope.regard(&record(event, 1, step)), expected, "{event}");
        }
    }
}
