//! Where deliveries arrive and find their session's mailbox.
//!
//! A delivery for a session of this worker costs no I/O. For any other the mailbox is put in place
//! first and the lease asked for second; if another worker has it, the delivery is handed over,
//! and the owner acks it. Nothing here runs a turn: that is the [`crate::drain`]'s.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backbone::bug::{self, Bug};
use proto::code::Code;
use proto::id::{Epoch, SessionKey, TriggerId, WorkerId};
use proto::limit;
use proto::subject;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::adoption::Adoption;
use crate::aside::Aside;
use crate::drain::letter;
use crate::drain::{Drain, Stop};
use crate::gate::{Gates, Narrow};
use crate::mailbox::hold::{Held, Hold, Taken};
use crate::mailbox::{Lease, Mailbox};
use crate::pause::{self, PutOff};
use crate::port::{Claim, Delivery, HandOver, Inbox, Plan, Ports, Reply, Settle, Waiting};

/// How often a delivery is passed on before the broker is asked to bring it again.
const HOPS_MAX: u8 = 3;
/// The delay of a delivery that met an owner without room.
const REFUSED_DELAY: Duration = Duration::from_millis(100);

/// A delivery as it comes off the wire: its subject may name nothing.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The subject.
    pub subject: String,
    /// Whether the broker never delivered it before.
    pub is_first: bool,
    /// What settles it.
    pub reply: Reply,
    /// The event.
    pub waiting: Waiting,
}

/// How a mailbox came to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// The owner that is known to be gone.
    pub(crate) from: Option<WorkerId>,
    /// Whether no delivery brought it.
    is_found: bool,
    hops: u8,
}

/// One worker's sessions.
pub struct Desk {
    /// The seams.
    pub ports: Ports,
    /// This worker.
    pub me: WorkerId,
    /// No new work once cancelled.
    pub shutdown: CancellationToken,
    pub(crate) gates: Gates,
    pub(crate) lingering: AtomicUsize,
    pub(crate) adoption: Adoption,
    pub(crate) put_off: PutOff,
    pub(crate) aside: Aside,
    /// Held while leases are renewed: whoever ends the tasks takes it first.
    pub(crate) renewing: tokio::sync::Mutex<()>,
    mailboxes: Mutex<BTreeMap<SessionKey, Arc<Mailbox>>>,
    /// Tasks that have deliveries to settle or to pass on, whether their mailboxes are still there or not.
    errands: Arc<AtomicUsize>,
    epoch: Mutex<Option<Epoch>>,
}

/// A task with deliveries that somebody would wait for if it were cut short.
struct Errand(Arc<AtomicUsize>);

impl Errand {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A mailbox's place on the desk: given up however its task ends, also by a panic, or its session would
/// stay owned for ever. A task that panics leaves its event to a redelivery, which counts as an attempt.
struct Place<'a> {
    desk: &'a Desk,
    mailbox: &'a Arc<Mailbox>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        drop(self.desk.remove(self.mailbox));
    }
}

impl Desk {
    /// A desk without sessions, with room for so many turns at once.
    pub fn new(ports: Ports, me: WorkerId, turns: usize, shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            ports,
            me,
            shutdown,
            gates: Gates::new(turns),
            lingering: AtomicUsize::new(0),
            adoption: Adoption::default(),
            put_off: PutOff::default(),
            aside: Aside::default(),
            renewing: tokio::sync::Mutex::default(),
            mailboxes: Mutex::default(),
            errands: Arc::default(),
            epoch: Mutex::default(),
        })
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Arc<Mailbox>>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All mailboxes at this moment.
    pub fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        self.map().values().cloned().collect()
    }

    /// Whether a mailbox is its session's, or its session has none.
    pub(crate) fn is_last(&self, mailbox: &Arc<Mailbox>) -> bool {
        self.map().get(&mailbox.session).is_none_or(|known| Arc::ptr_eq(known, mailbox))
    }

    /// Whether this worker has a session.
    pub fn has(&self, session: &SessionKey) -> bool {
        self.map().contains_key(session)
    }

    /// How many turns may begin right now.
    pub fn free_turns(&self) -> usize {
        self.gates.free()
    }

    /// Waits until a turn may begin.
    pub async fn turn_free(&self) {
        self.gates.opens().await;
    }

    /// The gates that a turn of a trigger goes through.
    pub(crate) fn gates_of(&self, trigger: &TriggerId) -> Vec<Narrow> {
        self.ports.directory.plan(trigger).map(|plan| self.gates_for(&plan)).unwrap_or_default()
    }

    /// The gates that a turn goes through by what it goes by.
    pub(crate) fn gates_for(&self, plan: &Plan) -> Vec<Narrow> {
        let trigger = &plan.trigger.id;
        let width = |turns: u32| usize::try_from(turns).ok().filter(|turns| *turns > 0);
        let own = width(plan.trigger.limits.turns).unwrap_or_else(|| self.gates.share());
        let mut gates = vec![Narrow { name: format!("trigger:{trigger}"), width: own }];
        if let Ok(bot) = &plan.bot {
            gates.extend(width(bot.limits().turns).map(|width| Narrow { name: format!("bot:{}", plan.answerer), width }));
            gates.extend(bot.providers().iter().map(|(name, width)| Narrow { name: format!("provider:{name}"), width: *width }));
        }
        gates
    }

    /// The newest EVENTS stream that this worker knows.
    pub fn set_epoch(&self, epoch: Epoch) {
        let mut known = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        *known = (*known).max(Some(epoch));
    }

    pub(crate) fn epoch(&self) -> Option<Epoch> {
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery from the broker.
    pub fn arrive(self: &Arc<Self>, arrival: Arrival) {
        if let Some((inbox, session)) =
            addressee(&arrival.subject).filter(|(_, session)| self.ports.directory.trigger(&session.trigger).is_some())
        {
            if !arrival.is_first {
                self.ports.telemetry.instruments.redelivery();
            }
            let delivery = Delivery { session, inbox, event: arrival.waiting.event, is_first: arrival.is_first, reply: arrival.reply };
            let trigger = &delivery.session.trigger;
            if inbox == Inbox::Event && self.ports.directory.is_paused(trigger) && !self.has(&delivery.session) {
                let delay = pause::delay(self);
                self.put_aside(&delivery.session, delay);
                self.settle_later(delivery.reply.clone(), Settle::Nak(delay));
                return self.put_off.remember(delivery);
            }
            self.place(delivery, false, Origin::default());
        } else {
            let desk = Arc::clone(self);
            self.ports.tasks.spawn(async move { desk.refuse(arrival).await });
        }
    }

    /// Takes a delivery that was put off.
    pub(crate) fn bring_back(self: &Arc<Self>, delivery: Delivery) {
        self.place(delivery, false, Origin::default());
    }

    /// Takes a delivery that another worker offers; whether it is in custody now.
    pub fn offered(self: &Arc<Self>, delivery: Delivery) -> bool {
        let is_known = self.map().contains_key(&delivery.session);
        if !is_known && (self.shutdown.is_cancelled() || self.map().len() >= limit::MAILBOXES_MAX) {
            return false;
        }
        self.place(delivery, true, Origin::default());
        true
    }

    /// Puts a delivery into its session's mailbox, which is made where there is none.
    fn place(self: &Arc<Self>, delivery: Delivery, is_forwarded: bool, origin: Origin) {
        let (session, event, reply) = (delivery.session.clone(), delivery.event, delivery.reply.clone());
        let (taken, new) = {
            // Under the lock of the map: a mailbox that is taken away in between would swallow the delivery.
            let mut map = self.map();
            match map.get(&session) {
                Some(known) if known.epoch > event.epoch => return,
                Some(known) if known.epoch == event.epoch => (known.take(delivery, is_forwarded), None),
                older => {
                    if older.is_none() && map.len() >= limit::MAILBOXES_MAX {
                        drop(map);
                        return self.settle_later(reply, Settle::Nak(limit::NAK_MAX));
                    }
                    if let Some(void) = older {
                        void.ended.cancel();
                    }
                    let mailbox = Arc::new(Mailbox::new(session.clone(), event.epoch));
                    map.insert(session, Arc::clone(&mailbox));
                    (mailbox.take(delivery, is_forwarded), Some(mailbox))
                }
            }
        };
        match taken {
            Taken::Held => {}
            Taken::Settled(reply) => self.settle_later(reply, Settle::Ack),
            Taken::Parked(reply) => {
                let spread = self.ports.chance.below(limit::PARK_MAX.saturating_sub(limit::PARK_MIN));
                self.settle_later(reply, Settle::Nak(limit::PARK_MIN + spread));
            }
        }
        if let Some(mailbox) = new {
            self.start(mailbox, origin);
        }
    }

    /// Takes up a session without a delivery: a dead worker had it.
    pub(crate) fn adopt(self: &Arc<Self>, session: SessionKey, from: WorkerId) {
        self.find(session, Origin { from: Some(from), is_found: true, hops: 0 });
    }

    /// Takes up a session whose delivery stands behind others.
    pub(crate) fn scout(self: &Arc<Self>, session: SessionKey) {
        self.find(session, Origin { is_found: true, ..Origin::default() });
    }

    /// Whether turns of a trigger could begin at once.
    pub(crate) fn is_open(&self, trigger: &TriggerId) -> bool {
        self.gates_of(trigger).iter().all(|gate| !self.gates.is_shut(gate))
    }

    fn find(self: &Arc<Self>, session: SessionKey, origin: Origin) {
        let Some(epoch) = self.epoch() else { return };
        let mailbox = {
            let mut map = self.map();
            if map.contains_key(&session) || map.len() >= limit::MAILBOXES_MAX {
                return;
            }
            let mailbox = Arc::new(Mailbox::new(session.clone(), epoch));
            map.insert(session, Arc::clone(&mailbox));
            mailbox
        };
        self.start(mailbox, origin);
    }

    fn start(self: &Arc<Self>, mailbox: Arc<Mailbox>, origin: Origin) {
        let (desk, errand) = (Arc::clone(self), Errand::begin(&self.errands));
        self.ports.tasks.spawn(async move {
            let _errand = errand;
            let place = Place { desk: &desk, mailbox: &mailbox };
            tokio::select! {
                biased;
                // Lost or void: no append, no ack, no release.
                () = mailbox.ended.cancelled() => {}
                () = desk.own(&mailbox, origin) => {}
            }
            drop(place);
        });
    }

    /// Claims the session and works it off, or hands everything over to who has it.
    async fn own(self: &Arc<Self>, mailbox: &Arc<Mailbox>, origin: Origin) {
        let claim = match &origin.from {
            Some(from) => self.ports.leases.take_over(&mailbox.session, from).await,
            None => self.ports.leases.acquire(&mailbox.session).await,
        };
        match claim {
            Ok(Claim::Mine) => {
                if origin.from.is_some() {
                    self.ports.telemetry.instruments.takeover();
                }
                mailbox.set_lease(Lease::Mine(Instant::now()));
            }
            Err(_) => mailbox.set_lease(Lease::Unsure),
            Ok(Claim::Theirs { owner, left }) => {
                for held in self.remove(mailbox) {
                    self.pass_on(held, &owner, left, origin.hops).await;
                }
                return;
            }
        }
        let stop = Drain::new(self, mailbox, origin.is_found).run().await;
        self.end(mailbox, stop).await;
    }

    async fn end(self: &Arc<Self>, mailbox: &Arc<Mailbox>, stop: Stop) {
        match stop {
            Stop::Drop(why) => {
                tracing::info!(session.key = %mailbox.session, why, "a session is let go as it is");
                drop(self.remove(mailbox));
                return;
            }
            Stop::Yield(delay) => {
                let replies = mailbox.hold(Hold::give_up);
                self.ports.telemetry.instruments.put_off(replies.len());
                for reply in replies {
                    self.ports.broker.settle(&reply, Settle::Nak(delay)).await;
                }
            }
            Stop::Wait => {
                let behind = mailbox.hold(Hold::give_up_events);
                if !behind.is_empty() {
                    self.put_aside(&mailbox.session, limit::WAITING_DELAY);
                }
                for reply in behind {
                    self.ports.broker.settle(&reply, Settle::Nak(limit::WAITING_DELAY)).await;
                }
            }
            Stop::Release | Stop::ReadAgain => {}
        }
        mailbox.set_lease(Lease::GivenBack);
        if let Err(silent) = self.ports.leases.release(&mailbox.session).await {
            tracing::debug!(session.key = %mailbox.session, %silent, "a lease is left to run out");
        }
        // What came while the release was on its way.
        for held in self.remove(mailbox) {
            if bug::is(Bug::ReleaseWithoutLook) {
                return;
            }
            if self.shutdown.is_cancelled() {
                self.ports.broker.settle(&held.delivery.reply, Settle::Nak(Duration::ZERO)).await;
            } else {
                self.place(held.delivery, held.is_forwarded, Origin::default());
            }
        }
    }

    /// Takes a mailbox away and what it holds out of it.
    fn remove(&self, mailbox: &Arc<Mailbox>) -> Vec<Held> {
        let mut map = self.map();
        if map.get(&mailbox.session).is_some_and(|known| Arc::ptr_eq(known, mailbox)) {
            map.remove(&mailbox.session);
        }
        drop(map);
        mailbox.hold(Hold::empty)
    }

    async fn pass_on(self: &Arc<Self>, held: Held, owner: &WorkerId, left: Duration, hops: u8) {
        let delivery = held.delivery;
        if held.is_forwarded || hops >= HOPS_MAX {
            return self.put_off(&delivery.reply, left.min(limit::NAK_MAX)).await;
        }
        match self.ports.broker.hand_over(owner, &delivery).await {
            HandOver::Taken => {}
            HandOver::Refused if bug::is(Bug::HandOverUnanswered) => {}
            HandOver::Refused => self.put_off(&delivery.reply, REFUSED_DELAY).await,
            HandOver::Late => self.put_off(&delivery.reply, left.min(limit::NAK_MAX)).await,
            HandOver::NoResponders => {
                self.notice_death(owner);
                self.place(delivery, false, Origin { from: Some(owner.clone()), is_found: true, hops: hops + 1 });
            }
        }
    }

    async fn put_off(&self, reply: &Reply, delay: Duration) {
        self.ports.telemetry.instruments.put_off(1);
        let spread = self.ports.chance.below(delay / 2 + REFUSED_DELAY);
        self.ports.broker.settle(reply, Settle::Nak(delay + spread)).await;
    }

    fn settle_later(self: &Arc<Self>, reply: Reply, settle: Settle) {
        let (desk, errand) = (Arc::clone(self), Errand::begin(&self.errands));
        self.ports.tasks.spawn(async move {
            let _errand = errand;
            desk.ports.broker.settle(&reply, settle).await;
        });
    }

    /// Deals with a delivery whose subject names no trigger that this process knows.
    async fn refuse(self: Arc<Self>, arrival: Arrival) {
        let known = match addressee(&arrival.subject) {
            Some((_, session)) => self.ports.directory.has_trigger(&session.trigger).await,
            None => Ok(false),
        };
        let settle = match known {
            Ok(false) => {
                let code = Code::SubjectInvalid;
                let reason = "the subject names no trigger and session of this system".to_owned();
                let place = letter::Place::Invalid(&arrival.subject);
                match letter::bury(&*self.ports.broker, place, &arrival.waiting, letter::Cause { code, reason, attempts: 0 }).await {
                    Ok(()) => Settle::Ack,
                    Err(_) => Settle::Nak(limit::NAK_MAX),
                }
            }
            // A trigger that this process will know in a moment, or a broker that does not answer.
            Ok(true) => Settle::Nak(REFUSED_DELAY),
            Err(_) => Settle::Nak(limit::NAK_MAX),
        };
        self.ports.broker.settle(&arrival.reply, settle).await;
    }

    /// Waits until every session is let go and what was held of it is settled, at most until `deadline`; what is left.
    pub async fn drained(&self, deadline: Instant) -> Vec<SessionKey> {
        let has_work = || !self.map().is_empty() || self.errands.load(Ordering::Relaxed) > 0;
        while has_work() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.map().keys().cloned().collect()
    }

    /// Ends all tasks, once no renewal is on its way, at most until `deadline`.
    ///
    /// A renewal that is cut short may bring back a lease that was given back meanwhile.
    pub async fn end_tasks(&self, deadline: Instant) {
        let renewed = tokio::time::timeout_at(deadline, self.renewing.lock()).await;
        self.ports.tasks.kill();
        self.ports.tasks.finished().await;
        drop(renewed);
    }
}

/// Whose inbox a subject names.
fn addressee(subject: &str) -> Option<(Inbox, SessionKey)> {
    let event = subject::session_of_event(subject).map(|session| (Inbox::Event, session));
    event.or_else(|| subject::session_of_answer(subject).map(|session| (Inbox::Answer, session)))
}
