//! The time of day, for what a person starts by hand.

/// The seconds since 1970: a name for a new EVENTS stream.
#[expect(clippy::disallowed_methods, reason = "this is where a command's time enters")]
pub(crate) fn second() -> u32 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// The milliseconds since 1970: when resources are said to have been made or changed.
#[expect(clippy::disallowed_methods, reason = "this is where a command's time enters")]
pub(crate) fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
