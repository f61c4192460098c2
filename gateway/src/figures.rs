//! How much there is to do in the whole deployment, and how full its streams are.
//!
//! Read off the broker every few seconds where somebody asks for it, and never by a call of an event.
//! Every gateway tells the same figures: whoever adds them up takes the highest, not the sum.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_nats::jetstream::stream::Info;
use async_trait::async_trait;
use backbone::topology;
use proto::worker::HELD;
use proto::{limit, subject};
use telemetry::instrument::{Gauge, Instruments, Reading};
use telemetry::ops::Subject;
use tokio::time::Instant;

use crate::door::Door;
use crate::ready;

/// How often the streams are looked at for the metrics.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a look may take.
const LOOK_DEADLINE: Duration = Duration::from_secs(2);
/// How old the number of runnable sessions may be.
const FRESH: Duration = Duration::from_secs(1);

/// One stream as the metrics show it.
#[derive(Debug, Clone, Copy)]
struct Fill {
    stream: &'static str,
    bytes: u64,
    bytes_max: u64,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, Default)]
struct Backlog {
    events: u64,
    sessions: u64,
    runnable: u64,
}

/// The last look.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    backlog: Mutex<Option<(Instant, Backlog)>>,
    fills: Mutex<Vec<Fill>>,
    /// Letters in DEAD; none before the first look.
    dead: Mutex<Option<u64>>,
    /// Checks of readiness, by name.
    checks: Mutex<Vec<(&'static str, bool)>>,
}

impl Figures {
    fn backlog(&self) -> Option<(Instant, Backlog)> {
        *self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the streams until the shutdown.
pub(crate) async fn run(door: Arc<Door>) {
    observe(&door.telemetry.instruments, &Arc::downgrade(&door));
    loop {
        drop(tokio::time::timeout(LOOK_DEADLINE, look(&door)).await);
        let checks = ready::checks(&door).await;
        *door.figures.checks.lock().unwrap_or_else(PoisonError::into_inner) = checks;
        tokio::select! {
            biased;
            () = door.shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look(door: &Door) {
    let Some(events) = count(door).await else { return };
    let names = [
        ("LOG", subject::LOG_STREAM),
        ("DEAD", subject::DEAD_STREAM),
        ("TIMERS", subject::TIMERS_STREAM),
        ("OUT", subject::OUT_STREAM),
        ("AUDIT", subject::AUDIT_STREAM),
    ];
    let mut fills = vec![fill("EVENTS", &events)];
    for (label, name) in names {
        let Ok(stream) = door.context.get_stream(name).await else { continue };
        let info = stream.cached_info();
        fills.push(fill(label, info));
        if name == subject::DEAD_STREAM {
            *door.figures.dead.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.state.messages);
        }
    }
    *door.figures.fills.lock().unwrap_or_else(PoisonError::into_inner) = fills;
}

fn fill(stream: &'static str, info: &Info) -> Fill {
    Fill { stream, bytes: info.state.bytes, bytes_max: u64::try_from(info.config.max_bytes).unwrap_or_default() }
}

/// Counts what is to be done, and keeps it.
async fn count(door: &Door) -> Option<Info> {
    let epoch = topology::current_epoch(&door.context).await.ok()?;
    let stream = door.context.get_stream(subject::events_stream(epoch)).await.ok()?;
    let info = stream.cached_info().clone();
    let sessions = info.state.subjects_count;
    // With Redis silent, sessions that are put off count as runnable: too many workers rather than too few.
    let held = held(door).await.unwrap_or_default();
    let backlog = Backlog { events: info.state.messages, sessions, runnable: sessions.saturating_sub(held) };
    *door.figures.backlog.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), backlog));
    Some(info)
}

/// How many sessions have events that wait for a person, or for a trigger that stands still.
async fn held(door: &Door) -> Option<u64> {
    let now_ms = door.clock.now_ms(&door.client).await?;
    let mut pipeline = redis::pipe();
    pipeline.cmd("ZCOUNT").arg(HELD).arg(now_ms).arg("+inf");
    door.redis.run::<(u64,)>(&pipeline).await.ok().map(|(count,)| count)
}

fn observe(instruments: &Instruments, door: &Weak<Door>) {
    let figure = |gauge: Gauge, read: fn(&Door) -> Vec<Reading>| {
        let door = Weak::clone(door);
        instruments.observe(gauge, move || door.upgrade().map(|door| read(&door)).unwrap_or_default());
    };
    figure(Gauge::PublishesInFlight, |door| vec![(door.publishes.in_flight() as u64, None)]);
    figure(Gauge::BacklogEvents, |door| backlog(door, |backlog| backlog.events));
    figure(Gauge::BacklogSessions, |door| backlog(door, |backlog| backlog.sessions));
    figure(Gauge::SessionsRunnable, |door| backlog(door, |backlog| backlog.runnable));
    figure(Gauge::DeadLetters, |door| {
        let dead = *door.figures.dead.lock().unwrap_or_else(PoisonError::into_inner);
        dead.map(|dead| (dead, None)).into_iter().collect()
    });
    figure(Gauge::StreamBytes, |door| fills(door, |fill| fill.bytes));
    figure(Gauge::StreamBytesMax, |door| fills(door, |fill| fill.bytes_max));
    figure(Gauge::Ready, |door| {
        let checks = door.figures.checks.lock().unwrap_or_else(PoisonError::into_inner);
        checks.iter().map(|(name, holds)| (u64::from(*holds), Some(("check", *name)))).collect()
    });
    figure(Gauge::Waits, |door| vec![(door.bounds.waits.saturating_sub(door.waits.available_permits()) as u64, None)]);
    figure(Gauge::Followers, |door| vec![(door.bounds.followers.saturating_sub(door.followers.available_permits()) as u64, None)]);
    let shed = Weak::clone(door);
    instruments.observe_shed(move || shed.upgrade().map_or(0, |door| door.publishes.shed()));
}

fn backlog(door: &Door, of: fn(&Backlog) -> u64) -> Vec<Reading> {
    door.figures.backlog().map(|(_, backlog)| (of(&backlog), None)).into_iter().collect()
}

fn fills(door: &Door, of: fn(&Fill) -> u64) -> Vec<Reading> {
    let fills = door.figures.fills.lock().unwrap_or_else(PoisonError::into_inner);
    fills.iter().map(|fill| (of(fill), Some(("stream", fill.stream)))).collect()
}

/// The gateway, for its operations listener.
#[derive(Debug)]
pub(crate) struct Looked(pub(crate) Arc<Door>);

#[async_trait]
impl Subject for Looked {
    async fn ready(&self) -> (bool, Vec<u8>) {
        ready::told(&self.0).await
    }

    async fn runnable(&self) -> Option<u64> {
        if self.0.figures.backlog().is_none_or(|(at, _)| at.elapsed() >= FRESH) {
            tokio::time::timeout(limit::READ_DEADLINE, count(&self.0)).await.ok().flatten()?;
        }
        self.0.figures.backlog().map(|(_, backlog)| backlog.runnable)
    }
}
