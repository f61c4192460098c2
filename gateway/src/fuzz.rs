//! A gateway that stands by itself: for tests of the surface, and for whoever hunts for calls that break it.
//!
//! It is the whole of what answers, over a configuration that stays as it is. Its broker and its Redis are
//! whatever is there, which may be nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use backbone::catalogue::{Catalogue, Snapshot};
use backbone::redis::Redis;
use backbone::seal::MasterKey;
use backbone::shared::Shared;
use backbone::{config, topology};
use proto::idempotency::DeploymentKey;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::body::{Budget, Patience};
use crate::clock::BrokerClock;
use crate::complaint::Complaints;
use crate::config::{Access, Bounds};
use crate::directory::Directory;
use crate::door::Door;
use crate::last_use::LastUse;
use crate::rate::Limiter;
use crate::ready::Readiness;
use crate::route;
use crate::signature::seen::Seen;

/// Largest body that it takes, in bytes.
pub const BODY_BYTES_MAX: usize = 1 << 10;
/// The master key of its deployment.
const KEY: [u8; 16] = [1; 16];

/// All routes of such a gateway, to which the broker said a moment ago that it is `now_ms`.
pub fn router(client: async_nats::Client, redis: &config::Redis, snapshot: Snapshot, now_ms: i64) -> Router {
    let catalogue = Catalogue::fixed(client.clone(), snapshot);
    route::router(Arc::new(door(client, redis, catalogue, BrokerClock::told(now_ms))), &Access::default(), None)
}

/// What seals the secrets of its triggers.
#[expect(clippy::expect_used, reason = "any 16 bytes are a key")]
pub fn master() -> MasterKey {
    MasterKey::derive(&key()).expect("a key")
}

#[expect(clippy::expect_used, reason = "any 16 bytes are a key")]
fn key() -> DeploymentKey {
    DeploymentKey::parse(&KEY).expect("a key")
}

/// What its requests work with.
#[expect(clippy::expect_used, reason = "no connection is made before something is asked")]
pub(crate) fn door(client: async_nats::Client, redis: &config::Redis, catalogue: Catalogue, clock: BrokerClock) -> Door {
    let redis = Arc::new(Redis::new(redis).expect("an address"));
    let patience = Patience { time: Duration::from_secs(30), shutdown: CancellationToken::new(), drain_deadline: Duration::from_secs(25) };
    Door {
        context: topology::context(&client),
        client,
        index: index::store::Store::new(Arc::clone(&redis)),
        redis,
        directory: Directory::new(catalogue),
        master: master(),
        key: Shared::new(key()),
        limiter: Limiter::default(),
        seen: Seen::default(),
        last_use: LastUse::default(),
        accepts: crate::accept::Accepts::default(),
        publishes: Arc::new(crate::publishes::Publishes::new(1, Duration::from_millis(1))),
        promise: crate::durability::Promise::default(),
        api_token: Shared::default(),
        budget: Budget::new(1 << 20, BODY_BYTES_MAX, patience),
        waits: Semaphore::new(1),
        followers: Arc::new(Semaphore::new(1)),
        clock,
        remembering: Arc::new(Semaphore::new(1)),
        complaints: Complaints::default(),
        readiness: Readiness::default(),
        telemetry: telemetry::Telemetry::default(),
        figures: crate::figures::Figures::default(),
        bounds: Bounds::default(),
        tracker: TaskTracker::new(),
        ending: CancellationToken::new(),
        shutdown: CancellationToken::new(),
    }
}
