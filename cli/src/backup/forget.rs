//! What Redis must not remember once the streams are older than it.
//!
//! Receipts under idempotency keys: an event that was lost must not be answered for. The lists, which
//! know records that are gone; workers make them again. Leases and sets of sessions, which are hints
//! about a log that is no more. What is spent and what was signed stays.

use backbone::redis::Redis;

use super::Error;

/// What the keys begin with that go.
const PATTERNS: [&str; 4] = ["cue:idem:*", "cue:{idx}:*", "cue:lease:*", "cue:sessions:*"];
/// How many keys one step looks at.
const STEP: usize = 1_000;

/// Makes Redis forget it; how many keys that were.
pub async fn forget(redis: &Redis) -> Result<u64, Error> {
    let mut forgotten = 0;
    for pattern in PATTERNS {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::pipe();
            scan.cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(STEP);
            let ((next, keys),): ((u64, Vec<String>),) = redis.run(&scan).await?;
            if !keys.is_empty() {
                let mut unlink = redis::pipe();
                unlink.cmd("UNLINK").arg(&keys);
                let (gone,): (u64,) = redis.run(&unlink).await?;
                forgotten += gone;
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    Ok(forgotten)
}
