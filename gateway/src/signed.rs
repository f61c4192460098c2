//! The signed call of an event: checked, and taken once.

use axum::http::HeaderMap;
use proto::idempotency::Key;
use proto::resource::{Signature, SignatureScheme, Trigger};

use crate::api_error::ApiError;
use crate::door::Door;
use crate::signature::seen::{self, Claim};
use crate::signature::{self, Presented, Proof};
use crate::{auth, secret};

/// A call whose signature is right.
pub(crate) struct Signed {
    proof: Proof,
    /// What is to be given back, where the sender asks for nothing else.
    pub(crate) challenge: Option<String>,
}

impl Signed {
    /// What names the event: the sender's id of it, else what was signed.
    pub(crate) fn key(&self, claim: &Claim) -> Result<Key, ApiError> {
        let id = self.proof.id.as_deref().and_then(|id| Key::parse(id).ok());
        id.map_or_else(|| Key::parse(&claim.key()).map_err(ApiError::from), Ok)
    }

    /// Whether the event is named by what was signed, so that a repeat is a replay.
    pub(crate) fn is_by_digest(&self, claim: &Claim) -> bool {
        self.key(claim).is_ok_and(|key| key.as_str() == claim.key())
    }
}

/// Reads what the headers present, and refuses what is not of this time.
pub(crate) async fn present(door: &Door, trigger: &Trigger, headers: &HeaderMap) -> Result<Presented, ApiError> {
    let now_ms = auth::now_ms(door).await?;
    Ok(signature::read(of(trigger)?, headers, now_ms)?)
}

/// Checks the signature over the body.
pub(crate) fn check(door: &Door, trigger: &Trigger, presented: Presented, body: &[u8]) -> Result<Signed, ApiError> {
    let signature = of(trigger)?;
    let shared = secret::signing_key(door, trigger)?;
    let proof = presented.check(signature, shared.as_ref(), body)?;
    let challenge = if signature.scheme() == SignatureScheme::Slack { signature::challenge(body) } else { None };
    Ok(Signed { proof, challenge })
}

/// Takes a signed call, once.
pub(crate) async fn claim(door: &Door, trigger: &Trigger, signed: &Signed) -> Result<Claim, ApiError> {
    seen::claim(&door.seen, &door.redis, &trigger.id, &signed.proof).await
}

/// Gives it up again.
pub(crate) async fn release(door: &Door, claim: Claim) {
    seen::release(&door.seen, &door.redis, claim).await;
}

/// A call that was taken before.
pub(crate) fn replayed() -> ApiError {
    seen::replayed()
}

fn of(trigger: &Trigger) -> Result<&Signature, ApiError> {
    trigger.signature.as_ref().ok_or(signature::Fault::Key).map_err(ApiError::from)
}
