//! `cuepoint lint`: reads configuration files and says what is wrong with them.

use std::path::PathBuf;

use clap::Args;

use super::Error;
use crate::config::document::Documents;
use crate::output;

/// What to check.
#[derive(Debug, Args)]
pub struct Options {
    /// Configuration file, or a directory of them.
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
}

/// Reads the files; environment variables and secret files that they name are not looked at.
pub fn run(options: &Options) -> Result<(), Error> {
    let documents = Documents::lint(&options.path)?;
    let count = |of: fn(&crate::config::document::Document) -> usize| documents.files.iter().map(of).sum::<usize>();
    let (triggers, bots) = (count(|file| file.triggers.len()), count(|file| file.bots.len()));
    let (skillsets, secrets) = (count(|file| file.skillsets.len()), count(|file| file.secrets.len()));
    let skillsets = if skillsets > 0 { format!(", skillsets: {skillsets}") } else { String::new() };
    let secrets = if secrets > 0 { format!(", secrets: {secrets}") } else { String::new() };
    Ok(output::line(format!("{}: right; triggers: {triggers}, bots: {bots}{skillsets}{secrets}", options.path.display()))?)
}
