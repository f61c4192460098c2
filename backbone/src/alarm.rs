//! The timers of schedules, in TIMERS.
//!
//! A trigger with a schedule has one message on `timer.<trigger>._schedule.schedule`. While a time
//! lies ahead the message is a schedule of the broker's own, which puts it on `due.…` then and
//! takes it away here. Once nothing lies ahead it stays as a plain message, so that what was done
//! is not done again. Whoever sets it says which message it has seen there: of many that would
//! set it, one does.

use std::collections::HashMap;

use async_nats::{Client, HeaderMap};
use jiff::Timestamp;
use prost::Message as _;
use proto::id::TriggerId;
use proto::limit::{ALARM_STEP_MAX, PUBLISH_DEADLINE, READ_BATCH_MAX};
use proto::resource::{State, Trigger};
use proto::subject::TIMERS_STREAM;
use proto::wire::Alarm;
use proto::{header, subject};
use schedule::{Fault, Schedule};

use crate::direct::{self, Stored};
use crate::publish;

/// A timer as it is set.
#[derive(Debug, Clone)]
pub struct Set {
    /// The fence of whoever sets it anew; 0 where it has just run off.
    pub fence: u64,
    /// What it says.
    pub alarm: Alarm,
}

/// The schedule of a trigger; none where it has none.
pub fn schedule(trigger: &Trigger) -> Result<Option<Schedule>, Fault> {
    let Some(text) = &trigger.schedule else { return Ok(None) };
    let schedule = Schedule::parse(text, trigger.timezone.as_deref().unwrap_or_default())?;
    Ok(Some(schedule).filter(|schedule| !schedule.is_never()))
}

/// When a trigger fires next, in milliseconds since 1970: pure.
pub fn next_ms(trigger: &Trigger, now_ms: i64) -> Option<i64> {
    if trigger.state != State::Active {
        return None;
    }
    schedule(trigger).ok().flatten()?.next_after(now_ms)
}

/// When triggers last fired by themselves, in milliseconds since 1970: one read for 128 of them. Those that never did are left out.
pub async fn last_ms(client: &Client, triggers: &[TriggerId]) -> Result<HashMap<TriggerId, i64>, direct::Error> {
    let found = read_many(client, triggers).await?;
    Ok(found.into_iter().filter(|(_, set)| set.alarm.last_ms > 0).map(|(trigger, set)| (trigger, set.alarm.last_ms)).collect())
}

/// The timers of some triggers, from any replica; one that has run off and is not dealt with yet counts as set.
pub async fn read_many(client: &Client, triggers: &[TriggerId]) -> Result<HashMap<TriggerId, Set>, direct::Error> {
    let mut found = HashMap::new();
    for some in triggers.chunks(READ_BATCH_MAX / 2) {
        let subjects: Vec<String> = some.iter().flat_map(|trigger| [subject::schedule_due(trigger), subject::schedule(trigger)]).collect();
        let mut stored = direct::last_of_each(client, TIMERS_STREAM, &subjects).await?;
        // What is set comes after what ran off before, and wins.
        stored.sort_by_key(|stored| stored.seq);
        for stored in stored {
            let is_due = stored.subject.starts_with("due.");
            if let Some(trigger) = subject::trigger_of_schedule(&stored.subject)
                && let Some(set) = set_of(&stored)
            {
                found.insert(trigger, if is_due { Set { fence: 0, ..set } } else { set });
            }
        }
    }
    Ok(found)
}

/// The timer of a trigger, from the leader.
pub async fn read(client: &Client, trigger: &TriggerId) -> Result<Option<Set>, direct::Error> {
    let stored = direct::last_from_leader(client, TIMERS_STREAM, &subject::schedule(trigger)).await?;
    // What cannot be read is replaced like any other.
    Ok(stored.map(|stored| set_of(&stored).unwrap_or_else(|| Set { fence: stored.seq, alarm: Alarm::default() })))
}

fn set_of(stored: &Stored) -> Option<Set> {
    let alarm = Alarm::decode(stored.body.clone()).ok()?;
    Some(Set { fence: stored.seq, alarm })
}

/// Sets a timer in place of the one at `fence`. A time that is far away is reached in steps.
pub async fn set(client: &Client, trigger: &TriggerId, alarm: &Alarm, fence: u64, now_ms: i64) -> Result<(), publish::Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::EXPECTED_LAST, fence.to_string());
    if alarm.due_ms > 0 {
        let step_ms = i64::try_from(ALARM_STEP_MAX.as_millis()).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(alarm.due_ms.min(now_ms.saturating_add(step_ms)));
        let at = at.map_err(|error| publish::Error::Refused(error.to_string()))?;
        headers.insert(header::SCHEDULE, format!("@at {at}"));
        headers.insert(header::SCHEDULE_TARGET, subject::schedule_due(trigger));
    } else {
        headers.insert(header::ROLLUP, header::ROLLUP_SUBJECT);
    }
    let body = alarm.encode_to_vec().into();
    publish::confirmed(client, subject::schedule(trigger), Some(headers), body, PUBLISH_DEADLINE).await.map(drop)
}

/// Takes a timer away, unless a later one has been set.
pub async fn clear(client: &Client, trigger: &TriggerId, fence: u64) -> Result<(), direct::Error> {
    direct::purge(client, TIMERS_STREAM, &subject::schedule(trigger), fence).await
}

#[cfg(test)]
mod tests {
    use proto::resource::{State, Trigger};

    use super::next_ms;

    #[test]
    fn only_an_active_trigger_fires_next() {
        let trigger = |state| Trigger {
            schedule: Some("07:30".into()),
            timezone: Some("Asia/Kolkata".into()),
            state,
            ..Trigger::new("t".parse().unwrap(), None)
        };
        assert_eq!(next_ms(&trigger(State::Active), 0), Some(2 * 3_600_000));
        for state in [State::Paused, State::Draining] {
            assert_eq!(next_ms(&trigger(state), 0), None);
        }
        assert_eq!(next_ms(&Trigger { schedule: None, ..trigger(State::Active) }, 0), None);
        assert_eq!(next_ms(&Trigger { schedule: Some("sometimes".into()), ..trigger(State::Active) }, 0), None);
    }
}
