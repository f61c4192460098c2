//! `cuepoint backup`: all streams of a deployment into a directory, while it goes on.

use std::path::PathBuf;

use clap::Args;

use super::Error;
use crate::backup::take;
use crate::output;
use crate::reach::Broker;

/// What to take, and where to.
#[derive(Debug, Args)]
pub struct Options {
    /// A directory that is empty or not there.
    directory: PathBuf,
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
}

/// Takes a backup.
pub async fn run(options: &Options) -> Result<(), Error> {
    let client = options.broker.connect().await?;
    let manifest = take::take(&client, &options.directory).await?;
    let bytes: u64 = manifest.streams.iter().map(|packed| packed.file.bytes).sum::<u64>() + manifest.events.file.bytes;
    let (streams, waiting) = (manifest.streams.len(), manifest.events.count);
    let directory = options.directory.display();
    Ok(output::line(format!(
        "{directory} holds {streams} streams and {waiting} waiting messages of epoch {}, {bytes} bytes",
        manifest.epoch
    ))?)
}
