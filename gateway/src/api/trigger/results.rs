//! How signed calls of a trigger are checked, and where the ends of its turns are told.
//!
//! Keys are sealed and never told again. One that is left out of a body stays as it is.

use backbone::seal::{self, Purpose};
use bytes::Bytes;
use proto::code::Code;
use proto::resource::{self, SignatureScheme, Trigger, Webhook};
use proto::wire::destination::To;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::given::Whole;
use crate::api_error::ApiError;

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 4_096;
/// Longest address or subject, in bytes.
const ADDRESS_BYTES_MAX: usize = 2_048;
/// How far a call's time may be from the gateway's at most, in milliseconds.
const TOLERANCE_MS_MAX: u64 = 3_600_000;
/// How many ends may be named.
const STATUSES_MAX: usize = 8;

/// How a signed call is checked.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Signature {
    /// Whose scheme.
    scheme: Scheme,
    /// The shared key; never told again.
    #[serde(default, skip_serializing)]
    key: Option<String>,
    /// The public key, as its issuer writes it.
    #[serde(default)]
    public_key: Option<String>,
    /// How far a call's time may be from the gateway's, in milliseconds; five minutes without a word.
    #[serde(default)]
    #[schemars(range(max = 3_600_000))]
    tolerance_ms: Option<Whole>,
}

/// Whose scheme a call is signed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scheme {
    /// Standard Webhooks with a shared key (`whsec_`).
    Standard,
    /// Standard Webhooks with an ed25519 key (`whpk_`).
    StandardEd25519,
    /// GitHub: `X-Hub-Signature-256`.
    Github,
    /// Stripe: `Stripe-Signature`.
    Stripe,
    /// Slack: `X-Slack-Signature`.
    Slack,
}

/// Where the ends of turns are told.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Destination {
    /// Names it in its trigger.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    id: String,
    /// The address of a webhook, signed by Standard Webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// The webhook's signing key (`whsec_`); never told again.
    #[serde(default, skip_serializing)]
    key: Option<String>,
    /// A subject of the broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// Which ends are told, such as `completed`; none means all.
    #[serde(default)]
    statuses: Vec<String>,
    /// Whether it is left out.
    #[serde(default)]
    disabled: bool,
}

fn sealed(call: &Call, purpose: Purpose<'_>, key: &str, field: &str) -> Result<Bytes, ApiError> {
    if key.is_empty() || key.len() > KEY_BYTES_MAX {
        return Err(ApiError::field(field.to_owned(), format_args!("must have 1 to {KEY_BYTES_MAX} bytes")));
    }
    seal::seal(&call.door.master, purpose, key).map_err(|error| ApiError::unavailable("the key cannot be sealed", &error))
}

impl Signature {
    /// The signature that is meant; a key that is left out stays where the scheme does.
    pub(super) fn read(self, call: &Call, trigger: &Trigger) -> Result<resource::Signature, ApiError> {
        let scheme = match self.scheme {
            Scheme::Standard => SignatureScheme::Standard,
            Scheme::StandardEd25519 => SignatureScheme::StandardEd25519,
            Scheme::Github => SignatureScheme::Github,
            Scheme::Stripe => SignatureScheme::Stripe,
            Scheme::Slack => SignatureScheme::Slack,
        };
        let tolerance_ms = self.tolerance_ms.unwrap_or_default().0;
        if tolerance_ms > TOLERANCE_MS_MAX {
            return Err(ApiError::field("signature.toleranceMs", format_args!("must be at most {TOLERANCE_MS_MAX}")));
        }
        let before = trigger.signature.as_ref().filter(|before| before.scheme() == scheme);
        let key_sealed = match &self.key {
            Some(key) => sealed(call, Purpose::SigningKey(&trigger.id), key, "signature.key")?,
            None => before.map(|before| before.key_sealed.clone()).unwrap_or_default(),
        };
        let public_key = self.public_key.or_else(|| Some(before?.public_key.clone())).unwrap_or_default();
        if public_key.len() > KEY_BYTES_MAX {
            return Err(ApiError::field("signature.publicKey", format_args!("has at most {KEY_BYTES_MAX} bytes")));
        }
        let is_public = scheme == SignatureScheme::StandardEd25519;
        if is_public && public_key.is_empty() {
            return Err(ApiError::field("signature.publicKey", "is needed by this scheme"));
        }
        if !is_public && key_sealed.is_empty() {
            return Err(ApiError::field("signature.key", "is needed by this scheme"));
        }
        let read = resource::Signature { scheme: scheme.into(), key_sealed, public_key, tolerance_ms };
        // A key that was taken before was looked at then.
        if (is_public || self.key.is_some()) && !crate::signature::is_usable(&read, self.key.as_deref()) {
            let field = if is_public { "signature.publicKey" } else { "signature.key" };
            return Err(ApiError::field(field, "is no key of this scheme, as its issuer writes it, of 16 to 256 bytes"));
        }
        Ok(read)
    }

    /// A signature as it is told: without its key.
    pub(super) fn tell(signature: &resource::Signature) -> Option<Self> {
        let scheme = match signature.scheme() {
            SignatureScheme::Standard => Scheme::Standard,
            SignatureScheme::StandardEd25519 => Scheme::StandardEd25519,
            SignatureScheme::Github => Scheme::Github,
            SignatureScheme::Stripe => Scheme::Stripe,
            SignatureScheme::Slack => Scheme::Slack,
            SignatureScheme::Unspecified => return None,
        };
        let public_key = Some(signature.public_key.clone()).filter(|key| !key.is_empty());
        Some(Self { scheme, key: None, public_key, tolerance_ms: Some(signature.tolerance_ms).filter(|ms| *ms > 0).map(Whole) })
    }
}

impl Destination {
    /// The destinations that are meant; a key that is left out stays as it is.
    pub(super) fn read(said: Vec<Self>, call: &Call, trigger: &Trigger) -> Result<Vec<resource::Destination>, ApiError> {
        let mut read: Vec<resource::Destination> = Vec::with_capacity(said.len());
        for (index, destination) in said.into_iter().enumerate() {
            if read.iter().any(|other| other.id == destination.id) {
                return Err(ApiError::field(format!("results[{index}].id"), "stands there twice"));
            }
            read.push(destination.one(call, trigger, index)?);
        }
        outbox::destination::check(&read).map_err(|fault| {
            let field = fault.to_string().split(": ").next().unwrap_or_default().replace(".webhook", "");
            ApiError { field: Some(field.into()), ..ApiError::new(Code::DestinationInvalid, fault.to_string()) }
        })?;
        Ok(read)
    }

    fn one(self, call: &Call, trigger: &Trigger, index: usize) -> Result<resource::Destination, ApiError> {
        let fault = |field: &str, rule: &str| ApiError::field(format!("results[{index}]{field}"), rule);
        self.id.parse::<proto::id::SessionToken>().map_err(|_| fault(".id", "must be 1 to 64 characters of A-Z a-z 0-9 _ -"))?;
        if self.statuses.len() > STATUSES_MAX || self.statuses.iter().any(|status| !status.bytes().all(|byte| byte.is_ascii_lowercase())) {
            return Err(fault(".statuses", "must be at most 8 names of ends, such as completed"));
        }
        let known = trigger.results.iter().find(|known| known.id == self.id);
        let to = match (self.url, self.subject) {
            (Some(url), None) => {
                let is_http = url.starts_with("https://") || url.starts_with("http://");
                if !is_http || url.len() > ADDRESS_BYTES_MAX || url.parse::<axum::http::Uri>().is_err() {
                    return Err(fault(".url", "must be an http or https address of at most 2048 bytes"));
                }
                let before = known.and_then(|known| if let Some(To::Webhook(webhook)) = &known.to { Some(webhook) } else { None });
                let key_sealed = match &self.key {
                    Some(key) => {
                        outbox::destination::read_key(key).map_err(|rule| fault(".key", rule))?;
                        sealed(call, Purpose::ResultKey(&trigger.id, &self.id), key, &format!("results[{index}].key"))?
                    }
                    None => before.map(|before| before.key_sealed.clone()).unwrap_or_default(),
                };
                To::Webhook(Webhook { url, key_sealed })
            }
            (None, Some(subject)) => {
                let is_right = subject.len() <= ADDRESS_BYTES_MAX
                    && subject
                        .split('.')
                        .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'>')));
                if !is_right {
                    return Err(fault(".subject", "must be a subject without wildcards"));
                }
                To::Subject(subject)
            }
            _ => return Err(fault("", "must have one of url and subject")),
        };
        Ok(resource::Destination { id: self.id, to: Some(to), statuses: self.statuses, disabled: self.disabled })
    }

    /// A destination as it is told: without its key.
    pub(super) fn tell(destination: &resource::Destination) -> Self {
        let (url, subject) = match &destination.to {
            Some(To::Webhook(webhook)) => (Some(webhook.url.clone()), None),
            Some(To::Subject(subject)) => (None, Some(subject.clone())),
            None => (None, None),
        };
        let resource::Destination { id, statuses, disabled, .. } = destination.clone();
        Self { id, url, key: None, subject, statuses, disabled }
    }
}
