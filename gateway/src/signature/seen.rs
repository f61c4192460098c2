//! What was signed is taken once.
//!
//! A signature stays right for as long as its time is in the tolerance, so whoever overhears a call could
//! send it again. The digest of what was signed is therefore claimed before the event is published: in
//! Redis, so that all gateways know it, and in this process. With Redis away this process still knows
//! what it took itself; what another gateway took is known by the broker's message id, which is derived
//! from the same digest or from the sender's own id, for the broker's window (2 min).
//!
//! A claim carries a label. In schemes with a time every call has its own, so any repeat is refused; in
//! GitHub's the delivery's id is the label, and the same delivery may come again and is answered as a
//! repeat. A claim whose event was certainly not stored is given up again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backbone::chance;
use backbone::redis::Redis;
use proto::code::Code;
use proto::id::TriggerId;
use proto::idempotency::hex;
use proto::limit::IDEMPOTENCY_TTL;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::Proof;
use crate::api_error::ApiError;

/// How many claims this process remembers; past that it relies on the others.
const CLAIMS_MAX: usize = 16_384;

/// What this process took.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<[u8; 32], Known>>);

#[derive(Debug, Clone)]
struct Known {
    label: String,
    until: Instant,
}

/// What was signed, claimed for one call.
#[derive(Debug)]
#[must_use = "a claim whose event was not stored is given up"]
pub(crate) struct Claim {
    digest: [u8; 32],
    label: String,
    is_shared: bool,
    /// Whether the same call may come again, so that there is nothing to give up.
    is_lasting: bool,
}

impl Claim {
    /// What names the event where the sender names it by nothing.
    pub(crate) fn key(&self) -> String {
        format!("signed.{}", hex(&self.digest))
    }
}

/// Claims what was signed; refuses what another call has claimed.
pub(crate) async fn claim(seen: &Seen, redis: &Redis, trigger: &TriggerId, proof: &Proof) -> Result<Claim, ApiError> {
    let digest: [u8; 32] = Sha256::new().chain_update(trigger.as_str()).chain_update([0]).chain_update(proof.digest).finalize().into();
    let (label, ttl) = match (proof.expires_in, &proof.id) {
        (None, Some(id)) => (id.clone(), IDEMPOTENCY_TTL),
        (expires_in, _) => (hex(&chance::bytes::<8>()), expires_in.unwrap_or(IDEMPOTENCY_TTL)),
    };
    if !seen.take(digest, &label, ttl) {
        return Err(replayed());
    }
    match shared(redis, &digest, &label, ttl).await {
        Some(owner) if owner != label => {
            seen.drop(&digest, &label);
            Err(replayed())
        }
        owner => Ok(Claim { digest, label, is_shared: owner.is_some(), is_lasting: proof.expires_in.is_none() }),
    }
}

/// Gives a claim up, best effort: its event was not stored, and the sender may send it again as it is.
pub(crate) async fn release(seen: &Seen, redis: &Redis, claim: Claim) {
    if claim.is_lasting {
        return;
    }
    seen.drop(&claim.digest, &claim.label);
    if claim.is_shared {
        let mut pipeline = redis::pipe();
        pipeline.del(entry(&claim.digest)).ignore();
        drop(redis.run::<()>(&pipeline).await);
    }
}

/// Whose claim stands in Redis; nothing where it is silent.
async fn shared(redis: &Redis, digest: &[u8; 32], label: &str, ttl: Duration) -> Option<String> {
    let mut pipeline = redis::pipe();
    let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    pipeline.cmd("SET").arg(entry(digest)).arg(label).arg("NX").arg("PX").arg(ttl_ms).ignore();
    pipeline.get(entry(digest));
    let (owner,) = redis.run::<(Option<String>,)>(&pipeline).await.ok()?;
    owner
}

fn entry(digest: &[u8; 32]) -> String {
    format!("cue:signed:{{{}}}", hex(digest))
}

/// The refusal of what was taken before.
pub(crate) fn replayed() -> ApiError {
    ApiError::new(Code::SignatureReplayed, "this signed call was taken before")
}

impl Seen {
    /// Whether it is free, or has the same label.
    fn take(&self, digest: [u8; 32], label: &str, ttl: Duration) -> bool {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = known.get(&digest).filter(|earlier| earlier.until > now) {
            return earlier.label == label;
        }
        if known.len() >= CLAIMS_MAX {
            known.retain(|_, earlier| earlier.until > now);
        }
        if known.len() < CLAIMS_MAX {
            known.insert(digest, Known { label: label.to_owned(), until: now + ttl });
        }
        true
    }

    fn drop(&self, digest: &[u8; 32], label: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(digest).is_some_and(|earlier| earlier.label == label) {
            known.remove(digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backbone::redis::Redis;

    use super::{Proof, Seen, claim, release};

    fn away() -> Redis {
        Redis::new(&backbone::config::Redis::at("redis://127.0.0.1:1")).unwrap()
    }

    #[tokio::test]
    async fn with_redis_away_this_process_still_takes_a_call_once() {
        let (seen, redis, trigger) = (Seen::default(), away(), "t".parse().unwrap());
        let proof = Proof { digest: [1; 32], id: None, expires_in: Some(Duration::from_mins(10)) };
        let first = claim(&seen, &redis, &trigger, &proof).await.unwrap();
        assert_eq!(claim(&seen, &redis, &trigger, &proof).await.unwrap_err().code.as_str(), "CUE0207");
        let other = "u".parse().unwrap();
        drop(claim(&seen, &redis, &other, &proof).await.unwrap());
        release(&seen, &redis, first).await;
        drop(claim(&seen, &redis, &trigger, &proof).await.unwrap());
    }

    #[tokio::test]
    async fn a_delivery_without_a_time_may_come_again_and_its_body_under_another_may_not() {
        let (seen, redis, trigger) = (Seen::default(), away(), "t".parse().unwrap());
        let proof = |id: &str| Proof { digest: [1; 32], id: Some(id.into()), expires_in: None };
        drop(claim(&seen, &redis, &trigger, &proof("a")).await.unwrap());
        drop(claim(&seen, &redis, &trigger, &proof("a")).await.unwrap());
        assert_eq!(claim(&seen, &redis, &trigger, &proof("b")).await.unwrap_err().code.as_str(), "CUE0207");
    }
}
