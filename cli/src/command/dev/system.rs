//! The parts of the system: started in order, stopped in the opposite one.

use std::time::Duration;

use backbone::topology::{self, Sizes};
use backbone::{config, nats};
use proto::limit;
use proto::resource::Resource;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Error, Options, supervisor};
use crate::client::Client;
use crate::config::document::Document;
use crate::data::{Data, Serving};
use crate::server::{self, Server};
use crate::{apply, clock};

/// How long the parts may take to find each other.
pub(super) const READY_DEADLINE: Duration = Duration::from_secs(20);
/// How often that is looked at.
const READY_EVERY: Duration = Duration::from_millis(25);

/// A running system. Dropping it kills the servers; [`System::stop`] is the clean way.
pub(super) struct System {
    /// Where it serves.
    pub(super) serving: Serving,
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
    pub(super) async fn start(options: &Options, document: &Document, resources: &[Resource], data: Data) -> Result<Self, Error> {
        let (nats, redis) = servers(options, &data).await?;
        let nats_config = config::Nats { url: nats.url(), creds: None };
        let redis_config = config::Redis { url: redis.url() };
        configure(&nats_config, resources).await?;

        let [gateway, worker, servers] = [(); 3].map(|()| CancellationToken::new());
        let tasks = TaskTracker::new();
        let settings = document.lent.clone().resolve(&document.base)?;
        let worker_config = worker::config::Config {
            settings: Some(settings),
            egress_allow: document.egress.clone(),
            keys: config::Keys { deployment_key_file: Some(data.deployment_key_file()?), ..config::Keys::default() },
            ..worker::config::Config::new(nats_config.clone(), redis_config.clone())
        };
        let gateway_config = gateway::Config {
            nats: nats_config,
            redis: redis_config,
            http: options.http,
            api_token: Some(data.api_token()?),
            api_token_file: None,
            deployment_key_file: data.deployment_key_file()?,
            master_key_file: None,
            body_bytes: limit::BODY_BYTES_MAX,
            bounds: gateway::config::Bounds::default(),
            access: gateway::config::Access::default(),
        };
        let worker_running = worker::service::start(worker_config, worker.clone()).await?;
        let gateway_running = gateway::start(gateway_config, gateway.clone()).await?;
        let serving = Serving { nats: nats.url(), redis: redis.url(), http: gateway_running.address.to_string() };
        // The gateway's end is watched by its handle, the servers' by their supervisors; none outlives the tracker.
        let gateway_ended = tasks.spawn(gateway_running.finished());
        tasks.spawn(supervisor::keep(nats, servers.clone()));
        tasks.spawn(supervisor::keep(redis, servers.clone()));
        let system = Self { serving, data, gateway, gateway_ended, worker, worker_running, servers, tasks };
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

async fn servers(options: &Options, data: &Data) -> Result<(Server, Server), Error> {
    let nats = server::Options { binary: options.nats_server.clone(), ..server::Options::nats(data.path().join("nats")) };
    let redis = server::Options { binary: options.redis_server.clone(), ..server::Options::redis(data.path().join("redis")) };
    Ok(tokio::try_join!(nats.start(), redis.start())?)
}

/// Makes the streams and writes the configuration.
async fn configure(nats_config: &config::Nats, resources: &[Resource]) -> Result<(), Error> {
    let client = nats::connect(nats_config, "cuepoint dev").await?;
    let context = topology::context(&client);
    let epoch = topology::ensure(&context, &Sizes::default(), clock::second()).await?;
    let report = apply::apply(&context, resources).await?;
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
