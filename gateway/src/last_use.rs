//! When a token was last used, told to Redis at most once a minute by each gateway.
//!
//! A hint for whoever tidies up tokens: with Redis away or emptied it is unknown, not wrong.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backbone::redis::Redis;
use proto::id::TokenId;
use tokio::time::Instant;

use crate::door::Door;

/// How long a use stands for those after it.
const NOTE_EVERY: Duration = Duration::from_mins(1);
/// How many tokens are remembered to have been noted; past that some are noted again early.
const NOTED_MAX: usize = 4_096;
/// Where the times lie.
const KEY: &str = "cue:token:used";
/// Notes the time of Redis itself.
const NOTE: &str = "local t = redis.call('TIME') return redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000)))";

/// What was noted lately.
#[derive(Debug, Default)]
pub(crate) struct LastUse(Mutex<HashMap<TokenId, Instant>>);

impl LastUse {
    /// Notes a use in the background, unless one was noted a moment ago.
    pub(crate) fn note(&self, door: &Door, id: &TokenId) {
        if !self.is_due(id) {
            return;
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("EVAL").arg(NOTE).arg(1).arg(KEY).arg(id.as_str()).ignore();
        let redis = std::sync::Arc::clone(&door.redis);
        // A failure costs only the note.
        drop(door.tracker.spawn(async move { drop(redis.run::<()>(&pipeline).await) }));
    }

    fn is_due(&self, id: &TokenId) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(id).is_some_and(|at| at.elapsed() < NOTE_EVERY) {
            return false;
        }
        if noted.len() >= NOTED_MAX {
            noted.clear();
        }
        noted.insert(id.clone(), Instant::now());
        true
    }
}

/// When tokens were last used, in milliseconds since 1970, in the order asked; nothing where that is not known.
pub(crate) async fn of(redis: &Redis, ids: &[&TokenId]) -> Vec<Option<i64>> {
    if ids.is_empty() {
        return Vec::new();
    }
    let mut pipeline = redis::pipe();
    let command = pipeline.cmd("HMGET").arg(KEY);
    for id in ids {
        command.arg(id.as_str());
    }
    let found = redis.run::<(Vec<Option<i64>>,)>(&pipeline).await;
    found.map_or_else(|_| vec![None; ids.len()], |(times,)| times)
}

/// Forgets a token that is gone, best effort.
pub(crate) async fn forget(redis: &Redis, id: &TokenId) {
    let mut pipeline = redis::pipe();
    pipeline.cmd("HDEL").arg(KEY).arg(id.as_str()).ignore();
    drop(redis.run::<()>(&pipeline).await);
}

#[cfg(test)]
mod tests {
    use super::{LastUse, NOTE_EVERY};

    #[tokio::test(start_paused = true)]
    async fn a_token_is_noted_once_a_minute() {
        let (uses, a, b) = (LastUse::default(), "a".parse().unwrap(), "b".parse().unwrap());
        assert!(uses.is_due(&a) && uses.is_due(&b));
        assert!(!uses.is_due(&a));
        tokio::time::advance(NOTE_EVERY).await;
        assert!(uses.is_due(&a) && !uses.is_due(&a));
    }
}
