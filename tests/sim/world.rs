//! All state outside the workers, what may go wrong with it, and the invariants over it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proto::answer::{Answer, Kind};
use proto::event::Event;
use proto::id::{ConversationId, Epoch, EventSeq, SessionKey, WorkerId};
use proto::limit;
use proto::record::{Record, Step};
use proto::wire;
use proto::wire::changed::What;
use proto::wire::outcome::End;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use worker::desk::{Arrival, Desk};
use worker::port::{Inbox, Ports, Reply, Tasks, Waiting};
use worker::upkeep;

use crate::actor::{Actor, SeededChance};
use crate::broker::SimBroker;
use crate::lease::SimLeases;

/// How many workers live at once.
const WORKERS: usize = 3;
/// How many sessions there are.
pub(crate) const SESSIONS: u64 = 4;
/// How many events each session gets.
pub(crate) const EVENTS: u64 = 6;
/// How many changes of conversations somebody asks for.
const CHANGES: u64 = 24;
/// How long things go wrong.
const FAULTS_FOR: Duration = Duration::from_secs(25);
/// How long everything may take to come to its end after that.
const CALM_FOR: Duration = Duration::from_mins(3);

/// What happened in a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) crashes: u64,
    pub(crate) freezes: u64,
    pub(crate) wipes: u64,
    pub(crate) refused: u64,
    pub(crate) lost_answers: u64,
    pub(crate) stale_reads: u64,
    pub(crate) appends: u64,
    pub(crate) resumed: u64,
    pub(crate) in_doubt: u64,
    pub(crate) dead: u64,
    pub(crate) suspended: u64,
    pub(crate) answered: u64,
    pub(crate) unwanted: u64,
    pub(crate) cancelled: u64,
    pub(crate) noted: u64,
    pub(crate) late: u64,
    pub(crate) described: u64,
    pub(crate) edited: u64,
    pub(crate) erased: u64,
    pub(crate) unchanged: u64,
    pub(crate) deletions: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.crashes += other.crashes;
        self.freezes += other.freezes;
        self.wipes += other.wipes;
        self.refused += other.refused;
        self.lost_answers += other.lost_answers;
        self.stale_reads += other.stale_reads;
        self.appends += other.appends;
        self.resumed += other.resumed;
        self.in_doubt += other.in_doubt;
        self.dead += other.dead;
        self.suspended += other.suspended;
        self.answered += other.answered;
        self.unwanted += other.unwanted;
        self.cancelled += other.cancelled;
        self.noted += other.noted;
        self.late += other.late;
        self.described += other.described;
        self.edited += other.edited;
        self.erased += other.erased;
        self.unchanged += other.unchanged;
        self.deletions += other.deletions;
    }
}

/// One event or answer in the stream.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) inbox: Inbox,
    pub(crate) session: SessionKey,
    pub(crate) body: Bytes,
    pub(crate) at_ms: i64,
    pub(crate) count: u64,
    pub(crate) is_acked: bool,
    /// When it is delivered again, once it was delivered.
    pub(crate) again_at: Option<Instant>,
}

/// One record of a session.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) seq: u64,
    pub(crate) record: Record,
}

/// One worker's place in the world.
pub(crate) struct Seat {
    pub(crate) id: WorkerId,
    pub(crate) desk: Arc<Desk>,
    pub(crate) is_alive: bool,
    pub(crate) frozen_until: Option<Instant>,
}

/// Everything outside the workers.
#[derive(Default)]
pub(crate) struct State {
    random: u64,
    pub(crate) is_faulty: bool,
    pub(crate) events: BTreeMap<u64, Stored>,
    pub(crate) log: BTreeMap<SessionKey, Vec<Logged>>,
    pub(crate) log_seq: u64,
    /// The events of each session that ended, and those that waited, whatever became of their records.
    ends: BTreeMap<SessionKey, Vec<u64>>,
    waited: BTreeSet<u64>,
    /// How many changes of conversations were asked for.
    changes: u64,
    erased: BTreeSet<(SessionKey, u64)>,
    pub(crate) dead: BTreeSet<String>,
    pub(crate) timers: BTreeMap<(SessionKey, String), (i64, Bytes)>,
    /// The last event or answer that was stored, and events that somebody asked to call off.
    last_seq: u64,
    published: BTreeMap<u64, u64>,
    pub(crate) leases: BTreeMap<SessionKey, (WorkerId, Instant)>,
    pub(crate) sessions: BTreeMap<WorkerId, BTreeSet<SessionKey>>,
    pub(crate) beats: BTreeMap<WorkerId, Instant>,
    pub(crate) redis_silent_until: Option<Instant>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) executions: BTreeMap<String, u64>,
    /// The keys of calls that somebody gave leave for, as the log says.
    approved: BTreeSet<String>,
    pub(crate) summary: Summary,
    fault: Option<String>,
    trace: Vec<String>,
    is_loud: bool,
    /// What every event says, where they are not mixed.
    only: Option<&'static str>,
    began: Option<Instant>,
}

impl State {
    /// The next number of the seed (splitmix64).
    pub(crate) fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.random;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// Whether something of one in `odds` happens; never once the faults have ended.
    pub(crate) fn unlucky(&mut self, odds: u64) -> bool {
        let is_hit = self.next().is_multiple_of(odds);
        is_hit && self.is_faulty
    }

    pub(crate) fn say(&mut self, line: impl std::fmt::Display) {
        let at = self.began.map_or(Duration::ZERO, |began| began.elapsed());
        let line = format!("{:>9.3} {line}", at.as_secs_f64());
        if self.is_loud {
            println!("{line}");
        }
        self.trace.push(line);
    }

    pub(crate) fn violate(&mut self, what: String) {
        self.say(format!("VIOLATED {what}"));
        self.fault.get_or_insert(what);
    }

    pub(crate) fn seat(&self, id: &WorkerId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.id == *id)
    }

    /// The first event or answer of a session that waits after a sequence.
    pub(crate) fn first(&self, inbox: Inbox, session: &SessionKey, after: EventSeq) -> Option<Waiting> {
        let is_it = |stored: &Stored| stored.inbox == inbox && !stored.is_acked && stored.session == *session;
        self.events.range(after.seq + 1..).find(|(_, stored)| is_it(stored)).map(|(seq, stored)| Waiting {
            event: EventSeq { epoch: after.epoch, seq: *seq },
            at_ms: stored.at_ms,
            content_type: None,
            traceparent: None,
            body: stored.body.clone(),
        })
    }

    fn store(&mut self, inbox: Inbox, session: SessionKey, body: Bytes) -> u64 {
        self.last_seq += 1;
        self.events.insert(self.last_seq, Stored { inbox, session, body, at_ms: 0, count: 0, is_acked: false, again_at: None });
        self.last_seq
    }

    /// Somebody outside says something about an event: what is waited for, or anything else.
    fn say_to(&mut self, session: SessionKey, event: u64, kind: Kind, call: &str) {
        let event = EventSeq { epoch: epoch(), seq: event };
        let answer = Answer { event, call: call.to_owned(), by: "sim".into(), kind };
        self.say(format!("answer to {session} {answer:?}"));
        self.store(Inbox::Answer, session, answer.encode());
    }

    fn ended(&self, session: &SessionKey) -> Vec<u64> {
        self.ends.get(session).cloned().unwrap_or_default()
    }

    /// What the last record of a session replaces and is not gone; nothing may follow it, and its answer not be acked, before that is.
    fn left_over(&self, session: &SessionKey) -> Vec<u64> {
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
        self.summary.deletions += 1;
        self.say(format!("log {seq} {session} is deleted"));
        self.log.entry(session).or_default().retain(|logged| logged.seq != seq);
    }

    /// Stores a record if the fence holds, and checks what must hold of it.
    pub(crate) fn append(&mut self, session: &SessionKey, fence: u64, bytes: Bytes) -> Option<u64> {
        let last = self.log.get(session).and_then(|log| log.last()).map_or(0, |logged| logged.seq);
        if last != fence {
            self.summary.refused += 1;
            return None;
        }
        let record = Record::decode(bytes).expect("workers write records");
        self.log_seq += 1;
        self.summary.appends += 1;
        self.check(session, &record);
        if record.is_terminal() {
            self.ends.entry(session.clone()).or_default().push(record.event.seq);
        }
        self.say(format!("log {} {session} event {} {:?} by {}", self.log_seq, record.event.seq, record.step, record.worker));
        self.log.entry(session.clone()).or_default().push(Logged { seq: self.log_seq, record });
        Some(self.log_seq)
    }

    fn check(&mut self, session: &SessionKey, record: &Record) {
        let seq = record.event.seq;
        let committed = self.ended(session);
        let left = self.left_over(session);
        if !left.is_empty() {
            self.violate(format!("event {seq} is recorded while {left:?} are not deleted"));
        }
        let answers = self.log.get(session).and_then(|log| log.last()).map_or(0, |logged| logged.record.answers);
        if record.answers < answers || (record.answers > answers) != matches!(record.step, Some(Step::Received(_) | Step::Changed(_))) {
            self.violate(format!("the answers of event {seq} go from {answers} to {}", record.answers));
        }
        let opening = record.conversation.opening.seq;
        if self.erased.contains(&(session.clone(), opening)) {
            self.violate(format!("event {seq} goes on with the erased conversation {opening}"));
        }
        if committed.contains(&seq) && !record.is_idle() {
            self.violate(format!("I3: event {seq} has a record after its terminal one"));
        }
        let is_idle = record.is_idle();
        let earlier = self.events.range(..seq).filter(|(_, stored)| stored.inbox == Inbox::Event && stored.session == *session);
        let earlier = earlier.map(|(seq, _)| *seq);
        let skipped: Vec<u64> = earlier.filter(|earlier| !committed.contains(earlier)).collect();
        if !skipped.is_empty() {
            self.violate(format!("I2: event {seq} before {skipped:?}"));
        }
        if !is_idle && record.cursor != if record.is_terminal() { seq } else { committed.last().copied().unwrap_or(0) } {
            self.violate(format!("the cursor of event {seq} is {}", record.cursor));
        }
        match &record.step {
            Some(Step::Resumed(_)) => self.summary.resumed += 1,
            Some(Step::Suspended(_)) => {
                self.summary.suspended += 1;
                self.waited.insert(seq);
            }
            Some(Step::Noted(_)) => self.summary.noted += 1,
            Some(Step::Changed(changed)) => match &changed.what {
                Some(What::Described(_)) => self.summary.described += 1,
                Some(What::Edited(_)) => self.summary.edited += 1,
                Some(What::Erased(_)) => {
                    self.summary.erased += 1;
                    self.erased.insert((session.clone(), record.concerns().seq));
                }
                _ => self.summary.unchanged += 1,
            },
            Some(Step::Failed(step)) if step.code == "CUE0612" => self.summary.late += 1,
            Some(Step::Cancelled(_)) => self.summary.cancelled += 1,
            Some(Step::Received(step)) if step.unwanted => self.summary.unwanted += 1,
            Some(Step::Received(step)) => {
                self.summary.answered += 1;
                if let Some(answer) = step.answer.as_ref().filter(|answer| matches!(answer.kind, Some(Kind::Approved(_)))) {
                    let event = EventSeq { epoch: epoch(), seq: answer.event };
                    self.approved.insert(proto::idempotency::effect_key(session, event, &answer.call));
                }
            }
            Some(Step::Outcomes(step)) => {
                let doubts = step.outcomes.iter().filter(|outcome| matches!(outcome.end, Some(End::Unknown(_)))).count();
                self.summary.in_doubt += doubts as u64;
            }
            Some(Step::Failed(step)) if step.dead => {
                self.summary.dead += 1;
                if !self.dead.contains(&format!("{}:{seq}", record.event.epoch)) {
                    self.violate(format!("I1: event {seq} is given up without a copy"));
                }
            }
            _ => {}
        }
    }

    /// Takes an event out of the stream; only a committed one may go.
    pub(crate) fn ack(&mut self, seq: u64) {
        let Some(stored) = self.events.get(&seq).cloned() else { return };
        let is_committed = match stored.inbox {
            // The record of a turn that waits stands for its event.
            Inbox::Event => self.waited.contains(&seq) || self.ended(&stored.session).contains(&seq),
            Inbox::Answer => self.log.get(&stored.session).into_iter().flatten().any(|Logged { record, .. }| {
                let is_rest = record.is_terminal() || record.is_idle() || matches!(record.step, Some(Step::Suspended(_)));
                is_rest && record.answers >= seq
            }),
        };
        let left = self.left_over(&stored.session);
        let is_last = stored.inbox == Inbox::Answer
            && self.log.get(&stored.session).and_then(|log| log.last()).is_some_and(|last| last.record.answers == seq);
        if is_last && !left.is_empty() {
            self.violate(format!("answer {seq} is acked while {left:?} are not deleted"));
        }
        if !is_committed {
            self.violate(format!("I1: event {seq} is acked before it is committed"));
        }
        // An ack of an event that was never delivered is ignored, as nats-server 2.15 does.
        if let Some(stored) = self.events.get_mut(&seq).filter(|stored| stored.count > 0) {
            stored.is_acked = true;
        }
    }

    /// One call of an ability: its intent must be in the log, and a call that may not be repeated is not.
    pub(crate) fn execute(&mut self, key: &str, name: &str, is_repeatable: bool) {
        let count = self.executions.entry(key.to_owned()).or_default();
        *count += 1;
        if *count > 1 && !is_repeatable {
            self.violate(format!("I5: {name} ran twice under {key}"));
        }
        if name == "leave" && !self.approved.contains(key) {
            self.violate(format!("{name} ran under {key} without leave for this very call"));
        }
    }
}

/// The world, shared by all its inhabitants.
#[derive(Clone)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
}

/// The epoch of the one stream.
pub(crate) fn epoch() -> Epoch {
    Epoch::from_second(1_790_000_000)
}

impl World {
    pub(crate) fn new(seed: u64, is_loud: bool) -> Self {
        let state = State { random: seed, is_loud, is_faulty: true, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// A world without faults in which every event says the same.
    pub(crate) fn of(seed: u64, only: &'static str) -> Self {
        let world = Self::new(seed, false);
        world.state().only = Some(only);
        world.state().is_faulty = false;
        world
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn trace(&self) -> String {
        self.state().trace.join("\n")
    }

    /// One operation of a worker on the outside: it takes a while, and the worker may crash or freeze at it.
    pub(crate) async fn pass(&self, me: &WorkerId) {
        let (pause, crashes, freezes) = {
            let mut state = self.state();
            (Duration::from_micros(100 + state.next() % 4_000), state.unlucky(150), state.unlucky(400))
        };
        tokio::time::sleep(pause).await;
        if crashes {
            self.crash(me).await;
        }
        if freezes {
            let mut state = self.state();
            let until = Instant::now() + Duration::from_secs(1 + state.next() % 12);
            if let Some(seat) = state.seats.iter_mut().find(|seat| seat.id == *me) {
                seat.frozen_until = Some(until);
            }
            state.summary.freezes += 1;
            state.say(format!("{me} FREEZES"));
        }
        loop {
            let until = self.state().seat(me).and_then(|seat| seat.frozen_until);
            match until {
                Some(until) if until > Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Ends a worker where it stands, and with it the task that this is called from.
    pub(crate) async fn crash(&self, me: &WorkerId) {
        {
            let mut state = self.state();
            state.summary.crashes += 1;
            state.say(format!("{me} CRASHES"));
            if let Some(seat) = state.seats.iter_mut().find(|seat| seat.id == *me) {
                seat.is_alive = false;
                seat.desk.ports.tasks.kill();
            }
        }
        std::future::pending::<()>().await;
    }

    fn sit(&self) {
        let id = WorkerId::of_random(self.state().next().to_be_bytes());
        let actor = Arc::new(Actor::new(self.clone(), id.clone()));
        let ports = Ports {
            broker: Arc::new(SimBroker::new(self.clone(), id.clone())),
            leases: Arc::new(SimLeases::new(self.clone(), id.clone())),
            directory: Arc::clone(&actor) as Arc<_>,
            ledger: Arc::clone(&actor) as Arc<_>,
            times: Arc::clone(&actor) as Arc<_>,
            live: Arc::clone(&actor) as Arc<_>,
            clock: actor,
            chance: Arc::new(SeededChance::new(self.state().next())),
            seal: None,
            telemetry: telemetry::Telemetry::default(),
            tasks: Tasks::default(),
        };
        let desk = Desk::new(ports, id.clone(), 8, CancellationToken::new());
        desk.set_epoch(epoch());
        upkeep::start(&desk);
        let mut state = self.state();
        state.say(format!("{id} starts"));
        state.seats.push(Seat { id, desk, is_alive: true, frozen_until: None });
    }

    fn publish(&self, number: u64) {
        let mut state = self.state();
        let session: SessionKey = format!("t.s{}", number % SESSIONS).parse().expect("a session key");
        let text = match state.next() % 10 {
            _ if state.only.is_some() => state.only.unwrap_or_default(),
            0 => "poison",
            1 => "call retry",
            2 => "ask",
            3 | 4 => "call fail",
            _ => "plain",
        };
        let mut event = Event { text: Some(text.into()), ..Event::default() };
        if state.only.is_none() && state.next().is_multiple_of(4) {
            let settings = wire::Settings { name: "sim".into(), ..wire::Settings::default() };
            let note = wire::Note { r#type: "user".into(), text: "noted".into(), ..wire::Note::default() };
            let quiet = state.next().is_multiple_of(2);
            event.direct = Some(wire::Direct { settings: Some(settings), notes: vec![note], quiet, ..wire::Direct::default() });
            let last = state.log.get(&session).and_then(|log| log.last()).map(|last| last.record.conversation.opening);
            event.conversation = last.filter(|opening| opening.seq > 0).map(|event| ConversationId { session: session.clone(), event });
        }
        let body = event.encode();
        state.say(format!("event {number} {session} {text}"));
        let seq = state.store(Inbox::Event, session.clone(), body);
        state.published.insert(number, seq);
        if text == "ask" && state.next().is_multiple_of(3) {
            let early = Kind::Approved(wire::Approved::default());
            state.say_to(session, seq, early, "1.1");
        } else if state.next().is_multiple_of(8) && state.only.is_none() {
            state.say_to(session, seq, Kind::Cancel(wire::Cancel::default()), "");
        }
    }

    /// What is due by itself, and what somebody says to a turn that waits.
    fn converse(&self) {
        let now_ms = self.now_ms();
        let mut state = self.state();
        let due: Vec<_> = state.timers.iter().filter(|(_, (at_ms, _))| *at_ms <= now_ms).map(|(key, _)| key.clone()).collect();
        for key in due {
            if let Some((_, answer)) = state.timers.remove(&key) {
                state.say(format!("timer {} {}", key.0, key.1));
                state.store(Inbox::Answer, key.0, answer);
            }
        }
        let suspended = state.log.iter().filter_map(|(session, log)| {
            let record = &log.last()?.record;
            matches!(record.step, Some(Step::Suspended(_))).then(|| (session.clone(), record.event.seq))
        });
        let waiting: Vec<_> = suspended.collect();
        Self::change(&mut state);
        for (session, event) in waiting {
            match state.next() % 4_000 {
                0..10 => state.say_to(session, event, Kind::Said(wire::Said { text: "yes".into() }), "1.0"),
                10..20 => state.say_to(session, event, Kind::Approved(wire::Approved::default()), "1.1"),
                20..25 => state.say_to(session, event, Kind::Rejected(wire::Rejected::default()), "1.1"),
                25 => state.say_to(session, event, Kind::Cancel(wire::Cancel::default()), ""),
                _ => {}
            }
        }
    }

    /// Somebody changes a conversation: what is known of it, a message, or that it is there.
    fn change(state: &mut State) {
        if state.only.is_some() || state.changes >= CHANGES || !state.next().is_multiple_of(120) {
            return;
        }
        let sessions: Vec<SessionKey> = state.log.keys().cloned().collect();
        let picked = usize::try_from(state.next()).unwrap_or(0) % sessions.len().max(1);
        let Some(session) = sessions.get(picked) else { return };
        let pick = usize::try_from(state.next()).unwrap_or(0);
        let log = state.log.get(session).map(Vec::as_slice).unwrap_or_default();
        let Some(logged) = log.get(pick % log.len().max(1)) else { return };
        let (opening, seq) = (logged.record.concerns().seq, logged.record.edited().map_or(logged.seq, |edited| edited.of));
        state.changes += 1;
        let patch = r#"{"name":"changed"}"#.to_owned();
        let kind = match state.next() % 6 {
            0 | 1 => Kind::Describe(wire::Describe { patch }),
            2 => Kind::Erase(wire::Erase {}),
            3 => Kind::Edit(wire::Edit { seq, index: 0, remove: true, patch: String::new() }),
            _ => Kind::Edit(wire::Edit { seq, index: 0, remove: false, patch }),
        };
        state.say_to(session.clone(), opening, kind, "");
    }

    /// The clock of this world, in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let began = self.state().began;
        began.map_or(0, |began| i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    /// Delivers whatever is due to a worker that lives and has room; redeliveries first.
    fn deliver(&self) {
        loop {
            let (desk, arrival) = {
                let mut state = self.state();
                let now = Instant::now();
                let is_due = |stored: &Stored| !stored.is_acked && stored.again_at.is_none_or(|at| at <= now);
                let due = state
                    .events
                    .iter()
                    .filter(|(_, stored)| is_due(stored))
                    .max_by_key(|(seq, stored)| (stored.count > 0, u64::MAX - **seq));
                let Some(seq) = due.map(|(seq, _)| *seq) else { return };
                let pick = state.next();
                let open: Vec<&Seat> = state.seats.iter().filter(|seat| seat.is_alive && seat.desk.free_turns() > 0).collect();
                let Some(seat) = open.get(usize::try_from(pick).unwrap_or(0) % open.len().max(1)) else { return };
                let (desk, id) = (Arc::clone(&seat.desk), seat.id.clone());
                let stored = state.events.get_mut(&seq).expect("it is due");
                stored.count += 1;
                stored.again_at = Some(now + limit::ACK_WAIT);
                let subject = match stored.inbox {
                    Inbox::Event => proto::subject::event(&stored.session),
                    Inbox::Answer => proto::subject::answer(&stored.session),
                };
                let count = stored.count;
                let event = EventSeq { epoch: epoch(), seq };
                let waiting = Waiting { event, at_ms: stored.at_ms, content_type: None, traceparent: None, body: stored.body.clone() };
                state.say(format!("deliver {seq} ({count}) to {id}"));
                (desk, Arrival { subject, is_first: count == 1, reply: Reply(format!("{seq}/{count}")), waiting })
            };
            desk.arrive(arrival);
        }
    }

    /// What goes wrong outside the workers.
    fn disturb(&self) {
        let mut state = self.state();
        if state.unlucky(250) {
            state.summary.wipes += 1;
            state.say("redis WIPED");
            state.leases.clear();
            state.sessions.clear();
            state.beats.clear();
        }
        if state.unlucky(400) {
            let until = Instant::now() + Duration::from_millis(500 + state.next() % 8_000);
            state.redis_silent_until = Some(until);
            state.say("redis SILENT");
        }
    }

    fn is_done(&self) -> bool {
        let state = self.state();
        let is_calm = state.seats.iter().filter(|seat| seat.is_alive).all(|seat| seat.desk.mailboxes().is_empty());
        let is_waiting = |log: &Vec<Logged>| log.last().is_some_and(|last| matches!(last.record.step, Some(Step::Suspended(_))));
        is_calm && state.events.values().all(|stored| stored.is_acked) && !state.log.values().any(is_waiting)
    }

    /// Runs the world to its end.
    pub(crate) async fn run(self) -> Result<Summary, String> {
        let began = Instant::now();
        self.state().began = Some(began);
        for _ in 0..WORKERS {
            self.sit();
        }
        let mut published = 0;
        while began.elapsed() < FAULTS_FOR + CALM_FOR {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if began.elapsed() > FAULTS_FOR && self.state().is_faulty {
                let mut state = self.state();
                state.is_faulty = false;
                state.say("CALM");
            }
            let is_due = published < SESSIONS * EVENTS && self.state().next().is_multiple_of(80);
            if is_due {
                published += 1;
                self.publish(published);
            }
            self.disturb();
            self.converse();
            let alive = self.state().seats.iter().filter(|seat| seat.is_alive).count();
            let returns = alive < WORKERS && self.state().next().is_multiple_of(100);
            if returns {
                self.sit();
            }
            self.deliver();
            if self.state().fault.is_some() {
                break;
            }
            if published == SESSIONS * EVENTS && self.is_done() {
                break;
            }
        }
        self.judge(published)
    }

    fn judge(&self, published: u64) -> Result<Summary, String> {
        let state = self.state();
        if let Some(fault) = &state.fault {
            return Err(fault.clone());
        }
        let left: Vec<u64> = state.events.iter().filter(|(_, stored)| !stored.is_acked).map(|(seq, _)| *seq).collect();
        if published < SESSIONS * EVENTS || !left.is_empty() {
            return Err(format!("I1: {published} events were published, {left:?} did not come to an end"));
        }
        for (seq, stored) in state.events.iter().filter(|(_, stored)| stored.inbox == Inbox::Event) {
            let ends = state.ended(&stored.session).iter().filter(|end| *end == seq).count();
            if ends != 1 {
                return Err(format!("I3: event {seq} has {ends} terminal records"));
            }
        }
        Ok(state.summary)
    }
}
