//! Stripe: `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>]` over `<t>.<body>`.
//!
//! See <https://docs.stripe.com/webhooks#verify-manually>. Other versions, such as the test mode's `v0`,
//! are passed over. The body's `id` names the event, which is sent again under new signatures.

use axum::http::HeaderMap;

use super::{Fault, Presented, SIGNATURES_MAX, header, hex, seconds};

/// The header with the signature.
pub(super) const SIGNATURE: &str = "stripe-signature";

/// Reads the header.
pub(super) fn read(headers: &HeaderMap) -> Result<Presented, Fault> {
    let text = header(headers, SIGNATURE)?;
    let values = |wanted: &'static str| {
        let pairs = text.split(',').filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
    };
    let timestamp = values("t").next().ok_or(Fault::Malformed(SIGNATURE))?;
    let at_s = seconds(timestamp, SIGNATURE)?;
    let signatures: Vec<Vec<u8>> = values("v1").take(SIGNATURES_MAX).filter_map(hex).collect();
    if signatures.is_empty() {
        return Err(Fault::Malformed(SIGNATURE));
    }
    Ok(Presented { prefix: format!("{timestamp}."), at_s: Some(at_s), id: None, signatures })
}
