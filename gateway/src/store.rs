//! How resources are changed: on record, behind a fence, and known here before it is answered.
//!
//! Every write names the sequence of the entry that it was decided on, so that nothing is
//! overwritten that nobody looked at. A write whose confirmation is lost is read back: what stands
//! there then tells whether it was made. After a write this process waits until its own catalogue
//! has it, so that a caller finds what it wrote; other gateways follow within a moment.
//!
//! An alias is an entry of its own, made only where there is none, which is what keeps two
//! resources from having the same. A gateway that dies between the two leaves an alias that names a
//! resource without it; such a one is free again after [`STRAY_AFTER_MS`].

use std::time::Duration;

use async_nats::HeaderMap;
use backbone::direct::{self, Stored};
use backbone::publish;
use bytes::Bytes;
use proto::code::Code;
use proto::limit::PUBLISH_DEADLINE;
use proto::resource::Resource;
use proto::subject::RESOURCES;

use crate::api_error::ApiError;
use crate::audit::{self, Deed};
use crate::auth::Caller;
use crate::door::Door;
use crate::ingest;

/// How long a write waits until this process knows it.
const KNOWN_DEADLINE: Duration = Duration::from_secs(1);
/// After what time an alias that nothing has may be taken, in milliseconds.
const STRAY_AFTER_MS: i64 = 60_000;
/// How the broker names what was taken away.
const OPERATION: &str = "KV-Operation";
/// Names the sequence that the last entry of the subject must have.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// Asks the broker to forget what stood there before.
const ROLLUP: &str = "Nats-Rollup";

/// What the bucket has under a key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// The sequence of its last change; 0 where there never was one.
    pub(crate) revision: u64,
    /// Its bytes; none where there is nothing.
    pub(crate) value: Option<Bytes>,
    /// When it was last changed, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// Why nothing was written.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// Somebody else wrote first.
    Lost,
    /// Another reason.
    Refused(ApiError),
}

impl From<ApiError> for Unwritten {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl From<Unwritten> for ApiError {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Lost => lost(),
            Unwritten::Refused(error) => error,
        }
    }
}

/// A change that was decided on what is no longer so.
pub(crate) fn lost() -> ApiError {
    ApiError::new(Code::RevisionLost, "it was changed by somebody else meanwhile: fetch it again")
}

/// What becomes of an entry.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// It has these bytes.
    Put(Bytes),
    /// It has these bytes, and earlier ones are forgotten.
    Replace(Bytes),
    /// It is gone.
    Delete,
    /// It is gone, and earlier versions are forgotten.
    Purge,
}

impl Change {
    fn parts(self, expected: u64) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(EXPECTED, expected.to_string());
        let body = match self {
            Self::Put(body) => body,
            Self::Replace(body) => {
                headers.insert(ROLLUP, "sub");
                body
            }
            Self::Delete => {
                headers.insert(OPERATION, "DEL");
                Bytes::new()
            }
            Self::Purge => {
                headers.insert(OPERATION, "PURGE");
                headers.insert(ROLLUP, "sub");
                Bytes::new()
            }
        };
        (headers, body)
    }
}

/// What the bucket's leader has under a key.
pub(crate) async fn read(door: &Door, bucket: &str, key: &str) -> Result<Entry, ApiError> {
    let found = direct::last_from_leader(&door.client, &format!("KV_{bucket}"), &format!("$KV.{bucket}.{key}")).await;
    let found = found.map_err(|error| ApiError::unavailable("the configuration cannot be read", &error))?;
    Ok(found.map(entry).unwrap_or_default())
}

fn entry(stored: Stored) -> Entry {
    let is_gone = stored.headers.get(OPERATION).is_some();
    Entry { revision: stored.seq, value: (!is_gone).then_some(stored.body), at_ms: stored.at_ms }
}

/// Writes, where the last entry is the expected one. The new sequence.
pub(crate) async fn write(door: &Door, bucket: &str, key: &str, expected: u64, change: Change) -> Result<u64, Unwritten> {
    let (headers, body) = change.parts(expected);
    let subject = format!("$KV.{bucket}.{key}");
    let stored = door.publish(publish::confirmed(&door.client, subject, Some(headers), body.clone(), PUBLISH_DEADLINE)).await;
    match stored {
        Ok(stored) => Ok(stored.seq),
        Err(publish::Error::Fenced) => Err(Unwritten::Lost),
        Err(publish::Error::Unconfirmed) => {
            let now = read(door, bucket, key).await?;
            let is_mine = now.revision > expected && now.value.unwrap_or_default() == body;
            if is_mine { Ok(now.revision) } else { Err(unconfirmed().into()) }
        }
        Err(publish::Error::StreamFull(cause)) => {
            Err(ApiError { cause: Some(cause), ..ApiError::new(Code::BrokerFull, "the broker holds as much as it may") }.into())
        }
        Err(error @ publish::Error::Shed) => Err(ingest::refusal(&error).into()),
        Err(error) => Err(ApiError::unavailable("the configuration cannot be written", &error).into()),
    }
}

fn unconfirmed() -> ApiError {
    ApiError::new(
        Code::Unconfirmed,
        "the broker did not confirm the change, which may or may not be made: fetch it before you repeat the call",
    )
}

/// Waits until this process knows a change.
pub(crate) async fn known(door: &Door, revision: u64) {
    if !door.directory.catalogue.known(revision, KNOWN_DEADLINE).await {
        tracing::debug!(revision, "a change is answered before this process knows it");
    }
}

/// A change of a resource, about to be made.
#[derive(Debug)]
pub(crate) struct Edit<'a> {
    /// Who makes it.
    pub(crate) caller: &'a Caller,
    /// What it is, such as `trigger.update`.
    pub(crate) action: &'static str,
    /// The revision that it was decided on, and what stood there.
    pub(crate) before: (u64, Option<&'a Resource>),
    /// What shall stand there; none where it goes.
    pub(crate) after: Option<&'a Resource>,
}

/// Makes a change: its alias first, then on record, then behind the fence.
pub(crate) async fn make(door: &Door, edit: Edit<'_>) -> Result<u64, Unwritten> {
    let Some(resource) = edit.after.or(edit.before.1) else { return Err(Unwritten::Lost) };
    let key = resource.key();
    let (group, id) = key.split_once('.').unwrap_or_default();
    let alias = |resource: Option<&Resource>| resource.and_then(|resource| resource.common().alias.clone());
    let (old, new) = (alias(edit.before.1), alias(edit.after));
    let fresh = new.as_deref().filter(|new| old.as_deref() != Some(new));
    if let Some(alias) = fresh {
        reserve(door, group, alias, id).await?;
    }
    let made = on_record(door, &edit, &key).await;
    // What is no longer, or did not come to be, anybody's name is free again.
    let freed = if made.is_ok() { old.as_deref().filter(|old| new.as_deref() != Some(old)) } else { fresh };
    if let Some(alias) = freed {
        release(door, group, alias, id).await;
    }
    let revision = made?;
    known(door, revision).await;
    Ok(revision)
}

async fn on_record(door: &Door, edit: &Edit<'_>, key: &str) -> Result<u64, Unwritten> {
    let (before, after) = (edit.before.1.map(Resource::encode), edit.after.map(Resource::encode));
    let deed = Deed { before: before.as_deref(), after: after.as_deref(), ..Deed::of(edit.action, key) };
    let begun = audit::begin(door, &edit.caller.who(), deed).await?;
    // Earlier values of secrets and tokens are nobody's business, and no turn goes on with them.
    let is_secret = matches!(edit.after.or(edit.before.1), Some(Resource::Secret(_) | Resource::Token(_)));
    let change = match (after, is_secret) {
        (Some(bytes), false) => Change::Put(bytes),
        (Some(bytes), true) => Change::Replace(bytes),
        (None, false) => Change::Delete,
        (None, true) => Change::Purge,
    };
    let written = write(door, RESOURCES, key, edit.before.0, change).await;
    match &written {
        Ok(_) => {}
        Err(Unwritten::Lost) => begun.failed(door, &lost()).await,
        Err(Unwritten::Refused(error)) => begun.failed(door, error).await,
    }
    written
}

fn alias_key(group: &str, alias: &str) -> String {
    format!("alias.{group}.{alias}")
}

/// Takes an alias for a resource.
async fn reserve(door: &Door, group: &str, alias: &str, id: &str) -> Result<(), ApiError> {
    let taken = || ApiError { field: Some("alias".into()), ..ApiError::new(Code::AliasTaken, format!("the alias {alias} is taken")) };
    if by_alias(door, group, alias).is_some_and(|other| other != id) {
        return Err(taken());
    }
    let key = alias_key(group, alias);
    let entry = read(door, RESOURCES, &key).await?;
    let owner = entry.value.as_deref().map(String::from_utf8_lossy);
    let is_free = match owner.as_deref() {
        None => true,
        Some(owner) if owner == id => return Ok(()),
        Some(owner) => is_stray(door, group, alias, owner, entry.at_ms).await?,
    };
    if !is_free {
        return Err(taken());
    }
    match write(door, RESOURCES, &key, entry.revision, Change::Put(Bytes::copy_from_slice(id.as_bytes()))).await {
        Ok(_) => Ok(()),
        Err(Unwritten::Lost) => Err(taken()),
        Err(Unwritten::Refused(error)) => Err(error),
    }
}

/// The resource that has an alias, as this process knows it.
pub(crate) fn by_alias(door: &Door, group: &str, alias: &str) -> Option<String> {
    let snapshot = door.directory.catalogue.snapshot();
    let has = |common: &proto::resource::Common| common.alias.as_deref() == Some(alias);
    match group {
        "trigger" => snapshot.triggers.values().find(|found| has(&found.common)).map(|found| found.id.to_string()),
        "bot" => snapshot.bots.values().find(|found| has(&found.common)).map(|found| found.id.to_string()),
        "skillset" => snapshot.skillsets.values().find(|found| has(&found.common)).map(|found| found.id.to_string()),
        "secret" => snapshot.secrets.values().find(|found| has(&found.common)).map(|found| found.id.to_string()),
        "token" => snapshot.tokens.values().find(|found| has(&found.common)).map(|found| found.id.to_string()),
        _ => None,
    }
}

/// The resource that an alias was taken for, as the leader knows it.
pub(crate) async fn owner_of_alias(door: &Door, group: &str, alias: &str) -> Result<Option<String>, ApiError> {
    let entry = read(door, RESOURCES, &alias_key(group, alias)).await?;
    Ok(entry.value.and_then(|value| String::from_utf8(value.to_vec()).ok()))
}

/// Whether an alias was left behind by a change that was never made.
async fn is_stray(door: &Door, group: &str, alias: &str, owner: &str, at_ms: i64) -> Result<bool, ApiError> {
    let now_ms = door.clock.now_ms(&door.client).await.unwrap_or_default();
    if now_ms < at_ms.saturating_add(STRAY_AFTER_MS) {
        return Ok(false);
    }
    let key = format!("{group}.{owner}");
    let Some(value) = read(door, RESOURCES, &key).await?.value else { return Ok(true) };
    let has = Resource::decode(&key, value).ok().flatten().and_then(|resource| resource.common().alias.clone());
    Ok(has.as_deref() != Some(alias))
}

/// Lets an alias go, where it is this resource's. What cannot be let go now is a stray later.
async fn release(door: &Door, group: &str, alias: &str, id: &str) {
    let key = alias_key(group, alias);
    let Ok(entry) = read(door, RESOURCES, &key).await else { return };
    if entry.value.as_deref() == Some(id.as_bytes()) {
        drop(write(door, RESOURCES, &key, entry.revision, Change::Delete).await);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Change, EXPECTED, OPERATION, ROLLUP};

    #[test]
    fn a_change_is_fenced_and_what_is_secret_is_forgotten() {
        for (change, operation, rollup) in [
            (Change::Put(Bytes::from_static(b"x")), None, None),
            (Change::Replace(Bytes::from_static(b"x")), None, Some("sub")),
            (Change::Delete, Some("DEL"), None),
            (Change::Purge, Some("PURGE"), Some("sub")),
        ] {
            let (headers, body) = change.parts(7);
            let header = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
            assert_eq!((header(EXPECTED), header(OPERATION), header(ROLLUP)), (Some("7"), operation, rollup));
            assert_eq!(body.is_empty(), operation.is_some());
        }
    }
}
