//! Every trigger with a schedule has its timer.
//!
//! Each worker sees to it when the configuration changes, and to all of them once in a while; no
//! worker is special. Of several that set a timer at once the broker's fence lets one. A worker
//! whose view of the configuration is older than what set a timer leaves it alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use backbone::alarm::{self as timers, Set};
use backbone::catalogue::{Catalogue, Revised, Snapshot};
use backbone::publish;
use futures_util::future::join_all;
use proto::id::TriggerId;
use proto::limit::{ALARMS_EVERY, READ_BATCH_MAX};
use proto::resource::Trigger;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::alarm;
use crate::port::Clock;

/// How long changes are gathered before they are looked at.
const GATHER: Duration = Duration::from_millis(20);
/// The pause before what could not be set is tried again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How many timers are set at the same time.
const SETTING_MAX: usize = 16;

/// Schedule and zone of a trigger: what its timer was last seen to be right for.
type Kept = (String, String);

/// Keeps the timers right.
pub struct Keeper {
    client: Client,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
    kept: HashMap<TriggerId, Kept>,
}

impl Keeper {
    /// A keeper that has not looked yet.
    pub fn new(client: Client, catalogue: Catalogue, clock: Arc<dyn Clock>) -> Self {
        Self { client, catalogue, clock, kept: HashMap::new() }
    }

    /// Keeps the timers right until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut changes = self.catalogue.follow();
        let mut all = tokio::time::interval(ALARMS_EVERY);
        all.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut retry_at: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    tokio::time::sleep(GATHER).await;
                }
                _ = all.tick() => self.kept.clear(),
                () = wait_until(retry_at) => {}
            }
            let Some(snapshot) = changes.borrow_and_update().clone() else { continue };
            let is_done = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                is_done = self.look(&snapshot) => is_done,
            };
            retry_at = (!is_done).then(|| Instant::now() + RETRY_EVERY);
        }
    }

    /// Sets and clears what is not as the snapshot has it; whether all of that could be done.
    async fn look(&mut self, snapshot: &Snapshot) -> bool {
        let scheduled = snapshot.triggers.values().filter(|trigger| trigger.schedule.is_some());
        let changed: Vec<_> = scheduled.filter(|trigger| self.kept.get(&trigger.id) != Some(&kept(trigger))).cloned().collect();
        let mut is_done = true;
        for some in changed.chunks(READ_BATCH_MAX) {
            is_done &= self.see_to(some).await;
        }
        let has_none = |id: &TriggerId| snapshot.triggers.get(id).is_none_or(|trigger| trigger.schedule.is_none());
        let gone: Vec<TriggerId> = self.kept.keys().filter(|id| has_none(id)).cloned().collect();
        for id in gone {
            // One that stays by mistake rings once, and is then found to be nobody's.
            if let Ok(Some(set)) = timers::read(&self.client, &id).await
                && set.alarm.revision < snapshot.revision
                && timers::clear(&self.client, &id, set.fence).await.is_err()
            {
                is_done = false;
                continue;
            }
            self.kept.remove(&id);
        }
        is_done
    }

    async fn see_to(&mut self, triggers: &[Arc<Revised<Trigger>>]) -> bool {
        let ids: Vec<TriggerId> = triggers.iter().map(|trigger| trigger.id.clone()).collect();
        let found = match timers::read_many(&self.client, &ids).await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, "the timers of schedules cannot be read yet");
                return false;
            }
        };
        let mut ended = Vec::with_capacity(triggers.len());
        for some in triggers.chunks(SETTING_MAX) {
            let setting = some
                .iter()
                .map(|trigger| set(self.client.clone(), Arc::clone(trigger), found.get(&trigger.id).cloned(), self.clock.now_ms()));
            ended.extend(join_all(setting).await);
        }
        let mut is_done = true;
        for (trigger, is_right) in triggers.iter().zip(ended) {
            if is_right {
                self.kept.insert(trigger.id.clone(), kept(trigger));
            }
            is_done &= is_right;
        }
        is_done
    }
}

/// Sets one timer if it has to be; whether it is right now.
async fn set(client: Client, trigger: Arc<Revised<Trigger>>, found: Option<Set>, now_ms: i64) -> bool {
    let wanted = match alarm::wanted(&trigger, found.as_ref().map(|found| &found.alarm), now_ms) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return true,
        Err(fault) => {
            tracing::warn!(trigger.id = %trigger.id, %fault, "a trigger's schedule cannot be used");
            return true;
        }
    };
    match timers::set(&client, &trigger.id, &wanted, found.map_or(0, |found| found.fence), now_ms).await {
        Ok(()) => true,
        // Another worker was ahead: what it set is looked at once more.
        Err(publish::Error::Fenced) => false,
        Err(error) => {
            tracing::warn!(trigger.id = %trigger.id, %error, "the timer of a schedule cannot be set yet");
            false
        }
    }
}

/// Waits until a moment, or for ever where there is none.
async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn kept(trigger: &Trigger) -> Kept {
    (trigger.schedule.clone().unwrap_or_default(), trigger.timezone.clone().unwrap_or_default())
}
