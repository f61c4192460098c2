//! What becomes of a trigger's timer: pure.
//!
//! A time counts as missed once it is handled later than [`ALARM_TOLERANCE`]: then nothing ran.
//! Of all times that were missed at most one is made up for, and the next is counted from now.

use backbone::alarm;
use backbone::catalogue::Revised;
use proto::limit::{ALARM_TOLERANCE, CATCH_UP_MAX};
use proto::resource::{CatchUp, State, Trigger};
use proto::wire::Alarm;
use schedule::{Fault, Schedule};

/// What a time that has come means.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Whether the trigger fires.
    pub fires: bool,
    /// What its timer says from then on.
    pub next: Alarm,
}

/// Whether a timer was set by this schedule.
pub fn is_of(trigger: &Trigger, alarm: &Alarm) -> bool {
    trigger.schedule.as_deref() == Some(alarm.schedule.as_str()) && trigger.timezone.as_deref().unwrap_or_default() == alarm.timezone
}

/// The timer that a trigger must get; none where what it has is right, or a later version of it sees to that.
pub fn wanted(trigger: &Revised<Trigger>, found: Option<&Alarm>, now_ms: i64) -> Result<Option<Alarm>, Fault> {
    let Some(schedule) = alarm::schedule(trigger)? else { return Ok(None) };
    if found.is_some_and(|found| is_of(trigger, found) || found.revision >= trigger.revision) {
        return Ok(None);
    }
    let due_ms = schedule.next_after(base(trigger, &schedule, now_ms)).unwrap_or_default();
    Ok(Some(Alarm { due_ms, last_ms: found.map_or(0, |found| found.last_ms), ..blank(trigger) }))
}

/// The moment after which the first time counts. A single date that passed between the trigger's change and now was missed.
fn base(trigger: &Trigger, schedule: &Schedule, now_ms: i64) -> i64 {
    let oldest_ms = now_ms.saturating_sub(millis(CATCH_UP_MAX));
    let changed_ms = trigger.common.updated_at_ms;
    let may_catch_up = trigger.catch_up != CatchUp::Skip && changed_ms > 0;
    if may_catch_up && schedule.only_ms().is_some() { changed_ms.clamp(oldest_ms, now_ms.max(oldest_ms)) } else { now_ms }
}

/// What a trigger does now that a time of its schedule has come, and what it waits for next.
pub fn run(trigger: &Revised<Trigger>, schedule: &Schedule, alarm: &Alarm, now_ms: i64) -> Run {
    let is_missed = now_ms.saturating_sub(alarm.due_ms) > millis(ALARM_TOLERANCE);
    let fires = trigger.state == State::Active && !(is_missed && trigger.catch_up == CatchUp::Skip);
    let from_ms = if is_missed { now_ms } else { alarm.due_ms };
    let due_ms = schedule.next_after(from_ms).unwrap_or_default();
    let last_ms = if fires { alarm.due_ms } else { alarm.last_ms };
    Run { fires, next: Alarm { due_ms, last_ms, ..blank(trigger) } }
}

/// Whether what is set already says all that a run is to leave behind.
pub fn is_settled(trigger: &Trigger, set: &Alarm, run: &Run, due_ms: i64) -> bool {
    is_of(trigger, set) && if run.fires { set.last_ms >= due_ms } else { set.due_ms != due_ms }
}

fn blank(trigger: &Revised<Trigger>) -> Alarm {
    Alarm {
        schedule: trigger.schedule.clone().unwrap_or_default(),
        timezone: trigger.timezone.clone().unwrap_or_default(),
        due_ms: 0,
        last_ms: 0,
        revision: trigger.revision,
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use backbone::catalogue::Revised;
    use proto::resource::{CatchUp, Common, State, Trigger};
    use proto::wire::Alarm;

    use super::{Run, is_of, run, wanted};

    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    fn trigger(schedule: &str, revision: u64) -> Revised<Trigger> {
        let schedule = Some(schedule.to_owned()).filter(|text| !text.is_empty());
        Revised { revision, resource: Trigger { schedule, ..Trigger::new("t".parse().unwrap(), None) } }
    }

    fn alarm(schedule: &str, due_ms: i64, last_ms: i64, revision: u64) -> Alarm {
        Alarm { schedule: schedule.into(), timezone: String::new(), due_ms, last_ms, revision }
    }

    #[test]
    fn a_timer_is_set_once_and_anew_when_its_schedule_changes() {
        let now = 10 * DAY + HOUR;
        let hourly = trigger("hourly", 5);
        assert_eq!(wanted(&hourly, None, now), Ok(Some(alarm("hourly", now + HOUR, 0, 5))));
        assert_eq!(wanted(&hourly, Some(&alarm("hourly", 1, 0, 4)), now), Ok(None), "the broker rings what is past by itself");
        assert_eq!(wanted(&hourly, Some(&alarm("hourly", 0, 7, 9)), now), Ok(None));
        assert_eq!(wanted(&hourly, Some(&alarm("daily", now, 7, 4)), now), Ok(Some(alarm("hourly", now + HOUR, 7, 5))));
        assert_eq!(wanted(&hourly, Some(&alarm("daily", now, 7, 6)), now), Ok(None), "another worker knows a later version");
        for none in ["", "never"] {
            assert_eq!(wanted(&trigger(none, 5), None, now), Ok(None));
        }
        assert!(wanted(&trigger("sometimes", 5), None, now).is_err());
    }

    #[test]
    fn a_single_date_that_passed_unseen_is_made_up_for_unless_it_is_skipped_or_long_ago() {
        let date = "1970-03-01T00:00:00Z"; // day 59
        let changed = |catch_up, updated_at_ms| {
            let Revised { revision, resource } = trigger(date, 5);
            Revised { revision, resource: Trigger { catch_up, common: Common { updated_at_ms, ..Common::default() }, ..resource } }
        };
        let due = |trigger: &Revised<Trigger>, now| wanted(trigger, None, now).unwrap().unwrap().due_ms;
        assert_eq!(due(&changed(CatchUp::Once, 58 * DAY), 59 * DAY + HOUR), 59 * DAY);
        assert_eq!(due(&changed(CatchUp::Skip, 58 * DAY), 59 * DAY + HOUR), 0);
        assert_eq!(due(&changed(CatchUp::Once, 0), 59 * DAY + HOUR), 0, "when it was changed is not known");
        assert_eq!(due(&changed(CatchUp::Once, 59 * DAY), 59 * DAY + HOUR), 0, "it was past when it was written");
        assert_eq!(due(&changed(CatchUp::Once, 58 * DAY), 59 * DAY + 30 * DAY), 0, "whether it ran may be forgotten");
        assert_eq!(due(&changed(CatchUp::Skip, 58 * DAY), 58 * DAY), 59 * DAY);
    }

    #[test]
    fn a_time_that_came_fires_and_leads_to_the_next() {
        let due = 10 * DAY;
        let check = |trigger: &Revised<Trigger>, late: i64, fires: bool, next: i64| {
            let schedule = backbone::alarm::schedule(trigger).unwrap().unwrap();
            let text = trigger.schedule.clone().unwrap();
            let found = run(trigger, &schedule, &alarm(&text, due, 3, 1), due + late);
            assert_eq!(found, Run { fires, next: alarm(&text, next, if fires { due } else { 3 }, 5) }, "{text} {late}");
            assert!(is_of(trigger, &found.next));
        };
        let every_minute = trigger("* * * * *", 5);
        check(&every_minute, 20, true, due + MINUTE);
        check(&every_minute, -20, true, due + MINUTE);
        check(&every_minute, 59_000, true, due + MINUTE);
        check(&every_minute, 10 * MINUTE + 1, true, due + 11 * MINUTE);
        check(&trigger("1970-01-11T00:00:00Z", 5), 5, true, 0);
        let with = |change: fn(Trigger) -> Trigger| Revised { revision: 5, resource: change(trigger("hourly", 5).resource) };
        let skipping = with(|trigger| Trigger { catch_up: CatchUp::Skip, ..trigger });
        check(&skipping, MINUTE, true, due + HOUR);
        check(&skipping, MINUTE + 1, false, due + HOUR);
        check(&skipping, 5 * HOUR + 1, false, due + 6 * HOUR);
        check(&with(|trigger| Trigger { state: State::Paused, ..trigger }), 5, false, due + HOUR);
        check(&with(|trigger| Trigger { state: State::Draining, ..trigger }), 5, false, due + HOUR);
    }
}
