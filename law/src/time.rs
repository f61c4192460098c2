//! Schedules, moments and lengths of time, as callers and keepers write them.
//!
//! What parses ends: the next time is found in bounded steps, and lies strictly ahead.

use schedule::{Schedule, moment, zone};

use crate::split;

/// How many times in a row are asked for.
const TIMES: usize = 3;

/// A number of milliseconds since 1970 as text, a schedule, and a time zone.
pub fn holds(data: &[u8]) {
    let Some((from, rest)) = split::text(data) else { return };
    let Some((text, rest)) = split::text(rest) else { return };
    let Some((timezone, _)) = split::text(rest) else { return };
    for text in [from, text] {
        length(text);
    }
    if let Ok(zone) = zone::parse(timezone) {
        let _at = (moment::instant_ms(from, &zone), moment::instant_ms(text, &zone));
    }
    let Ok(schedule) = Schedule::parse(text, timezone) else { return };
    let Ok(mut at_ms) = from.trim().parse::<i64>() else { return };
    for _ in 0..TIMES {
        let Some(next_ms) = schedule.next_after(at_ms) else { return };
        assert!(next_ms > at_ms, "the next time lies ahead");
        assert!(!schedule.is_never());
        assert!(schedule.only_ms().is_none_or(|only_ms| only_ms == next_ms));
        at_ms = next_ms;
    }
}

fn length(text: &str) {
    let Some(length) = moment::duration(text) else { return };
    if let Ok(millis) = u64::try_from(length.as_millis()) {
        assert!(moment::duration(&millis.to_string()).is_some_and(|again| again.as_millis() == length.as_millis()));
    }
}
