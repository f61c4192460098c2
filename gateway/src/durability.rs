//! What a receipt promises, as the deployment really gives it.
//!
//! How many servers have confirmed an event follows from the replicas of the streams that take
//! events and timers; the broker is asked for them every [`LOOK_EVERY`] and no call asks. Whether a
//! server writes through to its disk it tells nobody but its own operator, so that is the
//! operator's word (`--durability fsynced`), kept as far as it can be checked: not against a stream
//! in memory, or one that confirms before it writes. Where nothing can be promised, nothing is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, PersistenceMode, StorageType};
use backbone::topology;
use clap::ValueEnum;
use proto::durability::Durability;
use proto::subject::{self, TIMERS_STREAM};

use crate::door::Door;

/// How old may be what is known of the streams: a change of their replicas shows after this.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pause before a look that failed is repeated.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How many replicas have a majority that outlives one of them.
const REPLICAS_MIN: usize = 3;

/// What an operator says of the broker's servers, which do not say it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Claim {
    /// Every server writes through to its disk before it confirms: `sync_interval: always`.
    Fsynced,
}

/// What receipts say; nothing until the streams were seen.
#[derive(Debug, Default)]
pub(crate) struct Promise(AtomicU8);

impl Promise {
    /// What a receipt of this moment says.
    pub(crate) fn now(&self) -> Option<Durability> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Durability::Written),
            2 => Some(Durability::Replicated),
            3 => Some(Durability::Fsynced),
            _ => None,
        }
    }

    fn set(&self, durability: Option<Durability>) {
        let number = match durability {
            None => 0,
            Some(Durability::Written) => 1,
            Some(Durability::Replicated) => 2,
            Some(Durability::Fsynced) => 3,
        };
        self.0.store(number, Ordering::Relaxed);
    }
}

/// Looks at the streams until the shutdown.
pub(crate) async fn run(door: Arc<Door>, claim: Option<Claim>) {
    let mut told = None;
    loop {
        let found = look(&door.context, claim).await;
        if let Some(found) = found {
            door.promise.set(found);
            if told.replace(found) != Some(found) {
                say(found, claim);
            }
        }
        let pause = if found.is_some() { LOOK_EVERY } else { LOOK_AGAIN };
        tokio::select! {
            biased;
            () = door.shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn say(found: Option<Durability>, claim: Option<Claim>) {
    let Some(durability) = found else {
        let is_claimed = claim.is_some();
        tracing::error!(is_claimed, "receipts promise nothing: a stream of events lies in memory, or confirms before it writes");
        return;
    };
    tracing::info!(durability = durability.as_str(), "what receipts promise");
}

/// The weakest of what the streams give that a receipt may be about; none where they cannot be seen now.
async fn look(context: &Context, claim: Option<Claim>) -> Option<Option<Durability>> {
    let epoch = topology::current_epoch(context).await.ok()?;
    let mut weakest = Some(Durability::Fsynced);
    for stream in [subject::events_stream(epoch).as_str(), TIMERS_STREAM] {
        let stream = context.get_stream(stream).await.ok()?;
        weakest = weakest.min(given(&stream.cached_info().config, claim));
    }
    Some(weakest)
}

fn given(config: &Config, claim: Option<Claim>) -> Option<Durability> {
    if config.storage != StorageType::File || config.persist_mode == Some(PersistenceMode::Async) {
        return None;
    }
    Some(match claim {
        Some(Claim::Fsynced) => Durability::Fsynced,
        None if config.num_replicas >= REPLICAS_MIN => Durability::Replicated,
        None => Durability::Written,
    })
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::{Config, PersistenceMode, StorageType};
    use proto::durability::Durability;

    use super::{Claim, Promise, given};

    #[test]
    fn no_more_is_promised_than_the_stream_gives() {
        let of = |replicas| Config { num_replicas: replicas, storage: StorageType::File, ..Config::default() };
        for (replicas, claim, expected) in [
            (1, None, Durability::Written),
            (2, None, Durability::Written),
            (3, None, Durability::Replicated),
            (5, None, Durability::Replicated),
            (1, Some(Claim::Fsynced), Durability::Fsynced),
            (3, Some(Claim::Fsynced), Durability::Fsynced),
        ] {
            assert_eq!(given(&of(replicas), claim), Some(expected), "{replicas} {claim:?}");
        }
        for claim in [None, Some(Claim::Fsynced)] {
            assert_eq!(given(&Config { storage: StorageType::Memory, ..of(3) }, claim), None);
            assert_eq!(given(&Config { persist_mode: Some(PersistenceMode::Async), ..of(1) }, claim), None);
        }
        assert_eq!(None.min(Some(Durability::Written)), None, "the weakest of two streams");
    }

    #[test]
    fn a_promise_is_what_was_set_last() {
        let promise = Promise::default();
        assert_eq!(promise.now(), None);
        for durability in [Some(Durability::Written), Some(Durability::Replicated), Some(Durability::Fsynced), None] {
            promise.set(durability);
            assert_eq!(promise.now(), durability);
        }
    }
}
