//! The worker's role `deliver`.

use std::sync::Arc;

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::seal::MasterKey;
use egress::Egress;
use telemetry::Telemetry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::collect;
use crate::config::Config;
use crate::deliver::{self, Active, Deliverer};
use crate::post::Post;
use crate::stopped::Stopped;

/// The time of day, in milliseconds since 1970.
pub type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What the role works with.
#[derive(Clone)]
pub struct Parts {
    /// The broker.
    pub client: Client,
    /// The triggers.
    pub catalogue: Catalogue,
    /// Where calls may go.
    pub egress: Egress,
    /// What the keys of webhooks are sealed under.
    pub key: Option<MasterKey>,
    /// The time of day.
    pub now: Now,
    /// What is told of it.
    pub telemetry: Telemetry,
}

/// Runs the role until `shutdown`, and until what is being sent then has ended.
pub async fn run(parts: Parts, config: Config, shutdown: CancellationToken) {
    let Parts { client, catalogue, egress, key, now, telemetry } = parts;
    let (stopped, follow) = Stopped::new(client.clone(), shutdown.clone());
    let post = Post { client: client.clone(), egress, key };
    let deliverer = Deliverer {
        client: client.clone(),
        catalogue: catalogue.clone(),
        post,
        stopped,
        retries: config.retries,
        now,
        telemetry,
        active: Active::default(),
    };
    let sending = TaskTracker::new();
    // Each ends by itself with the shutdown; sends have deadlines.
    tokio::join!(
        Box::pin(follow),
        Box::pin(collect::run(client, catalogue, shutdown.clone())),
        Box::pin(deliver::run(Arc::new(deliverer), config.sending, sending.clone(), shutdown)),
    );
    sending.close();
    sending.wait().await;
}
