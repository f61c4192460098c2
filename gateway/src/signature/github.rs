//! GitHub: `X-Hub-Signature-256: sha256=<hex>` over the body.
//!
//! See <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>. There is no time
//! in it, and `X-GitHub-Delivery` is not signed: a delivery that comes again is answered as a repeat, and
//! the same body under another delivery id is refused as replayed.

use axum::http::HeaderMap;

use super::{Fault, Presented, header, hex};

/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-hub-signature-256";
/// The header with the delivery's id.
const DELIVERY: &str = "x-github-delivery";

/// Reads the headers.
pub(super) fn read(headers: &HeaderMap) -> Result<Presented, Fault> {
    let signature = header(headers, SIGNATURE)?.strip_prefix("sha256=").and_then(hex).ok_or(Fault::Malformed(SIGNATURE))?;
    let id = header(headers, DELIVERY)?.to_owned();
    Ok(Presented { prefix: String::new(), at_s: None, id: Some(id), signatures: vec![signature] })
}
