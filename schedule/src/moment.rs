//! How far away a single moment is, as callers write it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::zone;

/// A length of time: a number of milliseconds, or a text such as `90s`, `5m` or `1h 30m`.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_millis);
    }
    humantime::parse_duration(text).ok()
}

/// An instant in milliseconds since 1970: such a number, or an ISO 8601 time, which without an offset is read in `zone`.
pub fn instant_ms(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok();
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at.as_millisecond());
    }
    let wall: DateTime = text.parse().ok()?;
    zone::first_instant(zone, wall).map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::tz::TimeZone;

    use super::{duration, instant_ms};

    #[test]
    fn lengths_are_milliseconds_or_have_their_unit() {
        for (text, expected) in [("1500", Some(1_500)), (" 2s ", Some(2_000)), ("1h 30m", Some(5_400_000)), ("0", Some(0))] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text}");
        }
        for text in ["", "-1", "1.5", "soon", "99999999999999999999", "1e3"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_milliseconds_or_times() {
        let berlin = crate::zone::parse("Europe/Berlin").unwrap();
        assert_eq!(instant_ms("1700000000000", &TimeZone::UTC), Some(1_700_000_000_000));
        assert_eq!(instant_ms("2023-11-14T22:13:20Z", &berlin), Some(1_700_000_000_000));
        assert_eq!(instant_ms("2023-11-14T23:13:20", &berlin), Some(1_700_000_000_000));
        assert_eq!(instant_ms("2023-11-14T23:13:20+01:00", &TimeZone::UTC), Some(1_700_000_000_000));
        for text in ["", "tomorrow", "2023-13-01T00:00", "-5"] {
            assert_eq!(instant_ms(text, &TimeZone::UTC), None, "{text}");
        }
    }
}
