//! Which conversation a turn belongs to: pure.
//!
//! A conversation lasts a fixed time from the event that opened it. Only the broker's timestamps
//! are compared, never a worker's clock.

use std::time::Duration;

use proto::id::EventSeq;
use proto::record::Conversation;

/// The event that the turn is about.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Its place.
    pub event: EventSeq,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: i64,
    /// The fence of the turn's first record: a conversation opened here begins behind it.
    pub fence: u64,
}

/// The conversation of a turn whose event is for a certain one: it must be the last, however long it lasts.
pub fn named(last: Option<Conversation>, opening: EventSeq) -> Option<Conversation> {
    last.filter(|last| last.opening == opening).map(|last| Conversation { turn: last.turn + 1, ..last })
}

/// The conversation of the next turn, after the one of the last turn.
pub fn next(last: Option<Conversation>, arrival: Arrival, duration: Duration) -> Conversation {
    let lasts_ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match last {
        Some(last) if arrival.at_ms < last.opened_at_ms.saturating_add(lasts_ms) => Conversation { turn: last.turn + 1, ..last },
        _ => Conversation { opening: arrival.event, opened_at_ms: arrival.at_ms, base: arrival.fence, turn: 1, settings: 0 },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::id::{Epoch, EventSeq};

    use super::{Arrival, named, next};

    fn arrival(seq: u64, at_ms: i64) -> Arrival {
        Arrival { event: EventSeq { epoch: Epoch::from_second(1), seq }, at_ms, fence: seq * 10 }
    }

    #[test]
    fn the_window_is_fixed_from_the_opening_event() {
        let day = Duration::from_secs(1);
        let first = next(None, arrival(1, 500), day);
        let second = next(Some(first), arrival(2, 1_499), day);
        assert_eq!((second.opening.seq, second.turn, second.base), (1, 2, 10));
        let third = next(Some(second), arrival(3, 1_500), day);
        assert_eq!((third.opening.seq, third.turn, third.base), (3, 1, 30));
    }

    #[test]
    fn no_duration_means_no_reuse_even_within_a_millisecond() {
        let first = next(None, arrival(1, 500), Duration::ZERO);
        assert_eq!(next(Some(first), arrival(2, 500), Duration::ZERO).opening.seq, 2);
    }

    #[test]
    fn an_event_for_a_conversation_goes_on_with_it_as_long_as_it_is_the_last() {
        let first = next(None, arrival(1, 500), Duration::ZERO);
        assert_eq!(named(Some(first), first.opening).map(|conversation| conversation.turn), Some(2));
        assert_eq!(named(Some(first), arrival(2, 0).event), None);
        assert_eq!(named(None, first.opening), None);
    }
}
