//! A gateway whose servers are in memory: the whole surface, for a simulation and for tests of the surface alone.

use std::sync::Arc;

use async_nats::Client;
use axum::Router;
use backbone::catalogue::Catalogue;
use backbone::redis::Redis;
use backbone::requests::Line;
use backbone::seal::{KeyError, MasterKey};
use proto::idempotency::DeploymentKey;
use proto::limit;
use telemetry::Telemetry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Access, Bounds, Drain};
use crate::door::{Door, Limits, Secrets, Servers};
use crate::route;

/// What such a gateway works with.
#[derive(Debug)]
pub struct Stage {
    /// A connection, which is not asked for events, receipts and their status.
    pub client: Client,
    /// What these are asked of.
    pub line: Line,
    /// The hints.
    pub redis: Redis,
    /// The triggers.
    pub catalogue: Catalogue,
    /// What all gateways of a deployment share.
    pub key: DeploymentKey,
    /// Every task of the gateway.
    pub tracker: TaskTracker,
}

impl Stage {
    /// What takes the calls.
    pub fn router(self) -> Result<Router, KeyError> {
        let Self { client, line, redis, catalogue, key, tracker } = self;
        let servers = Servers { client, line, redis: Arc::new(redis), catalogue };
        let secrets = Secrets { master: MasterKey::derive(&key)?, key, api_token: None };
        let limits = Limits {
            bounds: Bounds::default(),
            body_bytes: limit::BODY_BYTES_MAX,
            drain_deadline: Drain::default().deadline,
            tracker,
            ending: CancellationToken::new(),
            shutdown: CancellationToken::new(),
        };
        Ok(route::router(Arc::new(Door::new(servers, secrets, limits, Telemetry::default())), &Access::default(), None))
    }
}
