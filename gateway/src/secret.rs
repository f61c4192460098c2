//! The secrets of triggers: made, shown and changed.
//!
//! A secret lies in the bucket twice: as a digest, which calls are checked with, and sealed, so that it
//! can be shown to whoever may see it. One whose sealed form is missing, as of triggers from files, or is
//! under a key that is not there any more, still works and cannot be shown.

use backbone::seal::{self, Purpose};
use proto::code::Code;
use proto::resource::{SecretDigest, Trigger};
use secrecy::{ExposeSecret as _, SecretString};

use crate::api_error::ApiError;
use crate::door::Door;

/// How many random bytes a secret has.
const SECRET_BYTES: usize = 32;

/// The secret of a trigger, where it can be shown. Only to callers of scope operate, and on record.
pub(crate) fn reveal(door: &Door, trigger: &Trigger) -> Option<SecretString> {
    if trigger.secret_sealed.is_empty() {
        return None;
    }
    let opened = seal::unseal(&door.master, Purpose::TriggerSecret(&trigger.id), &trigger.secret_sealed);
    opened.inspect_err(|error| tracing::warn!(trigger.id = %trigger.id, %error, "a trigger's secret cannot be shown")).ok()
}

/// Makes a new secret.
pub(crate) fn make() -> SecretString {
    SecretString::from(proto::idempotency::hex(&backbone::chance::bytes::<SECRET_BYTES>()))
}

/// Gives a trigger a secret; the one before counts on until a time.
pub(crate) fn give(door: &Door, trigger: &mut Trigger, secret: &SecretString, previous_until_ms: Option<i64>) -> Result<(), ApiError> {
    let sealed = seal::seal(&door.master, Purpose::TriggerSecret(&trigger.id), secret.expose_secret()).map_err(unsealed)?;
    let before = trigger.secret.replace(SecretDigest::of(secret.expose_secret()));
    trigger.secret_sealed = sealed;
    trigger.previous = before.zip(previous_until_ms);
    Ok(())
}

/// The shared key of a trigger's signature; none where its scheme has a public one.
pub(crate) fn signing_key(door: &Door, trigger: &Trigger) -> Result<Option<SecretString>, ApiError> {
    let sealed = trigger.signature.as_ref().map(|signature| &signature.key_sealed).filter(|sealed| !sealed.is_empty());
    let Some(sealed) = sealed else { return Ok(None) };
    seal::unseal(&door.master, Purpose::SigningKey(&trigger.id), sealed).map(Some).map_err(unsealed)
}

fn unsealed(error: seal::Error) -> ApiError {
    ApiError {
        cause: Some(error.to_string()),
        ..ApiError::new(Code::SecretUnreadable, "a sealed value cannot be used: see --master-key-file")
    }
}
