//! Bounded waits.

use std::time::Duration;

use tokio::time::Instant;

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one look may take beyond the wait.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Looks until there is something, and fails the test where there is nothing in time.
pub async fn eventually<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        let looked = tokio::time::timeout_at(deadline + LOOK_MAX, look()).await;
        if let Some(found) = looked.unwrap_or_else(|_| panic!("{what}: a look hangs after {within:?}")) {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {within:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Looks for a time, and fails the test as soon as there is something.
pub async fn never<T: std::fmt::Debug>(what: &str, during: Duration, mut look: impl AsyncFnMut() -> Option<T>) {
    let deadline = Instant::now() + during;
    while Instant::now() < deadline {
        if let Some(found) = look().await {
            panic!("{what}: {found:?}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
