//! Reads of the conversation log.

use proto::id::SessionKey;
use proto::limit::{READ_BATCH_MAX, SCAN_RECORDS_MAX};
use proto::record::{self, Record};
use proto::subject::{self, LOG_STREAM};

use crate::direct::{self, Stored};
use crate::requests::Requests;

/// A record where it lies.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The log sequence: the fence of whatever is appended next.
    pub seq: u64,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: i64,
    /// The record.
    pub record: Record,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker gave no answer.
    #[error(transparent)]
    Read(#[from] direct::Error),
    /// What lies there is no record.
    #[error("the log entry {seq} cannot be read")]
    Foreign {
        /// The log sequence.
        seq: u64,
        /// Why.
        source: record::Error,
    },
}

/// Reads a stored message as a record.
pub fn entry(stored: Stored) -> Result<Entry, Error> {
    let record = Record::decode(stored.body).map_err(|source| Error::Foreign { seq: stored.seq, source })?;
    Ok(Entry { seq: stored.seq, at_ms: stored.at_ms, record })
}

/// The last record of a session, from any replica.
pub async fn last(client: &impl Requests, session: &SessionKey) -> Result<Option<Entry>, Error> {
    direct::last(client, LOG_STREAM, &subject::log(session)).await?.map(entry).transpose()
}

/// The last record of a session, from the leader.
pub async fn last_from_leader(client: &impl Requests, session: &SessionKey) -> Result<Option<Entry>, Error> {
    direct::last_from_leader(client, LOG_STREAM, &subject::log(session)).await?.map(entry).transpose()
}

/// The records of a session after a log sequence, a batch of them.
pub async fn after(client: &impl Requests, session: &SessionKey, seq: u64, batch: usize) -> Result<Vec<Entry>, Error> {
    let stored = direct::batch(client, LOG_STREAM, &subject::log(session), seq + 1, batch).await?;
    stored.into_iter().map(entry).collect()
}

/// The records of a session that were stored at a time or later, a batch of them.
pub async fn since(client: &impl Requests, session: &SessionKey, since_ms: i64, batch: usize) -> Result<Vec<Entry>, Error> {
    let stored = direct::batch_since(client, LOG_STREAM, &subject::log(session), since_ms, batch).await?;
    stored.into_iter().map(entry).collect()
}

/// Walks the records of a session after a log sequence until `visit` has seen enough (returns false).
pub async fn walk(client: &impl Requests, session: &SessionKey, from: u64, mut visit: impl FnMut(Entry) -> bool) -> Result<(), Error> {
    let mut seq = from;
    for _ in 0..SCAN_RECORDS_MAX.div_ceil(READ_BATCH_MAX) {
        let entries = after(client, session, seq, READ_BATCH_MAX).await?;
        let ended = entries.len() < READ_BATCH_MAX;
        for entry in entries {
            seq = entry.seq;
            if !visit(entry) {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
    }
    Ok(())
}
