//! Triggers that stand still, and go on.
//!
//! While a trigger or its bot is paused, deliveries of its events are put off for minutes, each
//! with a spread of its own, so that a long queue costs next to nothing. So nobody would bring
//! them soon once it goes on: every worker then looks through EVENTS for the sessions that wait,
//! and takes them up without a delivery.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use backbone::catalogue::Catalogue;
use proto::id::{EventSeq, TriggerId};
use proto::limit;
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;

/// How many events of a trigger that goes on are looked at; behind them the broker's own deliveries follow.
const EVENTS_LOOKED_AT_MAX: usize = 100_000;
/// How long changes are gathered before they are looked at.
const GATHER: Duration = Duration::from_millis(20);

/// Takes up what waits of triggers that go on, until `shutdown`.
pub async fn run(desk: Arc<Desk>, catalogue: Catalogue, shutdown: CancellationToken) {
    let mut changes = catalogue.follow();
    let mut paused: HashSet<TriggerId> = HashSet::new();
    loop {
        let now: HashSet<TriggerId> = {
            let directory = &desk.ports.directory;
            directory.triggers().into_iter().filter(|trigger| directory.is_paused(trigger)).collect()
        };
        for trigger in paused.difference(&now) {
            if !shutdown.is_cancelled() {
                take_up(&desk, trigger).await;
            }
        }
        paused = now;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn take_up(desk: &Arc<Desk>, trigger: &TriggerId) {
    let Some(epoch) = desk.epoch() else { return };
    let mut seen = HashSet::new();
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
