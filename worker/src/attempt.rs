//! Counting attempts at an event: pure.
//!
//! An event's attempts are counted in the log, never by the broker, whose count is inflated by
//! deliveries that were put off. A turn is counted unless it is certain that nobody tried before.

use backbone::bug::{self, Bug};
use proto::limit::ATTEMPTS_MAX;
use proto::record::{Record, Step};

/// Which attempt to record before the first turn of a drain; none where it is certainly the first.
pub fn before_first_turn(is_first_turn_of_drain: bool, has_first_delivery: bool) -> Option<u32> {
    (is_first_turn_of_drain && !has_first_delivery).then_some(1)
}

/// Which attempt going on with an open turn is.
pub fn on_resume(last: &Record) -> u32 {
    match last.step {
        Some(Step::Checkpoint(_)) => last.attempt,
        _ if bug::is(Bug::AttemptsNotCounted) => last.attempt,
        _ => last.attempt + 1,
    }
}

/// Whether an attempt that this worker has on record is one too many.
pub fn is_spent(attempt: u32) -> bool {
    attempt > ATTEMPTS_MAX
}
