//! Messages of a conversation that were changed, by the records that they were of.
//!
//! A changed message stands in a record of its own, behind everything else, and the one that it was
//! of is deleted. The last record of a session names the last edit, and each edit the one before it;
//! a link may be gone with a conversation that was deleted, and then the log itself is looked through.

use std::collections::BTreeMap;

use async_nats::Client;
use proto::id::{EventSeq, SessionKey};
use proto::subject::{self, LOG_STREAM};

use crate::direct;
use crate::journal::{self, Entry, Error};

/// How many edits are followed from one to the one before.
const EDITS_MAX: usize = 4_096;

/// The last edit of each record of a conversation that begins behind `base`; `last` is the session's last record.
pub async fn of(client: &Client, session: &SessionKey, opening: EventSeq, base: u64, last: &Entry) -> Result<BTreeMap<u64, Entry>, Error> {
    let mut found = BTreeMap::new();
    let mut at = last.record.edits_at(last.seq);
    for _ in 0..EDITS_MAX {
        if at <= base {
            return Ok(found);
        }
        let entry = if at == last.seq { Some(last.clone()) } else { at_seq(client, session, at).await? };
        let Some(entry) = entry else { break };
        let Some(edited) = entry.record.edited() else { break };
        let (of, before) = (edited.of, edited.before);
        if entry.record.concerns() == opening {
            found.entry(of).or_insert(entry);
        }
        at = before;
    }
    let mut scanned = BTreeMap::new();
    journal::walk(client, session, base, |entry| {
        let is_before = entry.seq <= at;
        if let Some(edited) = entry.record.edited().filter(|_| is_before && entry.record.concerns() == opening) {
            scanned.insert(edited.of, entry);
        }
        is_before
    })
    .await?;
    scanned.extend(found);
    Ok(scanned)
}

/// The record at a place of the log, where it is one of the session and not gone.
pub async fn at_seq(client: &Client, session: &SessionKey, seq: u64) -> Result<Option<Entry>, Error> {
    let found = direct::next(client, LOG_STREAM, &subject::log(session), seq).await?;
    found.filter(|stored| stored.seq == seq).map(journal::entry).transpose()
}
