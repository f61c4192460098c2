//! Starting and stopping a worker.
//!
//! A clean stop takes no more events, lets every running turn reach a step boundary, puts off what
//! is held, gives the leases back, and flushes; what is left after the deadline is named.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::nats;
use backbone::redis::Redis;
use egress::policy::Policy;
use proto::id::WorkerId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ability::standard::Standard;
use crate::adapter::nats::Nats;
use crate::adapter::redis::RedisLeases;
use crate::adapter::system::{SystemChance, SystemClock};
use crate::adapter::{intake, offer};
use crate::config::Config;
use crate::desk::Desk;
use crate::port::{Leases as _, Ports, Tasks};
use crate::roster::Roster;
use crate::upkeep;

/// How often a broker of the wrong version is looked for.
const VERSION_EVERY: Duration = Duration::from_millis(250);

/// Why a worker cannot start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings contradict each other.
    #[error("{}", .0.join("; "))]
    Config(Vec<String>),
    /// NATS cannot be used.
    #[error(transparent)]
    Nats(#[from] nats::Error),
    /// The address of Redis cannot be used.
    #[error("cannot use the address of Redis")]
    Redis(#[source] redis::RedisError),
    /// Abilities cannot be set up.
    #[error("cannot set up outgoing calls")]
    Abilities(#[source] reqwest::Error),
    /// The shutdown deadline passed.
    #[error("{0} sessions were still owned at the shutdown deadline")]
    Left(usize),
}

/// A worker at work.
pub struct Running {
    /// Its id; random per start.
    pub id: WorkerId,
    desk: Arc<Desk>,
    client: Client,
    leases: Arc<RedisLeases>,
    offers: CancellationToken,
    /// Cancelled once the intake has given back what it had not begun.
    intake_ended: CancellationToken,
    drain_deadline: Duration,
}

/// Starts a worker in the background; it stops once `shutdown` is cancelled.
pub async fn start(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    config.validate().map_err(Error::Config)?;
    let id = WorkerId::of_random(backbone::chance::bytes());
    let client = nats::connect(&config.nats, &format!("worker {id}")).await?;
    let redis = Arc::new(Redis::new(&config.redis).map_err(Error::Redis)?);
    let abilities = Standard::new(Policy { allow: config.egress_allow.clone() }).map_err(Error::Abilities)?;
    let tasks = Tasks::default();
    let leases = Arc::new(RedisLeases::new(redis, id.clone(), &tasks));
    let (catalogue, follow) = Catalogue::new(client.clone(), shutdown.clone());
    tasks.spawn(follow);
    let ports = Ports {
        broker: Arc::new(Nats::new(client.clone())),
        leases: Arc::clone(&leases) as Arc<_>,
        directory: Arc::new(Roster::new(catalogue.clone())),
        abilities: Arc::new(abilities),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        tasks: tasks.clone(),
    };
    let desk = Desk::new(ports, id.clone(), config.turns, shutdown.clone());
    let (offers, intake_ended) = (CancellationToken::new(), CancellationToken::new());
    let (intake_desk, intake_client, offers_client) = (Arc::clone(&desk), client.clone(), client.clone());
    let (offers_desk, offers_ended) = (Arc::clone(&desk), offers.clone());
    tasks.spawn(async move {
        if let Err(error) = offer::answer(offers_client, offers_desk, offers_ended).await {
            tracing::error!(%error, "hand-overs cannot be answered");
        }
    });
    let intake_ends = intake_ended.clone().drop_guard();
    upkeep::start(&desk);
    tasks.spawn(async move {
        let _ends = intake_ends;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = ready(&intake_client, &catalogue) => {}
        }
        intake::run(intake_client, intake_desk, shutdown).await;
    });
    tracing::info!(worker.id = %id, turns = config.turns, "the worker has started");
    Ok(Running { id, desk, client, leases, offers, intake_ended, drain_deadline: config.drain_deadline })
}

/// Waits for a broker that can be used and for the configuration.
async fn ready(client: &Client, catalogue: &Catalogue) {
    catalogue.loaded().await;
    let mut was_said = false;
    while let Err(error) = nats::check_version(client) {
        if !std::mem::replace(&mut was_said, true) {
            tracing::error!(%error, "the worker waits for another broker");
        }
        tokio::time::sleep(VERSION_EVERY).await;
    }
}

impl Running {
    /// Waits for the shutdown and its end.
    pub async fn finished(self) -> Result<(), Error> {
        self.desk.shutdown.cancelled().await;
        let deadline = Instant::now() + self.drain_deadline;
        drop(tokio::time::timeout_at(deadline, self.intake_ended.cancelled()).await);
        let left = self.desk.drained(deadline).await;
        self.offers.cancel();
        if let Err(error) = self.client.flush().await {
            tracing::warn!(%error, "the last acks may not have reached the broker");
        }
        self.desk.ports.tasks.kill();
        self.desk.ports.tasks.finished().await;
        // Only now, or a last heartbeat would put it back.
        self.leases.forget(&self.id).await.unwrap_or_default();
        if left.is_empty() {
            tracing::info!(worker.id = %self.id, "the worker has stopped");
            return Ok(());
        }
        for session in left.iter().take(10) {
            tracing::warn!(session.key = %session, "still owned at the shutdown deadline");
        }
        Err(Error::Left(left.len()))
    }
}
