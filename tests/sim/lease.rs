//! The lease store in memory: loses everything at times, and is silent at others.

use async_trait::async_trait;
use proto::id::{SessionKey, WorkerId};
use proto::limit;
use tokio::time::Instant;
use worker::port::{Census, Claim, Leases, Silent};

use crate::world::World;

/// One worker's connection.
pub(crate) struct SimLeases {
    world: World,
    me: WorkerId,
}

impl SimLeases {
    pub(crate) fn new(world: World, me: WorkerId) -> Self {
        Self { world, me }
    }

    async fn pass(&self) -> Result<(), Silent> {
        let is_silent = self.world.state().redis_silent_until.is_some_and(|until| until > Instant::now());
        if is_silent {
            tokio::time::sleep(limit::REDIS_DEADLINE).await;
            return Err(Silent);
        }
        self.world.pass(&self.me).await;
        Ok(())
    }

    fn answered(&self) -> Result<(), Silent> {
        // A call that timed out may still have run.
        if self.world.state().unlucky(100) { Err(Silent) } else { Ok(()) }
    }

    fn claim(&self, session: &SessionKey, gone: Option<&WorkerId>) -> Claim {
        let mut state = self.world.state();
        let now = Instant::now();
        match state.leases.get(session) {
            Some((owner, until)) if *until > now && *owner != self.me && Some(owner) != gone => {
                Claim::Theirs { owner: owner.clone(), left: *until - now }
            }
            _ => {
                state.leases.insert(session.clone(), (self.me.clone(), now + limit::LEASE_TTL));
                Claim::Mine
            }
        }
    }
}

#[async_trait]
impl Leases for SimLeases {
    async fn acquire(&self, session: &SessionKey) -> Result<Claim, Silent> {
        self.pass().await?;
        let claim = self.claim(session, None);
        if claim == Claim::Mine {
            self.world.state().sessions.entry(self.me.clone()).or_default().insert(session.clone());
        }
        self.answered()?;
        Ok(claim)
    }

    async fn take_over(&self, session: &SessionKey, from: &WorkerId) -> Result<Claim, Silent> {
        self.pass().await?;
        let claim = self.claim(session, Some(from));
        if claim == Claim::Mine {
            let mut state = self.world.state();
            state.sessions.entry(self.me.clone()).or_default().insert(session.clone());
            if let Some(sessions) = state.sessions.get_mut(from) {
                sessions.remove(session);
            }
        }
        self.answered()?;
        Ok(claim)
    }

    async fn renew(&self, sessions: &[SessionKey]) -> Result<Vec<bool>, Silent> {
        self.pass().await?;
        Ok(sessions.iter().map(|session| self.claim(session, None) == Claim::Mine).collect())
    }

    async fn release(&self, session: &SessionKey) -> Result<(), Silent> {
        self.pass().await?;
        let mut state = self.world.state();
        if state.leases.get(session).is_some_and(|(owner, _)| *owner == self.me) {
            state.leases.remove(session);
        }
        Ok(())
    }

    async fn beat(&self) -> Result<Census, Silent> {
        self.pass().await?;
        let mut state = self.world.state();
        state.beats.insert(self.me.clone(), Instant::now());
        let mut census = Census::default();
        for (worker, at) in &state.beats {
            if at.elapsed() < limit::HEARTBEAT_STALE { census.living.push(worker.clone()) } else { census.stale.push(worker.clone()) }
        }
        Ok(census)
    }

    async fn sessions_of(&self, worker: &WorkerId) -> Result<Vec<SessionKey>, Silent> {
        self.pass().await?;
        Ok(self.world.state().sessions.get(worker).into_iter().flatten().cloned().collect())
    }

    async fn forget(&self, worker: &WorkerId) -> Result<(), Silent> {
        self.pass().await?;
        let mut state = self.world.state();
        state.beats.remove(worker);
        state.sessions.remove(worker);
        Ok(())
    }
}
