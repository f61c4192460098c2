//! Single events that come later.
//!
//! An event lies on `timer.<trigger>.<session>.<timer>` until it is due, as a schedule of the
//! broker's own; then on `due.…`, until a worker has put it into EVENTS; then it goes the way of
//! every event. Its envelope carries the timer, so that it can be followed all the way: the four
//! places are read in the order in which it passes through them. One that was taken back leaves a
//! plain message in place of its timer.

use async_nats::{Client, HeaderMap};
use jiff::Timestamp;
use proto::event::Event;
use proto::id::{EventSeq, Receipt, SessionKey, TimerReceipt};
use proto::limit::{PUBLISH_DEADLINE, READ_BATCH_MAX, SCAN_RECORDS_MAX, SESSION_BACKLOG_MAX};
use proto::record::{Record, Step};
use proto::subject::TIMERS_STREAM;
use proto::{header, subject, wire};

use crate::journal::{self, Entry};
use crate::{direct, publish, topology};

/// How many envelopes one read brings: they may be large.
const ENVELOPES_MAX: usize = 16;
/// Says on a plain message that the event was taken back.
const TAKEN_BACK: &str = "Cuepoint-Taken-Back";

/// Where a later event is.
#[derive(Debug, Clone)]
pub enum Place {
    /// Its time lies ahead.
    Set(Set),
    /// It was taken back before its time.
    TakenBack(Set),
    /// Its time has come, and it is about to be put into EVENTS.
    Due(Set),
    /// It is an event like any other.
    Sent(Sent),
}

/// A later event before it is one.
#[derive(Debug, Clone)]
pub struct Set {
    /// Where it lies in TIMERS: the fence of whoever takes it back.
    pub fence: u64,
    /// The event.
    pub event: Event,
}

/// An event that came by a timer.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Its receipt.
    pub receipt: Receipt,
    /// When its timer was due, in milliseconds since 1970.
    pub due_ms: i64,
    /// SHA-256 over what was said, where that is still known.
    pub digest: Option<[u8; 32]>,
}

/// The name that an event carries: its timer, and when that was due.
pub fn name(timer: &str, due_ms: i64) -> String {
    format!("{timer}@{due_ms}")
}

/// The timer and the time in such a name.
pub fn parts(name: &str) -> Option<(&str, i64)> {
    let (timer, due_ms) = name.rsplit_once('@')?;
    Some((timer, due_ms.parse().ok()?))
}

/// Sets an event's timer, once.
pub async fn set(client: &Client, timer: &TimerReceipt, event: &Event, trace: Option<&str>) -> Result<(), publish::Error> {
    let unreadable = || publish::Error::Refused("the event names no time".to_owned());
    let (_, due_ms) = event.timer.as_deref().and_then(parts).ok_or_else(unreadable)?;
    let at = Timestamp::from_millisecond(due_ms).map_err(|error| publish::Error::Refused(error.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(header::SCHEDULE, format!("@at {at}"));
    headers.insert(header::SCHEDULE_TARGET, subject::due(&timer.session, timer.timer.as_str()));
    headers.insert(header::EXPECTED_LAST, "0");
    if let Some(trace) = trace {
        headers.insert(header::TRACEPARENT, trace);
    }
    publish::confirmed(client, place(timer), Some(headers), event.encode(), PUBLISH_DEADLINE).await.map(drop)
}

/// Takes an event back whose timer lies at `fence`; refused by the fence where its time has come.
pub async fn take_back(client: &Client, timer: &TimerReceipt, set: &Set) -> Result<(), publish::Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::EXPECTED_LAST, set.fence.to_string());
    headers.insert(header::ROLLUP, header::ROLLUP_SUBJECT);
    headers.insert(TAKEN_BACK, "true");
    publish::confirmed(client, place(timer), Some(headers), set.event.encode(), PUBLISH_DEADLINE).await.map(drop)
}

fn place(timer: &TimerReceipt) -> String {
    subject::timer(&timer.session, timer.timer.as_str())
}

impl Set {
    /// When it is due, in milliseconds since 1970.
    pub fn due_ms(&self) -> i64 {
        self.event.timer.as_deref().map_or(0, due_ms)
    }
}

/// Finds a later event wherever it is; none where nothing is known of it.
pub async fn find(client: &Client, timer: &TimerReceipt) -> Result<Option<Place>, journal::Error> {
    if let Some((set, is_taken_back)) = read(client, timer, &place(timer)).await? {
        return Ok(Some(if is_taken_back { Place::TakenBack(set) } else { Place::Set(set) }));
    }
    if let Some((set, _)) = read(client, timer, &subject::due(&timer.session, timer.timer.as_str())).await? {
        return Ok(Some(Place::Due(set)));
    }
    let is_it = |name: &str| parts(name).is_some_and(|(of, _)| of == timer.timer.as_str());
    Ok(sent(client, &timer.session, 0, is_it).await?.map(Place::Sent))
}

async fn read(client: &Client, timer: &TimerReceipt, subject: &str) -> Result<Option<(Set, bool)>, direct::Error> {
    let Some(stored) = direct::last_from_leader(client, TIMERS_STREAM, subject).await? else { return Ok(None) };
    let event = Event::decode(&timer.session.trigger, Some(header::PROTOBUF), &stored.body);
    let event = event.map_err(|error| direct::Error::Answer(error.to_string()))?;
    Ok(Some((Set { fence: stored.seq, event }, stored.headers.get(TAKEN_BACK).is_some())))
}

/// Finds the event that a timer has brought into a session since a time: it waits in EVENTS, or stands in the log.
pub async fn sent(
    client: &Client,
    session: &SessionKey,
    since_ms: i64,
    is_it: impl Fn(&str) -> bool,
) -> Result<Option<Sent>, journal::Error> {
    if let Some(sent) = waiting(client, session, since_ms, &is_it).await? {
        return Ok(Some(sent));
    }
    recorded(client, session, since_ms, &is_it).await
}

async fn waiting(
    client: &Client,
    session: &SessionKey,
    since_ms: i64,
    is_it: &impl Fn(&str) -> bool,
) -> Result<Option<Sent>, journal::Error> {
    let epoch = match topology::current_epoch(&topology::context(client)).await {
        Ok(epoch) => epoch,
        Err(topology::Error::Missing(_)) => return Ok(None),
        Err(error) => return Err(direct::Error::Answer(error.to_string()).into()),
    };
    let (stream, subject) = (subject::events_stream(epoch), subject::event(session));
    let mut batch = direct::batch_since(client, &stream, &subject, since_ms, ENVELOPES_MAX).await?;
    for _ in 0..usize::try_from(SESSION_BACKLOG_MAX).unwrap_or_default().div_ceil(ENVELOPES_MAX) {
        for stored in &batch {
            let content_type = stored.headers.get(header::CONTENT_TYPE).map(async_nats::HeaderValue::as_str);
            if let Ok(event) = Event::decode(&session.trigger, content_type, &stored.body)
                && let Some(name) = event.timer.as_deref().filter(|name| is_it(name))
            {
                let receipt = Receipt { session: session.clone(), event: EventSeq { epoch, seq: stored.seq } };
                return Ok(Some(Sent { receipt, due_ms: due_ms(name), digest: Some(event.digest()) }));
            }
        }
        let Some(last) = batch.last().filter(|_| batch.len() == ENVELOPES_MAX) else { break };
        batch = direct::batch(client, &stream, &subject, last.seq + 1, ENVELOPES_MAX).await?;
    }
    Ok(None)
}

async fn recorded(
    client: &Client,
    session: &SessionKey,
    since_ms: i64,
    is_it: &impl Fn(&str) -> bool,
) -> Result<Option<Sent>, journal::Error> {
    let mut batch: Vec<Entry> = journal::since(client, session, since_ms, READ_BATCH_MAX).await?;
    for _ in 0..SCAN_RECORDS_MAX.div_ceil(READ_BATCH_MAX) {
        for entry in &batch {
            if let Some(input) = inputs(&entry.record).find(|input| is_it(&input.timer)) {
                let receipt = Receipt { session: session.clone(), event: entry.record.event };
                return Ok(Some(Sent { receipt, due_ms: due_ms(&input.timer), digest: input.digest.as_ref().try_into().ok() }));
            }
        }
        let Some(last) = batch.last().filter(|_| batch.len() == READ_BATCH_MAX) else { break };
        batch = journal::after(client, session, last.seq, READ_BATCH_MAX).await?;
    }
    Ok(None)
}

fn due_ms(name: &str) -> i64 {
    parts(name).map_or(0, |(_, due_ms)| due_ms)
}

/// What the event of a record took in; of merged ones the first record that has it is its own.
fn inputs(record: &Record) -> impl Iterator<Item = &wire::Input> {
    let merged = match &record.step {
        Some(Step::Merged(step)) => step.inputs.as_slice(),
        _ => &[],
    };
    record.input().into_iter().chain(merged)
}

#[cfg(test)]
mod tests {
    use super::{name, parts};

    #[test]
    fn a_name_comes_apart_again() {
        assert_eq!(parts(&name("later-00ff", 1_700_000_000_000)), Some(("later-00ff", 1_700_000_000_000)));
        for text in ["", "later", "later@", "@x", "later@x"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
