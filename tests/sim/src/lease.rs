//! The lease store in memory: loses everything at times, and is silent at others.

use async_trait::async_trait;
use proto::id::{SessionKey, WorkerId};
use proto::limit;
use tokio::time::Instant;
use worker::port::{Census, Claim, Leases, Silent};

use crate::tally::Fault;
use crate::world::World;

/// One worker's connection.
pub(crate) struct SimLeases {
    world: World,
    me: WorkerId,
    name: String,
}

impl SimLeases {
    pub(crate) fn new(world: World, me: WorkerId) -> Self {
        Self { name: me.to_string(), world, me }
    }

    async fn pass(&self, point: &'static str) -> Result<(), Silent> {
        if self.world.state().is_redis_silent() {
            tokio::time::sleep(limit::REDIS_DEADLINE).await;
            return Err(Silent);
        }
        self.world.pass(&self.name, point).await;
        Ok(())
    }

    /// A call that timed out may still have run.
    async fn answered(&self, point: &'static str) -> Result<(), Silent> {
        self.world.pass(&self.name, point).await;
        if self.world.state().unlucky(100, Fault::RedisAnswerLost) { Err(Silent) } else { Ok(()) }
    }

    fn claim(&self, session: &SessionKey, gone: Option<&WorkerId>) -> Claim {
        let claim = self.granted(session, gone);
        self.world.state().note(|| format!("{} claims {session}: {claim:?}", self.name));
        claim
    }

    fn granted(&self, session: &SessionKey, gone: Option<&WorkerId>) -> Claim {
        let mut state = self.world.state();
        let now = Instant::now();
        match state.hints.leases.get(session) {
            Some((owner, until)) if *until > now && *owner != self.me && Some(owner) != gone => {
                Claim::Theirs { owner: owner.clone(), left: *until - now }
            }
            _ => {
                state.hints.leases.insert(session.clone(), (self.me.clone(), now + limit::LEASE_TTL));
                Claim::Mine
            }
        }
    }
}

#[async_trait]
impl Leases for SimLeases {
    async fn acquire(&self, session: &SessionKey) -> Result<Claim, Silent> {
        self.pass("acquire").await?;
        let claim = self.claim(session, None);
        if claim == Claim::Mine {
            self.world.state().hints.sessions.entry(self.me.clone()).or_default().insert(session.clone());
        }
        self.answered("acquire, answered").await?;
        Ok(claim)
    }

    async fn take_over(&self, session: &SessionKey, from: &WorkerId) -> Result<Claim, Silent> {
        self.pass("take over").await?;
        let claim = self.claim(session, Some(from));
        if claim == Claim::Mine {
            let mut state = self.world.state();
            state.hints.sessions.entry(self.me.clone()).or_default().insert(session.clone());
            if let Some(sessions) = state.hints.sessions.get_mut(from) {
                sessions.remove(session);
            }
        }
        self.answered("take over, answered").await?;
        Ok(claim)
    }

    async fn renew(&self, sessions: &[SessionKey]) -> Result<Vec<bool>, Silent> {
        self.pass("renew").await?;
        let renewed = sessions.iter().map(|session| self.claim(session, None) == Claim::Mine).collect();
        self.answered("renew, answered").await?;
        Ok(renewed)
    }

    async fn release(&self, session: &SessionKey) -> Result<(), Silent> {
        self.pass("release").await?;
        let mut state = self.world.state();
        if state.hints.leases.get(session).is_some_and(|(owner, _)| *owner == self.me) {
            state.hints.leases.remove(session);
            state.note(|| format!("{} gives {session} back", self.name));
        }
        Ok(())
    }

    async fn beat(&self) -> Result<Census, Silent> {
        self.pass("beat").await?;
        let mut state = self.world.state();
        state.hints.beats.insert(self.me.clone(), Instant::now());
        let mut census = Census::default();
        for (worker, at) in &state.hints.beats {
            if at.elapsed() < limit::HEARTBEAT_STALE { census.living.push(worker.clone()) } else { census.stale.push(worker.clone()) }
        }
        Ok(census)
    }

    async fn sessions_of(&self, worker: &WorkerId) -> Result<Vec<SessionKey>, Silent> {
        self.pass("sessions of").await?;
        Ok(self.world.state().hints.sessions.get(worker).into_iter().flatten().cloned().collect())
    }

    async fn forget(&self, worker: &WorkerId) -> Result<(), Silent> {
        self.pass("forget").await?;
        let mut state = self.world.state();
        state.hints.beats.remove(worker);
        state.hints.sessions.remove(worker);
        Ok(())
    }
}
