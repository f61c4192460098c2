//! Sessions whose events wait for more than a worker: for a person, or for a trigger that stands still.
//!
//! They are told in Redis with the time until when, so that whoever decides on the number of workers
//! does not count them: another worker would change nothing. A hint, written twice a second at most.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::id::SessionKey;

use crate::desk::Desk;

/// How many are kept between two writes; past that some are counted as runnable.
const ASIDE_MAX: usize = 16_384;

/// What was put aside since the last write, and until when, in milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Aside(Mutex<BTreeMap<SessionKey, i64>>);

impl Aside {
    /// Puts a session aside until a time.
    pub(crate) fn put(&self, session: &SessionKey, until_ms: i64) {
        let mut aside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if aside.len() < ASIDE_MAX || aside.contains_key(session) {
            aside.insert(session.clone(), until_ms);
        }
    }

    fn take(&self) -> BTreeMap<SessionKey, i64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Desk {
    /// Puts a session aside for so long.
    pub(crate) fn put_aside(&self, session: &SessionKey, time: Duration) {
        let time_ms = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.aside.put(session, self.ports.clock.now_ms().saturating_add(time_ms));
    }
}

/// Tells what was put aside.
pub(crate) async fn tell(desk: &Desk) {
    let aside = desk.aside.take();
    if aside.is_empty() {
        return;
    }
    if let Err(silent) = desk.ports.leases.put_aside(&aside, desk.ports.clock.now_ms()).await {
        tracing::debug!(%silent, "sessions that wait are counted as runnable");
    }
}

#[cfg(test)]
mod tests {
    use super::{ASIDE_MAX, Aside};

    #[test]
    fn the_last_time_counts_and_there_is_an_end_of_room() {
        let aside = Aside::default();
        for number in 0..ASIDE_MAX + 5 {
            aside.put(&format!("t.s{number}").parse().unwrap(), 1);
        }
        aside.put(&"t.s0".parse().unwrap(), 2);
        let taken = aside.take();
        assert_eq!((taken.len(), taken.get(&"t.s0".parse().unwrap())), (ASIDE_MAX, Some(&2)));
        assert!(aside.take().is_empty());
    }
}
