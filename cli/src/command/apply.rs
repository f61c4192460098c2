//! `cuepoint apply`: makes a deployment's configuration match a file.

use std::path::PathBuf;

use clap::Args;

use super::Error;
use crate::apply::{self, Report};
use crate::config::document::Document;
use crate::reach::Broker;
use crate::{output, secret};

/// What to apply, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// Configuration file. Entries that an earlier file brought and this one lacks are removed.
    file: PathBuf,
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
}

/// Applies the file.
pub async fn run(options: &Options) -> Result<(), Error> {
    let document = Document::load(&options.file)?;
    let resources = secret::resolve(&document, &options.broker.at.data())?;
    let (_client, context) = options.broker.streams().await?;
    for line in lines(&apply::apply(&context, &resources).await?) {
        output::line(line)?;
    }
    Ok(())
}

fn lines(report: &Report) -> Vec<String> {
    let named = [("created", &report.created), ("updated", &report.updated), ("removed", &report.removed)];
    let mut lines: Vec<_> = named.iter().flat_map(|(what, keys)| keys.iter().map(move |key| format!("{what} {key}"))).collect();
    lines.push(format!("{} unchanged", report.unchanged));
    lines
}
