//! A dead worker's sessions go on at once.
//!
//! The heartbeat and the set of a worker's sessions are hints in Redis; whether it is dead is
//! asked of the broker, on which no connection means no commit. Every living worker takes its
//! share, by the same arithmetic, and every rule of a delivery holds: adoption is only a quicker one.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, PoisonError};

use proto::id::{SessionKey, WorkerId};

use crate::desk::Desk;
use crate::port::Census;

/// What this worker knows of the others.
#[derive(Debug, Default)]
pub struct Adoption {
    census: Mutex<Census>,
    under_way: Mutex<BTreeSet<WorkerId>>,
}

impl Adoption {
    /// Takes note of who is there.
    pub fn note(&self, census: Census) {
        *self.census.lock().unwrap_or_else(PoisonError::into_inner) = census;
    }

    fn census(&self) -> Census {
        self.census.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&self, worker: &WorkerId) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(worker.clone())
    }

    fn end(&self, worker: &WorkerId) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(worker);
    }
}

/// Whose share a session is: the same answer in every process, and spread evenly.
pub fn heir<'a>(session: &SessionKey, living: &'a [WorkerId]) -> Option<&'a WorkerId> {
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    living.iter().max_by_key(|worker| hasher.hash_one((session, worker)))
}

impl Desk {
    /// Takes over this worker's share of a dead worker's sessions, in the background.
    pub(crate) fn notice_death(self: &Arc<Self>, dead: &WorkerId) {
        if *dead == self.me || self.shutdown.is_cancelled() || !self.adoption.begin(dead) {
            return;
        }
        self.ports.telemetry.instruments.adoption();
        let (desk, dead) = (Arc::clone(self), dead.clone());
        self.ports.tasks.spawn(async move {
            desk.take_share(&dead).await;
            desk.adoption.end(&dead);
        });
    }

    async fn take_share(self: &Arc<Self>, dead: &WorkerId) {
        let Ok(sessions) = self.ports.leases.sessions_of(dead).await else { return };
        let census = self.adoption.census();
        let mut living: Vec<WorkerId> = census.living.into_iter().filter(|worker| worker != dead).collect();
        if !living.contains(&self.me) {
            living.push(self.me.clone());
        }
        if sessions.is_empty() {
            return self.ports.leases.forget(dead).await.unwrap_or_default();
        }
        let mine: Vec<SessionKey> = sessions.into_iter().filter(|session| heir(session, &living) == Some(&self.me)).collect();
        tracing::info!(worker.id = %dead, sessions = mine.len(), "a worker is gone: its sessions go on here");
        for session in mine {
            self.adopt(session, dead.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::id::WorkerId;

    use super::heir;

    #[test]
    fn every_session_has_one_heir_whatever_the_order() {
        let mut living: Vec<WorkerId> = (0..3).map(|byte| WorkerId::of_random([byte; 8])).collect();
        let sessions: Vec<_> = (0..300).map(|number| format!("t.s{number}").parse().unwrap()).collect();
        let before: Vec<_> = sessions.iter().map(|session| heir(session, &living).cloned()).collect();
        living.reverse();
        let after: Vec<_> = sessions.iter().map(|session| heir(session, &living).cloned()).collect();
        assert_eq!(before, after);
        for worker in &living {
            assert!(before.iter().filter(|heir| heir.as_ref() == Some(worker)).count() > 50, "the share of {worker} is too small");
        }
    }
}
