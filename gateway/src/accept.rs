//! How long calls of events took, from their arrival to their receipts.
//!
//! A call adds one to a counter of this process and no more. What was counted is added to the
//! figures of all gateways in Redis every few seconds, in the background, and only where there is
//! something. With Redis or the broker's clock silent the counts of those seconds are lost: a
//! repeat could count them twice. Nothing is decided by them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use index::histogram::{BUCKETS, Histogram, bucket};

use crate::door::Door;

/// How often the counts are added up in Redis.
const ADD_EVERY: Duration = Duration::from_secs(5);
/// How long the last ones may take when the gateway stops.
pub(crate) const LAST_DEADLINE: Duration = Duration::from_secs(1);

/// What was measured and not added up yet.
#[derive(Debug)]
pub(crate) struct Accepts([AtomicU64; BUCKETS]);

impl Default for Accepts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Accepts {
    /// Counts a call that got its receipt.
    pub(crate) fn note(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.0.get(bucket(us)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes what was counted since the last time; none where nothing was.
    fn take(&self) -> Option<Histogram> {
        let counts = Histogram::from(self.0.each_ref().map(|count| count.swap(0, Ordering::Relaxed)));
        (counts != Histogram::default()).then_some(counts)
    }
}

/// Adds up until the shutdown. The last counts are those of [`add`], once all calls have ended.
pub(crate) async fn run(door: Arc<Door>) {
    loop {
        tokio::select! {
            biased;
            () = door.shutdown.cancelled() => return,
            () = tokio::time::sleep(ADD_EVERY) => {}
        }
        add(&door).await;
    }
}

/// Adds what was counted to the figures of all gateways.
pub(crate) async fn add(door: &Door) {
    let Some(counts) = door.accepts.take() else { return };
    let Some(now_ms) = door.clock.now_ms(&door.client).await else { return };
    if let Err(error) = door.index.note_accepts(now_ms, &counts).await {
        tracing::debug!(%error, "how long calls took in the last seconds is lost");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Accepts;

    #[test]
    fn what_was_taken_is_not_taken_again() {
        let accepts = Accepts::default();
        assert_eq!(accepts.take(), None);
        for took in [Duration::ZERO, Duration::from_micros(900), Duration::from_millis(1), Duration::MAX] {
            accepts.note(took);
        }
        let taken = accepts.take().unwrap();
        assert_eq!(taken.counts().collect::<Vec<_>>(), [(0, 1), (6, 2), (44, 1)]);
        assert_eq!(accepts.take(), None);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let accepts = Accepts::default();
        let counted = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..1_000).for_each(|_| accepts.note(Duration::from_millis(3))))).collect();
            let mut counted = 0;
            while calls.iter().any(|calls| !calls.is_finished()) {
                counted += accepts.take().map_or(0, |taken| taken.counts().map(|(_, count)| count).sum());
            }
            counted
        });
        let rest: u64 = accepts.take().map_or(0, |taken| taken.counts().map(|(_, count)| count).sum());
        assert_eq!(counted + rest, 4_000);
    }
}
