//! Files that are read again while a worker runs.
//!
//! The settings file with all that it names, and the master keys. Turns that have begun go on with what
//! they began with; the next ones have the new. A fault changes nothing: what was good last goes on. What
//! was changed is logged by its section, never by its value.

use std::sync::{Arc, Mutex, PoisonError};

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::config::Keys;
use backbone::seal::MasterKey;
use egress::Egress;

use crate::config::Config;
use crate::roster::Roster;
use crate::service;
use crate::settings::Settings;
use crate::settings::print::Prints;

/// What is needed to do it.
pub(crate) struct Reread {
    /// Where the files are.
    pub(crate) config: Config,
    /// Who takes what was read.
    pub(crate) roster: Arc<Roster>,
    /// The configuration, whose secrets stand behind the file's.
    pub(crate) catalogue: Catalogue,
    /// The connections of abilities.
    pub(crate) egress: Egress,
    /// The broker.
    pub(crate) client: Client,
    /// What is sealed is read with it.
    pub(crate) key: Option<MasterKey>,
    /// What was read last.
    pub(crate) prints: Mutex<Prints>,
}

impl Reread {
    /// Reads the files again, and logs what came of it.
    pub(crate) fn run(&self) {
        match self.read() {
            Ok(changed) if changed.is_empty() => tracing::info!("the files were read again: nothing has changed"),
            Ok(changed) => tracing::info!(changed = changed.join(" "), "the files were read again"),
            Err(fault) => tracing::error!(fault, "the files cannot be used: what was read before goes on"),
        }
    }

    fn read(&self) -> Result<Vec<&'static str>, String> {
        let key = master(&self.config.keys)?;
        let mut changed = self.read_settings()?;
        if let (Some(mine), Some(key)) = (&self.key, &key)
            && mine.replace(key)
        {
            changed.push("--master-key-file");
        }
        Ok(changed)
    }

    fn read_settings(&self) -> Result<Vec<&'static str>, String> {
        let Some(file) = &self.config.settings_file else { return Ok(Vec::new()) };
        let settings = Settings::load(file).map_err(|error| format!("--settings {}: {error}", file.display()))?;
        let prints = settings.prints.clone();
        let mut before = self.prints.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = prints.changed_since(&before);
        if !changed.is_empty() {
            let settings = Settings { vault: settings.vault.over(self.catalogue.clone(), self.key.clone()), ..settings };
            let kit = service::kit(settings, self.egress.clone(), (&self.client, &self.config.telemetry));
            self.roster.equip(kit.map_err(|error| format!("--settings {}: {error}", file.display()))?);
            *before = prints;
        }
        Ok(changed)
    }
}

fn master(keys: &Keys) -> Result<Option<MasterKey>, String> {
    keys.master().map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}
