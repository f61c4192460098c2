use jiff::Timestamp;
use proptest::prelude::*;

use super::Schedule;

fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_millisecond()
}

/// The times that follow one another from an instant on, in UTC.
fn times(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = Schedule::parse(text, zone).unwrap_or_else(|fault| panic!("{text} {zone}: {fault}"));
    let mut at = ms(from);
    let mut found = Vec::new();
    while found.len() < count
        && let Some(next) = schedule.next_after(at)
    {
        assert!(next > at, "{text} {zone}: {next} is not after {at}");
        found.push(Timestamp::from_millisecond(next).unwrap().to_string());
        at = next;
    }
    found
}

fn check(text: &str, zone: &str, from: &str, expected: &[&str]) {
    assert_eq!(times(text, zone, from, expected.len()), expected, "{text} in {zone} from {from}");
}

#[test]
fn clocks_that_change_jump_no_time_and_repeat_none() {
    // The clock jumps from 02:00 to 03:00: what should happen in between happens at the jump.
    check("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    // It shows 02:30 twice: the first time counts.
    check("02:30", "Europe/Berlin", "2026-10-24T12:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    // Several times inside the jump are one.
    check(
        "*/20 2-3 * * *",
        "Europe/Berlin",
        "2026-03-28T22:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z", "2026-03-29T01:40:00Z"],
    );
    // An hourly schedule is one on the wall too: the hour that comes twice runs once.
    check("hourly", "Europe/Berlin", "2026-10-24T23:30:00Z", &["2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"]);
    // Asked within the second showing of the hour.
    check("45 2 * * *", "Europe/Berlin", "2026-10-25T01:15:00Z", &["2026-10-26T01:45:00Z"]);
    check("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]);
    check("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]);
    check("daily", "America/New_York", "2026-03-07T12:00:00Z", &["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"]);
    // Half an hour of change only: 02:00 becomes 02:30 in October, and back in April.
    check("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]);
    check("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]);
    // Midnight itself was jumped over, and shown twice, while Brazil still changed its clocks.
    check("daily", "America/Sao_Paulo", "2018-11-03T12:00:00Z", &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]);
    check("30 23 * * *", "America/Sao_Paulo", "2019-02-16T12:00:00Z", &["2019-02-17T01:30:00Z", "2019-02-18T02:30:00Z"]);
    // A zone without changes, at an odd distance.
    check("30 9 * * *", "Asia/Kolkata", "2026-03-28T12:00:00Z", &["2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"]);
    check("30 2 * * *", "UTC", "2026-03-28T12:00:00Z", &["2026-03-29T02:30:00Z", "2026-03-30T02:30:00Z"]);
    // A whole day was left out: its times happen when it would have begun.
    check("12:00", "Pacific/Apia", "2011-12-29T00:00:00Z", &["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]);
    // Single dates obey the same two rules.
    check("2026-03-29T02:30", "Europe/Berlin", "2026-01-01T00:00:00Z", &["2026-03-29T01:00:00Z"]);
    check("2026-10-25T02:30", "Europe/Berlin", "2026-01-01T00:00:00Z", &["2026-10-25T00:30:00Z"]);
}

#[test]
fn names_have_a_fixed_meaning_on_the_wall() {
    // 2026-11-24 is a Tuesday.
    let from = "2026-11-24T22:20:30Z";
    for (name, first, second) in [
        ("quarterhourly", "2026-11-24T22:30:00Z", "2026-11-24T22:45:00Z"),
        ("halfhourly", "2026-11-24T22:30:00Z", "2026-11-24T23:00:00Z"),
        ("hourly", "2026-11-24T23:00:00Z", "2026-11-25T00:00:00Z"),
        ("twicedaily", "2026-11-25T00:00:00Z", "2026-11-25T12:00:00Z"),
        ("daily", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z"),
        ("twiceweekly", "2026-11-26T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("Weekly", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
        ("twicemonthly", "2026-12-01T00:00:00Z", "2026-12-15T00:00:00Z"),
        ("monthly", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("7:05", "2026-11-25T07:05:00Z", "2026-11-26T07:05:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"),
        ("30 7 * * MON-FRI", "2026-11-25T07:30:00Z", "2026-11-26T07:30:00Z"),
    ] {
        check(name, "", from, &[first, second]);
    }
}

#[test]
fn a_date_happens_once_and_never_happens_never() {
    for text in ["2026-11-24T22:20:31Z", "2026-11-24T23:20:31+01:00", "2026-11-24 22:20:31", "2026-11-24T22:20:31"] {
        assert_eq!(times(text, "", "2026-11-24T22:20:30Z", 5), ["2026-11-24T22:20:31Z"], "{text}");
        assert_eq!(times(text, "", "2026-11-24T22:20:31Z", 5).len(), 0, "an instant is not after itself");
    }
    check("2026-11-25", "Asia/Kolkata", "2026-11-24T00:00:00Z", &["2026-11-24T18:30:00Z"]);
    for text in ["", " ", "never", "Never"] {
        assert!(Schedule::parse(text, "").unwrap().is_never());
        assert_eq!(times(text, "", "2026-11-24T00:00:00Z", 5).len(), 0);
    }
}

#[test]
fn each_fault_names_its_field() {
    for text in
        ["sometimes", "25:00", "7:5", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "@daily", "2026-02-30", "2026-11-24T25:00"]
    {
        assert_eq!(Schedule::parse(text, "").unwrap_err().field, "schedule", "{text}");
    }
    for zone in ["Mars/Olympus", "CET+1x", "../etc/passwd"] {
        assert_eq!(Schedule::parse("daily", zone).unwrap_err().field, "timezone", "{zone}");
    }
    assert!(Schedule::parse("sometimes", "").unwrap_err().to_string().contains("07:30"));
}

#[test]
fn a_date_between_two_milliseconds_happens_once_too() {
    for (text, zone) in [("2027-03-01T00:27:11.6663-01:00", ""), ("2027-03-01T02:27:11.6669", "Europe/Berlin")] {
        check(text, zone, "2026-11-24T00:00:00Z", &["2027-03-01T01:27:11.666Z"]);
        assert_eq!(Schedule::parse(text, zone).unwrap().next_after(ms("2027-03-01T01:27:11.666Z")), None, "{text}");
    }
}

/// In a thread of its own, so that one that looks for too long fails the test rather than holding it.
#[test]
fn what_never_happens_is_refused_at_once() {
    let (done, refused) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // What is to be a certain weekday in a month that is shorter is looked for day by day.
        for text in ["0 0 31 2,4,6,9,11 +", "0, 0 30 2 +", "0 0 31W 2,4,6,9,11 +1", "*/5 * 31 4 +2", "0 0 31 2,4,6,9,11 +SUN"] {
            let refused = Schedule::parse(text, "").is_err_and(|fault| fault.field == "schedule");
            done.send((text, refused)).unwrap();
        }
    });
    let found: Vec<_> = (0..5).map_while(|_| refused.recv_timeout(std::time::Duration::from_millis(700)).ok()).collect();
    assert!(found.len() == 5 && found.iter().all(|(_, refused)| *refused), "{found:?}");
}

#[test]
fn what_happens_in_few_years_is_found_from_any() {
    for (text, expected) in [
        ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
        ("0 0 29 2 +MON", "2044-02-29T00:00:00Z"),
        ("0 0 31 12 +SUN", "2028-12-31T00:00:00Z"),
        ("0 0 1 1 +1#1", "2029-01-01T00:00:00Z"),
    ] {
        check(text, "UTC", "2026-03-01T12:00:00Z", &[expected]);
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,40}", zone in ".{0,20}", at in any::<i64>()) {
        if let Ok(schedule) = Schedule::parse(&text, &zone) { prop_assert!(schedule.next_after(at).is_none_or(|next| next > at)); }
        if let Ok(schedule) = Schedule::parse(&text, "") { prop_assert!(schedule.next_after(at).is_none_or(|next| next > at)); }
    }

    #[test]
    fn what_is_next_is_next_for_every_instant_before_it(at in 1_500_000_000_i64..2_000_000_000, back in 1_i64..3_600, zone in 0..4_usize) {
        let zone = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"][zone];
        let schedule = Schedule::parse("*/15 0-4 * * *", zone).unwrap();
        let (at, before) = (at * 1_000, (at - back) * 1_000);
        let (next, earlier) = (schedule.next_after(at).unwrap(), schedule.next_after(before).unwrap());
        prop_assert!(next > at && earlier > before);
        prop_assert!(earlier == next || earlier <= at, "a time between two instants is neither's next");
    }
}
