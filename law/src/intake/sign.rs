//! What senders of webhooks do: they sign what they send.

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::idempotency::hex;
use sha2::Sha256;

use super::stand::NOW_MS;

/// The key of services that sign with a text.
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
/// The same bytes, as Standard Webhooks writes them.
pub const STANDARD_KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Signs a body as a service does; none where there is no such service.
pub fn sign(service: &str, headers: &mut HeaderMap, body: &[u8]) -> Option<()> {
    let at = NOW_MS / 1_000;
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or("msg_1").to_owned();
    let all = match service {
        "github" => vec![("x-hub-signature-256", format!("sha256={}", hex(&mac("", body)))), ("x-github-delivery", "d-1".to_owned())],
        "stripe" => vec![("stripe-signature", format!("t={at},v1={}", hex(&mac(&format!("{at}."), body))))],
        "slack" => vec![
            ("x-slack-request-timestamp", at.to_string()),
            ("x-slack-signature", format!("v0={}", hex(&mac(&format!("v0:{at}:"), body)))),
        ],
        "standard" => vec![
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", format!("v1,{}", STANDARD.encode(mac(&format!("{id}.{at}."), body)))),
            ("webhook-id", id),
        ],
        _ => return None,
    };
    for (name, value) in all {
        headers.insert(name, HeaderValue::try_from(value).ok()?);
    }
    Some(())
}

fn mac(prefix: &str, body: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).expect("any key length");
    mac.chain_update(prefix).chain_update(body).finalize().into_bytes().to_vec()
}
