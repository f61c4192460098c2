//! Time zones, and what their changes do to a time on the wall.
//!
//! - A time that the clock jumps over happens at the jump: the first valid moment after it.
//! - A time that the clock shows twice happens once, the first time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};

use crate::Fault;

/// The zone of an IANA name; an empty one is UTC.
pub fn parse(name: &str) -> Result<TimeZone, Fault> {
    let name = name.trim();
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    let fault = || Fault {
        field: "timezone",
        rule: "must be a name of the IANA time zone database, such as Europe/Berlin, or empty for UTC".to_owned(),
    };
    TimeZoneDatabase::bundled().get(name).map_err(|_| fault())
}

/// The names of all zones that there are, in order.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    names
}

/// The instant of a time on the wall; none where it is outside all calendars.
pub(crate) fn first_instant(zone: &TimeZone, wall: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(wall).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(wall).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(wall).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            // By the later offset the time lies before the jump, by less than the jump is long.
            let before_jump = after.to_timestamp(wall).ok()?;
            zone.following(before_jump).next().map(|change| change.timestamp())
        }
    }
}
