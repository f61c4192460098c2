//! How a worker is set up.

use std::path::PathBuf;
use std::time::Duration;

use backbone::config;
use clap::Args;
use egress::policy::Allow;
use proto::limit;
use telemetry::Telemetry;

use crate::role::Role;
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
    /// What this process does: `turns`, `index` (keeps the lists), `deliver` (tells where turns' ends are wanted).
    #[arg(long, env = "CUEPOINT_ROLES", value_delimiter = ',', default_values_t = Role::ALL)]
    pub roles: Vec<Role>,
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
    /// What is told of what happens.
    #[arg(skip)]
    pub telemetry: Telemetry,
    /// What is sealed is read with these.
    #[command(flatten)]
    pub keys: config::Keys,
    /// How ends of turns are delivered.
    #[command(flatten)]
    pub deliver: outbox::config::Config,
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
            roles: Role::ALL.to_vec(),
            turns: limit::TURNS_MAX,
            egress_allow: Vec::new(),
            settings_file: None,
            settings: None,
            telemetry: Telemetry::default(),
            keys: config::Keys::default(),
            deliver: outbox::config::Config::default(),
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

    /// Whether this process does something.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// All faults that the settings have together.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        if self.turns == 0 || self.turns > limit::MAILBOXES_MAX {
            faults.push(format!("--turns {} must be between 1 and {}", self.turns, limit::MAILBOXES_MAX));
        }
        if self.roles.is_empty() {
            faults.push("--roles must name at least one of turns, index and deliver".to_owned());
        }
        if self.drain_deadline.is_zero() {
            faults.push("--drain-deadline must be longer than 0s".to_owned());
        }
        faults.extend(self.nats.validate().err().map(|fault| fault.to_string()));
        faults.extend(self.redis.validate().err().map(|fault| fault.to_string()));
        faults.extend(self.keys.master().err().map(|error| error.to_string()));
        faults.extend(self.deliver.validate().err().unwrap_or_default());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}
