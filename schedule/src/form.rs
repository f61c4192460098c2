//! The forms in which a schedule is written.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::Fault;

/// The names and what each means on the wall clock.
const NAMED: [(&str, &str); 9] = [
    ("quarterhourly", "*/15 * * * *"),
    ("halfhourly", "*/30 * * * *"),
    ("hourly", "0 * * * *"),
    ("twicedaily", "0 0,12 * * *"),
    ("daily", "0 0 * * *"),
    ("twiceweekly", "0 0 * * 1,4"),
    ("weekly", "0 0 * * 1"),
    ("twicemonthly", "0 0 1,15 * *"),
    ("monthly", "0 0 1 * *"),
];
/// What a schedule may be, for whoever wrote another.
const RULE: &str = "must be never, quarterhourly, halfhourly, hourly, twicedaily, daily, twiceweekly, weekly, twicemonthly, monthly, \
                    five cron fields such as 30 7 * * 1-5, a time of day such as 07:30, or a date and time such as 2027-03-01T07:30";
/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// From here to the year 5000, where cron ends, lie 28 years without a century: each calendar that a year can have is among them.
/// A pattern that matches none of their days matches none at all, and is not looked for in three thousand years.
const CALENDARS: DateTime = DateTime::constant(4972, 1, 1, 0, 0, 0, 0);

/// What a text says.
pub(crate) enum Form {
    Never,
    /// Once, at an instant.
    Instant(Timestamp),
    /// Once, when the wall clock shows this.
    Wall(DateTime),
    /// Whenever the wall clock shows one of these.
    Recurring(Box<Cron>),
}

/// Reads a text.
pub(crate) fn read(text: &str) -> Result<Form, Fault> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        return Err(fault(format!("must be at most {TEXT_BYTES_MAX} bytes")));
    }
    if text.is_empty() || text.eq_ignore_ascii_case("never") {
        return Ok(Form::Never);
    }
    if let Some((_, pattern)) = NAMED.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
        return cron(pattern).map(Form::Recurring);
    }
    if let Some((hour, minute)) = time_of_day(text) {
        return cron(&format!("{minute} {hour} * * *")).map(Form::Recurring);
    }
    if text.split_whitespace().count() == 5 && !text.contains('@') {
        return cron(text).map(Form::Recurring);
    }
    if let Ok(at) = text.parse() {
        return Ok(Form::Instant(at));
    }
    text.parse().map(Form::Wall).map_err(|_| fault(RULE.to_owned()))
}

fn time_of_day(text: &str) -> Option<(u8, u8)> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u8>().ok()).flatten();
    let (hour, minute) = (number(hour)?, Some(minute).filter(|minute| minute.len() == 2).and_then(number)?);
    (hour < 24 && minute < 60).then_some((hour, minute))
}

fn cron(pattern: &str) -> Result<Box<Cron>, Fault> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let parsed = parser.parse(pattern).map_err(|error| fault(format!("has cron fields that cannot be used: {error}")))?;
    // A pattern such as the 30th of February would be asked for its next time for ever.
    match parsed.find_next_occurrence(&CALENDARS, true) {
        Ok(_) => Ok(Box::new(parsed)),
        Err(_) => Err(fault("has cron fields that no day ever matches".to_owned())),
    }
}

/// A date that no calendar has.
pub(crate) fn out_of_range() -> Fault {
    fault("must be a date between the years 1970 and 9999".to_owned())
}

fn fault(rule: String) -> Fault {
    Fault { field: "schedule", rule }
}
