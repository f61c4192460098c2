//! A gateway that stands by itself: for tests of the surface, and for whoever hunts for calls that break it.
//!
//! It is the whole of what answers, over a configuration that stays as it is. Its broker and its Redis are
//! whatever is there, which may be nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use backbone::catalogue::{Catalogue, Snapshot};
use backbone::config;
use backbone::redis::Redis;
use backbone::requests::Line;
use backbone::seal::MasterKey;
use proto::idempotency::DeploymentKey;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::BrokerClock;
use crate::config::{Access, Bounds, Drain};
use crate::door::{Door, Limits, Secrets, Servers};
use crate::route;

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
    let secrets = Secrets { master: master(), key: key(), api_token: None };
    let bounds = Bounds {
        body_memory_bytes: 1 << 20,
        waits: 1,
        followers: 1,
        publishes: 1,
        queue_time: Duration::from_millis(1),
        ..Bounds::default()
    };
    let limits = Limits {
        bounds,
        body_bytes: BODY_BYTES_MAX,
        drain_deadline: Drain::default().deadline,
        tracker: TaskTracker::new(),
        ending: CancellationToken::new(),
        shutdown: CancellationToken::new(),
    };
    let servers = Servers { line: Line::Nats(client.clone()), client, redis, catalogue };
    Door { clock, ..Door::new(servers, secrets, limits, telemetry::Telemetry::default()) }
}
