//! Whether to send, and when again: pure.
//!
//! Invariant: a lane's parcels are finished in their order. Only the oldest one that is not finished
//! is sent; the last note of the lane and the lane's next parcel together say which one that is.

use std::time::Duration;

use crate::attempt::{Attempt, CLAIM, State};

/// For how long after its turn something is tried again, although further pauses would follow.
pub(crate) const GIVE_UP_AFTER: Duration = Duration::from_hours(24);
/// What a waiting parcel adds to the time of the one before it, so that it does not come first.
const BEHIND: Duration = Duration::from_secs(1);
/// When a parcel looks again whose predecessor nobody is known to try.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Longest pause that a destination may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What to do with a delivery of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing: it is finished.
    Finished,
    /// Send it; this is the attempt.
    Send(u32),
    /// Look again after so long.
    Later(Duration),
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken.
    Taken {
        /// The status; none where it has none.
        status: Option<u16>,
    },
    /// The destination wants nothing more.
    Gone {
        /// The status.
        status: u16,
    },
    /// It was not taken.
    Refused {
        /// The status; none where nobody answered.
        status: Option<u16>,
        /// How long the destination asks to wait.
        retry_after: Option<Duration>,
        /// What is said of it.
        error: String,
    },
}

/// From which sequence on the oldest unfinished parcel is looked for.
pub(crate) fn look_from(last: Option<&Attempt>) -> u64 {
    match last {
        Some(last) if last.state.is_final() => last.parcel + 1,
        Some(last) => last.parcel,
        None => 1,
    }
}

/// What to do with a parcel, given the lane's last note and its oldest unfinished parcel.
pub(crate) fn decide(mine: u64, last: Option<&Attempt>, head: Option<u64>, now_ms: i64) -> Decision {
    if mine < look_from(last) {
        return Decision::Finished;
    }
    let of_head = last.filter(|last| head == Some(last.parcel));
    let due_ms = of_head.and_then(|last| match last.state {
        State::Sending => Some(last.at_ms.saturating_add(millis(CLAIM))),
        State::Failed => last.next_at_ms,
        State::Delivered | State::GivenUp | State::Stopped | State::Removed => None,
    });
    let rest = Duration::from_millis(u64::try_from(due_ms.unwrap_or_default().saturating_sub(now_ms)).unwrap_or_default());
    if head != Some(mine) {
        return Decision::Later(if rest.is_zero() { LOOK_AGAIN } else { rest + BEHIND });
    }
    if rest.is_zero() { Decision::Send(of_head.map_or(1, |last| last.number.saturating_add(1))) } else { Decision::Later(rest) }
}

/// How long something is tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience<'a> {
    /// The pauses between attempts.
    pub(crate) pauses: &'a [Duration],
    /// How long it has waited for its end.
    pub(crate) waited: Duration,
    /// From 0 to 1: pauses are up to a fifth longer than they are set, so that what failed together
    /// does not come back together.
    pub(crate) spread: f64,
}

/// The note of an attempt that has ended.
pub(crate) fn after(begun: &Attempt, outcome: Outcome, patience: Patience<'_>, now_ms: i64) -> Attempt {
    let duration_ms = u64::try_from(now_ms.saturating_sub(begun.at_ms)).unwrap_or_default();
    let ended = Attempt { duration_ms, ..begun.clone() };
    match outcome {
        Outcome::Taken { status } => Attempt { state: State::Delivered, status, ..ended },
        Outcome::Gone { status } => {
            let error = Some("the destination wants nothing more".to_owned());
            Attempt { state: State::Stopped, status: Some(status), error, ..ended }
        }
        Outcome::Refused { status, retry_after, error } => {
            let ended = Attempt { status, error: Some(error), ..ended };
            let pause = usize::try_from(begun.number).ok().and_then(|number| patience.pauses.get(number.saturating_sub(1)));
            match pause {
                Some(pause) if patience.waited < GIVE_UP_AFTER => {
                    let pause = pause.mul_f64(1.0 + patience.spread.clamp(0.0, 1.0) / 5.0);
                    let pause = pause.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
                    Attempt { state: State::Failed, next_at_ms: Some(now_ms.saturating_add(millis(pause))), ..ended }
                }
                _ => Attempt { state: State::GivenUp, ..ended },
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Decision, GIVE_UP_AFTER, Outcome, Patience, after, decide, look_from};
    use crate::attempt::{Attempt, State};

    fn note(parcel: u64, attempt: u32, state: State, next_at_ms: Option<i64>) -> Attempt {
        Attempt { parcel, number: attempt, at_ms: 1_000, state, status: None, duration_ms: 0, error: None, next_at_ms }
    }

    fn refused(retry_after: Option<u64>) -> Outcome {
        Outcome::Refused { status: Some(503), retry_after: retry_after.map(Duration::from_secs), error: "e".into() }
    }

    fn patience(waited: Duration, spread: f64) -> Patience<'static> {
        const PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_mins(2)];
        Patience { pauses: &PAUSES, waited, spread }
    }

    #[test]
    fn only_the_oldest_unfinished_parcel_is_sent_and_only_when_it_is_due() {
        let failed = note(3, 2, State::Failed, Some(9_000));
        let sending = note(3, 2, State::Sending, None);
        let done = note(3, 1, State::Delivered, None);
        for (mine, last, head, now_ms, expected) in [
            (3, None, Some(3), 0, Decision::Send(1)),
            (5, None, Some(3), 0, Decision::Later(Duration::from_secs(2))),
            (3, Some(&failed), Some(3), 4_000, Decision::Later(Duration::from_secs(5))),
            (3, Some(&failed), Some(3), 9_000, Decision::Send(3)),
            (5, Some(&failed), Some(3), 4_000, Decision::Later(Duration::from_secs(6))),
            (5, Some(&failed), Some(3), 99_000, Decision::Later(Duration::from_secs(2))),
            (3, Some(&sending), Some(3), 11_000, Decision::Later(Duration::from_secs(10))),
            (3, Some(&sending), Some(3), 21_000, Decision::Send(3)),
            (3, Some(&done), Some(5), 0, Decision::Finished),
            (2, Some(&done), Some(5), 0, Decision::Finished),
            (5, Some(&done), Some(5), 0, Decision::Send(1)),
            // A parcel that was tried and is gone by age does not hold its successor up.
            (5, Some(&failed), Some(5), 0, Decision::Send(1)),
            // A replica that lags does not show the parcel yet.
            (5, Some(&done), None, 0, Decision::Later(Duration::from_secs(2))),
        ] {
            assert_eq!(decide(mine, last, head, now_ms), expected, "{mine} {last:?} {head:?} {now_ms}");
        }
    }

    #[test]
    fn pauses_grow_as_set_and_then_it_is_given_up() {
        let ended = |attempt, outcome, waited| after(&note(3, attempt, State::Sending, None), outcome, patience(waited, 0.0), 2_000);
        let zero = Duration::ZERO;
        for (attempt, next) in [(1, 7_000), (2, 32_000), (3, 122_000)] {
            let note = ended(attempt, refused(None), zero);
            assert_eq!((note.state, note.next_at_ms, note.duration_ms), (State::Failed, Some(next), 1_000));
        }
        assert_eq!(ended(4, refused(None), zero).state, State::GivenUp);
        assert_eq!(ended(1, refused(None), GIVE_UP_AFTER).state, State::GivenUp);
        assert_eq!(ended(1, refused(Some(60)), zero).next_at_ms, Some(62_000));
        assert_eq!(ended(1, refused(Some(1)), zero).next_at_ms, Some(7_000), "never sooner than set");
        assert_eq!(ended(1, refused(Some(u64::MAX)), zero).next_at_ms, Some(2_000 + 86_400_000));
        assert_eq!(ended(1, Outcome::Taken { status: Some(204) }, zero).state, State::Delivered);
        assert_eq!(ended(1, Outcome::Gone { status: 410 }, zero).state, State::Stopped);
    }

    proptest! {
        /// However deliveries come in, parcels are finished in their order, and all of them.
        #[test]
        fn order_holds_whatever_comes_first(
            deliveries in proptest::collection::vec((0usize..5, any::<bool>(), 0i64..40_000), 1..200),
        ) {
            let parcels = [2u64, 4, 5, 9, 11];
            let (mut last, mut now, mut finished): (Option<Attempt>, i64, Vec<u64>) = (None, 0, Vec::new());
            for (which, taken, pause) in deliveries {
                now += pause;
                let head = parcels.into_iter().find(|seq| *seq >= look_from(last.as_ref()));
                if let Decision::Send(attempt) = decide(parcels[which], last.as_ref(), head, now) {
                    let begun = Attempt { at_ms: now, ..note(parcels[which], attempt, State::Sending, None) };
                    let outcome = if taken { Outcome::Taken { status: Some(200) } } else { refused(None) };
                    let ended = after(&begun, outcome, patience(Duration::ZERO, 1.0), now);
                    if ended.state.is_final() {
                        finished.push(ended.parcel);
                    }
                    last = Some(ended);
                }
            }
            prop_assert_eq!(finished.as_slice(), &parcels[..finished.len()]);
        }
    }
}
