//! Timers, and the events that they bring, over NATS.

use std::sync::Arc;

use async_nats::{Client, HeaderMap};
use async_trait::async_trait;
use backbone::alarm::{self, Set};
use backbone::catalogue::{Catalogue, Revised};
use backbone::{later, publish};
use proto::id::{SessionKey, TriggerId};
use proto::resource::Trigger;
use proto::wire::Alarm;
use proto::{header, limit, subject};

use crate::port::{Clock, Parcel, Times, Unavailable};

/// Timers over one connection.
pub struct NatsTimes {
    client: Client,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
}

impl NatsTimes {
    /// Uses a connection.
    pub fn new(client: Client, catalogue: Catalogue, clock: Arc<dyn Clock>) -> Self {
        Self { client, catalogue, clock }
    }
}

#[async_trait]
impl Times for NatsTimes {
    async fn trigger(&self, id: &TriggerId) -> Result<Option<Arc<Revised<Trigger>>>, Unavailable> {
        Ok(self.catalogue.trigger_from_leader(id).await?.map(Arc::new))
    }

    async fn alarm(&self, trigger: &TriggerId) -> Result<Option<Set>, Unavailable> {
        Ok(alarm::read(&self.client, trigger).await?)
    }

    async fn set_alarm(&self, trigger: &TriggerId, alarm: &Alarm, fence: u64) -> Result<bool, Unavailable> {
        match alarm::set(&self.client, trigger, alarm, fence, self.clock.now_ms()).await {
            Ok(()) => Ok(true),
            Err(publish::Error::Fenced) => Ok(false),
            Err(error) => Err(Unavailable(error.to_string())),
        }
    }

    async fn was_sent(&self, session: &SessionKey, name: &str, since_ms: i64) -> Result<bool, Unavailable> {
        Ok(later::sent(&self.client, session, since_ms, |found| found == name).await?.is_some())
    }

    async fn send(&self, session: &SessionKey, parcel: Parcel) -> Result<bool, Unavailable> {
        let mut headers = HeaderMap::new();
        headers.insert(header::MESSAGE_ID, parcel.message_id);
        if let Some(traceparent) = parcel.traceparent {
            headers.insert(header::TRACEPARENT, traceparent);
        }
        let stored = publish::confirmed(&self.client, subject::event(session), Some(headers), parcel.body, limit::PUBLISH_DEADLINE).await;
        stored.map(|stored| !stored.duplicate).map_err(|error| Unavailable(error.to_string()))
    }
}
