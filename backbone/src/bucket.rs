//! A bucket of the broker, followed without a consumer.
//!
//! Whoever may make a consumer may name any subject for the broker to deliver to, so no process but
//! `cuepoint setup` may make one. A follower reads what the bucket's stream has, by direct gets, and
//! is woken by the writes themselves. A wake-up may be missed, and a replica may lag: it looks again.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use proto::limit::READ_BATCH_MAX;

use crate::direct::{self, Stored};

/// How many bytes of entries are read at once.
const READ_BYTES_MAX: usize = 1 << 20;
/// How often the bucket is looked at where no write was heard of.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pause before a replica is asked again that has not heard of what its leader has.
const LAG: Duration = Duration::from_millis(20);
/// The first pause before a write that was heard of, and is not there, is looked for again; each is twice as long.
const AGAIN_AFTER: Duration = Duration::from_millis(5);
/// How often it is looked for: two and a half seconds in all. A write that was refused is heard of too.
const AGAIN_MAX: u32 = 9;
/// How long a replica may lag behind before a whole bucket cannot be read.
const WHOLE_WITHIN: Duration = Duration::from_secs(10);
/// The header that says that an entry is gone.
const OPERATION: &str = "KV-Operation";

/// Why a bucket cannot be followed any further.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A read failed.
    #[error(transparent)]
    Read(#[from] direct::Error),
    /// Nothing can be listened to.
    #[error("cannot listen for writes")]
    Listen(#[from] async_nats::SubscribeError),
    /// A replica does not get to what its leader has.
    #[error("a replica of the bucket lags behind")]
    Lags,
    /// The bucket was made anew: what was read of it counts no longer.
    #[error("the bucket was made anew")]
    Anew,
}

/// One version of an entry.
#[derive(Debug)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// The bucket's sequence of this version.
    pub revision: u64,
    /// What stands there; none where it was taken away.
    pub value: Option<Bytes>,
}

/// The last version of every entry that a bucket has, by key.
pub async fn entries(client: &Client, bucket: &str) -> Result<BTreeMap<String, Entry>, Error> {
    let mut follower = Follower::open(client, bucket, ">").await?;
    let mut entries = BTreeMap::new();
    let read = async {
        while !follower.is_current() {
            let more = follower.read().await?;
            if more.is_empty() {
                tokio::time::sleep(LAG).await;
            }
            entries.extend(more.into_iter().map(|entry| (entry.key.clone(), entry)));
        }
        Ok::<_, Error>(())
    };
    tokio::time::timeout(WHOLE_WITHIN, read).await.map_err(|_| Error::Lags)??;
    entries.retain(|_, entry| entry.value.is_some());
    Ok(entries)
}

/// Reads every version of a bucket's entries, in their order.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    stream: String,
    subject: String,
    bell: Subscriber,
    at: u64,
    goal: u64,
}

impl Follower {
    /// Begins to listen; `keys` may have wildcards.
    pub async fn open(client: &Client, bucket: &str, keys: &str) -> Result<Self, Error> {
        let (stream, subject) = (format!("KV_{bucket}"), format!("$KV.{bucket}.{keys}"));
        let bell = client.subscribe(subject.clone()).await?;
        let goal = direct::last_from_leader(client, &stream, &subject).await?.map_or(0, |last| last.seq);
        Ok(Self { client: client.clone(), stream, subject, bell, at: 0, goal })
    }

    /// Whether everything was read that was there at the beginning.
    pub fn is_current(&self) -> bool {
        self.at >= self.goal
    }

    /// Reads what follows: nothing, where there is no more right now.
    async fn read(&mut self) -> Result<Vec<Entry>, Error> {
        let bounds = (READ_BATCH_MAX, READ_BYTES_MAX);
        let stored = direct::batch_within(&self.client, &self.stream, &self.subject, self.at + 1, bounds).await?;
        if let Some(last) = stored.last() {
            self.at = last.seq;
        }
        let prefix = self.stream.strip_prefix("KV_").unwrap_or_default().len() + "$KV..".len();
        Ok(stored.into_iter().filter_map(|stored| entry(stored, prefix)).collect())
    }

    /// Reads the next entries, as soon as there are any; or none after a while.
    pub async fn next(&mut self) -> Result<Vec<Entry>, Error> {
        let entries = self.read().await?;
        if entries.is_empty() && !self.is_current() {
            tokio::time::sleep(LAG).await;
            return Ok(entries);
        }
        if !entries.is_empty() || tokio::time::timeout(LOOK_EVERY, self.bell.next()).await.is_err() {
            return Ok(entries);
        }
        while self.bell.next().now_or_never().flatten().is_some() {}
        for tries in 0..AGAIN_MAX {
            let entries = self.read().await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
            tokio::time::sleep(AGAIN_AFTER * 2_u32.saturating_pow(tries)).await;
        }
        let last = direct::last_from_leader(&self.client, &self.stream, &self.subject).await?.map_or(0, |last| last.seq);
        if last < self.at { Err(Error::Anew) } else { Ok(Vec::new()) }
    }
}

fn entry(stored: Stored, prefix: usize) -> Option<Entry> {
    let is_gone = stored.headers.get(OPERATION).is_some();
    let key = stored.subject.get(prefix..)?.to_owned();
    Some(Entry { key, revision: stored.seq, value: (!is_gone).then_some(stored.body) })
}
