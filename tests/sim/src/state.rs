//! All state outside the services: what the broker, Redis and the sinks of effects hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::answer::{Answer, Kind};
use proto::id::{Epoch, EventSeq, Receipt, SessionKey, WorkerId};
use proto::limit;
use proto::record::{Record, Step};
use proto::wire::changed::What;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use worker::desk::{Arrival, Desk};
use worker::port::{Inbox, Reply, Waiting};

use crate::random::Random;
use crate::tally::{Fault, Tally};

/// When the world begins, in milliseconds since 1970.
pub(crate) const BEGIN_MS: i64 = BEGIN_S as i64 * 1_000;
/// The same, in seconds.
const BEGIN_S: u32 = 1_790_000_000;
/// How many of the newest things a lagging replica does not have, at most.
const LAG_MAX: u64 = 2;

/// One event or answer in the stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) inbox: Inbox,
    pub(crate) session: SessionKey,
    pub(crate) body: Bytes,
    pub(crate) message_id: Option<String>,
    pub(crate) at_ms: i64,
    pub(crate) count: u64,
    pub(crate) is_acked: bool,
    /// When it is delivered again, once it was delivered.
    pub(crate) again_at: Option<Instant>,
    pub(crate) since: Instant,
    /// Whether its turn takes long.
    pub(crate) is_slow: bool,
}

/// One record of a session.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) seq: u64,
    pub(crate) at_ms: i64,
    pub(crate) record: Record,
    pub(crate) bytes: Bytes,
}

/// One dead letter.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) seq: u64,
    pub(crate) subject: String,
    pub(crate) bytes: Bytes,
}

/// What kind of process it is.
#[derive(Clone)]
pub(crate) enum Service {
    Worker(Arc<Desk>),
    Gateway { router: axum::Router, killed: CancellationToken },
}

/// One process's place in the world.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) name: String,
    pub(crate) service: Service,
    pub(crate) is_alive: bool,
    /// Whether it was asked to end.
    pub(crate) is_ending: bool,
    pub(crate) frozen_until: Option<Instant>,
    /// How far its clock is off, in milliseconds.
    pub(crate) skew_ms: i64,
}

impl Seat {
    pub(crate) fn desk(&self) -> Option<&Arc<Desk>> {
        match &self.service {
            Service::Worker(desk) => Some(desk),
            Service::Gateway { .. } => None,
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen_until.is_some_and(|until| until > Instant::now())
    }
}

/// What Redis holds.
#[derive(Debug, Default, Clone)]
pub(crate) struct Hints {
    pub(crate) leases: BTreeMap<SessionKey, (WorkerId, Instant)>,
    pub(crate) sessions: BTreeMap<WorkerId, BTreeSet<SessionKey>>,
    pub(crate) beats: BTreeMap<WorkerId, Instant>,
    pub(crate) values: BTreeMap<String, String>,
}

/// An event as the one who sent it knows it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    pub(crate) session: SessionKey,
    pub(crate) receipt: Option<Receipt>,
    pub(crate) is_over: bool,
}

/// Everything outside the services.
pub(crate) struct State {
    pub(crate) random: Random,
    pub(crate) is_faulty: bool,
    /// Whether nothing ever goes wrong.
    pub(crate) is_quiet: bool,
    pub(crate) epoch: Epoch,
    recreated: u32,
    pub(crate) events: BTreeMap<EventSeq, Stored>,
    /// The message ids of the broker's window.
    pub(crate) ids: BTreeMap<String, (EventSeq, Instant)>,
    pub(crate) log: BTreeMap<SessionKey, Vec<Logged>>,
    log_seq: u64,
    /// The events of each session that ended, and those that waited, whatever became of their records.
    pub(crate) ends: BTreeMap<SessionKey, Vec<EventSeq>>,
    pub(crate) waited: BTreeSet<EventSeq>,
    pub(crate) erased: BTreeSet<(SessionKey, EventSeq)>,
    /// How many changes of conversations were asked for.
    pub(crate) changes: u64,
    pub(crate) dead: BTreeMap<String, Letter>,
    pub(crate) timers: BTreeMap<(SessionKey, String), (i64, Bytes)>,
    last_seq: u64,
    pub(crate) hints: Hints,
    pub(crate) earlier_hints: Hints,
    pub(crate) redis_silent_until: Option<Instant>,
    pub(crate) broker_silent_until: Option<Instant>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) sent: Vec<Sent>,
    /// How often each call ran, by its key; and under how many keys each call of an event ran.
    pub(crate) executions: BTreeMap<String, u64>,
    pub(crate) keys: BTreeMap<(EventSeq, String), BTreeSet<String>>,
    pub(crate) intended: BTreeSet<String>,
    /// The keys of calls that somebody gave leave for, as the log says.
    pub(crate) approved: BTreeSet<String>,
    /// How many workers each event has ended.
    pub(crate) killed: BTreeMap<EventSeq, u32>,
    pub(crate) tally: Tally,
    pub(crate) fault: Option<String>,
    trace: Vec<String>,
    is_loud: bool,
    /// How many turns of the trigger each worker runs at once; 0 where as many as it can.
    pub(crate) turns: u32,
    /// What every event says, where they are not mixed.
    pub(crate) only: Option<&'static str>,
    pub(crate) began: Instant,
}

impl State {
    pub(crate) fn new(seed: u64, is_loud: bool) -> Self {
        Self {
            random: Random::new(seed),
            is_faulty: true,
            is_quiet: false,
            epoch: Epoch::from_second(BEGIN_S),
            recreated: 0,
            events: BTreeMap::new(),
            ids: BTreeMap::new(),
            log: BTreeMap::new(),
            log_seq: 0,
            ends: BTreeMap::new(),
            waited: BTreeSet::new(),
            erased: BTreeSet::new(),
            changes: 0,
            dead: BTreeMap::new(),
            timers: BTreeMap::new(),
            last_seq: 0,
            hints: Hints::default(),
            earlier_hints: Hints::default(),
            redis_silent_until: None,
            broker_silent_until: None,
            seats: Vec::new(),
            sent: Vec::new(),
            executions: BTreeMap::new(),
            keys: BTreeMap::new(),
            intended: BTreeSet::new(),
            approved: BTreeSet::new(),
            killed: BTreeMap::new(),
            tally: Tally::default(),
            fault: None,
            trace: Vec::new(),
            is_loud,
            turns: 0,
            only: None,
            began: Instant::now(),
        }
    }

    /// Whether something of one in `odds` goes wrong; never once the faults have ended.
    pub(crate) fn unlucky(&mut self, odds: u64, fault: Fault) -> bool {
        let is_hit = self.random.below(odds) == 0 && self.is_faulty;
        if is_hit {
            self.tally.fault(fault);
        }
        is_hit
    }

    pub(crate) fn say(&mut self, line: impl std::fmt::Display) {
        let line = format!("{:>9.3} {line}", self.began.elapsed().as_secs_f64());
        if self.is_loud {
            println!("{line}");
        }
        self.trace.push(line);
    }

    /// Says what only a replay needs.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.is_loud {
            self.say(line());
        }
    }

    pub(crate) fn trace(&self) -> String {
        self.trace.join("\n")
    }

    pub(crate) fn violate(&mut self, what: String) {
        self.say(format!("VIOLATED {what}"));
        self.fault.get_or_insert(what);
    }

    /// The broker's clock, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        BEGIN_MS + i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn seat(&self, name: &str) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.name == name)
    }

    pub(crate) fn seat_mut(&mut self, name: &str) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.name == name)
    }

    pub(crate) fn is_redis_silent(&self) -> bool {
        self.redis_silent_until.is_some_and(|until| until > Instant::now())
    }

    pub(crate) fn is_broker_silent(&self) -> bool {
        self.broker_silent_until.is_some_and(|until| until > Instant::now())
    }

    /// How many of the newest things the replica that is asked does not have.
    pub(crate) fn lag(&mut self, odds: u64) -> usize {
        // Replicas lag whether something goes wrong or not.
        let lags = self.random.below(odds) == 0 && (self.is_faulty || self.is_quiet);
        if lags {
            self.tally.fault(Fault::ReadStale);
        }
        if lags { 1 + self.random.place(usize::try_from(LAG_MAX).unwrap_or(1)) } else { 0 }
    }

    /// The first event or answer of a session that waits after a sequence.
    pub(crate) fn first(&self, inbox: Inbox, session: &SessionKey, after: EventSeq) -> Option<Waiting> {
        if after.epoch != self.epoch {
            return None;
        }
        let is_it = |stored: &Stored| stored.inbox == inbox && !stored.is_acked && stored.session == *session;
        let from = EventSeq { seq: after.seq + 1, ..after };
        self.events.range(from..).find(|(_, stored)| is_it(stored)).map(|(event, stored)| waiting(*event, stored))
    }

    /// Stores an event or an answer, unless the window knows its id; where it lies, and whether it did before.
    pub(crate) fn store(&mut self, inbox: Inbox, session: SessionKey, body: Bytes, id: Option<&str>) -> (EventSeq, bool) {
        let now = Instant::now();
        if let Some(id) = id
            && let Some((known, at)) = self.ids.get(id)
            && now - *at < limit::DUPLICATE_WINDOW
        {
            return (*known, true);
        }
        self.last_seq += 1;
        let is_slow = body.windows(5).any(|word| word == b"slow#");
        let event = EventSeq { epoch: self.epoch, seq: self.last_seq };
        let stored = Stored {
            inbox,
            session,
            body,
            message_id: id.map(str::to_owned),
            at_ms: self.now_ms(),
            count: 0,
            is_acked: false,
            again_at: None,
            since: now,
            is_slow,
        };
        self.say(format!("stored {event:?} {inbox:?} of {}", stored.session));
        self.events.insert(event, stored);
        if let Some(id) = id {
            self.ids.insert(id.to_owned(), (event, now));
        }
        (event, false)
    }

    fn due(&self) -> Option<EventSeq> {
        let now = Instant::now();
        let is_due = |stored: &Stored| !stored.is_acked && stored.again_at.is_none_or(|at| at <= now);
        let due = self.events.iter().filter(|(event, stored)| event.epoch == self.epoch && is_due(stored));
        // What was delivered before goes first.
        due.max_by_key(|(event, stored)| (stored.count > 0, u64::MAX - event.seq)).map(|(event, _)| *event)
    }

    pub(crate) fn has_due(&self) -> bool {
        self.due().is_some()
    }

    /// The next delivery.
    pub(crate) fn deliver(&mut self) -> Option<Arrival> {
        let event = self.due()?;
        let stored = self.events.get_mut(&event)?;
        stored.count += 1;
        stored.again_at = Some(Instant::now() + limit::ACK_WAIT);
        let subject = match stored.inbox {
            Inbox::Event => proto::subject::event(&stored.session),
            Inbox::Answer => proto::subject::answer(&stored.session),
        };
        let reply = Reply(format!("{}/{}/{}", event.epoch, event.seq, stored.count));
        Some(Arrival { subject, is_first: stored.count == 1, reply, waiting: waiting(event, stored) })
    }

    /// Makes the stream of events anew; nothing that was in it is lost, for nothing was.
    pub(crate) fn recreate(&mut self) {
        self.recreated += 1;
        self.epoch = Epoch::from_second(BEGIN_S + u32::try_from(self.began.elapsed().as_secs()).unwrap_or(0) + self.recreated);
        self.last_seq = 0;
        self.ids.clear();
        self.say(format!("EVENTS made anew: {}", self.epoch));
    }

    /// Somebody outside says something about an event: what is waited for, or anything else.
    pub(crate) fn say_to(&mut self, session: SessionKey, event: EventSeq, kind: Kind, call: &str) {
        let answer = Answer { event, call: call.to_owned(), by: "sim".into(), kind };
        self.say(format!("answer to {session} {answer:?}"));
        self.store(Inbox::Answer, session, answer.encode(), None);
    }

    pub(crate) fn ended(&self, session: &SessionKey) -> Vec<EventSeq> {
        self.ends.get(session).cloned().unwrap_or_default()
    }

    /// What the last record of a session replaces and is not gone; nothing may follow it, and its answer not be acked, before that is.
    pub(crate) fn left_over(&self, session: &SessionKey) -> Vec<u64> {
        let log = self.log.get(session).map(Vec::as_slice).unwrap_or_default();
        let Some((last, earlier)) = log.split_last() else { return Vec::new() };
        let Some(Step::Changed(changed)) = &last.record.step else { return Vec::new() };
        let is_left = |logged: &&Logged| match &changed.what {
            Some(What::Edited(edited)) => logged.seq == edited.of || logged.record.edited().is_some_and(|earlier| earlier.of == edited.of),
            Some(What::Erased(_)) => logged.record.concerns() == last.record.concerns(),
            _ => false,
        };
        earlier.iter().filter(is_left).map(|logged| logged.seq).collect()
    }

    /// Takes a record out of the log; never the one that says where its session stands.
    pub(crate) fn delete(&mut self, seq: u64) {
        let found = self.log.iter().find(|(_, log)| log.iter().any(|logged| logged.seq == seq));
        let Some((session, log)) = found else { return };
        if log.last().is_some_and(|last| last.seq == seq) {
            return self.violate(format!("the last record {seq} is deleted"));
        }
        let session = session.clone();
        self.tally.end("deletions");
        self.say(format!("log {seq} {session} is deleted"));
        self.log.entry(session).or_default().retain(|logged| logged.seq != seq);
    }

    /// Stores a record if the fence holds, and checks what must hold of it.
    pub(crate) fn append(&mut self, session: &SessionKey, fence: Option<u64>, bytes: Bytes) -> Option<u64> {
        let last = self.log.get(session).and_then(|log| log.last()).map_or(0, |logged| logged.seq);
        if fence.is_some_and(|fence| fence != last) {
            self.tally.end("refused by the fence");
            return None;
        }
        let Ok(record) = Record::decode(bytes.clone()) else {
            self.violate(format!("what is appended to {session} is no record"));
            return None;
        };
        self.log_seq += 1;
        self.tally.end("records");
        self.check(session, &record);
        if record.is_terminal() {
            self.ends.entry(session.clone()).or_default().push(record.event);
        }
        let seq = self.log_seq;
        self.say(format!("log {seq} {session} event {} {:?} by {}", record.event.seq, record.step, record.worker));
        let logged = Logged { seq, at_ms: self.now_ms(), record, bytes };
        self.log.entry(session.clone()).or_default().push(logged);
        Some(seq)
    }

    /// Keeps a dead letter.
    pub(crate) fn bury(&mut self, id: String, subject: String, bytes: Bytes) {
        let seq = u64::try_from(self.dead.len()).unwrap_or(u64::MAX) + 1;
        self.dead.entry(id).or_insert(Letter { seq, subject, bytes });
    }

    /// What a worker remembers of the calls that it makes is nothing: Redis comes back as it was a while ago.
    pub(crate) fn roll_back(&mut self) {
        self.hints = self.earlier_hints.clone();
    }

    /// Whether nothing waits, runs or is on its way: then the stream may be made anew.
    pub(crate) fn is_at_rest(&self) -> bool {
        let is_waiting = |log: &Vec<Logged>| log.last().is_some_and(|last| matches!(last.record.step, Some(Step::Suspended(_))));
        self.events.values().all(|stored| stored.is_acked)
            && !self.log.values().any(is_waiting)
            && self.timers.is_empty()
            && self.sent.iter().all(|sent| sent.is_over)
    }

    /// The thing that is not acked and whose session has done nothing for the longest time, where a slow turn does nothing
    /// for as long as that.
    pub(crate) fn idle_longest(&self, slow: Duration) -> Option<(EventSeq, Duration)> {
        let now = Instant::now();
        // One whose end is on record may wait to be brought once more.
        let has_ended = |event: &EventSeq, stored: &Stored| self.ends.get(&stored.session).is_some_and(|ends| ends.contains(event));
        let waiting = self.events.iter().filter(|(event, stored)| !stored.is_acked && !has_ended(event, stored));
        let idle = waiting.map(|(event, stored)| {
            let last_ms = self.log.get(&stored.session).and_then(|log| log.last()).map_or(0, |last| last.at_ms);
            let is_slow = self.events.values().any(|other| other.session == stored.session && !other.is_acked && other.is_slow);
            let of_session = self.began + Duration::from_millis((last_ms - BEGIN_MS).max(0).unsigned_abs());
            let since = now.saturating_duration_since(of_session.max(stored.since));
            (*event, if is_slow { since.saturating_sub(slow) } else { since })
        });
        idle.max_by_key(|(_, since)| *since)
    }
}

pub(crate) fn waiting(event: EventSeq, stored: &Stored) -> Waiting {
    Waiting { event, at_ms: stored.at_ms, content_type: None, traceparent: None, body: stored.body.clone() }
}
