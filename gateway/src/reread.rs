//! Files that are read again while the gateway runs.
//!
//! The API token, the deployment key and the master keys. All of them are read before any of them
//! counts, so a fault in one changes nothing: what was good last goes on. What was changed is logged
//! by its flag, never by its value.

use proto::resource::SecretDigest;
use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::door::Door;

/// Reads them again; all faults where there are any.
pub(crate) fn reread(config: &Config, door: &Door) -> Result<Vec<&'static str>, Vec<String>> {
    let (token, key, master) = (config.token(), config.deployment_key(), config.master_key());
    let (Ok(token), Ok(key), Ok(master)) = (&token, &key, &master) else {
        let faults = [token.err(), key.err(), master.err()];
        let mut faults: Vec<String> = faults.into_iter().flatten().collect();
        // Without a file of its own, the master key says once more what the deployment's says.
        faults.dedup();
        return Err(faults);
    };
    let token = token.as_ref().map(|token| SecretDigest::of(token.expose_secret()));
    let mut changed = Vec::new();
    let is_same = match (door.api_token.get().as_ref(), &token) {
        (Some(one), Some(other)) => one.is(other),
        (one, other) => one.is_none() && other.is_none(),
    };
    if !is_same {
        door.api_token.set(token);
        changed.push("--api-token-file");
    }
    if *door.key.get() != *key {
        door.key.set(key.clone());
        changed.push("--deployment-key-file");
    }
    if door.master.replace(master) {
        changed.push("--master-key-file");
    }
    Ok(changed)
}
