//! What a worker does at intervals: renew its leases, keep held deliveries alive, say that it lives.

use std::sync::Arc;
use std::time::Duration;

use backbone::bug::{self, Bug};
use proto::id::SessionKey;
use proto::limit;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::aside;
use crate::desk::Desk;
use crate::mailbox::{Lease, Mailbox};
use crate::port::Settle;
use crate::scout;

/// Starts the loops; they end with the desk's tasks.
pub fn start(desk: &Arc<Desk>) {
    let (renewing, progressing, beating) = (Arc::clone(desk), Arc::clone(desk), Arc::clone(desk));
    desk.ports.tasks.spawn(scout::run(Arc::clone(desk)));
    desk.ports.tasks.spawn(async move {
        let mut due = ticks(limit::RENEW_EVERY);
        loop {
            due.tick().await;
            renew(&renewing).await;
        }
    });
    desk.ports.tasks.spawn(async move {
        let mut due = ticks(limit::PROGRESS_EVERY);
        loop {
            due.tick().await;
            progress(&progressing).await;
        }
    });
    desk.ports.tasks.spawn(async move {
        let mut due = ticks(limit::HEARTBEAT_EVERY);
        loop {
            due.tick().await;
            beat(&beating).await;
            aside::tell(&beating).await;
        }
    });
}

fn ticks(period: Duration) -> Interval {
    let mut due = tokio::time::interval(period);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    due
}

/// Renews every lease. One that is lost ends its mailbox: no effect, no append, no ack after that.
async fn renew(desk: &Desk) {
    let _renewing = desk.renewing.lock().await;
    if bug::is(Bug::LeaseNeverRenewed) {
        return;
    }
    let is_ours = |mailbox: &Arc<Mailbox>| !matches!(mailbox.lease(), Lease::Claiming | Lease::GivenBack);
    let mailboxes: Vec<Arc<Mailbox>> = desk.mailboxes().into_iter().filter(is_ours).collect();
    for batch in mailboxes.chunks(limit::RENEW_BATCH_MAX) {
        let sessions: Vec<SessionKey> = batch.iter().map(|mailbox| mailbox.session.clone()).collect();
        let asked_at = Instant::now();
        let kept = desk.ports.leases.renew(&sessions).await;
        for (place, mailbox) in batch.iter().enumerate() {
            match kept.as_ref().map(|kept| kept.get(place) == Some(&true)) {
                Ok(false) => {
                    tracing::info!(session.key = %mailbox.session, "the lease is lost");
                    mailbox.ended.cancel();
                }
                Ok(true) if mailbox.renewed(asked_at) => {}
                // Silence needs no record: a lease that is not renewed stops being certain by its age.
                Err(_) if mailbox.lease() != Lease::GivenBack => {}
                // It was let go while the renewal was on its way, which brought the lease back, heard of or not.
                Ok(true) | Err(_) if desk.is_last(mailbox) => desk.ports.leases.release(&mailbox.session).await.unwrap_or_default(),
                Ok(true) | Err(_) => {}
            }
        }
        if kept.is_err() {
            return;
        }
    }
}

/// Tells the broker that held deliveries are still worked on.
async fn progress(desk: &Desk) {
    for mailbox in desk.mailboxes() {
        for reply in mailbox.held() {
            desk.ports.broker.settle(&reply, Settle::Progress).await;
        }
    }
}

/// Says that this worker lives, and asks after those that went quiet.
async fn beat(desk: &Arc<Desk>) {
    let Ok(census) = desk.ports.leases.beat().await else { return };
    let stale = census.stale.clone();
    desk.adoption.note(census);
    for worker in stale {
        if desk.ports.broker.is_alive(&worker).await == Some(false) {
            desk.notice_death(&worker);
        }
    }
}
