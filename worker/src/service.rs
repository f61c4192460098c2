//! Starting and stopping a worker.
//!
//! A clean stop takes no more events, lets every running turn reach a step boundary, puts off what
//! is held, gives the leases back, and flushes; what is left after the deadline is named.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use action::{Actions, TIMEOUT_MIN};
use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::nats;
use backbone::redis::Redis;
use egress::Egress;
use egress::policy::Policy;
use mcp::pool::Pool;
use model::jitter::Seeded;
use model::providers::Providers;
use outbox::service::Parts;
use proto::id::WorkerId;
use proto::worker::Card;
use telemetry::Telemetry;
use telemetry::ops::Subject;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ability::standard::Standard;
use crate::ability::toolbox::Workshop;
use crate::adapter::courier::NatsCourier;
use crate::adapter::ledger::RedisLedger;
use crate::adapter::live::NatsLive;
use crate::adapter::nats::Nats;
use crate::adapter::redis::RedisLeases;
use crate::adapter::system::{SystemChance, SystemClock};
use crate::adapter::times::NatsTimes;
use crate::adapter::{intake, offer, timer};
use crate::bot::Kit;
use crate::config::Config;
use crate::desk::Desk;
use crate::keeper::Keeper;
use crate::pause;
use crate::port::{Clock as _, Leases as _, Ports, Tasks};
use crate::ready::{self, Looked};
use crate::reread::Reread;
use crate::role::{self, Role};
use crate::roster::Roster;
use crate::settings::Settings;
use crate::upkeep;

/// How often a broker of the wrong version is looked for.
const VERSION_EVERY: Duration = Duration::from_millis(250);
/// How long the last flush may take.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

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
    Redis(#[source] backbone::redis::Error),
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
    redis: Arc<Redis>,
    catalogue: Catalogue,
    leases: Arc<RedisLeases>,
    offers: CancellationToken,
    /// Cancelled once nothing is being sent any more.
    deliver_ended: CancellationToken,
    /// Cancelled once the intake has given back what it had not begun.
    intake_ended: CancellationToken,
    drain_deadline: Duration,
    reread: Reread,
}

/// Starts a worker in the background; it stops once `shutdown` is cancelled.
pub async fn start(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    start_over(config, shutdown, |ports| ports).await
}

/// Starts a worker whose seams are wrapped first, for tests that end it at certain points.
pub async fn start_over(config: Config, shutdown: CancellationToken, wrap: impl FnOnce(Ports) -> Ports) -> Result<Running, Error> {
    config.validate().map_err(Error::Config)?;
    let settings = config.lent().map_err(|error| Error::Config(vec![error.to_string()]))?;
    let id = WorkerId::of_random(backbone::chance::bytes());
    let client = nats::connect(&config.nats, &format!("worker {id}")).await?;
    let redis = Arc::new(Redis::new(&config.redis).map_err(Error::Redis)?);
    let allow = [config.egress_allow.as_slice(), &settings.egress_allow].concat();
    let egress = Egress::new(Policy { allow }).map_err(Error::Abilities)?;
    let key = config.keys.master().map_err(|error| Error::Config(vec![error.to_string()]))?;
    let tasks = Tasks::default();
    let leases = Arc::new(RedisLeases::new(Arc::clone(&redis), id.clone(), &tasks));
    let (catalogue, follow) = Catalogue::new(client.clone(), shutdown.clone());
    tasks.spawn(follow);
    let prints = Mutex::new(settings.prints.clone());
    let settings = Settings { vault: settings.vault.over(catalogue.clone(), key.clone()), ..settings };
    let kit = kit(settings, egress.clone(), (&client, &config.telemetry))?;
    let roster = Arc::new(Roster::new(catalogue.clone(), kit));
    let reread = Reread {
        config: config.clone(),
        roster: Arc::clone(&roster),
        catalogue: catalogue.clone(),
        egress: egress.clone(),
        client: client.clone(),
        key: key.clone(),
        prints,
    };
    let now: outbox::service::Now = Arc::new(|| SystemClock.now_ms());
    let telemetry = config.telemetry.clone();
    let seal = key.clone();
    let parts = Parts { client: client.clone(), catalogue: catalogue.clone(), egress, key, now, telemetry };
    let deliver_ended = if config.has(Role::Deliver) { deliver(parts, config.deliver.clone(), &tasks, shutdown.clone()) } else { ended() };
    let ports = Ports {
        broker: Arc::new(Nats::new(client.clone())),
        leases: Arc::clone(&leases) as Arc<_>,
        directory: roster,
        ledger: Arc::new(RedisLedger::new(Arc::clone(&redis), Arc::new(SystemClock))),
        times: Arc::new(NatsTimes::new(client.clone(), catalogue.clone(), Arc::new(SystemClock))),
        live: Arc::new(NatsLive::new(client.clone(), &tasks)),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        seal,
        telemetry: config.telemetry.clone(),
        tasks: tasks.clone(),
    };
    let desk = Desk::new(wrap(ports), id.clone(), config.turns, shutdown.clone());
    ready::observe(&desk, config.has(Role::Turns));
    let (offers, intake_ended) = (CancellationToken::new(), CancellationToken::new());
    if config.has(Role::Turns) {
        take_turns(&desk, &client, &catalogue, (&offers, &intake_ended));
    } else {
        intake_ended.cancel();
    }
    if config.has(Role::Index) {
        role::index::start(&tasks, &id, (&client, &redis, &catalogue), shutdown.clone());
    }
    let shown = Card {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roles: config.roles.iter().map(ToString::to_string).collect(),
        turns: config.turns,
        started_at: SystemClock.now_ms(),
    };
    role::card::start(&tasks, id.clone(), (Arc::clone(&redis), Arc::new(SystemClock)), shown, shutdown);
    tracing::info!(worker.id = %id, turns = config.turns, "the worker has started");
    let drain_deadline = config.drain_deadline;
    Ok(Running { id, desk, client, redis, catalogue, leases, offers, deliver_ended, intake_ended, drain_deadline, reread })
}

/// Starts what a worker does for turns and for what belongs to their time.
fn take_turns(desk: &Arc<Desk>, client: &Client, catalogue: &Catalogue, (offers, intake_ended): (&CancellationToken, &CancellationToken)) {
    let (tasks, shutdown) = (&desk.ports.tasks, &desk.shutdown);
    let (offers_client, offers_desk, offers_ended) = (client.clone(), Arc::clone(desk), offers.clone());
    tasks.spawn(async move {
        if let Err(error) = offer::answer(offers_client, offers_desk, offers_ended).await {
            tracing::error!(%error, "hand-overs cannot be answered");
        }
    });
    tasks.spawn(timer::run(client.clone(), desk.ports.clone(), shutdown.clone()));
    tasks.spawn(Keeper::new(client.clone(), catalogue.clone(), Arc::clone(&desk.ports.clock)).run(shutdown.clone()));
    tasks.spawn(pause::run(Arc::clone(desk), catalogue.clone(), shutdown.clone()));
    upkeep::start(desk);
    let intake_ends = intake_ended.clone().drop_guard();
    let (client, catalogue, desk, shutdown) = (client.clone(), catalogue.clone(), Arc::clone(desk), shutdown.clone());
    tasks.spawn(async move {
        let _ends = intake_ends;
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = ready(&client, &catalogue) => {}
        }
        intake::run(client, desk, shutdown).await;
    });
}

/// The end of something that was never begun.
fn ended() -> CancellationToken {
    let ended = CancellationToken::new();
    ended.cancel();
    ended
}

/// Starts the role `deliver`; what it returns is cancelled once the role has ended.
fn deliver(parts: Parts, config: outbox::config::Config, tasks: &Tasks, shutdown: CancellationToken) -> CancellationToken {
    let ended = CancellationToken::new();
    let ends = ended.clone().drop_guard();
    tasks.spawn(async move {
        let _ends = ends;
        outbox::service::run(parts, config, shutdown).await;
    });
    ended
}

/// What bots are made with.
pub(crate) fn kit(settings: Settings, egress: Egress, (client, telemetry): (&Client, &Telemetry)) -> Result<Kit, Error> {
    let jitter = Arc::new(Seeded::new(u64::from_be_bytes(backbone::chance::bytes())));
    let models = Providers::new(settings.providers, &egress, jitter);
    let models = models.map(|models| models.with_telemetry(telemetry));
    let models = models.map_err(|faults| Error::Config(faults.iter().map(ToString::to_string).collect()))?;
    let actions =
        Actions::new(action::Settings { egress: egress.clone(), smtp: settings.smtp, search: settings.search, timeout_min: TIMEOUT_MIN });
    let workshop = Workshop {
        actions: Arc::new(actions),
        pool: Pool::new(mcp::pool::Config { programs: settings.programs, ..mcp::pool::Config::default() }, egress.clone()),
        courier: Arc::new(NatsCourier::new(client.clone())),
        subjects: settings.subjects,
        vault: settings.vault,
    };
    Ok(Kit { standard: Arc::new(Standard::new(egress)), workshop, models })
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
    /// What the operations listener looks at.
    pub fn subject(&self) -> Arc<dyn Subject> {
        let (desk, client, redis) = (Arc::clone(&self.desk), self.client.clone(), Arc::clone(&self.redis));
        Arc::new(Looked { desk, client, redis, catalogue: self.catalogue.clone() })
    }

    /// Reads its files again; what is at fault is logged, and then nothing changes.
    pub fn reread(&self) {
        self.reread.run();
    }

    /// Waits for the shutdown and its end.
    pub async fn finished(self) -> Result<(), Error> {
        self.desk.shutdown.cancelled().await;
        let deadline = Instant::now() + self.drain_deadline;
        drop(tokio::time::timeout_at(deadline, self.intake_ended.cancelled()).await);
        let left = self.desk.drained(deadline).await;
        drop(tokio::time::timeout_at(deadline, self.deliver_ended.cancelled()).await);
        self.offers.cancel();
        // Without a connection it would wait for one.
        if !matches!(tokio::time::timeout(FLUSH_DEADLINE, self.client.flush()).await, Ok(Ok(()))) {
            tracing::warn!("the last acks may not have reached the broker");
        }
        self.desk.end_tasks(deadline).await;
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
