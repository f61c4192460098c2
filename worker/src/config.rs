//! How a worker is set up.

use std::path::PathBuf;
use std::time::Duration;

use backbone::config;
use backbone::seal::MasterKey;
use clap::Args;
use egress::policy::Allow;
use proto::idempotency::DeploymentKey;
use proto::limit;

use crate::settings::{self, Settings};

/// All settings of a worker.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Where NATS is.
    #[command(flatten)]
    pub nats: config::Nats,
    /// Where Redis is.
    #[command(flatten)]
    pub redis: config::Redis,
    /// How many turns run at once.
    #[arg(long, env = "CUEPOINT_TURNS", default_value_t = limit::TURNS_MAX)]
    pub turns: usize,
    /// Addresses, networks or hosts that abilities may reach although they are not public.
    #[arg(long, env = "CUEPOINT_EGRESS_ALLOW", value_delimiter = ',')]
    pub egress_allow: Vec<Allow>,
    /// What the deployment lends its bots: models, secrets, mail, search, programs, subjects.
    #[arg(long = "settings", env = "CUEPOINT_SETTINGS", value_name = "FILE")]
    pub settings_file: Option<PathBuf>,
    /// The same, for a worker that is started from within a program.
    #[arg(skip)]
    pub settings: Option<Settings>,
    /// File with the keys that secrets made by the API are sealed under, one a line.
    #[arg(long, env = "CUEPOINT_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// File with the deployment's key, from which the master key is made where no file of its own is given.
    #[arg(long, env = "CUEPOINT_DEPLOYMENT_KEY_FILE", value_name = "FILE")]
    pub deployment_key_file: Option<PathBuf>,
    /// How long a clean shutdown may take; Kubernetes' grace period must be longer.
    #[arg(long, env = "CUEPOINT_DRAIN_DEADLINE", value_parser = humantime::parse_duration, default_value = "25s")]
    pub drain_deadline: Duration,
}

impl Config {
    /// The defaults over two servers.
    pub fn new(nats: config::Nats, redis: config::Redis) -> Self {
        Self {
            nats,
            redis,
            turns: limit::TURNS_MAX,
            egress_allow: Vec::new(),
            settings_file: None,
            settings: None,
            master_key_file: None,
            deployment_key_file: None,
            drain_deadline: limit::DRAIN_DEADLINE,
        }
    }

    /// What the deployment lends its bots, from wherever that stands.
    pub fn lent(&self) -> Result<Settings, settings::Error> {
        match (&self.settings, &self.settings_file) {
            (Some(settings), _) => Ok(settings.clone()),
            (None, Some(file)) => Settings::load(file),
            (None, None) => Ok(Settings::default()),
        }
    }

    /// What opens secrets made by the API, where a key is given.
    pub(crate) fn master_key(&self) -> Result<Option<MasterKey>, String> {
        if let Some(path) = &self.master_key_file {
            return MasterKey::load(path).map(Some).map_err(|error| error.to_string());
        }
        let Some(path) = &self.deployment_key_file else { return Ok(None) };
        let bytes = std::fs::read(path).map_err(|error| format!("--deployment-key-file {} cannot be read: {error}", path.display()))?;
        let key = DeploymentKey::parse(bytes.trim_ascii_end());
        let key = key.ok_or_else(|| format!("--deployment-key-file {} must hold at least 16 bytes", path.display()))?;
        MasterKey::derive(&key).map(Some).map_err(|error| error.to_string())
    }

    /// All faults that the settings have together.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        if self.turns == 0 || self.turns > limit::MAILBOXES_MAX {
            faults.push(format!("--turns {} must be between 1 and {}", self.turns, limit::MAILBOXES_MAX));
        }
        if self.drain_deadline.is_zero() {
            faults.push("--drain-deadline must be longer than 0s".to_owned());
        }
        faults.extend(self.master_key().err());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
