//! Addresses and credentials of the two servers.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

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
