//! Times as whoever looks at them has them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use maud::{Markup, html};

/// The zone of a visitor, which their browser told by a cookie; UTC before.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    zone: TimeZone,
    now_ms: i64,
}

impl Zone {
    /// The zone of a name.
    pub(crate) fn of(name: Option<&str>, now_ms: i64) -> Self {
        let zone = name.and_then(|name| TimeZoneDatabase::bundled().get(name).ok());
        Self { zone: zone.unwrap_or(TimeZone::UTC), now_ms }
    }

    /// The time when the page is made.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// A time of day, with its date where it is another day; the whole of it when it is pointed at.
    pub(crate) fn time(&self, at_ms: i64) -> Markup {
        let Some((short, long, machine)) = self.words(at_ms) else { return html! { span.muted { "–" } } };
        html! { time datetime=(machine) title=(long) { (short) } }
    }

    /// A time of day alone, for charts.
    pub(crate) fn tick(&self, at_ms: i64, is_day: bool) -> String {
        let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone());
        at.strftime(if is_day { "%a %d" } else { "%H:%M" }).to_string()
    }

    /// When a day begins.
    pub(crate) fn begin_of(&self, day: Date) -> Option<i64> {
        Some(day.to_zoned(self.zone.clone()).ok()?.timestamp().as_millisecond())
    }

    /// The day of a time.
    pub(crate) fn day_of(&self, at_ms: i64) -> Option<Date> {
        Some(Timestamp::from_millisecond(at_ms).ok()?.to_zoned(self.zone.clone()).date())
    }

    fn words(&self, at_ms: i64) -> Option<(String, String, String)> {
        let at = Timestamp::from_millisecond(at_ms).ok().filter(|_| at_ms > 0)?;
        let (zoned, now) = (at.to_zoned(self.zone.clone()), Timestamp::from_millisecond(self.now_ms).ok()?.to_zoned(self.zone.clone()));
        let form = if zoned.date() == now.date() {
            "%H:%M:%S"
        } else if zoned.year() == now.year() {
            "%d %b %H:%M"
        } else {
            "%d %b %Y"
        };
        Some((zoned.strftime(form).to_string(), zoned.strftime("%A, %d %B %Y, %H:%M:%S%.3f %Z").to_string(), at.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::Zone;

    #[test]
    fn a_day_begins_where_the_visitor_is() {
        let zone = Zone::of(Some("Europe/Berlin"), 0);
        let day = "2026-09-21".parse().unwrap();
        assert_eq!(zone.begin_of(day), Some(1_789_941_600_000));
        assert_eq!((zone.day_of(1_789_941_600_000), zone.day_of(1_789_941_599_999)), (Some(day), day.yesterday().ok()));
    }

    #[test]
    fn a_time_is_as_short_as_it_can_be() {
        let now_ms = 1_790_000_000_000;
        for (zone, at_ms, expected) in [
            (None, now_ms, "14:13:20"),
            (Some("Europe/Berlin"), now_ms, "16:13:20"),
            (Some("no such zone"), now_ms, "14:13:20"),
            (None, now_ms - 86_400_000, "20 Sep 14:13"),
            (None, 1_690_000_000_000, "22 Jul 2023"),
            (None, 0, "–"),
            (None, i64::MAX, "–"),
        ] {
            let told = Zone::of(zone, now_ms).time(at_ms).into_string();
            assert!(told.contains(&format!(">{expected}<")), "{told}");
        }
    }
}
