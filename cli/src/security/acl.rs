//! The user of Redis.

use proto::idempotency::hex;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// Redis' users, for its `aclfile`: one, for Cuepoint's keys and the commands that it uses.
///
/// `SCAN` and `INFO` know no keys: with them it learns the names of others' keys, never what stands there.
pub fn render(password: &SecretString) -> String {
    let digest = hex(&Sha256::digest(password.expose_secret().as_bytes()));
    format!(
        "user default off nopass sanitize-payload resetchannels -@all\n\
         user cuepoint on #{digest} ~cue:* resetchannels -@all +@read +@write -@dangerous -@blocking \
         +eval +evalsha +script|load +time +ping +info +client|setinfo\n"
    )
}
