//! The validated configuration in memory.
//!
//! A task follows the bucket `resources`; readers see a snapshot that only ever contains entries
//! that parsed. An entry that does not parse leaves its last good version in place.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::kv::Operation;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::id::{BotId, SkillsetId, TriggerId};
use proto::resource::{Bot, Resource, Skillset, Trigger};
use proto::subject;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::topology;

/// The pause before the bucket is followed again after a fault.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// A resource and the revision that it was read at.
#[derive(Debug)]
pub struct Revised<T> {
    /// The bucket's sequence of this version.
    pub revision: u64,
    /// The resource.
    pub resource: T,
}

impl<T> Deref for Revised<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.resource
    }
}

/// All resources at one moment.
#[derive(Debug, Default, Clone)]
pub struct Snapshot {
    /// The triggers.
    pub triggers: HashMap<TriggerId, Arc<Revised<Trigger>>>,
    /// The bots.
    pub bots: HashMap<BotId, Arc<Revised<Bot>>>,
    /// What they may do.
    pub skillsets: HashMap<SkillsetId, Arc<Revised<Skillset>>>,
}

/// A view of the catalogue; cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalogue {
    client: Client,
    view: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl Catalogue {
    /// Prepares a catalogue and the task that keeps it: run the task until `shutdown`.
    pub fn new(client: Client, shutdown: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (publish, view) = watch::channel(None);
        let task = follow(client.clone(), publish, shutdown);
        (Self { client, view }, task)
    }

    /// Whether the bucket has been read to its end once.
    pub fn is_loaded(&self) -> bool {
        self.view.borrow().is_some()
    }

    /// Waits for that.
    pub async fn loaded(&self) {
        let mut view = self.view.clone();
        drop(view.wait_for(Option::is_some).await);
    }

    /// Everything at this moment; empty until loaded.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.view.borrow().clone().unwrap_or_default()
    }

    /// A trigger as this process knows it.
    pub fn trigger(&self, id: &TriggerId) -> Option<Arc<Revised<Trigger>>> {
        self.view.borrow().as_ref()?.triggers.get(id).cloned()
    }

    /// A bot as this process knows it.
    pub fn bot(&self, id: &BotId) -> Option<Arc<Revised<Bot>>> {
        self.view.borrow().as_ref()?.bots.get(id).cloned()
    }

    /// A skillset as this process knows it.
    pub fn skillset(&self, id: &SkillsetId) -> Option<Arc<Revised<Skillset>>> {
        self.view.borrow().as_ref()?.skillsets.get(id).cloned()
    }

    /// An earlier version of a resource, where the bucket still has it.
    pub async fn at(&self, key: &str, revision: u64) -> Result<Option<Resource>, crate::direct::Error> {
        let stream = format!("KV_{}", subject::RESOURCES);
        let subject = format!("$KV.{}.{key}", subject::RESOURCES);
        let found = crate::direct::next_from_leader(&self.client, &stream, &subject, revision).await?;
        let found = found.filter(|stored| stored.seq == revision);
        Ok(found.and_then(|stored| Resource::decode(key, stored.body).ok().flatten()))
    }

    /// A trigger as the bucket's leader knows it: a new one may not have reached this process.
    pub async fn trigger_from_leader(&self, id: &TriggerId) -> Result<Option<Revised<Trigger>>, crate::direct::Error> {
        let stream = format!("KV_{}", subject::RESOURCES);
        let key = format!("trigger.{id}");
        let found = crate::direct::last_from_leader(&self.client, &stream, &format!("$KV.{}.{key}", subject::RESOURCES)).await?;
        let Some(stored) = found else { return Ok(None) };
        Ok(match Resource::decode(&key, stored.body).ok().flatten() {
            Some(Resource::Trigger(trigger)) => Some(Revised { revision: stored.seq, resource: trigger }),
            Some(Resource::Bot(_) | Resource::Skillset(_)) | None => None,
        })
    }
}

async fn follow(client: Client, publish: watch::Sender<Option<Arc<Snapshot>>>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            ended = follow_once(&client, &publish) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "the configuration cannot be followed yet");
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_EVERY) => {}
        }
    }
}

async fn follow_once(client: &Client, publish: &watch::Sender<Option<Arc<Snapshot>>>) -> Result<(), async_nats::Error> {
    let bucket = topology::context(client).get_key_value(subject::RESOURCES).await?;
    let is_empty = bucket.status().await?.values() == 0;
    let mut entries = bucket.watch_with_history(">").await?;
    let mut snapshot = Snapshot::default();
    let mut is_current = is_empty;
    if is_empty {
        publish.send_replace(Some(Arc::default()));
    }
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        match entry.operation {
            Operation::Put => put(&mut snapshot, publish, &entry.key, entry.revision, entry.value),
            Operation::Delete | Operation::Purge => remove(&mut snapshot, &entry.key),
        }
        is_current |= entry.delta == 0;
        if is_current {
            publish.send_replace(Some(Arc::new(snapshot.clone())));
        }
    }
    Ok(())
}

fn put(snapshot: &mut Snapshot, publish: &watch::Sender<Option<Arc<Snapshot>>>, key: &str, revision: u64, value: Bytes) {
    match Resource::decode(key, value) {
        Ok(Some(Resource::Trigger(trigger))) => {
            snapshot.triggers.insert(trigger.id.clone(), Arc::new(Revised { revision, resource: trigger }));
        }
        Ok(Some(Resource::Bot(bot))) => {
            snapshot.bots.insert(bot.id.clone(), Arc::new(Revised { revision, resource: bot }));
        }
        Ok(Some(Resource::Skillset(skillset))) => {
            snapshot.skillsets.insert(skillset.id.clone(), Arc::new(Revised { revision, resource: skillset }));
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(resource.key = key, %error, "an entry of the configuration is unusable; its last good version stays");
            keep_last_good(snapshot, publish, key);
        }
    }
}

/// A fresh read of the bucket starts empty: a broken entry takes over what this process last knew.
fn keep_last_good(snapshot: &mut Snapshot, publish: &watch::Sender<Option<Arc<Snapshot>>>, key: &str) {
    let Some(known) = publish.borrow().clone() else { return };
    match key.split_once('.') {
        Some(("trigger", id)) => {
            if let Some((id, trigger)) = id.parse().ok().and_then(|id: TriggerId| known.triggers.get_key_value(&id)) {
                snapshot.triggers.insert(id.clone(), Arc::clone(trigger));
            }
        }
        Some(("bot", id)) => {
            if let Some((id, bot)) = id.parse().ok().and_then(|id: BotId| known.bots.get_key_value(&id)) {
                snapshot.bots.insert(id.clone(), Arc::clone(bot));
            }
        }
        Some(("skillset", id)) => {
            if let Some((id, skillset)) = id.parse().ok().and_then(|id: SkillsetId| known.skillsets.get_key_value(&id)) {
                snapshot.skillsets.insert(id.clone(), Arc::clone(skillset));
            }
        }
        _ => {}
    }
}

fn remove(snapshot: &mut Snapshot, key: &str) {
    match key.split_once('.') {
        Some(("trigger", id)) => snapshot.triggers.retain(|known, _| known.as_str() != id),
        Some(("bot", id)) => snapshot.bots.retain(|known, _| known.as_str() != id),
        Some(("skillset", id)) => snapshot.skillsets.retain(|known, _| known.as_str() != id),
        _ => {}
    }
}
