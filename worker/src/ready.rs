//! Whether a worker can do its work, and what it holds, for its operations listener and its metrics.

use std::borrow::Cow;
use std::sync::{Arc, Weak};

use async_nats::Client;
use async_trait::async_trait;
use backbone::catalogue::Catalogue;
use backbone::nats;
use backbone::redis::Redis;
use serde_json::json;
use telemetry::instrument::{Gauge, Reading};
use telemetry::ops::Subject;

use crate::desk::Desk;

const OK: Cow<'static, str> = Cow::Borrowed("ok");

/// What is looked at.
pub(crate) struct Looked {
    pub(crate) desk: Arc<Desk>,
    pub(crate) client: Client,
    pub(crate) redis: Arc<Redis>,
    pub(crate) catalogue: Catalogue,
}

#[async_trait]
impl Subject for Looked {
    /// Redis holds hints: its silence is told and does not make the worker unready.
    async fn ready(&self) -> (bool, Vec<u8>) {
        let process = if self.desk.shutdown.is_cancelled() { "stopping".into() } else { OK };
        let nats = if nats::is_connected(&self.client) {
            nats::check_version(&self.client).map_or_else(|error| Cow::Owned(error.to_string()), |()| OK)
        } else {
            "not connected".into()
        };
        let catalogue = if self.catalogue.is_loaded() { OK } else { "not loaded".into() };
        let redis = self.redis.ping().await.map_or_else(|error| Cow::Owned(error.to_string()), |()| OK);
        let is_ready = [&process, &nats, &catalogue].into_iter().all(|check| *check == OK);
        let status = match (is_ready, redis == OK) {
            (true, true) => "ready",
            (true, false) => "degraded",
            (false, _) => "unready",
        };
        let checks = json!({ "process": process, "nats": nats, "catalogue": catalogue, "redis": redis });
        (is_ready, json!({ "status": status, "checks": checks }).to_string().into_bytes())
    }
}

/// Has what a desk holds read whenever somebody asks; `has_turns` is whether it runs any.
pub(crate) fn observe(desk: &Arc<Desk>, has_turns: bool) {
    let instruments = &desk.ports.telemetry.instruments;
    let figure = |gauge: Gauge, read: fn(&Desk) -> usize| {
        let desk: Weak<Desk> = Arc::downgrade(desk);
        let reading = move || -> Vec<Reading> { desk.upgrade().map(|desk| (read(&desk) as u64, None)).into_iter().collect() };
        instruments.observe(gauge, reading);
    };
    figure(Gauge::SessionsOwned, |desk| desk.mailboxes().len());
    figure(Gauge::DeliveriesHeld, |desk| desk.mailboxes().iter().map(|mailbox| mailbox.held().len()).sum());
    figure(Gauge::TurnsRunning, |desk| desk.gates.running());
    if has_turns {
        figure(Gauge::TurnsMax, |desk| desk.gates.width());
        instruments.begin_counting();
    }
}
