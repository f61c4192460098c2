//! Destinations that want nothing more.
//!
//! A destination that answers 410 is marked in the bucket of the configuration, under
//! `stopped.<trigger>.<destination>`. What would go there is noted as stopped and not sent, until
//! somebody takes the mark away. The trigger itself is left as its keeper wrote it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::Store;
use backbone::bucket::{self, Follower};
use backbone::topology;
use proto::id::{DestinationId, TriggerId};
use proto::subject;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the keys of marks begin with.
const GROUP: &str = "stopped";
/// The pause before the bucket is followed again after a fault.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Why a destination hears nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    /// When it stopped, in milliseconds since 1970.
    pub at_ms: i64,
    /// The delivery that it was stopped by.
    pub delivery: String,
}

type Set = Arc<HashSet<String>>;

/// The destinations that are marked, as this process knows them.
#[derive(Debug, Clone)]
pub(crate) struct Stopped(watch::Receiver<Option<Set>>);

fn key(trigger: &TriggerId, destination: &DestinationId) -> String {
    format!("{GROUP}.{trigger}.{destination}")
}

async fn bucket(context: &Context) -> Result<Store, async_nats::Error> {
    Ok(context.get_key_value(subject::RESOURCES).await?)
}

impl Stopped {
    /// Prepares the set and the task that keeps it: run the task until `shutdown`.
    pub(crate) fn new(client: async_nats::Client, shutdown: CancellationToken) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (publish, view) = watch::channel(None);
        let task = async move {
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    ended = follow(&client, &publish) => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "stopped destinations cannot be followed yet");
                        }
                    }
                }
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(RETRY_EVERY) => {}
                }
            }
        };
        (Self(view), task)
    }

    /// Waits until the marks have been read once.
    pub(crate) async fn loaded(&self) {
        drop(self.0.clone().wait_for(Option::is_some).await);
    }

    /// Whether a destination is marked.
    pub(crate) fn has(&self, trigger: &TriggerId, destination: &DestinationId) -> bool {
        self.0.borrow().as_ref().is_some_and(|set| set.contains(&key(trigger, destination)))
    }
}

async fn follow(client: &async_nats::Client, publish: &watch::Sender<Option<Set>>) -> Result<(), bucket::Error> {
    let mut bucket = Follower::open(client, subject::RESOURCES, &format!("{GROUP}.>")).await?;
    let mut set = HashSet::new();
    if bucket.is_current() {
        publish.send_replace(Some(Arc::default()));
    }
    loop {
        for entry in bucket.next().await? {
            match entry.value {
                Some(_) => set.insert(entry.key),
                None => set.remove(&entry.key),
            };
        }
        if bucket.is_current() {
            publish.send_if_modified(|told| {
                let is_news = told.as_deref() != Some(&set);
                if is_news {
                    *told = Some(Arc::new(set.clone()));
                }
                is_news
            });
        }
    }
}

/// Marks a destination.
pub(crate) async fn stop(
    client: &async_nats::Client,
    trigger: &TriggerId,
    destination: &DestinationId,
    mark: &Mark,
) -> Result<(), async_nats::Error> {
    let value = serde_json::to_vec(mark)?;
    bucket(&topology::context(client)).await?.put(key(trigger, destination), value.into()).await?;
    Ok(())
}

/// The mark of a destination.
pub async fn mark(context: &Context, trigger: &TriggerId, destination: &DestinationId) -> Result<Option<Mark>, async_nats::Error> {
    let value = bucket(context).await?.get(key(trigger, destination)).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// Takes the mark of a destination away; whether there was one.
pub async fn enable(context: &Context, trigger: &TriggerId, destination: &DestinationId) -> Result<bool, async_nats::Error> {
    let was_marked = mark(context, trigger, destination).await?.is_some();
    if was_marked {
        bucket(context).await?.delete(key(trigger, destination)).await?;
    }
    Ok(was_marked)
}
