//! Makes the broker's configuration match a document.
//!
//! Only entries that name `file` as their manager are touched, each against the revision it was
//! read at: somebody else's change in between is a conflict, never overwritten. What differs is
//! written, bots before the triggers that name them; what the document no longer has is removed,
//! triggers before bots.

use std::collections::HashMap;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::{Operation, Store};
use futures_util::TryStreamExt as _;
use prost::Message as _;
use proto::resource::Resource;
use proto::{subject, wire};

/// Who manages what comes from files.
const MANAGER: &str = "file";

/// Why the configuration does not match the document.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker did not answer, or refused.
    #[error("cannot {what}")]
    Broker {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: async_nats::Error,
    },
    /// The entry belongs to somebody else.
    #[error("{key} is managed by {manager:?}, not by a file: remove it there, or choose another id")]
    Foreign {
        /// The entry.
        key: String,
        /// Who manages it.
        manager: String,
    },
    /// The entry was changed meanwhile.
    #[error("{key} was changed by somebody else at the same time: apply again")]
    Conflict {
        /// The entry.
        key: String,
        /// What the broker said.
        source: async_nats::Error,
    },
}

fn broker<E: Into<async_nats::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |source| Error::Broker { what, source: source.into() }
}

fn conflict<E: Into<async_nats::Error>>(key: &str) -> impl FnOnce(E) -> Error {
    move |source| Error::Conflict { key: key.to_owned(), source: source.into() }
}

/// What was done, by key.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Written for the first time.
    pub created: Vec<String>,
    /// Written over an earlier version.
    pub updated: Vec<String>,
    /// Taken away.
    pub removed: Vec<String>,
    /// Left as they were.
    pub unchanged: usize,
}

struct Known {
    revision: u64,
    manager: String,
    value: Vec<u8>,
}

/// Makes the bucket hold these resources, and no others of files.
pub async fn apply(context: &Context, resources: &[Resource]) -> Result<Report, Error> {
    let bucket = context.get_key_value(subject::RESOURCES).await.map_err(broker("open the configuration"))?;
    let mut known = known(&bucket).await?;
    let mut report = Report::default();
    // All conflicts of ownership come before the first write.
    for key in resources.iter().map(Resource::key) {
        if let Some(entry) = known.get(&key).filter(|entry| entry.manager != MANAGER) {
            return Err(Error::Foreign { key, manager: entry.manager.clone() });
        }
    }
    for resource in resources {
        let (key, value) = (resource.key(), managed(resource));
        match known.remove(&key) {
            Some(entry) if entry.value == value => report.unchanged += 1,
            Some(entry) => {
                bucket.update(&key, value, entry.revision).await.map_err(conflict(&key))?;
                report.updated.push(key);
            }
            None => {
                bucket.create(&key, value).await.map_err(conflict(&key))?;
                report.created.push(key);
            }
        }
    }
    let mut gone: Vec<_> = known.into_iter().filter(|(_, entry)| entry.manager == MANAGER).collect();
    gone.sort_by_key(|(key, _)| rank(key));
    for (key, entry) in gone {
        bucket.delete_expect_revision(&key, Some(entry.revision)).await.map_err(conflict(&key))?;
        report.removed.push(key);
    }
    Ok(report)
}

fn managed(resource: &Resource) -> bytes::Bytes {
    let mut resource = resource.clone();
    MANAGER.clone_into(&mut resource.common_mut().managed_by);
    resource.encode()
}

/// What names others goes before them.
fn rank(key: &str) -> (u8, String) {
    let group = match key.split('.').next() {
        Some("trigger") => 0,
        Some("bot") => 1,
        _ => 2,
    };
    (group, key.to_owned())
}

/// The triggers, bots and skillsets of the bucket; an entry that cannot be read belongs to somebody else.
async fn known(bucket: &Store) -> Result<HashMap<String, Known>, Error> {
    let reading = "read the configuration";
    let keys: Vec<String> = bucket.keys().await.map_err(broker(reading))?.try_collect().await.map_err(broker(reading))?;
    let mut known = HashMap::new();
    for key in keys.into_iter().filter(|key| ["trigger.", "bot.", "skillset."].iter().any(|group| key.starts_with(group))) {
        let Some(entry) = bucket.entry(&key).await.map_err(broker(reading))? else { continue };
        if entry.operation != Operation::Put {
            continue;
        }
        let manager = wire::Resource::decode(entry.value.clone()).map_or_else(|_| "unknown".to_owned(), |resource| resource.managed_by);
        known.insert(key, Known { revision: entry.revision, manager, value: entry.value.to_vec() });
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::Context;
    use backbone::topology::{self, Sizes};
    use backbone::{config, nats};
    use proto::resource::{Bot, Resource};
    use proto::subject;

    use super::{Error, Report, apply};
    use crate::server::Options;

    fn bot(id: &str, definition: &str) -> Resource {
        Resource::Bot(Bot::new(id.parse().unwrap(), "rules", definition))
    }

    async fn check(context: &Context, resources: &[Resource], [created, updated, removed]: [&[&str]; 3], unchanged: usize) {
        let keys = |keys: &[&str]| keys.iter().copied().map(str::to_owned).collect::<Vec<_>>();
        let expected = Report { created: keys(created), updated: keys(updated), removed: keys(removed), unchanged };
        assert_eq!(apply(context, resources).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn the_bucket_follows_the_files_and_nobody_else_is_touched() {
        let directory = std::env::temp_dir().join(format!("cuepoint-{:016x}", u64::from_le_bytes(backbone::chance::bytes())));
        let mut server = Options::nats(&directory).start().await.unwrap();
        let client = nats::connect(&config::Nats { url: server.url(), creds: None }, "test").await.unwrap();
        let context = topology::context(&client);
        topology::ensure(&context, &Sizes::default(), 1).await.unwrap();
        let bucket = context.get_key_value(subject::RESOURCES).await.unwrap();
        bucket.create("bot.theirs", bot("theirs", "{}").encode()).await.unwrap();

        check(&context, &[bot("a", "{}"), bot("b", "{}")], [&["bot.a", "bot.b"], &[], &[]], 0).await;
        check(&context, &[bot("a", "{}"), bot("b", "[]")], [&[], &["bot.b"], &[]], 1).await;
        check(&context, &[bot("b", "[]")], [&[], &[], &["bot.a"]], 1).await;
        check(&context, &[bot("a", "{}"), bot("b", "[]")], [&["bot.a"], &[], &[]], 1).await;
        let refused = apply(&context, &[bot("c", "{}"), bot("theirs", "[]")]).await.unwrap_err();
        assert!(matches!(refused, Error::Foreign { .. }), "{refused}");
        check(&context, &[], [&[], &[], &["bot.a", "bot.b"]], 0).await;
        assert!(bucket.get("bot.theirs").await.unwrap().is_some());
        server.stop().await.unwrap();
        std::fs::remove_dir_all(directory).unwrap();
    }
}
