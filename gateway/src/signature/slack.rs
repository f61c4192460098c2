//! Slack: `X-Slack-Signature: v0=<hex>` over `v0:<X-Slack-Request-Timestamp>:<body>`.
//!
//! See <https://docs.slack.dev/authentication/verifying-requests-from-slack>. The body's `event_id` names the
//! event, which is sent again under new signatures. A new address is asked once for its challenge.

use axum::http::HeaderMap;
use serde::Deserialize;

use super::{Fault, Presented, header, hex, seconds};

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-slack-signature";
/// The header with the time.
const TIMESTAMP: &str = "x-slack-request-timestamp";
/// Longest challenge that is given back, in bytes.
const CHALLENGE_BYTES_MAX: usize = 1_024;

/// Reads the headers.
pub(super) fn read(headers: &HeaderMap) -> Result<Presented, Fault> {
    let timestamp = header(headers, TIMESTAMP)?;
    let signature = header(headers, SIGNATURE)?.strip_prefix("v0=").and_then(hex).ok_or(Fault::Malformed(SIGNATURE))?;
    let at_s = seconds(timestamp, TIMESTAMP)?;
    Ok(Presented { prefix: format!("v0:{timestamp}:"), at_s: Some(at_s), id: None, signatures: vec![signature] })
}

#[derive(Deserialize)]
struct Verification {
    r#type: String,
    challenge: String,
}

/// What Slack asks a new address to give back; no event then.
pub(crate) fn challenge(body: &[u8]) -> Option<String> {
    let Verification { r#type, challenge } = serde_json::from_slice(body).ok()?;
    (r#type == "url_verification" && challenge.len() <= CHALLENGE_BYTES_MAX).then_some(challenge)
}
