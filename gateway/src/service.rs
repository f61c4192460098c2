//! Start, run, stop.
//!
//! A gateway starts without its servers: it binds, answers `/readyz` with what is missing, and
//! takes events once they are there. Only what trying again cannot mend fails at the start. Told to
//! end it is unready at once and goes on for its drain delay, so that a load balancer notices; then it
//! takes no more connections, finishes the requests it has, and flushes what is on its way to the broker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::nats;
use backbone::redis::Redis;
use backbone::requests::Line;
use proto::resource::SecretDigest;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::door::{Door, Limits, Secrets, Servers};
use crate::durability;
use crate::figures::{self, Looked};
use crate::publishes::Publishes;
use crate::serve::{self, Terms};
use crate::{accept, reread, route};

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
    Redis(#[source] backbone::redis::Error),
    /// Requests were still running when the time for stopping was over.
    #[error("{left} tasks had not finished after {after:?}")]
    Unfinished {
        /// How long they had.
        after: Duration,
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
    config: Config,
}

/// Starts a gateway; it serves until `ending`, and for its drain delay from then on.
pub async fn start(config: Config, ending: CancellationToken) -> Result<Running, Error> {
    config.validate().map_err(Error::Config)?;
    let listen = |source| Error::Listen { address: config.http, source };
    let listener = TcpListener::bind(config.http).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let client = nats::connect(&config.nats, "cuepoint-gateway").await?;
    if tokio::time::timeout(GREET_DEADLINE, connected(&client)).await.is_ok() {
        nats::check_version(&client)?;
    }
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    drop(tracker.spawn(end(ending.clone(), config.drain.delay, shutdown.clone())));
    let (catalogue, follow) = Catalogue::new(client.clone(), shutdown.clone());
    drop(tracker.spawn(greet(client.clone(), follow, shutdown.clone())));
    let door = Arc::new(door(&config, client.clone(), catalogue, (&tracker, &ending, &shutdown))?);
    drop(tracker.spawn(accept::run(Arc::clone(&door))));
    drop(tracker.spawn(durability::run(Arc::clone(&door), config.durability)));
    if door.telemetry.is_heard() {
        drop(tracker.spawn(figures::run(Arc::clone(&door))));
    }
    let pages = config.pages.then(|| pages(&config, &door));
    let router = route::router(Arc::clone(&door), &config.access, pages);
    let terms = Terms {
        connections_max: config.bounds.connections,
        head_time: config.bounds.head_time,
        idle_time: config.bounds.idle_time,
        ending,
        shutdown,
    };
    drop(tracker.spawn(serve::run(listener, router, terms, tracker.clone())));
    tracing::info!(http.address = %address, "gateway serves");
    Ok(Running { address, client, door, tracker, config })
}

/// Makes a shutdown of the wish to end, after a while.
async fn end(ending: CancellationToken, delay: Duration, shutdown: CancellationToken) {
    ending.cancelled().await;
    tokio::time::sleep(delay).await;
    shutdown.cancel();
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

fn door(
    config: &Config,
    client: Client,
    catalogue: Catalogue,
    (tracker, ending, shutdown): (&TaskTracker, &CancellationToken, &CancellationToken),
) -> Result<Door, Error> {
    let fault = |fault| Error::Config(vec![fault]);
    let redis = Arc::new(Redis::new(&config.redis).map_err(Error::Redis)?);
    let secrets = Secrets {
        master: config.master_key().map_err(fault)?,
        key: config.deployment_key().map_err(fault)?,
        api_token: config.token().map_err(fault)?.map(|token| SecretDigest::of(token.expose_secret())),
    };
    let limits = Limits {
        bounds: config.bounds.clone(),
        body_bytes: config.body_bytes,
        drain_deadline: config.drain.deadline,
        tracker: tracker.clone(),
        ending: ending.clone(),
        shutdown: shutdown.clone(),
    };
    let servers = Servers { line: Line::Nats(client.clone()), client, redis, catalogue };
    Ok(Door::new(servers, secrets, limits, config.telemetry.clone()))
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

    /// Reads its files again; what is at fault is logged, and then nothing changes.
    pub fn reread(&self) {
        match reread::reread(&self.config, &self.door) {
            Ok(changed) if changed.is_empty() => tracing::info!("the files were read again: nothing has changed"),
            Ok(changed) => tracing::info!(changed = changed.join(" "), "the files were read again"),
            Err(faults) => tracing::error!(faults = faults.join("; "), "the files cannot be used: what was read before goes on"),
        }
    }

    /// Waits for the wish to end and for all that it has to finish.
    pub async fn finished(self) -> Result<(), Error> {
        self.door.shutdown.cancelled().await;
        self.tracker.close();
        let after = self.config.drain.deadline;
        let drained = tokio::time::timeout(after, self.tracker.wait()).await;
        if tokio::time::timeout(accept::LAST_DEADLINE, accept::add(&self.door)).await.is_err() {
            tracing::debug!("how long the last calls took is lost");
        }
        if !matches!(tokio::time::timeout(FLUSH_DEADLINE, self.client.flush()).await, Ok(Ok(()))) {
            tracing::debug!("the last flush was not confirmed");
        }
        match drained {
            Ok(()) => Ok(()),
            Err(_) => Err(Error::Unfinished { after, left: self.tracker.len() }),
        }
    }
}
