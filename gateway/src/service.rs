//! Start, run, stop.
//!
//! A gateway starts without its servers: it binds, answers `/readyz` with what is missing, and
//! takes events once they are there. Only what trying again cannot mend fails at the start. On
//! shutdown it is unready at once, takes no more connections, finishes the requests it has, and
//! flushes what is on its way to the broker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::redis::Redis;
use backbone::{nats, topology};
use proto::limit::DRAIN_DEADLINE;
use proto::resource::SecretDigest;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::Accepts;
use crate::body::Budget;
use crate::clock::BrokerClock;
use crate::complaint::Complaints;
use crate::config::Config;
use crate::directory::Directory;
use crate::door::Door;
use crate::durability::{self, Promise};
use crate::figures::{self, Figures, Looked};
use crate::last_use::LastUse;
use crate::publishes::Publishes;
use crate::rate::Limiter;
use crate::ready::Readiness;
use crate::signature::seen::Seen;
use crate::{accept, replay, route, serve};

/// How long the start waits for the broker, so that one that is too old is a clear error.
const GREET_DEADLINE: Duration = Duration::from_millis(500);
/// How often the state of a connection that is not up yet is looked at.
const GREET_EVERY: Duration = Duration::from_millis(20);
/// How long the last flush may take.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Why a gateway did not start, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error("the configuration cannot be used: {}", .0.join("; "))]
    Config(Vec<String>),
    /// The address is taken, or is not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The broker can never be used.
    #[error(transparent)]
    Nats(#[from] nats::Error),
    /// The address of Redis cannot be used.
    #[error("the address of Redis cannot be used")]
    Redis(#[source] redis::RedisError),
    /// Requests were still running when the time for stopping was over.
    #[error("{left} tasks had not finished after {DRAIN_DEADLINE:?}")]
    Unfinished {
        /// How many tasks were left.
        left: usize,
    },
}

/// A gateway that serves.
#[derive(Debug)]
#[must_use = "a gateway is stopped by its token and waited for by `finished`"]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    client: Client,
    door: Arc<Door>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

/// Starts a gateway; it serves until `shutdown`.
pub async fn start(config: Config, shutdown: CancellationToken) -> Result<Running, Error> {
    config.validate().map_err(Error::Config)?;
    let listen = |source| Error::Listen { address: config.http, source };
    let listener = TcpListener::bind(config.http).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let client = nats::connect(&config.nats, "cuepoint-gateway").await?;
    if tokio::time::timeout(GREET_DEADLINE, connected(&client)).await.is_ok() {
        nats::check_version(&client)?;
    }
    let tracker = TaskTracker::new();
    let (catalogue, follow) = Catalogue::new(client.clone(), shutdown.clone());
    drop(tracker.spawn(greet(client.clone(), follow, shutdown.clone())));
    let door = Arc::new(door(&config, client.clone(), catalogue, &tracker, &shutdown)?);
    drop(tracker.spawn(accept::run(Arc::clone(&door))));
    drop(tracker.spawn(durability::run(Arc::clone(&door), config.durability)));
    if door.telemetry.is_heard() {
        drop(tracker.spawn(figures::run(Arc::clone(&door))));
    }
    let pages = config.pages.then(|| pages(&config, &door));
    let router = route::router(Arc::clone(&door), &config.access, pages);
    let accepting = serve::run(listener, router, config.bounds.connections, tracker.clone(), shutdown.clone());
    drop(tracker.spawn(accepting));
    tracing::info!(http.address = %address, "gateway serves");
    Ok(Running { address, client, door, tracker, shutdown })
}

fn pages(config: &Config, door: &Arc<Door>) -> dashboard::Settings {
    let clock = Arc::clone(door);
    dashboard::Settings {
        master: door.master.clone(),
        public_url: config.public_url.clone(),
        trace_url: config.trace_url.clone(),
        clock: Arc::new(move || {
            let door = Arc::clone(&clock);
            Box::pin(async move { door.clock.now_ms(&door.client).await })
        }),
        shutdown: door.shutdown.clone(),
        once: config.login_once.clone().zip(config.token().ok().flatten()),
    }
}

fn door(config: &Config, client: Client, catalogue: Catalogue, tracker: &TaskTracker, shutdown: &CancellationToken) -> Result<Door, Error> {
    let fault = |fault| Error::Config(vec![fault]);
    let redis = Arc::new(Redis::new(&config.redis).map_err(Error::Redis)?);
    Ok(Door {
        context: topology::context(&client),
        client,
        index: index::store::Store::new(Arc::clone(&redis)),
        redis,
        directory: Directory::new(catalogue),
        master: config.master_key().map_err(fault)?,
        key: config.deployment_key().map_err(fault)?,
        limiter: Limiter::default(),
        seen: Seen::default(),
        last_use: LastUse::default(),
        accepts: Accepts::default(),
        publishes: Arc::new(Publishes::new(config.bounds.publishes, config.bounds.queue_time)),
        promise: Promise::default(),
        api_token: config.token().map_err(fault)?.map(|token| SecretDigest::of(token.expose_secret())),
        budget: Budget::new(config.bounds.body_memory_bytes, config.body_bytes),
        waits: Semaphore::new(config.bounds.waits.min(Semaphore::MAX_PERMITS)),
        followers: Arc::new(Semaphore::new(config.bounds.followers.min(Semaphore::MAX_PERMITS))),
        clock: BrokerClock::default(),
        remembering: Arc::new(Semaphore::new(replay::REMEMBERING_MAX)),
        complaints: Complaints::default(),
        readiness: Readiness::default(),
        telemetry: config.telemetry.clone(),
        figures: Figures::default(),
        bounds: config.bounds.clone(),
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
    })
}

async fn connected(client: &Client) {
    while !nats::is_connected(client) {
        tokio::time::sleep(GREET_EVERY).await;
    }
}

/// Follows the configuration once the broker is known to be new enough.
///
/// Without a catalogue every event is refused, so one that is too old never gets any.
async fn greet(client: Client, follow: impl Future<Output = ()>, shutdown: CancellationToken) {
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return,
        () = connected(&client) => {}
    }
    match nats::check_version(&client) {
        Ok(()) => follow.await,
        Err(error) => tracing::error!(%error, "the broker cannot be used; no event is taken"),
    }
}

impl Running {
    /// What the operations listener looks at.
    pub fn subject(&self) -> Arc<dyn telemetry::ops::Subject> {
        Arc::new(Looked(Arc::clone(&self.door)))
    }

    /// The messages on their way to the broker, for whoever measures them.
    pub fn publishes(&self) -> Arc<Publishes> {
        Arc::clone(&self.door.publishes)
    }

    /// Waits for the shutdown and for all that it has to finish.
    pub async fn finished(self) -> Result<(), Error> {
        self.shutdown.cancelled().await;
        self.tracker.close();
        let drained = tokio::time::timeout(DRAIN_DEADLINE, self.tracker.wait()).await;
        if tokio::time::timeout(accept::LAST_DEADLINE, accept::add(&self.door)).await.is_err() {
            tracing::debug!("how long the last calls took is lost");
        }
        if !matches!(tokio::time::timeout(FLUSH_DEADLINE, self.client.flush()).await, Ok(Ok(()))) {
            tracing::debug!("the last flush was not confirmed");
        }
        match drained {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::Unfinished { left: self.tracker.len() }),
        }
    }
}
