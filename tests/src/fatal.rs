//! Points at which a worker kills itself, as `kill -9` would: wrappers around its seams.
//!
//! A point is named for what happens there and whether it is about to happen or has: an append by
//! its step, a question to the bot, a call by its ability, a time-out that is set, an ack. The
//! n-th time is told apart, such as `append.intents#2.before`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backbone::alarm::Set;
use backbone::catalogue::Revised;
use backbone::journal::Entry;
use bytes::Bytes;
use proto::id::{EventSeq, SessionKey, TriggerId, WorkerId};
use proto::record::{Record, Revisions, Step};
use proto::resource::{Limits, Trigger};
use proto::wire::{Alarm, Call, Doubt};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::Value;
use worker::ability::{Abilities, Facts, WaitFor};
use worker::bot::{Bot, Error, Thought, Turn};
use worker::budget::Spent;
use worker::port::{
    Broker, Delivery, Directory, HandOver, NotAppended, Parcel, Plan, Ports, Reply, Settle, Timer, Times, Unavailable, Waiting, Wanted,
};

/// The point at which the process ends.
pub struct Fatal {
    point: String,
    passed: Mutex<HashMap<String, usize>>,
}

impl Fatal {
    /// Ends the process at this point.
    pub fn at(point: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { point: point.into(), passed: Mutex::default() })
    }

    fn count(&self, what: &str) -> usize {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let count = passed.entry(what.to_owned()).or_default();
        *count += 1;
        *count
    }

    /// Names the next passage of a point, and dies before it where that is asked for.
    fn before(&self, what: &str) -> String {
        let name = format!("{what}#{}", self.count(what));
        self.die_at(&format!("{name}.before"));
        name
    }

    fn after(&self, name: &str) {
        self.die_at(&format!("{name}.after"));
    }

    fn die_at(&self, point: &str) {
        if point == self.point {
            // A signal to the process itself is delivered before the call returns.
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        }
    }
}

/// Wraps the seams of a worker.
pub fn wrap(ports: Ports, fatal: &Arc<Fatal>) -> Ports {
    Ports {
        broker: Arc::new(FatalBroker { inner: ports.broker, fatal: Arc::clone(fatal) }),
        times: Arc::new(FatalTimes { inner: ports.times, fatal: Arc::clone(fatal) }),
        directory: Arc::new(FatalDirectory { inner: ports.directory, fatal: Arc::clone(fatal) }),
        ..ports
    }
}

struct FatalBroker {
    inner: Arc<dyn Broker>,
    fatal: Arc<Fatal>,
}

fn step(record: &Bytes) -> &'static str {
    match Record::decode(record.clone()).ok().and_then(|record| record.step) {
        Some(Step::Started(_)) => "started",
        Some(Step::Resumed(_)) => "resumed",
        Some(Step::Intents(_)) => "intents",
        Some(Step::Outcomes(_)) => "outcomes",
        Some(Step::Checkpoint(_)) => "checkpoint",
        Some(Step::Received(_)) => "received",
        Some(Step::Suspended(_)) => "suspended",
        Some(Step::Completed(_)) => "completed",
        Some(Step::Failed(_)) => "failed",
        Some(Step::Cancelled(_)) => "cancelled",
        Some(Step::Merged(_)) => "merged",
        Some(Step::Noted(_)) => "noted",
        Some(Step::Changed(_)) => "changed",
        None => "unknown",
    }
}

#[async_trait]
impl Broker for FatalBroker {
    async fn last(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        self.inner.last(session).await
    }

    async fn last_from_leader(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable> {
        self.inner.last_from_leader(session).await
    }

    async fn records_after(&self, session: &SessionKey, seq: u64, batch: usize) -> Result<Vec<Entry>, Unavailable> {
        self.inner.records_after(session, seq, batch).await
    }

    async fn next(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.inner.next(session, after).await
    }

    async fn next_from_leader(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.inner.next_from_leader(session, after).await
    }

    async fn first_of(&self, trigger: &TriggerId, after: EventSeq) -> Result<Option<(SessionKey, u64)>, Unavailable> {
        self.inner.first_of(trigger, after).await
    }

    async fn next_answer(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable> {
        self.inner.next_answer(session, after).await
    }

    async fn schedule(&self, session: &SessionKey, timer: Timer) -> Result<(), Unavailable> {
        let name = self.fatal.before("schedule");
        let set = self.inner.schedule(session, timer).await;
        self.fatal.after(&name);
        set
    }

    async fn append(&self, session: &SessionKey, fence: u64, record: Bytes) -> Result<u64, NotAppended> {
        let name = self.fatal.before(&format!("append.{}", step(&record)));
        let landed = self.inner.append(session, fence, record).await;
        self.fatal.after(&name);
        landed
    }

    async fn bury(&self, subject: String, id: String, letter: Bytes) -> Result<(), Unavailable> {
        self.inner.bury(subject, id, letter).await
    }

    async fn has_room(&self) -> Result<bool, Unavailable> {
        self.inner.has_room().await
    }

    async fn delete(&self, seqs: &[u64]) -> Result<(), Unavailable> {
        let name = self.fatal.before("delete");
        let deleted = self.inner.delete(seqs).await;
        self.fatal.after(&name);
        deleted
    }

    async fn unbury(&self, session: &SessionKey, events: &[EventSeq]) -> Result<(), Unavailable> {
        let name = self.fatal.before("unbury");
        let deleted = self.inner.unbury(session, events).await;
        self.fatal.after(&name);
        deleted
    }

    async fn settle(&self, reply: &Reply, settle: Settle) {
        if settle != Settle::Ack {
            return self.inner.settle(reply, settle).await;
        }
        let name = self.fatal.before("ack");
        self.inner.settle(reply, settle).await;
        self.fatal.after(&name);
    }

    async fn hand_over(&self, to: &WorkerId, delivery: &Delivery) -> HandOver {
        self.inner.hand_over(to, delivery).await
    }

    async fn is_alive(&self, worker: &WorkerId) -> Option<bool> {
        self.inner.is_alive(worker).await
    }
}

struct FatalTimes {
    inner: Arc<dyn Times>,
    fatal: Arc<Fatal>,
}

#[async_trait]
impl Times for FatalTimes {
    async fn trigger(&self, id: &TriggerId) -> Result<Option<Arc<Revised<Trigger>>>, Unavailable> {
        self.inner.trigger(id).await
    }

    async fn alarm(&self, trigger: &TriggerId) -> Result<Option<Set>, Unavailable> {
        self.inner.alarm(trigger).await
    }

    async fn set_alarm(&self, trigger: &TriggerId, alarm: &Alarm, fence: u64) -> Result<bool, Unavailable> {
        let name = self.fatal.before("alarm");
        let set = self.inner.set_alarm(trigger, alarm, fence).await;
        self.fatal.after(&name);
        set
    }

    async fn was_sent(&self, session: &SessionKey, name: &str, since_ms: i64) -> Result<bool, Unavailable> {
        self.inner.was_sent(session, name, since_ms).await
    }

    async fn send(&self, session: &SessionKey, parcel: Parcel) -> Result<bool, Unavailable> {
        let name = self.fatal.before("send");
        let sent = self.inner.send(session, parcel).await;
        self.fatal.after(&name);
        sent
    }
}

struct FatalDirectory {
    inner: Arc<dyn Directory>,
    fatal: Arc<Fatal>,
}

impl FatalDirectory {
    fn wrap(&self, plan: Plan) -> Plan {
        let bot = plan.bot.map(|inner| Arc::new(FatalBot { inner, fatal: Arc::clone(&self.fatal) }) as Arc<dyn Bot>);
        let abilities = Arc::new(FatalAbilities { inner: plan.abilities, fatal: Arc::clone(&self.fatal) });
        Plan { bot, abilities, ..plan }
    }
}

#[async_trait]
impl Directory for FatalDirectory {
    fn trigger(&self, id: &TriggerId) -> Option<Arc<Revised<Trigger>>> {
        self.inner.trigger(id)
    }

    fn triggers(&self) -> Vec<TriggerId> {
        self.inner.triggers()
    }

    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable> {
        self.inner.has_trigger(id).await
    }

    fn is_paused(&self, id: &TriggerId) -> bool {
        self.inner.is_paused(id)
    }

    fn plan(&self, id: &TriggerId) -> Option<Plan> {
        self.inner.plan(id).map(|plan| self.wrap(plan))
    }

    async fn plan_at(&self, id: &TriggerId, revisions: Revisions) -> Result<Option<Plan>, Unavailable> {
        Ok(self.inner.plan_at(id, revisions).await?.map(|plan| self.wrap(plan)))
    }

    fn plan_for(&self, id: &TriggerId, wanted: Wanted<'_>) -> Option<Plan> {
        self.inner.plan_for(id, wanted).map(|plan| self.wrap(plan))
    }

    async fn plan_for_at(&self, id: &TriggerId, wanted: Wanted<'_>, revisions: Revisions) -> Result<Option<Plan>, Unavailable> {
        Ok(self.inner.plan_for_at(id, wanted, revisions).await?.map(|plan| self.wrap(plan)))
    }
}

struct FatalBot {
    inner: Arc<dyn Bot>,
    fatal: Arc<Fatal>,
}

#[async_trait]
impl Bot for FatalBot {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        let name = self.fatal.before("think");
        let thought = self.inner.think(turn).await;
        self.fatal.after(&name);
        thought
    }

    fn wants_history(&self) -> bool {
        self.inner.wants_history()
    }

    fn wants_facts(&self) -> bool {
        self.inner.wants_facts()
    }

    fn limits(&self) -> &Limits {
        self.inner.limits()
    }

    fn estimate(&self, turn: &Turn<'_>) -> Spent {
        self.inner.estimate(turn)
    }

    fn providers(&self) -> &[(String, usize)] {
        self.inner.providers()
    }
}

struct FatalAbilities {
    inner: Arc<dyn Abilities>,
    fatal: Arc<Fatal>,
}

#[async_trait]
impl Abilities for FatalAbilities {
    fn doubt(&self, ability: &str, arguments: &Value) -> Doubt {
        self.inner.doubt(ability, arguments)
    }

    fn wait(&self, ability: &str, arguments: &Value) -> Option<WaitFor> {
        self.inner.wait(ability, arguments)
    }

    async fn run(&self, call: &Call, idempotency_key: &str, facts: &Facts) -> Result<String, String> {
        let name = self.fatal.before(&format!("run.{}", call.ability));
        let result = self.inner.run(call, idempotency_key, facts).await;
        self.fatal.after(&name);
        result
    }
}
