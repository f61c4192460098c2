//! The validated configuration in memory.
//!
//! A task follows the bucket `resources`; readers see a snapshot that only ever contains entries
//! that parsed. An entry that does not parse leaves its last good version in place.

use std::collections::HashMap;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;
use proto::id::{BotId, SecretId, SkillsetId, TokenId, TriggerId};
use proto::resource::{ApiToken, Bot, Resource, Secret, SecretDigest, Skillset, Trigger};
use proto::subject;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::bucket::{self, Follower};

mod index;

use index::Index;

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
    /// Values that abilities use.
    pub secrets: HashMap<SecretId, Arc<Revised<Secret>>>,
    /// Whoever may call the API.
    pub tokens: HashMap<TokenId, Arc<Revised<ApiToken>>>,
    /// The bucket's sequence of the last change that is in here; 0 where there was none.
    pub revision: u64,
    /// Whom a secret belongs to.
    index: Index,
}

impl Snapshot {
    /// The API token with this digest.
    pub fn token_of(&self, digest: &SecretDigest) -> Option<&Arc<Revised<ApiToken>>> {
        self.tokens.get(self.index.token(digest)?).filter(|token| token.digest.is(digest))
    }

    /// Whether it is the digest of some trigger's secret.
    pub fn is_secret(&self, digest: &SecretDigest) -> bool {
        self.index.is_secret(digest)
    }

    /// Puts a resource in, in place of its earlier version.
    pub fn insert(&mut self, revision: u64, resource: Resource) {
        match resource {
            Resource::Trigger(resource) => {
                self.index.insert_trigger(&resource);
                let earlier = self.triggers.insert(resource.id.clone(), Arc::new(Revised { revision, resource }));
                self.index.remove_trigger(earlier.as_deref().map(Deref::deref));
            }
            Resource::Bot(resource) => {
                self.bots.insert(resource.id.clone(), Arc::new(Revised { revision, resource }));
            }
            Resource::Skillset(resource) => {
                self.skillsets.insert(resource.id.clone(), Arc::new(Revised { revision, resource }));
            }
            Resource::Secret(resource) => {
                self.secrets.insert(resource.id.clone(), Arc::new(Revised { revision, resource }));
            }
            Resource::Token(resource) => {
                let earlier = self.tokens.get(&resource.id).cloned();
                self.index.remove_token(earlier.as_deref().map(Deref::deref));
                self.index.insert_token(&resource);
                self.tokens.insert(resource.id.clone(), Arc::new(Revised { revision, resource }));
            }
        }
    }

    /// Takes a resource out.
    pub fn remove(&mut self, key: &str) {
        fn drop_from<K: Eq + std::hash::Hash + FromStr, V>(from: &mut HashMap<K, V>, id: &str) -> Option<V> {
            from.remove(&id.parse::<K>().ok()?)
        }
        match key.split_once('.') {
            Some(("trigger", id)) => self.index.remove_trigger(drop_from(&mut self.triggers, id).as_deref().map(Deref::deref)),
            Some(("bot", id)) => drop(drop_from(&mut self.bots, id)),
            Some(("skillset", id)) => drop(drop_from(&mut self.skillsets, id)),
            Some(("secret", id)) => drop(drop_from(&mut self.secrets, id)),
            Some(("token", id)) => self.index.remove_token(drop_from(&mut self.tokens, id).as_deref().map(Deref::deref)),
            _ => {}
        }
    }
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

    /// A catalogue that stays as it is, for tests of what reads it.
    pub fn fixed(client: Client, snapshot: Snapshot) -> Self {
        let (_publish, view) = watch::channel(Some(Arc::new(snapshot)));
        Self { client, view }
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

    /// Waits until this process knows a change, or its time is over.
    ///
    /// A caller that reads what it wrote a moment ago through the same process then finds it.
    pub async fn known(&self, revision: u64, deadline: Duration) -> bool {
        let mut view = self.view.clone();
        let is_known = |snapshot: &Option<Arc<Snapshot>>| snapshot.as_ref().is_some_and(|snapshot| snapshot.revision >= revision);
        matches!(tokio::time::timeout(deadline, view.wait_for(is_known)).await, Ok(Ok(_)))
    }

    /// Every later state, for whoever follows it: the newest is always at hand.
    pub fn follow(&self) -> watch::Receiver<Option<Arc<Snapshot>>> {
        self.view.clone()
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
            Some(_) | None => None,
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

async fn follow_once(client: &Client, publish: &watch::Sender<Option<Arc<Snapshot>>>) -> Result<(), bucket::Error> {
    let mut bucket = Follower::open(client, subject::RESOURCES, ">").await?;
    let mut snapshot = Snapshot::default();
    if bucket.is_current() {
        publish.send_replace(Some(Arc::default()));
    }
    loop {
        let entries = bucket.next().await?;
        let is_news = !entries.is_empty();
        for entry in entries {
            snapshot.revision = entry.revision;
            match entry.value {
                Some(value) => put(&mut snapshot, publish, &entry.key, entry.revision, value),
                None => snapshot.remove(&entry.key),
            }
        }
        if is_news && bucket.is_current() {
            publish.send_replace(Some(Arc::new(snapshot.clone())));
        }
    }
}

fn put(snapshot: &mut Snapshot, publish: &watch::Sender<Option<Arc<Snapshot>>>, key: &str, revision: u64, value: Bytes) {
    match Resource::decode(key, value) {
        Ok(Some(resource)) => snapshot.insert(revision, resource),
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
    let Some((group, id)) = key.split_once('.') else { return };
    match group {
        "trigger" => {
            let earlier = id.parse().ok().and_then(|id| snapshot.triggers.get(&id).cloned());
            snapshot.index.remove_trigger(earlier.as_deref().map(Deref::deref));
            if let Some(kept) = keep(&mut snapshot.triggers, &known.triggers, id) {
                snapshot.index.insert_trigger(&kept);
            } else if let Some(earlier) = earlier {
                snapshot.index.insert_trigger(&earlier);
            }
        }
        "bot" => drop(keep(&mut snapshot.bots, &known.bots, id)),
        "skillset" => drop(keep(&mut snapshot.skillsets, &known.skillsets, id)),
        "secret" => drop(keep(&mut snapshot.secrets, &known.secrets, id)),
        "token" => {
            if let Some(kept) = keep(&mut snapshot.tokens, &known.tokens, id) {
                snapshot.index.insert_token(&kept);
            }
        }
        _ => {}
    }
}

fn keep<K: Clone + Eq + std::hash::Hash + FromStr, V>(
    into: &mut HashMap<K, Arc<V>>,
    known: &HashMap<K, Arc<V>>,
    id: &str,
) -> Option<Arc<V>> {
    let (id, resource) = id.parse().ok().and_then(|id: K| known.get_key_value(&id))?;
    into.insert(id.clone(), Arc::clone(resource));
    Some(Arc::clone(resource))
}

#[cfg(test)]
mod tests {
    use proto::resource::{ApiToken, Common, Resource, Scope, SecretDigest, Trigger};

    use super::Snapshot;

    fn trigger(id: &str, secret: &str, previous: Option<&str>) -> Resource {
        Resource::Trigger(Trigger {
            secret: Some(SecretDigest::of(secret)),
            previous: previous.map(|previous| (SecretDigest::of(previous), 1)),
            ..Trigger::new(id.parse().unwrap(), None)
        })
    }

    fn token(id: &str, text: &str) -> Resource {
        Resource::Token(ApiToken {
            id: id.parse().unwrap(),
            common: Common::of("api"),
            name: String::new(),
            digest: SecretDigest::of(text),
            scopes: vec![Scope::Read],
            triggers: Vec::new(),
            expires_at_ms: None,
            hint: String::new(),
            rate: None,
        })
    }

    #[test]
    fn secrets_are_found_as_long_as_somebody_has_them() {
        let mut snapshot = Snapshot::default();
        let is = |snapshot: &Snapshot, text: &str| snapshot.is_secret(&SecretDigest::of(text));
        snapshot.insert(1, trigger("a", "one", None));
        snapshot.insert(2, trigger("b", "one", None));
        snapshot.insert(3, trigger("a", "two", Some("one")));
        snapshot.remove("trigger.b");
        assert!(is(&snapshot, "one") && is(&snapshot, "two"));
        snapshot.insert(4, trigger("a", "three", Some("two")));
        assert!(!is(&snapshot, "one") && is(&snapshot, "two") && is(&snapshot, "three"));
        snapshot.remove("trigger.a");
        assert!(!is(&snapshot, "two") && !is(&snapshot, "three"));
    }

    #[test]
    fn a_token_is_found_by_its_digest_until_it_is_gone() {
        let mut snapshot = Snapshot::default();
        let of = |snapshot: &Snapshot, text: &str| snapshot.token_of(&SecretDigest::of(text)).map(|token| token.id.to_string());
        snapshot.insert(1, token("a", "sk-1"));
        snapshot.insert(2, token("b", "sk-2"));
        assert_eq!((of(&snapshot, "sk-1").as_deref(), of(&snapshot, "sk-2").as_deref()), (Some("a"), Some("b")));
        snapshot.insert(3, token("a", "sk-3"));
        assert_eq!((of(&snapshot, "sk-1"), of(&snapshot, "sk-3").as_deref()), (None, Some("a")));
        snapshot.remove("token.a");
        assert_eq!(of(&snapshot, "sk-3"), None);
    }
}
