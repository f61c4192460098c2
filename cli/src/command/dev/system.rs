//! The parts of the system: started in order, stopped in the opposite one.

use std::path::Path;
use std::time::Duration;

use backbone::seal::KeyError;
use backbone::topology::{self, Sizes};
use backbone::{config, nats};
use proto::idempotency;
use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Error, Options, supervisor};
use crate::apply::Manner;
use crate::client::Client;
use crate::config::document::{self, Document};
use crate::data::{Data, Serving};
use crate::secret::Wanted;
use crate::server::{self, Server};
use crate::{apply, clock};

/// How long the parts may take to find each other.
pub(super) const READY_DEADLINE: Duration = Duration::from_secs(20);
/// How often that is looked at.
const READY_EVERY: Duration = Duration::from_millis(25);

/// How many random bytes a code has that logs in once.
const LOGIN_BYTES: usize = 16;

/// A running system. Dropping it kills the servers; [`System::stop`] is the clean way.
pub(super) struct System {
    /// Where it serves.
    pub(super) serving: Serving,
    /// A code that logs in to the dashboard once.
    pub(super) login: SecretString,
    data: Data,
    gateway: CancellationToken,
    gateway_ended: tokio::task::JoinHandle<Result<(), gateway::Error>>,
    worker: CancellationToken,
    worker_running: worker::service::Running,
    servers: CancellationToken,
    tasks: TaskTracker,
}

impl System {
    /// Starts servers, streams, configuration, gateway and worker.
    pub(super) async fn start(options: &Options, document: &Document, wanted: &[Wanted], data: Data) -> Result<Self, Error> {
        let (nats, redis) = servers(options, &data).await?;
        let nats_config = config::Nats::at(nats.url());
        let redis_config = config::Redis::at(redis.url());
        let keys = config::Keys { master_key_file: None, deployment_key_file: Some(data.deployment_key_file()?) };
        let key = keys.master()?.ok_or(KeyError::Count)?;
        let name = document::name(Path::new(&document.file));
        let manner = Manner { name, prune: true, adopt: false, key, now_ms: clock::now_ms() };
        configure(&nats_config, wanted, &manner).await?;

        let [gateway, worker, servers] = [(); 3].map(|()| CancellationToken::new());
        let tasks = TaskTracker::new();
        let settings = document.lent.clone().resolve(&document.base)?;
        let worker_config = worker::config::Config {
            settings: Some(settings),
            keys,
            egress_allow: document.egress.clone(),
            ..worker::config::Config::new(nats_config.clone(), redis_config.clone())
        };
        let login = login();
        let gateway_config = gateway::Config {
            http: options.http,
            api_token: Some(options.api_token.clone().map_or_else(|| data.api_token(), Ok)?),
            login_once: Some(login.clone()),
            ..gateway::Config::new(nats_config, redis_config, data.deployment_key_file()?)
        };
        let worker_running = worker::service::start(worker_config, worker.clone()).await?;
        let gateway_running = gateway::start(gateway_config, gateway.clone()).await?;
        let serving = Serving { nats: nats.url(), redis: redis.url(), http: gateway_running.address.to_string() };
        // The gateway's end is watched by its handle, the servers' by their supervisors; none outlives the tracker.
        let gateway_ended = tasks.spawn(gateway_running.finished());
        tasks.spawn(supervisor::keep(nats, servers.clone()));
        tasks.spawn(supervisor::keep(redis, servers.clone()));
        let system = Self { serving, login, data, gateway, gateway_ended, worker, worker_running, servers, tasks };
        system.ready().await?;
        system.data.announce(&system.serving)?;
        Ok(system)
    }

    async fn ready(&self) -> Result<(), Error> {
        let client = Client::new(&self.serving.http, None)?;
        let since = Instant::now();
        while !client.is_ready().await {
            if since.elapsed() > READY_DEADLINE {
                return Err(Error::Unready);
            }
            tokio::time::sleep(READY_EVERY).await;
        }
        Ok(())
    }

    /// Waits until the gateway ends by itself.
    pub(super) async fn gateway_ended(&mut self) {
        drop((&mut self.gateway_ended).await);
    }

    /// Stops everything: first what takes events, then what works on them, then what holds them.
    pub(super) async fn stop(self) -> Result<(), Error> {
        self.data.withdraw();
        self.gateway.cancel();
        let gateway = if self.gateway_ended.is_finished() { Ok(()) } else { self.gateway_ended.await.unwrap_or(Ok(())) };
        self.worker.cancel();
        let worker = self.worker_running.finished().await;
        self.servers.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        gateway?;
        Ok(worker?)
    }
}

/// A new code, which nobody guesses.
fn login() -> SecretString {
    SecretString::from(idempotency::hex(&backbone::chance::bytes::<LOGIN_BYTES>()))
}

async fn servers(options: &Options, data: &Data) -> Result<(Server, Server), Error> {
    let nats = server::Options { binary: options.nats_server.clone(), ..server::Options::nats(data.path().join("nats")) };
    let redis = server::Options { binary: options.redis_server.clone(), ..server::Options::redis(data.path().join("redis")) };
    Ok(tokio::try_join!(nats.start(), redis.start())?)
}

/// Makes the streams and writes the configuration.
async fn configure(nats_config: &config::Nats, wanted: &[Wanted], manner: &Manner) -> Result<(), Error> {
    let client = nats::connect(nats_config, "cuepoint dev").await?;
    let context = topology::context(&client);
    let epoch = topology::ensure(&context, &Sizes::default(), clock::second()).await?;
    let report = apply::apply(&context, wanted, manner).await?;
    tracing::info!(
        %epoch,
        created = report.created.len(),
        updated = report.updated.len(),
        removed = report.removed.len(),
        unchanged = report.unchanged,
        "the configuration is applied"
    );
    Ok(())
}
