//! A part of a turn that may take long, and what may end it early.

use std::pin::pin;
use std::time::Duration;

use proto::resource::Busy;
use tokio::time::Instant;

use super::hear::Cancel;
use super::turn::Open;
use super::{Drain, Stop};

/// How a part of a turn ended.
pub(super) enum Attended<T> {
    /// By itself.
    Done(T),
    /// The turn is called off.
    Cancelled(Cancel),
    /// The turn's time is spent.
    Spent,
}

impl Drain<'_> {
    /// Runs a part of a turn up to the turn deadline, with an ear for answers from outside.
    pub(super) async fn attend<T>(&mut self, turn: &Open, part: impl Future<Output = T>) -> Result<Attended<T>, Stop> {
        let mailbox = self.mailbox;
        let by_events = turn.plan.trigger.busy == Busy::Interrupt;
        let time_left = turn.time_left();
        let spent_at = time_left.map(|left| Instant::now() + left);
        let mut part = pin!(part);
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                done = &mut part => return Ok(Attended::Done(done)),
                () = mailbox.disturbed(turn.event.seq, by_events) => {
                    if let Some(cancel) = Box::pin(self.hear(Some(turn))).await? {
                        return Ok(Attended::Cancelled(cancel));
                    }
                }
                () = tokio::time::sleep_until(spent_at.unwrap_or(deadline).min(deadline)) => {
                    return if spent_at.is_some_and(|at| at <= Instant::now()) { Ok(Attended::Spent) } else { Err(Stop::Drop("the turn deadline passed")) };
                }
            }
        }
    }
}

/// What is left of a bound in milliseconds, where there is one.
pub(super) fn left(bound_ms: u64, spent: Duration) -> Option<Duration> {
    (bound_ms > 0).then(|| Duration::from_millis(bound_ms).saturating_sub(spent))
}
