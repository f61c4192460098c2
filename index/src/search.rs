//! Words found in the newest records of the log.
//!
//! What was said stands in the log alone, and there is no index of words: the newest records are
//! read and looked at, a bounded number of them, and the answer says how far that went.

use std::collections::BTreeSet;

use async_nats::Client;
use backbone::direct;
use proto::limit::READ_BATCH_MAX;
use proto::message;
use proto::record::Record;
use proto::subject::{self, LOG_STREAM};

use crate::bound::{BATCH_BYTES_MAX, SEARCH_RECORDS_MAX};
use crate::follow::{Error, extent};
use crate::store::Source;

/// What a search found, and how far it looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Conversations with the words in a message.
    pub conversations: BTreeSet<String>,
    /// How many records were read.
    pub records: usize,
    /// When the oldest of them was stored, in milliseconds since 1970.
    pub since_ms: Option<i64>,
}

/// Looks for words, in lower case, in what was said of late.
pub async fn messages(client: &Client, words: &str) -> Result<Found, Error> {
    let mut found = Found::default();
    let last = extent(client, Source::Log).await?.last;
    let mut from = last.saturating_sub(u64::try_from(SEARCH_RECORDS_MAX).unwrap_or(u64::MAX)) + 1;
    while found.records < SEARCH_RECORDS_MAX {
        let stored = direct::batch_within(client, LOG_STREAM, subject::LOG, from, (READ_BATCH_MAX, BATCH_BYTES_MAX)).await?;
        let Some(newest) = stored.last().map(|stored| stored.seq) else { break };
        for stored in stored {
            found.records += 1;
            found.since_ms.get_or_insert(stored.at_ms);
            let Some(session) = subject::session_of_log(&stored.subject) else { continue };
            let Ok(record) = Record::decode(stored.body) else { continue };
            let said = message::of(&session, stored.seq, stored.at_ms, &record);
            if said.iter().any(|message| message.text.to_lowercase().contains(words)) {
                found.conversations.insert(record.conversation.id(&session).to_string());
            }
        }
        from = newest + 1;
    }
    Ok(found)
}
