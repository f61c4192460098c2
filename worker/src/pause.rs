//! Triggers that stand still, and go on.
//!
//! While a trigger or its bot is paused, deliveries of its events are put off for minutes, each
//! with a spread of its own, so that a long queue costs next to nothing. So nobody would bring
//! them soon once it goes on: the worker remembers what it put off, and takes that up again.
//! What it could not remember it finds in EVENTS, session by session, as it finds a dead worker's.
//!
//! A conversation that names a bot of its own waits for that one too. Nothing says which these are when
//! the bot goes on, so they look again every few seconds.
//!
//! A turn that has begun goes on: its worker holds its mailbox. Where that worker dies while Redis is
//! away too, the turn waits for its trigger like all others.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backbone::catalogue::Catalogue;
use proto::id::{EventSeq, SessionKey, TriggerId};
use proto::limit;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;
use crate::port::Delivery;

/// How many events of a trigger that goes on are looked at; behind them the broker's own deliveries follow.
const EVENTS_LOOKED_AT_MAX: usize = 100_000;
/// How many deliveries that were put off are remembered.
const PUT_OFF_MAX: usize = 65_536;
/// How long a conversation is put off whose own bot stands still.
const OWN_BOT_DELAY: Duration = Duration::from_secs(10);
/// How often what was put off is looked at, whether or not the configuration changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The deliveries of one trigger, the newest of each event.
type OfTrigger = BTreeMap<(SessionKey, u64), Delivery>;

/// Deliveries that were put off because their trigger stands still.
#[derive(Debug, Default)]
pub(crate) struct PutOff(Mutex<BTreeMap<TriggerId, OfTrigger>>);

impl PutOff {
    /// Notes that something of a trigger was put off.
    pub(crate) fn note(&self, trigger: &TriggerId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(trigger.clone()).or_default();
    }

    /// Remembers a delivery, as long as there is room.
    pub(crate) fn remember(&self, delivery: Delivery) {
        let mut put_off = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = put_off.values().map(BTreeMap::len).sum::<usize>() >= PUT_OFF_MAX;
        let of_trigger = put_off.entry(delivery.session.trigger.clone()).or_default();
        if !is_full {
            of_trigger.insert((delivery.session.clone(), delivery.event.seq), delivery);
        }
    }

    fn triggers(&self) -> Vec<TriggerId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn take(&self, trigger: &TriggerId) -> impl Iterator<Item = Delivery> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(trigger).unwrap_or_default().into_values()
    }
}

/// Takes up what waits of triggers that go on, until `shutdown`.
pub async fn run(desk: Arc<Desk>, catalogue: Catalogue, shutdown: CancellationToken) {
    let mut changes = catalogue.follow();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut paused: HashSet<TriggerId> = HashSet::new();
    loop {
        let has_changed = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                true
            }
            _ = look.tick() => false,
        };
        let directory = &desk.ports.directory;
        let mut stood: HashSet<TriggerId> = desk.put_off.triggers().into_iter().collect();
        if has_changed {
            let now = directory.triggers().into_iter().filter(|trigger| directory.is_paused(trigger)).collect();
            stood.extend(std::mem::replace(&mut paused, now));
        }
        for trigger in stood {
            if !shutdown.is_cancelled() && !directory.is_paused(&trigger) {
                take_up(&desk, &trigger).await;
            }
        }
    }
}

async fn take_up(desk: &Arc<Desk>, trigger: &TriggerId) {
    let mut seen = HashSet::new();
    for delivery in desk.put_off.take(trigger) {
        seen.insert(delivery.session.clone());
        desk.bring_back(delivery);
    }
    let Some(epoch) = desk.epoch() else { return };
    let mut after = EventSeq { epoch, seq: 0 };
    for _ in 0..EVENTS_LOOKED_AT_MAX {
        let Ok(Some((session, seq))) = desk.ports.broker.first_of(trigger, after).await else { break };
        after.seq = seq;
        if seen.insert(session.clone()) {
            desk.scout(session);
        }
    }
    tracing::info!(trigger.id = %trigger, sessions = seen.len(), "a trigger goes on");
}

/// How long a delivery of a trigger that stands still is put off.
pub(crate) fn delay(desk: &Desk) -> Duration {
    limit::PAUSED_DELAY / 2 + desk.ports.chance.below(limit::PAUSED_DELAY / 2)
}

/// How long a conversation is put off whose own bot stands still.
pub(crate) fn delay_of_one(desk: &Desk) -> Duration {
    OWN_BOT_DELAY / 2 + desk.ports.chance.below(OWN_BOT_DELAY / 2)
}
