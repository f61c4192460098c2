//! `cuepoint check`: reads a configuration file and says what is wrong with it.

use std::path::PathBuf;

use clap::Args;

use super::Error;
use crate::config::document::Document;
use crate::output;

/// What to check.
#[derive(Debug, Args)]
pub struct Options {
    /// Configuration file.
    file: PathBuf,
}

/// Reads the file; environment variables and secret files that it names are not looked at.
pub fn run(options: &Options) -> Result<(), Error> {
    let document = Document::load(&options.file)?;
    let (triggers, bots, skillsets) = (document.triggers.len(), document.bots.len(), document.skillsets.len());
    let skillsets = if skillsets > 0 { format!(", skillsets: {skillsets}") } else { String::new() };
    Ok(output::line(format!("{}: right; triggers: {triggers}, bots: {bots}{skillsets}", options.file.display()))?)
}
