//! Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
//!
//! See <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//! Signed is `<id>.<timestamp>.<body>`. The header lists signatures, one for each key in use, as
//! `v1,<base64>` (HMAC-SHA256 under a `whsec_` key) or `v1a,<base64>` (ed25519, `whpk_`).

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Fault, Presented, SIGNATURES_MAX, header, seconds};

/// The header with the signatures.
pub(super) const SIGNATURE: &str = "webhook-signature";
/// The header with the time.
const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the message's id.
const ID: &str = "webhook-id";
/// How long an ed25519 key is, in bytes.
const PUBLIC_KEY_BYTES: usize = 32;

/// Reads the headers; signatures of other versions are passed over.
pub(super) fn read(headers: &HeaderMap, version: &str) -> Result<Presented, Fault> {
    let (signature, timestamp, id) = (header(headers, SIGNATURE)?, header(headers, TIMESTAMP)?, header(headers, ID)?);
    let of_version = |part: &str| part.strip_prefix(version)?.strip_prefix(',').map(str::to_owned);
    let signatures: Vec<Vec<u8>> =
        signature.split(' ').filter_map(of_version).take(SIGNATURES_MAX).filter_map(|text| STANDARD.decode(text).ok()).collect();
    let at_s = seconds(timestamp, TIMESTAMP)?;
    if signatures.is_empty() {
        return Err(Fault::Malformed(SIGNATURE));
    }
    Ok(Presented { prefix: format!("{id}.{timestamp}."), at_s: Some(at_s), id: Some(id.to_owned()), signatures })
}

/// The bytes of a shared key.
pub(super) fn shared_key(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix("whsec_")?).ok()
}

/// The bytes of a public key.
pub(super) fn public_key(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix("whpk_")?).ok().filter(|key| key.len() == PUBLIC_KEY_BYTES)
}
