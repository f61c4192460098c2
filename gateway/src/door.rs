//! What every request works with.

use std::sync::Arc;

use async_nats::Client;
use async_nats::jetstream::Context;
use axum::response::{IntoResponse as _, Response};
use backbone::publish;
use backbone::redis::Redis;
use backbone::seal::MasterKey;
use backbone::shared::Shared;
use proto::idempotency::DeploymentKey;
use proto::resource::SecretDigest;
use telemetry::Telemetry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::Accepts;
use crate::api_error::ApiError;
use crate::body::Budget;
use crate::clock::BrokerClock;
use crate::complaint::Complaints;
use crate::config::Bounds;
use crate::directory::Directory;
use crate::durability::Promise;
use crate::figures::Figures;
use crate::last_use::LastUse;
use crate::publishes::{Line, Place, Publishes};
use crate::rate::Limiter;
use crate::ready::Readiness;
use crate::signature::seen::Seen;

/// The shared parts of the gateway; one for the process, behind an `Arc`.
#[derive(Debug)]
pub(crate) struct Door {
    /// The broker.
    pub(crate) client: Client,
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

impl Door {
    /// Takes a place for a message to the broker; nothing is published without one.
    pub(crate) async fn enter(&self) -> Result<Place<'_>, publish::Error> {
        self.publishes.enter(Line { client: &self.client, tracker: &self.tracker }).await
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
