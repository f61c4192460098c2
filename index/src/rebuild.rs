//! The index dropped and made again.

use async_nats::Client;
use backbone::redis::Silent;

use crate::bound::DROP_KEYS_STEP;
use crate::follow::{self, extent};
use crate::key;
use crate::store::{Source, Standing, Store};

/// Gives the present index up: from now on an empty one counts, and indexers fill it.
pub async fn drop_present(store: &Store) -> Result<(), Silent> {
    let standing = store.standing(Source::Log).await?;
    store.renew(&standing.generation).await?;
    sweep(store, &standing.generation).await
}

/// Removes what a generation left behind; nobody reads it any more.
async fn sweep(store: &Store, generation: &str) -> Result<(), Silent> {
    // The braces of the hash tag mean nothing in a pattern.
    let pattern = format!("{}*", key::generation(generation));
    let mut cursor = 0_u64;
    loop {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(DROP_KEYS_STEP);
        let ((next, keys),): ((u64, Vec<String>),) = store.redis().run(&pipeline).await?;
        if !keys.is_empty() {
            let mut pipeline = redis::pipe();
            pipeline.cmd("UNLINK").arg(&keys).ignore();
            store.redis().run::<()>(&pipeline).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}

/// How far the index is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The last sequence of the log that it has.
    pub at: u64,
    /// The last sequence of the log.
    pub last: u64,
    /// Whether lists are answered.
    pub is_complete: bool,
}

/// How far the index is right now.
pub async fn progress(client: &Client, store: &Store) -> Result<Progress, follow::Error> {
    let Standing { at, goal, .. } = store.standing(Source::Log).await?;
    let last = extent(client, Source::Log).await?.last;
    let at = at.map(|at| at.seq);
    Ok(Progress { at: at.unwrap_or_default(), last, is_complete: at.is_some_and(|at| at >= goal) })
}
