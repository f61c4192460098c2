//! Addresses and credentials of the two servers.

use std::path::PathBuf;

use clap::Args;

/// How to reach NATS.
#[derive(Debug, Clone, Args)]
pub struct Nats {
    /// Addresses of NATS, separated by commas.
    #[arg(id = "nats", long = "nats", env = "CUEPOINT_NATS", value_name = "URL", default_value = "nats://127.0.0.1:4222")]
    pub url: String,
    /// Credentials file for NATS (JWT and nkey seed).
    #[arg(long = "nats-creds", env = "CUEPOINT_NATS_CREDS", value_name = "FILE")]
    pub creds: Option<PathBuf>,
}

/// How to reach Redis.
#[derive(Debug, Clone, Args)]
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
