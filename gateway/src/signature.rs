//! Calls that prove themselves by a signature: pure, and the only place that knows the schemes.
//!
//! What a service signs is some words of its headers, followed by the body as it was sent. So a scheme
//! only says what is in the headers ([`Presented`]) and what its key looks like; the rest is here, once.
//! Whatever is secret is compared in constant time. A time outside the tolerance is refused before the
//! body is read.
//!
//! In reading order:
//! - [`standard`]: Standard Webhooks, with a shared key or with ed25519;
//! - [`github`], [`stripe`], [`slack`]: the schemes of these services;
//! - [`seen`]: what was signed is taken once.

use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::code::Code;
use proto::resource::{Signature, SignatureScheme};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use crate::api_error::ApiError;

mod github;
pub(crate) mod seen;
mod slack;
mod standard;
mod stripe;

pub(crate) use slack::challenge;

/// How far a call's time may be from the broker's unless the trigger says otherwise.
const TOLERANCE: Duration = Duration::from_mins(5);
/// The farthest that a trigger may allow.
pub(crate) const TOLERANCE_MAX: Duration = Duration::from_hours(1);
/// How many signatures of one call are tried.
const SIGNATURES_MAX: usize = 8;
/// Longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 4 * 1024;
/// Shortest shared key, in bytes.
const KEY_BYTES_MIN: usize = 16;
/// Longest shared key, in bytes.
const KEY_BYTES_MAX: usize = 256;

/// Why a call proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A header is missing.
    Missing(&'static str),
    /// A header cannot be read.
    Malformed(&'static str),
    /// Its time is too far from now.
    Expired,
    /// No signature is right.
    Wrong,
    /// The trigger's key is no key of its scheme.
    Key,
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let refused = |text: String| Self::new(Code::SignatureInvalid, text);
        match fault {
            Fault::Missing(header) => Self { field: Some(header.into()), ..refused(format!("the signature is missing: {header}")) },
            Fault::Malformed(header) => Self { field: Some(header.into()), ..refused(format!("{header} cannot be read")) },
            Fault::Expired => Self::new(Code::SignatureExpired, "the time of the signature is too far from now"),
            Fault::Wrong => refused("the signature is not the trigger's for this body".to_owned()),
            Fault::Key => Self {
                cause: Some("the key does not fit its scheme".into()),
                ..Self::new(Code::Internal, "the trigger's signing key cannot be used")
            },
        }
    }
}

/// What the headers of a call present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presented {
    /// What is signed before the body.
    prefix: String,
    /// When it was signed, in seconds since 1970; none in a scheme without a time.
    at_s: Option<i64>,
    /// What the sender names its message by.
    id: Option<String>,
    /// The signatures, any of which may be right.
    signatures: Vec<Vec<u8>>,
}

/// What a right signature proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The digest of all that was signed.
    pub(crate) digest: [u8; 32],
    /// What the sender names its message by: a repeat under another signature is the same message.
    pub(crate) id: Option<String>,
    /// How long the signature could be presented again; none where for ever.
    pub(crate) expires_in: Option<Duration>,
}

/// What a signature is checked with.
enum Key {
    Shared(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// The tolerance of a trigger.
fn tolerance(signature: &Signature) -> Duration {
    if signature.tolerance_ms == 0 { TOLERANCE } else { Duration::from_millis(signature.tolerance_ms).min(TOLERANCE_MAX) }
}

/// Whether a call presents a signature of some scheme, right or wrong.
pub(crate) fn is_presented(scheme: SignatureScheme, headers: &HeaderMap) -> bool {
    headers.contains_key(header_of(scheme))
}

fn header_of(scheme: SignatureScheme) -> &'static str {
    match scheme {
        SignatureScheme::Github => github::SIGNATURE,
        SignatureScheme::Stripe => stripe::SIGNATURE,
        SignatureScheme::Slack => slack::SIGNATURE,
        SignatureScheme::Standard | SignatureScheme::StandardEd25519 | SignatureScheme::Unspecified => standard::SIGNATURE,
    }
}

/// Reads what a call presents, and refuses what is not of this time: all that can be said without the body.
pub(crate) fn read(signature: &Signature, headers: &HeaderMap, now_ms: i64) -> Result<Presented, Fault> {
    let presented = match signature.scheme() {
        SignatureScheme::Standard => standard::read(headers, "v1"),
        SignatureScheme::StandardEd25519 => standard::read(headers, "v1a"),
        SignatureScheme::Github => github::read(headers),
        SignatureScheme::Stripe => stripe::read(headers),
        SignatureScheme::Slack => slack::read(headers),
        SignatureScheme::Unspecified => return Err(Fault::Key),
    }?;
    let tolerance_ms = i64::try_from(tolerance(signature).as_millis()).unwrap_or(i64::MAX);
    let is_late = |at_s: i64| at_s.saturating_mul(1_000).abs_diff(now_ms) > tolerance_ms.unsigned_abs();
    if presented.at_s.is_some_and(is_late) { Err(Fault::Expired) } else { Ok(presented) }
}

impl Presented {
    /// Checks the signatures over a body.
    pub(crate) fn check(self, signature: &Signature, shared: Option<&SecretString>, body: &[u8]) -> Result<Proof, Fault> {
        let key = key(signature, shared.map(ExposeSecret::expose_secret)).ok_or(Fault::Key)?;
        let is_right = match &key {
            Key::Shared(key) => self.is_maced(key, body),
            Key::Ed25519(key) => self.is_signed(key, body),
        };
        if !is_right {
            return Err(Fault::Wrong);
        }
        let digest = Sha256::new().chain_update(&self.prefix).chain_update(body).finalize().into();
        let id = self.id.or_else(|| match signature.scheme() {
            SignatureScheme::Stripe => field(body, "id"),
            SignatureScheme::Slack => field(body, "event_id"),
            _ => None,
        });
        Ok(Proof { digest, id, expires_in: self.at_s.map(|_| tolerance(signature) * 2) })
    }

    fn is_maced(&self, key: &[u8], body: &[u8]) -> bool {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
        let mac = mac.chain_update(&self.prefix).chain_update(body);
        self.signatures.iter().fold(false, |found, signature| found | mac.clone().verify_slice(signature).is_ok())
    }

    fn is_signed(&self, key: &[u8], body: &[u8]) -> bool {
        let content = [self.prefix.as_bytes(), body].concat();
        let key = UnparsedPublicKey::new(&ED25519, key);
        self.signatures.iter().any(|signature| key.verify(&content, signature).is_ok())
    }
}

/// A text field of a JSON body: part of what was signed, so the sender's own word.
fn field(body: &[u8], name: &str) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    Some(object.get(name)?.as_str()?.to_owned())
}

fn key(signature: &Signature, shared: Option<&str>) -> Option<Key> {
    Some(match signature.scheme() {
        SignatureScheme::Standard => Key::Shared(standard::shared_key(shared?)?),
        SignatureScheme::StandardEd25519 => Key::Ed25519(standard::public_key(&signature.public_key)?),
        SignatureScheme::Github | SignatureScheme::Stripe | SignatureScheme::Slack => Key::Shared(shared?.as_bytes().to_vec()),
        SignatureScheme::Unspecified => return None,
    })
}

/// Whether a key, as its issuer writes it, is one of its scheme; for whoever stores it.
pub(crate) fn is_usable(signature: &Signature, shared: Option<&str>) -> bool {
    match key(signature, shared) {
        Some(Key::Shared(key)) => (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()),
        Some(Key::Ed25519(_)) => true,
        None => false,
    }
}

/// A header of visible ASCII, bounded.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Fault> {
    let value = headers.get(name).ok_or(Fault::Missing(name))?.to_str().map_err(|_| Fault::Malformed(name))?;
    if value.is_empty() || value.len() > HEADER_BYTES_MAX { Err(Fault::Malformed(name)) } else { Ok(value) }
}

/// Seconds since 1970, as digits alone.
fn seconds(text: &str, name: &'static str) -> Result<i64, Fault> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain).ok_or(Fault::Malformed(name))
}

/// Bytes in hex digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    pairs.remainder().is_empty().then(|| pairs.map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

#[cfg(test)]
mod tests;
