//! What every request works with.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use axum::response::{IntoResponse as _, Response};
use backbone::catalogue::Catalogue;
use backbone::redis::Redis;
use backbone::requests::Line;
use backbone::seal::MasterKey;
use backbone::shared::Shared;
use backbone::{publish, topology};
use proto::idempotency::DeploymentKey;
use proto::resource::SecretDigest;
use telemetry::Telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::Accepts;
use crate::api_error::ApiError;
use crate::body::{Budget, Patience};
use crate::clock::BrokerClock;
use crate::complaint::Complaints;
use crate::config::Bounds;
use crate::directory::Directory;
use crate::durability::Promise;
use crate::figures::Figures;
use crate::last_use::LastUse;
use crate::publishes::{Place, Publishes, Way};
use crate::rate::Limiter;
use crate::ready::Readiness;
use crate::replay;
use crate::signature::seen::Seen;

/// The shared parts of the gateway; one for the process, behind an `Arc`.
#[derive(Debug)]
pub(crate) struct Door {
    /// The broker's connection, for what is more than a request.
    pub(crate) client: Client,
    /// The broker, for requests.
    pub(crate) line: Line,
    /// The broker's stream API.
    pub(crate) context: Context,
    /// The hints.
    pub(crate) redis: Arc<Redis>,
    /// The lists.
    pub(crate) index: index::store::Store,
    /// The triggers.
    pub(crate) directory: Directory,
    /// Makes idempotency keys unguessable.
    pub(crate) key: Shared<DeploymentKey>,
    /// Seals what lies in the broker and is nobody else's.
    pub(crate) master: MasterKey,
    /// What reads everything.
    pub(crate) api_token: Shared<Option<SecretDigest>>,
    /// Holds calls to their limits.
    pub(crate) limiter: Limiter,
    /// The signed calls that were taken.
    pub(crate) seen: Seen,
    /// When tokens were last used.
    pub(crate) last_use: LastUse,
    /// How long calls took.
    pub(crate) accepts: Accepts,
    /// The messages on their way to the broker.
    pub(crate) publishes: Arc<Publishes>,
    /// What receipts promise.
    pub(crate) promise: Promise,
    /// The memory for bodies.
    pub(crate) budget: Budget,
    /// The callers that may wait.
    pub(crate) waits: Semaphore,
    /// The readers that may follow.
    pub(crate) followers: Arc<Semaphore>,
    /// The broker's clock.
    pub(crate) clock: BrokerClock,
    /// The idempotency keys that are being written to Redis.
    pub(crate) remembering: Arc<Semaphore>,
    /// What was logged.
    pub(crate) complaints: Complaints,
    /// The last look at the servers.
    pub(crate) readiness: Readiness,
    /// What is told of what happens.
    pub(crate) telemetry: Telemetry,
    /// How much there is to do.
    pub(crate) figures: Figures,
    /// How much is taken on at once.
    pub(crate) bounds: Bounds,
    /// Every task of the gateway.
    pub(crate) tracker: TaskTracker,
    /// Says that the gateway was told to end; it still takes calls for its drain delay.
    pub(crate) ending: CancellationToken,
    /// Says when to stop.
    pub(crate) shutdown: CancellationToken,
}

/// The servers behind a gateway.
#[derive(Debug)]
pub(crate) struct Servers {
    /// The broker's connection.
    pub(crate) client: Client,
    /// The same, or what stands in for it, for requests.
    pub(crate) line: Line,
    /// The hints.
    pub(crate) redis: Arc<Redis>,
    /// The configuration.
    pub(crate) catalogue: Catalogue,
}

/// What a gateway knows that others do not.
#[derive(Debug)]
pub(crate) struct Secrets {
    /// Seals what lies in the broker.
    pub(crate) master: MasterKey,
    /// Makes idempotency keys unguessable.
    pub(crate) key: DeploymentKey,
    /// What reads everything.
    pub(crate) api_token: Option<SecretDigest>,
}

/// How much a gateway takes on, and when it ends.
#[derive(Debug)]
pub(crate) struct Limits {
    /// How much at once.
    pub(crate) bounds: Bounds,
    /// The largest body of an event call, in bytes.
    pub(crate) body_bytes: usize,
    /// How long requests that run may take once it stops.
    pub(crate) drain_deadline: Duration,
    /// Every task.
    pub(crate) tracker: TaskTracker,
    /// The wish to end.
    pub(crate) ending: CancellationToken,
    /// The end of taking calls.
    pub(crate) shutdown: CancellationToken,
}

impl Door {
    /// Puts the parts together.
    pub(crate) fn new(servers: Servers, secrets: Secrets, limits: Limits, telemetry: Telemetry) -> Self {
        let Servers { client, line, redis, catalogue } = servers;
        let Limits { bounds, body_bytes, drain_deadline, tracker, ending, shutdown } = limits;
        let patience = Patience { time: bounds.body_time, shutdown: shutdown.clone(), drain_deadline };
        Self {
            context: topology::context(&client),
            client,
            line,
            index: index::store::Store::new(Arc::clone(&redis)),
            redis,
            directory: Directory::new(catalogue),
            master: secrets.master,
            key: Shared::new(secrets.key),
            limiter: Limiter::default(),
            seen: Seen::default(),
            last_use: LastUse::default(),
            accepts: Accepts::default(),
            publishes: Arc::new(Publishes::new(bounds.publishes, bounds.queue_time)),
            promise: Promise::default(),
            api_token: Shared::new(secrets.api_token),
            budget: Budget::new(bounds.body_memory_bytes, body_bytes, patience),
            waits: Semaphore::new(bounds.waits.min(Semaphore::MAX_PERMITS)),
            followers: Arc::new(Semaphore::new(bounds.followers.min(Semaphore::MAX_PERMITS))),
            clock: BrokerClock::default(),
            remembering: Arc::new(Semaphore::new(replay::REMEMBERING_MAX)),
            complaints: Complaints::default(),
            readiness: Readiness::default(),
            telemetry,
            figures: Figures::default(),
            bounds,
            tracker,
            ending,
            shutdown,
        }
    }

    /// Takes a place for a message to the broker; nothing is published without one.
    pub(crate) async fn enter(&self) -> Result<Place<'_>, publish::Error> {
        self.publishes.enter(Way { line: &self.line, tracker: &self.tracker }).await
    }

    /// Publishes where there is a place for it.
    pub(crate) async fn publish<T>(&self, publishing: impl Future<Output = Result<T, publish::Error>>) -> Result<T, publish::Error> {
        // On the heap, or whoever calls this has room for it twice.
        let publishing = Box::pin(publishing);
        self.enter().await?.told(publishing.await)
    }

    /// Answers a refusal, and logs it where it is ours.
    pub(crate) fn refuse(&self, error: ApiError) -> Response {
        self.complaints.note(&error);
        error.into_response()
    }
}
