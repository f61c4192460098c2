//! The broker's subjects and stream names.

use crate::id::{DestinationId, Epoch, SessionKey, TimerId, TriggerId, WorkerId};

/// What the EVENTS stream binds.
pub const EVENTS: [&str; 2] = ["event.>", "answer.>"];
/// The subject by which the EVENTS stream is found.
pub const EVENTS_FINDER: &str = "event.>";
/// The durable consumer that all workers share.
pub const WORKERS: &str = "workers";
/// The conversation log.
pub const LOG_STREAM: &str = "LOG";
/// What the log binds.
pub const LOG: &str = "log.>";
/// Events given up on or refused.
pub const DEAD_STREAM: &str = "DEAD";
/// What DEAD binds.
pub const DEAD: &str = "dead.>";
/// Time-outs of what waits, and what has become due.
pub const TIMERS_STREAM: &str = "TIMERS";
/// What TIMERS binds: schedules, and their targets.
pub const TIMERS: [&str; 2] = ["timer.>", "due.>"];
/// What has become due.
pub const DUE: &str = "due.>";
/// The reserved session token under which a trigger's schedule has its timer.
pub const SCHEDULE_TOKEN: &str = "_schedule";
/// The name of the timer of a trigger's schedule.
pub const SCHEDULE: &str = "schedule";
/// The bucket of the configuration.
pub const RESOURCES: &str = "resources";
/// The bucket of contacts.
pub const CONTACTS: &str = "contacts";
/// What the management API was asked to do, by whom.
pub const AUDIT_STREAM: &str = "AUDIT";
/// What AUDIT binds.
pub const AUDIT: &str = "audit.>";
/// Ends of turns on their way out, and how their deliveries went.
pub const OUT_STREAM: &str = "OUT";
/// What OUT binds.
pub const OUT: [&str; 2] = ["out.>", "sent.>"];
/// What is on its way out.
pub const PARCELS: &str = "out.>";
/// The durable consumers that deliver the ends of turns: one on the log, one on OUT.
pub const DELIVER: &str = "deliver";
/// The first tokens of the subjects that Cuepoint itself writes and reads; `$` and `_INBOX` are the broker's.
pub const OWN: [&str; 12] = ["event", "answer", "log", "dead", "timer", "due", "audit", "out", "sent", "worker", "live", "_INBOX"];
/// The reserved trigger token of conversations that have no trigger.
pub const DIRECT: &str = "_api";

/// The name of the EVENTS stream of an epoch.
pub fn events_stream(epoch: Epoch) -> String {
    format!("EVENTS_{epoch}")
}

/// The epoch in the name of an EVENTS stream.
pub fn epoch_of_stream(name: &str) -> Option<Epoch> {
    name.strip_prefix("EVENTS_")?.parse().ok()
}

/// Where an event of a session lies.
pub fn event(session: &SessionKey) -> String {
    format!("event.{}.{}", session.trigger, session.token)
}

/// Where the records of a session lie: one concrete subject, every writer fenced.
pub fn log(session: &SessionKey) -> String {
    format!("log.{}.{}", session.trigger, session.token)
}

/// Where the dead letters of a session lie.
pub fn dead(session: &SessionKey) -> String {
    format!("dead.{}.{}", session.trigger, session.token)
}

/// Where a letter lies that names no session; strangers cannot make further subjects.
pub fn dead_invalid(hash: &str) -> String {
    format!("dead.invalid.{hash}")
}

/// Where an answer from outside to a session's turn lies.
pub fn answer(session: &SessionKey) -> String {
    format!("answer.{}.{}", session.trigger, session.token)
}

/// Where a time-out of a session is set; one that is set again replaces the one before.
pub fn timer(session: &SessionKey, id: &str) -> String {
    format!("timer.{}.{}.{id}", session.trigger, session.token)
}

/// Where a time-out of a session appears once it is due.
pub fn due(session: &SessionKey, id: &str) -> String {
    format!("due.{}.{}.{id}", session.trigger, session.token)
}

/// Where the timer of a trigger's schedule is set.
pub fn schedule(trigger: &TriggerId) -> String {
    format!("timer.{trigger}.{SCHEDULE_TOKEN}.{SCHEDULE}")
}

/// Where the timer of a trigger's schedule appears once it is due.
pub fn schedule_due(trigger: &TriggerId) -> String {
    format!("due.{trigger}.{SCHEDULE_TOKEN}.{SCHEDULE}")
}

/// The trigger in the subject of a schedule's timer, set or due.
pub fn trigger_of_schedule(subject: &str) -> Option<TriggerId> {
    let rest = subject.strip_prefix("timer.").or_else(|| subject.strip_prefix("due."))?;
    let rest = rest.strip_suffix(SCHEDULE)?.strip_suffix('.')?;
    rest.strip_suffix(SCHEDULE_TOKEN)?.strip_suffix('.')?.parse().ok()
}

/// Where the progress of a session's turns is told; nothing is stored there.
pub fn live(session: &SessionKey) -> String {
    format!("live.{}.{}", session.trigger, session.token)
}

/// Where ends of turns of a session wait for a destination.
pub fn out(session: &SessionKey, destination: &DestinationId) -> String {
    format!("out.{}.{}.{destination}", session.trigger, session.token)
}

/// Where all of a trigger's do.
pub fn out_of_trigger(trigger: &TriggerId) -> String {
    format!("out.{trigger}.>")
}

/// Where attempts at that destination are noted.
pub fn sent(session: &SessionKey, destination: &DestinationId) -> String {
    format!("sent.{}.{}.{destination}", session.trigger, session.token)
}

/// The session and destination in an `out.` subject.
pub fn session_of_out(subject: &str) -> Option<(SessionKey, DestinationId)> {
    let (session, destination) = subject.strip_prefix("out.")?.rsplit_once('.')?;
    Some((session.parse().ok()?, destination.parse().ok()?))
}

/// Where a worker takes hand-overs.
pub fn worker(worker: &WorkerId) -> String {
    format!("worker.{worker}")
}

/// The session in an `event.` subject.
pub fn session_of_event(subject: &str) -> Option<SessionKey> {
    subject.strip_prefix("event.")?.parse().ok()
}

/// The session in an `answer.` subject.
pub fn session_of_answer(subject: &str) -> Option<SessionKey> {
    subject.strip_prefix("answer.")?.parse().ok()
}

/// The session and timer in a `due.` subject.
pub fn session_of_due(subject: &str) -> Option<(SessionKey, TimerId)> {
    let (session, id) = subject.strip_prefix("due.")?.rsplit_once('.')?;
    Some((session.parse().ok()?, id.parse().ok()?))
}

/// The session in a `log.` subject.
pub fn session_of_log(subject: &str) -> Option<SessionKey> {
    subject.strip_prefix("log.")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{due, epoch_of_stream, event, schedule, schedule_due, session_of_due, session_of_event, trigger_of_schedule};

    #[test]
    fn an_event_subject_names_its_session_and_nothing_else_does() {
        let session = session_of_event("event.t1.s1").unwrap();
        assert_eq!(event(&session), "event.t1.s1");
        for subject in ["event.t1", "event.t1.s1.x", "event..s", "log.t1.s1", "event.t 1.s", ""] {
            assert_eq!(session_of_event(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_due_subject_names_its_timer_by_a_token() {
        let (session, timer) = session_of_due("due.t1.s1.6a1b2c3d-4-1").unwrap();
        assert_eq!(due(&session, timer.as_str()), "due.t1.s1.6a1b2c3d-4-1");
        for subject in ["due.t1.s1.", "due.t1.s1.*", "due.t1.s1.a b", "due.t1.s1", "due.t1.s1.x.y", "timer.t1.s1.x"] {
            assert_eq!(session_of_due(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_schedules_timer_names_its_trigger_and_no_other_timer_does() {
        let trigger = "orders".parse().unwrap();
        for subject in [schedule(&trigger), schedule_due(&trigger)] {
            assert_eq!(trigger_of_schedule(&subject), Some("orders".parse().unwrap()), "{subject}");
        }
        for subject in
            ["due.orders.s.schedule", "due.orders._schedule.x", "due._schedule.schedule", "timer.a.b._schedule.schedule", "due.", ""]
        {
            assert_eq!(trigger_of_schedule(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_stream_name_carries_its_epoch() {
        assert_eq!(epoch_of_stream("EVENTS_0000002a").unwrap().second(), 42);
        assert_eq!(epoch_of_stream("EVENTS"), None);
    }
}
