//! Addresses and credentials of the two servers.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use proto::idempotency::DeploymentKey;

use crate::seal::{KeyError, MasterKey};

/// How to reach NATS.
#[derive(Clone, Args)]
pub struct Nats {
    /// Addresses of NATS, separated by commas.
    #[arg(id = "nats", long = "nats", env = "CUEPOINT_NATS", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub url: String,
    /// Credentials file for NATS (JWT and nkey seed).
    #[arg(long = "nats-creds", env = "CUEPOINT_NATS_CREDS", value_name = "FILE")]
    pub creds: Option<PathBuf>,
}

/// How to reach Redis.
#[derive(Clone, Args)]
pub struct Redis {
    /// Address of Redis; may carry a password, so prefer the environment.
    #[arg(
        id = "redis",
        long = "redis",
        env = "CUEPOINT_REDIS",
        value_name = "URL",
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub url: String,
}

/// The keys that a deployment's values are sealed under.
#[derive(Debug, Clone, Default, Args)]
pub struct Keys {
    /// File with the master keys, one a line, the one that seals first; without it one is made of the deployment key.
    #[arg(long, env = "CUEPOINT_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// File with the secret that all gateways of a deployment share.
    #[arg(long, env = "CUEPOINT_DEPLOYMENT_KEY_FILE", value_name = "FILE")]
    pub deployment_key_file: Option<PathBuf>,
}

impl Keys {
    /// The master key; none where no file is named.
    pub fn master(&self) -> Result<Option<MasterKey>, KeyError> {
        match (&self.master_key_file, &self.deployment_key_file) {
            (Some(path), _) => MasterKey::load(path).map(Some),
            (None, Some(path)) => {
                let bytes = std::fs::read(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
                let key = DeploymentKey::parse(bytes.trim_ascii_end()).ok_or(KeyError::Count)?;
                MasterKey::derive(&key).map(Some)
            }
            (None, None) => Ok(None),
        }
    }
}

// Addresses may carry passwords, so neither is printed.

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("creds", &self.creds).finish_non_exhaustive()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Nats, Redis};

    #[test]
    fn a_password_in_an_address_is_never_printed() {
        let redis = Redis { url: "redis://:hunter2@127.0.0.1".into() };
        let nats = Nats { url: "nats://me:hunter2@127.0.0.1".into(), creds: None };
        assert!(!format!("{redis:?}{nats:?}").contains("hunter2"));
    }
}
