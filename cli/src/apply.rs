//! Makes the broker's configuration match documents.
//!
//! First it is planned, then it is done: whatever is in the way (an entry that somebody else keeps, an
//! alias that is taken, a key that does not open what is there) is an error before the first write, and
//! a plan can be shown and left at that. Each entry is written against the revision it was read at:
//! somebody else's change in between is a conflict, never overwritten.
//!
//! Only entries that name this file or directory as their keeper are touched, and those that an
//! earlier version wrote for `file`. What is sealed stays as it is where it holds the same value, so
//! that what did not change is not written.

use std::collections::HashMap;

use async_nats::jetstream::Context;
use async_nats::jetstream::kv::Store;
use backbone::bucket;
use backbone::seal::{self, MasterKey, Purpose};
use bytes::Bytes;
use proto::resource::Resource;
use proto::subject;
use proto::wire::destination::To;
use secrecy::ExposeSecret as _;

use crate::secret::{Slot, Wanted};

mod difference;

pub use difference::Difference;

/// Who kept what came from files before files had names.
const FORMER: &str = "file";
/// The groups of keys that files can keep, each before those that it may name.
pub const GROUPS: [&str; 4] = ["trigger", "bot", "skillset", "secret"];

/// Why the configuration does not match the documents.
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
    #[error("{key} is managed by {manager:?}: remove it there, choose another id, or take it over with --adopt")]
    Foreign {
        /// The entry.
        key: String,
        /// Who manages it.
        manager: String,
    },
    /// The alias belongs to another resource.
    #[error("{key}: the alias {alias} is taken by {owner}")]
    AliasTaken {
        /// The entry.
        key: String,
        /// The alias.
        alias: String,
        /// The id of the other resource.
        owner: String,
    },
    /// The entry was changed meanwhile.
    #[error("{key} was changed by somebody else at the same time: apply again")]
    Conflict {
        /// The entry.
        key: String,
        /// What the broker said.
        source: async_nats::Error,
    },
    /// A value cannot be sealed.
    #[error("{key}: a secret cannot be sealed")]
    Seal {
        /// The entry.
        key: String,
        /// Why.
        source: seal::Error,
    },
}

fn broker<E: Into<async_nats::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |source| Error::Broker { what, source: source.into() }
}

fn conflict<E: Into<async_nats::Error>>(key: &str) -> impl FnOnce(E) -> Error {
    move |source| Error::Conflict { key: key.to_owned(), source: source.into() }
}

/// For whom it is applied, and how.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The name of the file or directory.
    pub name: String,
    /// Whether what the documents no longer have is removed.
    pub prune: bool,
    /// Whether what others keep is taken over.
    pub adopt: bool,
    /// What secrets are sealed under.
    pub key: MasterKey,
    /// The time of day, in milliseconds since 1970.
    pub now_ms: i64,
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
    /// No longer in the documents, and still there.
    pub left: Vec<String>,
}

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    /// The entry.
    pub key: String,
    /// The revision that it was read at; none where it is new.
    pub revision: Option<u64>,
    /// The stored bytes; none where it is taken away.
    value: Option<Bytes>,
    /// What differs.
    pub differences: Vec<Difference>,
    /// The alias that it takes, and the one that it lets go.
    aliases: (Option<String>, Option<String>),
}

impl Change {
    /// Whether the entry is taken away.
    pub fn is_removal(&self) -> bool {
        self.value.is_none()
    }
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// The changes, in their order.
    pub changes: Vec<Change>,
    /// How many entries stay as they are.
    pub unchanged: usize,
    /// What the documents no longer have, and what stays all the same.
    pub left: Vec<String>,
}

struct Known {
    revision: u64,
    manager: String,
    value: Bytes,
    resource: Option<Resource>,
}

/// Finds out what is to be done.
pub async fn plan(context: &Context, wanted: &[Wanted], manner: &Manner) -> Result<Plan, Error> {
    let bucket = context.get_key_value(subject::RESOURCES).await.map_err(broker("open the configuration"))?;
    let mut known = known(context).await?;
    let own = format!("file:{}", manner.name);
    let is_own = |manager: &str| manager == own || manager == FORMER;
    let mut plan = Plan::default();
    for wanted in wanted {
        let key = wanted.resource.key();
        let entry = known.remove(&key);
        if let Some(entry) = entry.as_ref().filter(|entry| !is_own(&entry.manager) && !manner.adopt) {
            return Err(Error::Foreign { key, manager: entry.manager.clone() });
        }
        let before = entry.as_ref().and_then(|entry| entry.resource.as_ref());
        let after = finished(wanted, before, &own, manner)?;
        let is_same = entry.as_ref().is_some_and(|entry| entry.value == same_time(&after, before).encode());
        if is_same {
            plan.unchanged += 1;
            continue;
        }
        let alias = |resource: Option<&Resource>| resource.and_then(|resource| resource.common().alias.clone());
        let (old, new) = (alias(before), alias(Some(&after)));
        let aliases = if old == new { (None, None) } else { (new, old) };
        if let Some(alias) = &aliases.0 {
            free(&bucket, &key, alias).await?;
        }
        let differences = difference::between(before, Some(&after));
        let revision = entry.as_ref().map(|entry| entry.revision);
        plan.changes.push(Change { key, revision, value: Some(after.encode()), differences, aliases });
    }
    let mut gone: Vec<_> = known.into_iter().filter(|(_, entry)| is_own(&entry.manager)).collect();
    gone.sort_by_key(|(key, _)| rank(key));
    for (key, entry) in gone {
        if manner.prune {
            let alias = entry.resource.as_ref().and_then(|resource| resource.common().alias.clone());
            let differences = difference::between(entry.resource.as_ref(), None);
            plan.changes.push(Change { key, revision: Some(entry.revision), value: None, differences, aliases: (None, alias) });
        } else {
            plan.left.push(key);
        }
    }
    Ok(plan)
}

/// Does it.
pub async fn carry_out(context: &Context, plan: Plan) -> Result<Report, Error> {
    let bucket = context.get_key_value(subject::RESOURCES).await.map_err(broker("open the configuration"))?;
    let mut report = Report { unchanged: plan.unchanged, left: plan.left, ..Report::default() };
    for change in plan.changes {
        let Change { key, revision, value, aliases: (taken, freed), .. } = change;
        if let Some(alias) = taken {
            let id = key.split_once('.').map_or("", |(_, id)| id);
            bucket.put(alias_key(&key, &alias), id.to_owned().into()).await.map_err(broker(format!("take the alias {alias}")))?;
        }
        match (value, revision) {
            (Some(value), Some(revision)) => {
                bucket.update(&key, value, revision).await.map_err(conflict(&key))?;
                report.updated.push(key.clone());
            }
            (Some(value), None) => {
                bucket.create(&key, value).await.map_err(conflict(&key))?;
                report.created.push(key.clone());
            }
            (None, revision) => {
                bucket.delete_expect_revision(&key, revision).await.map_err(conflict(&key))?;
                report.removed.push(key.clone());
            }
        }
        if let Some(alias) = freed {
            bucket.delete(alias_key(&key, &alias)).await.map_err(broker(format!("let the alias {alias} go")))?;
        }
    }
    Ok(report)
}

/// Makes the bucket hold what documents say.
pub async fn apply(context: &Context, wanted: &[Wanted], manner: &Manner) -> Result<Report, Error> {
    let plan = plan(context, wanted, manner).await?;
    carry_out(context, plan).await
}

/// A resource as it is to be stored: sealed, kept by the file, and with the times of the entry that is there.
fn finished(wanted: &Wanted, before: Option<&Resource>, own: &str, manner: &Manner) -> Result<Resource, Error> {
    let key = wanted.resource.key();
    let mut after = wanted.resource.clone();
    for (slot, value) in &wanted.values {
        let Some(purpose) = purpose(&wanted.resource, slot) else { continue };
        let there = before.and_then(|before| sealed(before, slot));
        let is_same =
            |there: &Bytes| seal::unseal(&manner.key, purpose, there).is_ok_and(|found| found.expose_secret() == value.expose_secret());
        let bytes = match there.filter(is_same) {
            Some(there) => there,
            None => seal::seal(&manner.key, purpose, value.expose_secret()).map_err(|source| Error::Seal { key: key.clone(), source })?,
        };
        put_sealed(&mut after, slot, bytes);
    }
    if let (Resource::Trigger(after), Some(Resource::Trigger(before))) = (&mut after, before) {
        after.previous.clone_from(&before.previous);
    }
    let common = after.common_mut();
    own.clone_into(&mut common.managed_by);
    let earlier = before.map(|before| before.common().created_at_ms).filter(|at| *at > 0);
    common.created_at_ms = earlier.unwrap_or(manner.now_ms);
    common.updated_at_ms = manner.now_ms;
    if let Some(before) = before {
        common.extra.clone_from(&before.common().extra);
    }
    Ok(after)
}

/// The same with the times of the entry that is there, for comparing.
fn same_time(after: &Resource, before: Option<&Resource>) -> Resource {
    let mut after = after.clone();
    if let Some(before) = before {
        let (created, updated) = (before.common().created_at_ms, before.common().updated_at_ms);
        let common = after.common_mut();
        (common.created_at_ms, common.updated_at_ms) = (created, updated);
    }
    after
}

/// What a value is sealed for; none where such a resource has no such place.
fn purpose<'a>(resource: &'a Resource, slot: &'a Slot) -> Option<Purpose<'a>> {
    match (resource, slot) {
        (Resource::Trigger(trigger), Slot::Secret) => Some(Purpose::TriggerSecret(&trigger.id)),
        (Resource::Trigger(trigger), Slot::Signature) => Some(Purpose::SigningKey(&trigger.id)),
        (Resource::Trigger(trigger), Slot::Result(destination)) => Some(Purpose::ResultKey(&trigger.id, destination)),
        (Resource::Secret(secret), Slot::Value) => Some(Purpose::SecretValue(&secret.id)),
        _ => None,
    }
}

fn sealed(resource: &Resource, slot: &Slot) -> Option<Bytes> {
    let found = match (resource, slot) {
        (Resource::Trigger(trigger), Slot::Secret) => Some(trigger.secret_sealed.clone()),
        (Resource::Trigger(trigger), Slot::Signature) => trigger.signature.as_ref().map(|signature| signature.key_sealed.clone()),
        (Resource::Trigger(trigger), Slot::Result(id)) => trigger.results.iter().find(|one| one.id == *id).and_then(|one| match &one.to {
            Some(To::Webhook(webhook)) => Some(webhook.key_sealed.clone()),
            Some(To::Subject(_)) | None => None,
        }),
        (Resource::Secret(secret), Slot::Value) => Some(secret.sealed.clone()),
        _ => None,
    };
    found.filter(|bytes| !bytes.is_empty())
}

fn put_sealed(resource: &mut Resource, slot: &Slot, bytes: Bytes) {
    match (resource, slot) {
        (Resource::Trigger(trigger), Slot::Secret) => trigger.secret_sealed = bytes,
        (Resource::Trigger(trigger), Slot::Signature) => {
            if let Some(signature) = &mut trigger.signature {
                signature.key_sealed = bytes;
            }
        }
        (Resource::Trigger(trigger), Slot::Result(id)) => {
            let to = trigger.results.iter_mut().find(|one| one.id == *id).and_then(|one| one.to.as_mut());
            if let Some(To::Webhook(webhook)) = to {
                webhook.key_sealed = bytes;
            }
        }
        (Resource::Secret(secret), Slot::Value) => secret.sealed = bytes,
        _ => {}
    }
}

fn alias_key(key: &str, alias: &str) -> String {
    let group = key.split('.').next().unwrap_or_default();
    format!("alias.{group}.{alias}")
}

/// Refuses an alias that another resource has.
async fn free(bucket: &Store, key: &str, alias: &str) -> Result<(), Error> {
    let owner = bucket.get(alias_key(key, alias)).await.map_err(broker("read an alias"))?;
    let Some(owner) = owner.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) else { return Ok(()) };
    let (group, id) = key.split_once('.').unwrap_or_default();
    // One that names a resource without it was left behind by a change that was never made.
    let other = bucket.get(format!("{group}.{owner}")).await.map_err(broker("read the configuration"))?;
    let other = other.and_then(|bytes| Resource::decode(&format!("{group}.{owner}"), bytes).ok().flatten());
    let is_taken = owner != id && other.is_some_and(|other| other.common().alias.as_deref() == Some(alias));
    if is_taken { Err(Error::AliasTaken { key: key.to_owned(), alias: alias.to_owned(), owner }) } else { Ok(()) }
}

/// What names others goes before them.
fn rank(key: &str) -> (usize, String) {
    let group = key.split('.').next().unwrap_or_default();
    (GROUPS.iter().position(|known| *known == group).unwrap_or(GROUPS.len()), key.to_owned())
}

/// All resources of the bucket that files can keep, by key.
pub async fn resources(context: &Context) -> Result<Vec<Resource>, Error> {
    let mut found: Vec<_> = known(context).await?.into_iter().filter_map(|(key, entry)| Some((key, entry.resource?))).collect();
    found.sort_by_key(|(key, _)| rank(key));
    Ok(found.into_iter().map(|(_, resource)| resource).collect())
}

/// The entries that files can keep; one that cannot be read belongs to somebody else.
async fn known(context: &Context) -> Result<HashMap<String, Known>, Error> {
    let entries = bucket::entries(&context.client(), subject::RESOURCES).await.map_err(broker("read the configuration"))?;
    let mut known = HashMap::new();
    for (key, entry) in entries {
        let Some(value) = entry.value.filter(|_| key.split_once('.').is_some_and(|(group, _)| GROUPS.contains(&group))) else { continue };
        let resource = Resource::decode(&key, value.clone()).ok().flatten();
        let manager = resource.as_ref().map_or_else(|| "unknown".to_owned(), |resource| resource.common().managed_by.clone());
        known.insert(key, Known { revision: entry.revision, manager, value, resource });
    }
    Ok(known)
}

#[cfg(test)]
mod tests;
