//! Servers and the two systems that are compared on them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use async_nats::Client;
use async_nats::jetstream::Context;
use backbone::topology::{self, Sizes};
use cuepoint::server::{Kind, Options, Server};
use proto::resource::{Bot, Limits, Resource, SecretDigest, Trigger};
use proto::subject;
use tokio::net::TcpStream;

use crate::http::Target;
use crate::process::Process;
use crate::sink::Sink;

/// The secret of the trigger under measurement.
const SECRET: &str = "bench-secret";

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum System {
    Ours,
    /// Ours, which tells a receiver of all that it does.
    Telling,
    Bare,
}

/// How the broker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Into the system's cache, as it does unless told otherwise: outlives `kill -9`, and no loss of power.
    Buffered,
    /// Through to the disk before it confirms.
    Synced,
}

impl Disk {
    /// A nats-server that writes so.
    pub(crate) fn broker(self, folder: PathBuf) -> Options {
        // A second block of this name replaces the first one.
        let store = folder.join("store");
        let block = format!("jetstream {{ store_dir: \"{}\", max_file_store: 1TB, sync_interval: always }}", store.display());
        let extra = if self == Self::Synced { block } else { String::new() };
        Options { kind: Kind::Nats { name: "cuepoint".into(), extra }, ..Options::nats(folder) }
    }
}

/// Fresh servers with the topology and one trigger.
pub(crate) struct Stage {
    pub(crate) nats: Server,
    pub(crate) redis: Server,
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) sink: Sink,
    folder: PathBuf,
}

impl Stage {
    /// Starts the servers; the trigger's bot waits `work_ms` before it replies.
    pub(crate) async fn open(work_ms: u64) -> anyhow::Result<Self> {
        Self::open_with(work_ms, Disk::Buffered).await
    }

    /// Starts the servers, with a broker that writes in one way or the other.
    pub(crate) async fn open_with(work_ms: u64, disk: Disk) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!(
            "cuepoint-bench-{}-{}",
            std::process::id(),
            backbone::chance::bytes::<4>().map(|byte| byte.to_string()).concat()
        ));
        std::fs::create_dir_all(&folder)?;
        let nats = disk.broker(folder.join("nats")).start().await?;
        let redis = Options::redis(folder.join("redis")).start().await?;
        std::fs::write(folder.join("deployment.key"), "0123456789abcdef0123456789abcdef")?;
        let client = async_nats::connect(nats.url()).await?;
        let context = topology::context(&client);
        let stage = Self { nats, redis, client, context, sink: Sink::open().await?, folder };
        topology::ensure(&stage.context, &Sizes { session_backlog: 1_000_000, ..Sizes::default() }, 1_790_000_000).await?;
        let bucket = stage.context.get_key_value(subject::RESOURCES).await?;
        let kind = if work_ms > 0 { "scripted" } else { "rules" };
        let definition = if work_ms > 0 { format!(r#"{{"latency":{work_ms},"reply":"done"}}"#) } else { RULES.to_owned() };
        let bot = Resource::Bot(Bot::new("bench".parse()?, kind, definition));
        for resource in [bot, Self::trigger("bench")?] {
            bucket.put(resource.key(), resource.encode()).await?;
        }
        Ok(stage)
    }

    fn trigger(id: &str) -> anyhow::Result<Resource> {
        Ok(Resource::Trigger(Trigger { secret: Some(SecretDigest::of(SECRET)), ..Trigger::new(id.parse()?, Some("bench".parse()?)) }))
    }

    /// Lets the bot follow another script.
    pub(crate) async fn script(&self, definition: &str) -> anyhow::Result<()> {
        let bucket = self.context.get_key_value(subject::RESOURCES).await?;
        let bot = Bot::new("bench".parse()?, "scripted", definition);
        let resource = Resource::Bot(bot);
        bucket.put(resource.key(), resource.encode()).await?;
        Ok(())
    }

    /// A further trigger of the same bot, with so many turns at once in a worker.
    pub(crate) async fn add_trigger(&self, id: &str, turns: u32) -> anyhow::Result<()> {
        let bucket = self.context.get_key_value(subject::RESOURCES).await?;
        let Resource::Trigger(trigger) = Self::trigger(id)? else { anyhow::bail!("no trigger") };
        let resource = Resource::Trigger(Trigger { limits: Limits { turns, ..Limits::default() }, ..trigger });
        bucket.put(resource.key(), resource.encode()).await?;
        Ok(())
    }

    /// Starts a gateway on a free port and waits until it serves.
    pub(crate) async fn gateway(&self, system: System) -> anyhow::Result<(Process, Target)> {
        let address = SocketAddr::from(([127, 0, 0, 1], cuepoint::server::free_port()?));
        let (nats, http, key) = (self.nats.url(), address.to_string(), self.folder.join("deployment.key"));
        let process = match system {
            System::Bare => Process::start("bench", &["bare-gateway", "--nats", &nats, "--http", &http])?,
            System::Ours | System::Telling => {
                let (redis, key) = (self.redis.url(), key.to_str().context("a path")?.to_owned());
                let flags = ["--nats", &nats, "--redis", &redis, "--http", &http, "--deployment-key-file", &key];
                Process::start("gateway", &self.told(&flags, system))?
            }
        };
        let target = Target { address, trigger: "bench", secret: SECRET, sessions: 1_000, first: 0, stride: 1 };
        for _ in 0..500 {
            if TcpStream::connect(address).await.is_ok() {
                let mut probe = crate::http::Connection::open(&target).await?;
                if probe.post(0).await.is_ok() {
                    return Ok((process, target));
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("the gateway does not serve")
    }

    /// Starts a gateway with a token for its lists; its address.
    pub(crate) fn list_gateway(&self, token: &str) -> anyhow::Result<(Process, SocketAddr)> {
        let address = SocketAddr::from(([127, 0, 0, 1], cuepoint::server::free_port()?));
        let (nats, redis, http) = (self.nats.url(), self.redis.url(), address.to_string());
        let key = self.folder.join("deployment.key");
        let key = key.to_str().context("a path")?;
        let flags = ["--nats", &nats, "--redis", &redis, "--http", &http, "--deployment-key-file", key, "--api-token", token];
        Ok((Process::start("gateway", &flags)?, address))
    }

    /// Starts a worker that keeps the index and nothing else.
    pub(crate) fn indexer(&self) -> anyhow::Result<Process> {
        let (nats, redis) = (self.nats.url(), self.redis.url());
        Process::start("worker", &["--nats", &nats, "--redis", &redis, "--roles", "index"])
    }

    /// Starts a worker that takes so many turns at once.
    pub(crate) fn wide_worker(&self, turns: u64) -> anyhow::Result<Process> {
        let (nats, redis, turns) = (self.nats.url(), self.redis.url(), turns.to_string());
        Process::start("worker", &["--nats", &nats, "--redis", &redis, "--roles", "turns", "--turns", &turns])
    }

    /// Starts a worker.
    pub(crate) fn worker(&self, system: System, work_ms: u64) -> anyhow::Result<Process> {
        let (nats, redis, work) = (self.nats.url(), self.redis.url(), work_ms.to_string());
        match system {
            System::Bare => Process::start("bench", &["bare-worker", "--nats", &nats, "--redis", &redis, "--work-ms", &work]),
            // The bare loop keeps no lists and tells nobody of results; what these cost is another question.
            System::Ours | System::Telling => {
                Process::start("worker", &self.told(&["--nats", &nats, "--redis", &redis, "--roles", "turns"], system))
            }
        }
    }

    /// The flags of a process, and where it is to tell of itself.
    fn told(&self, flags: &[&str], system: System) -> Vec<String> {
        let telling = if system == System::Telling { self.sink.flags().to_vec() } else { Vec::new() };
        flags.iter().map(|&flag| flag.to_owned()).chain(telling).collect()
    }

    /// Empties EVENTS and LOG between rounds.
    pub(crate) async fn sweep(&self) -> anyhow::Result<()> {
        let events = self.context.stream_by_subject(subject::EVENTS_FINDER).await?;
        for stream in [events.as_str(), subject::LOG_STREAM] {
            self.context.get_stream(stream).await?.purge().await?;
        }
        Ok(())
    }

    /// The processes of the servers.
    pub(crate) fn servers(&self) -> Vec<u32> {
        [self.nats.pid(), self.redis.pid()].into_iter().flatten().collect()
    }

    /// Ends the servers and removes their data.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        self.nats.kill().await?;
        self.redis.kill().await?;
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }
}

/// A bot with something to decide, and no calls.
const RULES: &str =
    r#"{"rules":[{"when":{"text":"(?i)order (?P<id>\\d+)"},"reply":"Order {{ captures.id }} noted."}],"otherwise":"No rule matched."}"#;
