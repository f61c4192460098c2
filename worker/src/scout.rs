//! A trigger's backlog does not hold the others up.
//!
//! Deliveries come in the order of the stream, so behind a hundred thousand events of one trigger
//! those of another would wait until all of these were begun. A trigger has at most its share of a
//! worker's turns; while its gate is shut and places are left, this looks through the stream for
//! the first events of the other triggers, and takes their sessions up without a delivery. The
//! delivery comes later and is acked on sight.
//!
//! Not guaranteed: that every worker finds different sessions; the lease tells who takes one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proto::id::{EventSeq, TriggerId};
use tokio::time::MissedTickBehavior;

use crate::desk::Desk;

/// How often the stream is looked through while it is crowded.
const EVERY: Duration = Duration::from_millis(10);
/// How many events of one trigger one look takes up.
const BATCH_MAX: usize = 32;
/// How many triggers one look asks after; the next one goes on behind them.
const TRIGGERS_MAX: usize = 16;

/// Looks for events of other triggers whenever a trigger's backlog stands in their way.
pub async fn run(desk: Arc<Desk>) {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: HashMap<TriggerId, u64> = HashMap::new();
    let mut round = 0;
    while !desk.shutdown.is_cancelled() {
        due.tick().await;
        if !desk.gates.is_crowded() {
            seen.clear();
            continue;
        }
        let triggers = desk.ports.directory.triggers();
        let open: Vec<TriggerId> = triggers.into_iter().filter(|trigger| desk.is_open(trigger)).collect();
        for offset in 0..open.len().min(TRIGGERS_MAX) {
            let Some(trigger) = open.get((round + offset) % open.len()) else { continue };
            look(&desk, trigger, seen.entry(trigger.clone()).or_default()).await;
        }
        round = round.wrapping_add(TRIGGERS_MAX);
    }
}

/// Takes up sessions of a trigger that have events behind `seen`.
async fn look(desk: &Arc<Desk>, trigger: &TriggerId, seen: &mut u64) {
    let Some(epoch) = desk.epoch() else { return };
    for _ in 0..BATCH_MAX {
        let after = EventSeq { epoch, seq: *seen };
        let Ok(Some((session, seq))) = desk.ports.broker.first_of(trigger, after).await else { return };
        *seen = seq;
        desk.scout(session);
        if !desk.gates.is_crowded() || !desk.is_open(trigger) {
            return;
        }
    }
}
