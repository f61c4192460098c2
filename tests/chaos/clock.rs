//! The time of day, by which the broker's times and the callers' are compared: all run on one machine.

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "this is where the time enters")]
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
