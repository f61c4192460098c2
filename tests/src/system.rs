//! Servers, nodes and resources put together, and taken apart again.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::kv;
use backbone::config;
use backbone::topology::{self, Sizes};
use backbone::{nats, publish};
use bytes::Bytes;
use clap::Parser;
use cuepoint::server::{Kind, Options, Server};
use proto::id::{ConversationId, Epoch, EventSeq, Receipt, SessionKey};
use proto::limit;
use proto::resource::Resource;
use proto::subject;
use proto::wire::DeadLetter;
use reqwest::Method;
use telemetry::logging::Logging;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::breakable::Breakable;
use crate::call::{self, Answer, Call};
use crate::cluster;
use crate::eventually::eventually;
use crate::ledger::Ledger;
use crate::node::Node;
use crate::proxy::Proxy;
use crate::resource::scripted;
use crate::scratch::Scratch;
use crate::secured::Secured;
use crate::setup::{Place, Setup};
use crate::view::{Logged, View};

mod settle;

/// How long the broker may take until its streams can be made.
const ENSURE_WITHIN: Duration = Duration::from_secs(30);
/// How long a gateway may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// The creation second of the first EVENTS stream.
pub const FIRST_SECOND: u32 = 1_790_000_000;
/// The API token of every gateway.
pub const API_TOKEN: &str = "an-operators-token";
/// The deployment key of every gateway.
pub const DEPLOYMENT_KEY: &str = "a-deployment-key-of-tests";

/// Reads the log filter the way the processes do.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    logging: Logging,
    /// Every system with one nats-server is a secured one: `make proof-permissions`.
    #[arg(long, env = "CUEPOINT_TEST_SECURED")]
    secured: bool,
}

/// A system that is being described.
#[derive(Debug)]
#[must_use = "a description does nothing until it is started"]
pub struct Builder {
    node: PathBuf,
    scratch: Option<Scratch>,
    is_unchecked: bool,
    is_cluster: bool,
    secured: Option<Vec<&'static str>>,
    outside: Vec<&'static str>,
    sizes: Sizes,
    resources: Vec<Resource>,
    workers: Vec<Setup>,
    gateways: Vec<Setup>,
}

impl Builder {
    /// A system without nodes; `node` is the program of the child processes.
    pub fn new(node: &str) -> Self {
        Self {
            node: node.into(),
            scratch: None,
            is_unchecked: false,
            is_cluster: false,
            secured: None,
            outside: Vec::new(),
            sizes: Sizes::default(),
            resources: vec![scripted("echo", serde_json::json!({}))],
            workers: Vec::new(),
            gateways: Vec::new(),
        }
    }

    /// Three nats-servers, and three replicas of everything.
    pub fn cluster(self) -> Self {
        Self { is_cluster: true, sizes: Sizes { replicas: 3, ..self.sizes }, ..self }
    }

    /// Its servers have their data in this directory, which may hold some already.
    pub fn within(self, scratch: Scratch) -> Self {
        Self { scratch: Some(scratch), ..self }
    }

    /// Whoever starts it judges by itself: it may be dropped unfinished, which kills its servers.
    pub fn unchecked(self) -> Self {
        Self { is_unchecked: true, ..self }
    }

    /// A nats-server with TLS and the least permissions, and a publisher for each of these triggers.
    pub fn secured(self, publishers: &[&'static str]) -> Self {
        Self { secured: Some(publishers.to_vec()), ..self }
    }

    /// Where abilities and destinations of a secured system may send to.
    pub fn outside(self, subjects: &[&'static str]) -> Self {
        Self { outside: subjects.to_vec(), ..self }
    }

    /// Streams of other sizes.
    pub fn sizes(self, sizes: Sizes) -> Self {
        Self { sizes, ..self }
    }

    /// A trigger or a bot.
    pub fn with(mut self, resource: impl Into<Resource>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// So many workers.
    pub fn workers(mut self, count: usize, setup: &Setup) -> Self {
        self.workers.extend(std::iter::repeat_n(setup.clone(), count));
        self
    }

    /// So many gateways.
    pub fn gateways(mut self, count: usize, setup: &Setup) -> Self {
        self.gateways.extend(std::iter::repeat_n(setup.clone(), count));
        self
    }

    /// Starts everything, and waits until every gateway is ready.
    pub async fn start(self) -> System {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let arguments = Arguments::parse_from(["tests"]);
        let _handle = telemetry::logging::start(&arguments.logging).expect("CUEPOINT_LOG is a filter");
        let scratch = self.scratch.unwrap_or_default();
        let publishers = self.secured.or_else(|| (arguments.secured && !self.is_cluster).then(Vec::new));
        let secured = publishers.map(|publishers| Secured::make(&scratch.path().join("security"), &publishers, &self.outside));
        let redis = Kind::Redis { arguments: secured.as_ref().map(Secured::redis_arguments).unwrap_or_default() };
        let redis = Options { kind: redis, ..Options::redis(scratch.path().join("redis")) }.start();
        let servers = async {
            match &secured {
                Some(secured) => cluster::secured(scratch.path(), secured.configuration()).await,
                None if self.is_cluster => cluster::three(scratch.path()).await,
                None => cluster::one(scratch.path()).await,
            }
        };
        let (nats, redis) = tokio::join!(servers, redis);
        let redis = redis.expect("redis-server starts");
        let urls: Vec<String> = nats.iter().map(Server::url).collect();
        let url = urls.join(",");
        let own = secured.as_ref().map_or_else(|| config::Nats::at(url.clone()), |secured| secured.user(&url, "harness"));
        let client = nats::connect(&own, "tests").await.expect("NATS can be connected to");
        let view = View::new(client, redis::Client::open(redis.url()).expect("the address of Redis"));
        scratch.write("key", DEPLOYMENT_KEY);
        scratch.write("token", API_TOKEN);
        let mut system = System {
            node: self.node,
            sizes: self.sizes,
            view,
            workers: Vec::new(),
            gateways: Vec::new(),
            ledger: Ledger::default(),
            http: call::client(),
            taken: Vec::new(),
            is_finished: self.is_unchecked,
            nats_url: url,
            secured,
            nats: nats.into_iter().map(Breakable::new).collect(),
            redis: Breakable::new(redis),
            scratch,
        };
        system.ensure(FIRST_SECOND).await;
        for resource in &self.resources {
            system.put(resource).await;
        }
        for setup in self.gateways {
            system.start_gateway(setup).await;
        }
        for setup in self.workers {
            system.start_worker(setup).await;
        }
        for gateway in 0..system.gateways() {
            system.ready(gateway).await;
        }
        system
    }
}

/// A running system. [`Self::finish`] ends it; dropping it unfinished fails the test.
#[must_use = "a system is ended by `finish`"]
pub struct System {
    node: PathBuf,
    sizes: Sizes,
    view: View,
    workers: Vec<Node>,
    gateways: Vec<Node>,
    ledger: Ledger,
    http: reqwest::Client,
    taken: Vec<(String, u64)>,
    is_finished: bool,
    nats_url: String,
    /// Who may do what at the broker, where it asks.
    pub secured: Option<Secured>,
    /// The nats-servers: one, or three.
    pub nats: Vec<Breakable>,
    /// The redis-server.
    pub redis: Breakable,
    /// The directory of the servers' data. The last field, so that it is removed after they are killed.
    pub scratch: Scratch,
}

impl System {
    /// What lies in the broker and in Redis.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// What was accepted.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes the streams that are missing; a new EVENTS stream is named by this second or a later one.
    pub async fn ensure(&self, second: u32) -> Epoch {
        let ensured = async || topology::ensure(self.view.context(), &self.sizes, second).await.ok();
        eventually("the streams are there", ENSURE_WITHIN, ensured).await
    }

    /// Writes a resource.
    pub async fn put(&self, resource: &Resource) {
        let put = async || {
            let bucket: kv::Store = self.view.context().get_key_value(subject::RESOURCES).await.ok()?;
            bucket.put(resource.key(), resource.encode()).await.ok()
        };
        eventually("the resource is written", ENSURE_WITHIN, put).await;
    }

    /// Removes a resource.
    pub async fn remove(&self, key: &str) {
        let bucket = self.view.context().get_key_value(subject::RESOURCES).await.expect("the bucket is there");
        bucket.delete(key).await.expect("a resource can be removed");
    }

    /// Where NATS and Redis are, as commands are told that come as a user.
    pub fn servers_told(&self, user: &str) -> Vec<String> {
        let (nats, redis) = self.servers(&Setup::here(), user);
        let servers = ["--nats".to_owned(), nats.url, "--redis".to_owned(), redis.url];
        [&servers[..], &self.flags(user)].concat()
    }

    /// How a process of its own is told which user of NATS it is.
    fn flags(&self, user: &str) -> Vec<String> {
        self.secured.as_ref().map(|secured| secured.flags(user)).unwrap_or_default()
    }

    /// How large its streams are.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// A proxy in front of the first nats-server.
    pub async fn nats_proxy(&self) -> Proxy {
        Proxy::to(self.nats.first().expect("a nats-server").port()).await
    }

    /// A proxy in front of Redis.
    pub async fn redis_proxy(&self) -> Proxy {
        Proxy::to(self.redis.port()).await
    }

    fn servers(&self, setup: &Setup, user: &str) -> (config::Nats, config::Redis) {
        let url = setup.nats.as_ref().unwrap_or(&self.nats_url);
        let nats = self.secured.as_ref().map_or_else(|| config::Nats::at(url), |secured| secured.user(url, user));
        let url = setup.redis.as_deref().unwrap_or_else(|| self.redis.url());
        (nats, self.secured.as_ref().map_or_else(|| config::Redis::at(url), |secured| secured.redis(url)))
    }

    /// Starts a worker; its index.
    pub async fn start_worker(&mut self, setup: Setup) -> usize {
        let (nats, redis) = self.servers(&setup, &setup.user);
        let settings = setup.settings.as_ref().map(|text| {
            let file = self.scratch.path().join(format!("settings-{}.yaml", self.workers.len()));
            std::fs::write(&file, text).expect("the scratch directory can be written to");
            file
        });
        let key = self.scratch.path().join("key");
        let node = match setup.place {
            Place::Here => {
                let mut config = worker::config::Config::new(nats, redis);
                config.turns = setup.turns;
                config.drain_deadline = setup.drain_deadline;
                config.keys.deployment_key_file = Some(key);
                config.deliver.retries = setup.retries;
                config.settings_file = settings;
                config.egress_allow = vec!["127.0.0.1".parse().expect("an address")];
                let shutdown = CancellationToken::new();
                let running = Box::pin(worker::service::start(config, shutdown.clone())).await.expect("the worker starts");
                let name = running.id.to_string();
                Node::here(name, shutdown, Box::pin(async { running.finished().await.map_err(|error| error.to_string()) }))
            }
            Place::Child => {
                let (turns, deadline) = (setup.turns.to_string(), format!("{}ms", setup.drain_deadline.as_millis()));
                let flags = ["worker", "--nats", &nats.url, "--redis", &redis.url, "--egress-allow", "127.0.0.1"];
                let flags = flags.into_iter().chain(["--turns", &turns, "--drain-deadline", &deadline]);
                let mut flags = flags.map(str::to_owned).collect::<Vec<String>>();
                let retries = setup.retries.iter().map(|pause| format!("{}ms", pause.as_millis())).collect::<Vec<_>>().join(",");
                flags.extend(["--deployment-key-file".to_owned(), key.display().to_string(), "--deliver-retries".to_owned(), retries]);
                flags.extend(self.flags(&setup.user));
                flags.extend(settings.into_iter().flat_map(|file| ["--settings".to_owned(), file.display().to_string()]));
                flags.extend(setup.flags);
                flags.extend(setup.fatal.into_iter().flat_map(|point| ["--fatal".to_owned(), point]));
                Node::child(&self.node, &flags).await
            }
        };
        self.workers.push(node);
        self.workers.len() - 1
    }

    /// Starts a gateway; its index. It may not be ready yet.
    pub async fn start_gateway(&mut self, setup: Setup) -> usize {
        let (nats, redis) = self.servers(&setup, "gateway");
        let (key, token) = (self.scratch.path().join("key"), self.scratch.path().join("token"));
        let node = match setup.place {
            Place::Here => {
                let config = gateway::Config {
                    api_token_file: Some(token),
                    body_bytes: setup.body_bytes,
                    durability: setup.durability,
                    bounds: setup.bounds.clone(),
                    drain: setup.drain,
                    access: setup.access.clone(),
                    ..gateway::Config::new(nats, redis, key)
                };
                let shutdown = CancellationToken::new();
                let running = Box::pin(gateway::start(config, shutdown.clone())).await.expect("the gateway starts");
                let name = running.address.to_string();
                Node::here(name, shutdown, Box::pin(async { running.finished().await.map_err(|error| error.to_string()) }))
            }
            Place::Child => {
                let (key, token) = (key.display().to_string(), token.display().to_string());
                let flags = ["gateway", "--nats", &nats.url, "--redis", &redis.url, "--http", "127.0.0.1:0"];
                let files = ["--deployment-key-file", &key, "--api-token-file", &token];
                let flags = flags.into_iter().chain(files).map(str::to_owned);
                let flags: Vec<String> = flags.chain(self.flags("gateway")).chain(setup.gateway_flags()).collect();
                Node::child(&self.node, &flags).await
            }
        };
        self.gateways.push(node);
        self.gateways.len() - 1
    }

    /// A worker by its index.
    pub fn worker(&mut self, index: usize) -> &mut Node {
        self.workers.get_mut(index).expect("such a worker")
    }

    /// A gateway by its index.
    pub fn gateway(&mut self, index: usize) -> &mut Node {
        self.gateways.get_mut(index).expect("such a gateway")
    }

    /// How much memory a gateway's process has, in bytes.
    pub fn gateway_memory_bytes(&self, index: usize) -> u64 {
        self.gateways.get(index).expect("such a gateway").memory_bytes()
    }

    /// Asks a gateway's process to end, while calls are under way.
    pub fn terminate_gateway(&self, index: usize) {
        self.gateways.get(index).expect("such a gateway").terminate();
    }

    /// How many gateways there are.
    pub fn gateways(&self) -> usize {
        self.gateways.len()
    }

    /// A call to a path of a gateway.
    pub fn request(&self, gateway: usize, method: Method, path: &str) -> Call {
        let address = &self.gateways.get(gateway).expect("such a gateway").name;
        Call::new(self.http.clone(), self.ledger.clone(), method, format!("http://{address}{path}"))
    }

    /// An event call to the first gateway.
    pub fn call(&self, trigger: &str) -> Call {
        self.call_at(0, trigger)
    }

    /// An event call to a gateway.
    pub fn call_at(&self, gateway: usize, trigger: &str) -> Call {
        self.request(gateway, Method::POST, &format!("/v1/integration/trigger/{trigger}/event"))
    }

    /// A call that asks what became of an event.
    pub fn fetch(&self, receipt: &Receipt) -> Call {
        let path = format!("/v1/integration/trigger/{}/event/{receipt}/fetch", receipt.session.trigger);
        self.request(0, Method::GET, &path)
    }

    /// A call about an event: `cancel`, `answer` or `subscribe`.
    pub fn of_event(&self, receipt: &Receipt, method: Method, verb: &str) -> Call {
        self.request(0, method, &format!("/v1/integration/trigger/{}/event/{receipt}/{verb}", receipt.session.trigger))
    }

    /// A call that lists messages.
    pub fn list(&self, conversation: &ConversationId) -> Call {
        self.request(0, Method::GET, &format!("/v1/conversation/{conversation}/message/list"))
    }

    /// A call of the management API, by the operator.
    pub fn api(&self, path: &str) -> Call {
        self.request(0, Method::POST, &format!("/v1/{path}")).secret(API_TOKEN)
    }

    /// A call of the management API that reads, by the operator.
    pub fn read(&self, path: &str) -> Call {
        self.request(0, Method::GET, &format!("/v1/{path}")).secret(API_TOKEN)
    }

    /// A call that follows a conversation.
    pub fn follow(&self, conversation: &ConversationId) -> Call {
        self.request(0, Method::GET, &format!("/v1/conversation/{conversation}/subscribe"))
    }

    /// What `/readyz` says.
    pub async fn readiness(&self, gateway: usize) -> Answer {
        self.request(gateway, Method::GET, "/readyz").send().await
    }

    /// Waits until a gateway is ready.
    pub async fn ready(&self, gateway: usize) {
        let is_ready = async || self.readiness(gateway).await.status.is_success().then_some(());
        eventually("the gateway is ready", READY_WITHIN, is_ready).await;
    }

    /// Publishes an event as a direct publisher does; notes and returns its receipt.
    pub async fn publish(&self, session: &SessionKey, headers: Option<HeaderMap>, body: impl Into<Bytes>) -> Receipt {
        let event = self.publish_to(&subject::event(session), headers, body).await;
        let receipt = Receipt { session: session.clone(), event };
        self.ledger.note(receipt.clone());
        receipt
    }

    /// Publishes to any subject of EVENTS; where it was stored.
    pub async fn publish_to(&self, subject: &str, headers: Option<HeaderMap>, body: impl Into<Bytes>) -> EventSeq {
        let stored = publish::confirmed(self.view.client(), subject.to_owned(), headers, body.into(), limit::PUBLISH_DEADLINE).await;
        let stored = stored.unwrap_or_else(|error| panic!("{subject}: {error}"));
        let epoch = subject::epoch_of_stream(&stored.stream).expect("the stream is EVENTS");
        EventSeq { epoch, seq: stored.seq }
    }

    /// Waits until every accepted event has a terminal record; all records.
    pub async fn settled(&self, within: Duration) -> Vec<Logged> {
        let settled = async || self.view.try_log().await.filter(|log| self.ledger.is_settled(log));
        eventually("every accepted event is settled", within, settled).await
    }

    /// Waits for the first record that fits, and returns it with the moment it was seen.
    pub async fn logged(&self, what: &str, within: Duration, fits: impl Fn(&Logged) -> bool) -> (Logged, Instant) {
        let found = async || self.view.try_log().await?.into_iter().find(|logged| fits(logged));
        let logged = eventually(what, within, found).await;
        (logged, Instant::now())
    }

    /// Takes all dead letters that were not taken before, with their subjects.
    pub async fn take_dead(&mut self) -> Vec<(String, DeadLetter)> {
        let mut letters = self.view.letters().await;
        letters.retain(|(_, letter)| !self.taken.contains(&(letter.epoch.clone(), letter.event)));
        self.taken.extend(letters.iter().map(|(_, letter)| (letter.epoch.clone(), letter.event)));
        letters
    }
}
