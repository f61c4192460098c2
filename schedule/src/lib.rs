//! When something happens by itself: pure, without a clock.
//!
//! A [`Schedule`] is what a trigger's keeper wrote, read in a time zone; it says which instant
//! comes next after any other. [`moment`] reads how far away a single event is.
//!
//! The time zones are built in, so that two machines never disagree about them.

pub mod moment;
pub mod zone;

mod form;

use croner::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::form::Form;

/// How many wall-clock times in a row are looked at for one that lies ahead: a day that a zone repeated has 1,440.
const WALL_STEPS_MAX: usize = 3_000;

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {rule}")]
pub struct Fault {
    /// The field: `schedule` or `timezone`.
    pub field: &'static str,
    /// What it must be.
    pub rule: String,
}

/// When something happens by itself.
#[derive(Debug, Clone)]
pub struct Schedule {
    zone: TimeZone,
    when: When,
}

#[derive(Debug, Clone)]
enum When {
    Never,
    Once(Timestamp),
    Recurring(Box<Cron>),
}

impl Schedule {
    /// Reads a schedule in an IANA time zone; an empty zone is UTC, an empty text never.
    pub fn parse(text: &str, timezone: &str) -> Result<Self, Fault> {
        let zone = zone::parse(timezone)?;
        let when = match form::read(text)? {
            Form::Never => When::Never,
            Form::Instant(at) => When::Once(at),
            Form::Wall(wall) => When::Once(zone::first_instant(&zone, wall).ok_or_else(form::out_of_range)?),
            Form::Recurring(cron) => When::Recurring(cron),
        };
        Ok(Self { zone, when })
    }

    /// The first instant strictly after another, both in milliseconds since 1970; none where there is no further one.
    pub fn next_after(&self, instant_ms: i64) -> Option<i64> {
        let after = Timestamp::from_millisecond(instant_ms).ok()?;
        match &self.when {
            When::Never => None,
            // Both in milliseconds: what lies ahead by less is the instant itself, and would come again for ever.
            When::Once(at) => Some(at.as_millisecond()).filter(|at_ms| *at_ms > instant_ms),
            When::Recurring(cron) => self.next_of(cron, after).map(Timestamp::as_millisecond),
        }
    }

    /// The only instant, where there is just one, in milliseconds since 1970.
    pub fn only_ms(&self) -> Option<i64> {
        match &self.when {
            When::Once(at) => Some(at.as_millisecond()),
            When::Never | When::Recurring(_) => None,
        }
    }

    /// Whether it never happens.
    pub fn is_never(&self) -> bool {
        matches!(self.when, When::Never)
    }

    /// Wall-clock times and their instants have one order, so the first that lies ahead is the next.
    fn next_of(&self, cron: &Cron, after: Timestamp) -> Option<Timestamp> {
        let mut wall: DateTime = self.zone.to_datetime(after);
        for _ in 0..WALL_STEPS_MAX {
            wall = cron.find_next_occurrence(&wall, false).ok()?;
            let at = zone::first_instant(&self.zone, wall)?;
            if at > after {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
