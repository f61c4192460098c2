//! The seams of the worker's core.
//!
//! Everything that can fail, wait or differ between two runs comes in through these traits, so
//! that the whole core also runs over an in-memory broker on a paused clock. The core itself uses
//! no clock of the wall, no randomness and no spawning but these.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backbone::alarm;
use backbone::catalogue::Revised;
use backbone::journal::Entry;
use backbone::seal::MasterKey;
use bytes::Bytes;
use proto::id::{EventSeq, SessionKey, TriggerId, WorkerId};
use proto::record::Revisions;
use proto::resource::Trigger;
use proto::wire::{Alarm, Call, Outcome, Settings};
use telemetry::Telemetry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ability::Abilities;
use crate::bot::Bot;
use crate::budget::Ledger;

/// The subject that settles one delivery, as the broker gave it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reply(pub String);

/// What a session's inbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbox {
    /// An event: it is worked off in order.
    Event,
    /// An answer from outside: it is taken in at once.
    Answer,
}

/// A delivery of an event or an answer.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Its session.
    pub session: SessionKey,
    /// Which of the two it is.
    pub inbox: Inbox,
    /// Its place.
    pub event: EventSeq,
    /// Whether the broker never delivered it before.
    pub is_first: bool,
    /// What settles it.
    pub reply: Reply,
}

/// How a delivery is settled; fire and forget, since a lost settlement costs only a redelivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settle {
    /// Done: the broker forgets the event.
    Ack,
    /// Deliver again after this time.
    Nak(Duration),
    /// Still at it.
    Progress,
}

/// An event or answer as it waits in EVENTS.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its place.
    pub event: EventSeq,
    /// When it was stored, by the broker's clock, in milliseconds since 1970.
    pub at_ms: i64,
    /// The media type of the body, where the publisher said so.
    pub content_type: Option<String>,
    /// The trace context, where the publisher sent one.
    pub traceparent: Option<String>,
    /// The envelope.
    pub body: Bytes,
}

/// The broker gave no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the broker gave no answer: {0}")]
pub struct Unavailable(pub String);

/// Why an append was not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAppended {
    /// The fence refused it, or met another write in flight.
    #[error("refused by the fence")]
    Fenced,
    /// No answer, or one that does not say: it may have landed, or may still land.
    #[error("not confirmed")]
    Unconfirmed,
    /// The log takes nothing more.
    #[error("the log is full")]
    Full,
}

/// What became of an offer to the owner of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOver {
    /// The owner holds the delivery now.
    Taken,
    /// The owner has no room, or is shutting down.
    Refused,
    /// The owner has no connection to the broker, so it cannot commit.
    NoResponders,
    /// No answer in time.
    Late,
}

/// An answer that comes by itself.
#[derive(Debug, Clone)]
pub struct Timer {
    /// Names it in its session, as a subject token.
    pub id: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// The answer.
    pub answer: Bytes,
}

/// The broker, as the core needs it.
#[async_trait]
pub trait Broker: Send + Sync {
    /// The last record of a session, perhaps an earlier one.
    async fn last(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable>;
    /// The last record of a session.
    async fn last_from_leader(&self, session: &SessionKey) -> Result<Option<Entry>, Unavailable>;
    /// Up to `batch` records of a session after a log sequence.
    async fn records_after(&self, session: &SessionKey, seq: u64, batch: usize) -> Result<Vec<Entry>, Unavailable>;
    /// The first waiting event of a session after a sequence, unless a replica lags.
    async fn next(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable>;
    /// The first waiting event of a session after a sequence.
    async fn next_from_leader(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable>;
    /// The first waiting event of any session of a trigger after a sequence: its session and place.
    async fn first_of(&self, trigger: &TriggerId, after: EventSeq) -> Result<Option<(SessionKey, u64)>, Unavailable>;
    /// The first waiting answer of a session after a sequence, from the leader.
    async fn next_answer(&self, session: &SessionKey, after: EventSeq) -> Result<Option<Waiting>, Unavailable>;
    /// Has an answer put into a session's inbox at a time; set again under the same id, it replaces the one before.
    async fn schedule(&self, session: &SessionKey, timer: Timer) -> Result<(), Unavailable>;
    /// Appends a record behind the one at `fence`; its log sequence.
    async fn append(&self, session: &SessionKey, fence: u64, record: Bytes) -> Result<u64, NotAppended>;
    /// Stores a dead letter once under an id.
    async fn bury(&self, subject: String, id: String, letter: Bytes) -> Result<(), Unavailable>;
    /// Whether LOG and DEAD have room for all that the end of a turn may write; perhaps as of a moment ago.
    async fn has_room(&self) -> Result<bool, Unavailable>;
    /// Deletes records of the log so that their bytes are gone; one that is gone already is no fault.
    async fn delete(&self, seqs: &[u64]) -> Result<(), Unavailable>;
    /// Deletes the dead letters of a session's events in the same way.
    async fn unbury(&self, session: &SessionKey, events: &[EventSeq]) -> Result<(), Unavailable>;
    /// Settles a delivery.
    async fn settle(&self, reply: &Reply, settle: Settle);
    /// Offers a delivery to another worker.
    async fn hand_over(&self, to: &WorkerId, delivery: &Delivery) -> HandOver;
    /// Whether a worker has a connection to the broker; `None` where it did not say in time.
    async fn is_alive(&self, worker: &WorkerId) -> Option<bool>;
}

/// Who may work on a session, as far as Redis knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This worker.
    Mine,
    /// Another one, for at least this long.
    Theirs {
        /// The owner.
        owner: WorkerId,
        /// What is left of its lease.
        left: Duration,
    },
}

/// Redis did not answer; what was asked may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease store is silent")]
pub struct Silent;

/// Who is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    /// Workers whose heartbeat is fresh, this one included.
    pub living: Vec<WorkerId>,
    /// Workers that have gone quiet.
    pub stale: Vec<WorkerId>,
}

/// The lease store: hints that save work, never the only guard.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Claims a session unless another worker has it.
    async fn acquire(&self, session: &SessionKey) -> Result<Claim, Silent>;
    /// Claims a session that `from` has, or nobody.
    async fn take_over(&self, session: &SessionKey, from: &WorkerId) -> Result<Claim, Silent>;
    /// Prolongs leases; for each, whether it is still this worker's.
    async fn renew(&self, sessions: &[SessionKey]) -> Result<Vec<bool>, Silent>;
    /// Gives a lease back if it is this worker's.
    async fn release(&self, session: &SessionKey) -> Result<(), Silent>;
    /// Says that this worker lives, and asks who else does.
    async fn beat(&self) -> Result<Census, Silent>;
    /// The sessions a worker last had.
    async fn sessions_of(&self, worker: &WorkerId) -> Result<Vec<SessionKey>, Silent>;
    /// Says which sessions wait for more than a worker, and until when, in milliseconds since 1970.
    async fn put_aside(&self, _until_ms: &BTreeMap<SessionKey, i64>, _now_ms: i64) -> Result<(), Silent> {
        Ok(())
    }
    /// Strikes a worker off, once it has no session left.
    async fn forget(&self, worker: &WorkerId) -> Result<(), Silent>;
}

/// An event on its way into a session's inbox.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// What the broker knows a repeat by.
    pub message_id: String,
    /// The trace context.
    pub traceparent: Option<String>,
    /// The envelope, in protobuf.
    pub body: Bytes,
}

/// Timers, and the events that they bring.
#[async_trait]
pub trait Times: Send + Sync {
    /// A trigger as the bucket's leader knows it.
    async fn trigger(&self, id: &TriggerId) -> Result<Option<Arc<Revised<Trigger>>>, Unavailable>;
    /// The timer of a trigger's schedule, from the leader.
    async fn alarm(&self, trigger: &TriggerId) -> Result<Option<alarm::Set>, Unavailable>;
    /// Sets the timer of a trigger's schedule in place of the one at `fence`; false where another is there by now.
    async fn set_alarm(&self, trigger: &TriggerId, alarm: &Alarm, fence: u64) -> Result<bool, Unavailable>;
    /// Whether an event of that timer's name has come into a session since a time.
    async fn was_sent(&self, session: &SessionKey, name: &str, since_ms: i64) -> Result<bool, Unavailable>;
    /// Publishes an event; false where the broker knows its id.
    async fn send(&self, session: &SessionKey, parcel: Parcel) -> Result<bool, Unavailable>;
}

/// Triggers and bots.
#[async_trait]
pub trait Directory: Send + Sync {
    /// A trigger as this process knows it.
    fn trigger(&self, id: &TriggerId) -> Option<Arc<Revised<Trigger>>>;
    /// All triggers that this process knows.
    fn triggers(&self) -> Vec<TriggerId>;
    /// Whether a trigger exists for certain; asks the leader where this process knows none.
    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable>;
    /// Whether a trigger, or the bot that answers it, stands still: its events wait.
    fn is_paused(&self, id: &TriggerId) -> bool;
    /// What a turn of a trigger goes by, as this process knows it now.
    fn plan(&self, id: &TriggerId) -> Option<Plan>;
    /// What a turn that began at these revisions goes by; the newest where they are no longer kept.
    async fn plan_at(&self, id: &TriggerId, revisions: Revisions) -> Result<Option<Plan>, Unavailable>;
    /// What a turn goes by that wants more than its trigger says.
    fn plan_for(&self, id: &TriggerId, wanted: Wanted<'_>) -> Option<Plan>;
    /// The same, for a turn that began at these revisions.
    async fn plan_for_at(&self, id: &TriggerId, wanted: Wanted<'_>, revisions: Revisions) -> Result<Option<Plan>, Unavailable>;
}

/// What a turn goes by beside its trigger.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// What is known of its conversation.
    pub settings: Option<&'a Settings>,
    /// What this turn has beside the bot's own, as JSON; empty where nothing.
    pub extensions: &'a str,
}

impl Wanted<'_> {
    /// Whether the trigger says all.
    pub fn is_plain(&self) -> bool {
        self.extensions.is_empty() && self.settings.is_none_or(|settings| settings.bot.is_empty() && settings.definition.is_empty())
    }
}

/// What a turn goes by, from its beginning to its end.
#[derive(Clone)]
pub struct Plan {
    /// Where its event came in.
    pub trigger: Arc<Revised<Trigger>>,
    /// Who answers, or why nobody can.
    pub bot: Result<Arc<dyn Bot>, String>,
    /// The name under which what the bot takes is counted: its id.
    pub answerer: String,
    /// What it may do.
    pub abilities: Arc<dyn Abilities>,
    /// The contact whom the event alone is for, by its id, where it names one.
    pub contact: Option<String>,
    /// The versions of all that.
    pub revisions: Revisions,
    /// Whether the bot is the conversation's own and stands still: its turns do not begin.
    pub is_held: bool,
}

/// Whoever follows a turn while it runs; what is told here is stored nowhere.
pub trait Live: Send + Sync {
    /// Tells a session's followers.
    fn tell(&self, session: &SessionKey, event: EventSeq, news: News<'_>);
}

/// News of a turn that runs.
#[derive(Debug, Clone, Copy)]
pub enum News<'a> {
    /// The model says or thinks something.
    Delta(&'a model::answer::Delta),
    /// A call begins.
    Begun(&'a Call),
    /// A call has ended.
    Ended(&'a Outcome),
}

/// The clock of the wall; only the log's horizon is compared with it.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// Random bytes.
pub trait Chance: Send + Sync {
    /// Sixteen of them.
    fn bytes(&self) -> [u8; 16];

    /// A duration below `most`.
    fn below(&self, most: Duration) -> Duration {
        let [a, b, ..] = self.bytes();
        most * u32::from(u16::from_be_bytes([a, b])) / u32::from(u16::MAX)
    }
}

/// All seams of one worker.
#[derive(Clone)]
pub struct Ports {
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// The lease store.
    pub leases: Arc<dyn Leases>,
    /// Triggers and bots.
    pub directory: Arc<dyn Directory>,
    /// What is spent over many turns.
    pub ledger: Arc<dyn Ledger>,
    /// Timers, and the events that they bring.
    pub times: Arc<dyn Times>,
    /// Who follows turns while they run.
    pub live: Arc<dyn Live>,
    /// The clock of the wall.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub chance: Arc<dyn Chance>,
    /// What gateways seal by what only they may ask for; without it nobody's seal is looked at.
    pub seal: Option<MasterKey>,
    /// What is told of what happens.
    pub telemetry: Telemetry,
    /// Where tasks run.
    pub tasks: Tasks,
}

/// Where the core's tasks run: all of them are waited for, and all of them end at `kill`.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    kill: CancellationToken,
}

impl Tasks {
    /// Runs a task until it ends or all are killed.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let kill = self.kill.clone();
        // Boxed before it is wrapped: a wrapper that takes a future by value has room for it twice.
        let task = Box::pin(task);
        self.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = kill.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Ends every task where it stands, as a crash would.
    pub fn kill(&self) {
        self.kill.cancel();
    }

    /// Waits until every task has ended; none may be spawned after.
    pub async fn finished(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
