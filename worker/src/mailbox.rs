//! What one session's owner shares between delivery, renewal and drain.
//!
//! A mailbox is put in place before the lease is asked for, so a process has one drain a session.
//! It belongs to one epoch. Whoever ends it from outside cancels [`Mailbox::ended`]: the drain
//! then stops where it is, without ack and without release.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use proto::id::{Epoch, SessionKey};
use proto::limit;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::port::{Delivery, Reply};
use hold::{Hold, Taken};

pub mod hold;

/// How sure the worker is of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Asked for, not answered.
    Claiming,
    /// Granted or renewed at this moment.
    Mine(Instant),
    /// Redis is silent: only the head's own delivery entitles to a turn.
    Unsure,
    /// On its way back.
    GivenBack,
}

#[derive(Debug)]
struct Inbox {
    hold: Hold,
    lease: Lease,
    /// Whether something came since the drain last looked: a flag, because what is held may stay held.
    came: bool,
}

/// One session's mailbox.
#[derive(Debug)]
pub struct Mailbox {
    /// The session.
    pub session: SessionKey,
    /// The EVENTS stream that its deliveries come from.
    pub epoch: Epoch,
    /// Ends the drain from outside: the lease is lost, or a newer stream exists.
    pub ended: CancellationToken,
    inbox: Mutex<Inbox>,
    wake: Notify,
}

impl Mailbox {
    /// An empty mailbox.
    pub fn new(session: SessionKey, epoch: Epoch) -> Self {
        let inbox = Inbox { hold: Hold::default(), lease: Lease::Claiming, came: false };
        Self { session, epoch, ended: CancellationToken::new(), inbox: Mutex::new(inbox), wake: Notify::new() }
    }

    fn inbox(&self) -> std::sync::MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a delivery into custody and wakes the drain, also where there was no room.
    pub fn take(&self, delivery: Delivery, is_forwarded: bool) -> Taken {
        let taken = {
            let mut inbox = self.inbox();
            // Until it is known whose the session is, what comes is kept, so that it can all be handed over.
            let held_max = if inbox.lease == Lease::Claiming { limit::HELD_CLAIMING_MAX } else { limit::HELD_MAX };
            let taken = inbox.hold.take(delivery, is_forwarded, held_max);
            inbox.came |= !matches!(taken, Taken::Settled(_));
            taken
        };
        self.wake.notify_one();
        taken
    }

    /// Looks into the hold, and clears the flag that something came.
    pub fn look<T>(&self, read: impl FnOnce(&mut Hold) -> T) -> T {
        let mut inbox = self.inbox();
        inbox.came = false;
        read(&mut inbox.hold)
    }

    /// Works on the hold without clearing the flag.
    pub fn hold<T>(&self, work: impl FnOnce(&mut Hold) -> T) -> T {
        work(&mut self.inbox().hold)
    }

    /// Waits until an answer is held, or, where it matters, an event behind `seq`.
    pub async fn disturbed(&self, seq: u64, by_events: bool) {
        loop {
            let is_disturbed = self.hold(|hold| hold.has_answer() || (by_events && hold.has_later(seq)));
            if is_disturbed {
                return;
            }
            self.wake.notified().await;
        }
    }

    /// Whether there is reason to look for a further event.
    pub fn has_reason(&self) -> bool {
        let inbox = self.inbox();
        inbox.came || inbox.hold.is_waiting() || inbox.hold.has_answer()
    }

    /// The lease as last heard of.
    pub fn lease(&self) -> Lease {
        self.inbox().lease
    }

    /// Whether the lease is certainly this worker's.
    pub fn is_mine(&self) -> bool {
        matches!(self.lease(), Lease::Mine(at) if at.elapsed() < limit::LEASE_TTL)
    }

    /// Records what Redis said, or that it said nothing.
    pub fn set_lease(&self, lease: Lease) {
        self.inbox().lease = lease;
    }

    /// Records a renewal; false where the lease is on its way back.
    pub fn renewed(&self, at: Instant) -> bool {
        let mut inbox = self.inbox();
        let is_kept = inbox.lease != Lease::GivenBack;
        if is_kept {
            inbox.lease = Lease::Mine(at);
        }
        is_kept
    }

    /// All replies that are held and not yet settled.
    pub fn held(&self) -> Vec<Reply> {
        self.inbox().hold.replies()
    }

    /// Waits until something comes, at most `linger`; whether something came.
    pub async fn wait(&self, linger: Duration) -> bool {
        let deadline = Instant::now() + linger;
        loop {
            if self.inbox().came {
                return true;
            }
            if tokio::time::timeout_at(deadline, self.wake.notified()).await.is_err() {
                return self.inbox().came;
            }
        }
    }
}
