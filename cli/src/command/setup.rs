//! `cuepoint setup`: makes the streams, the consumer and the bucket, or compares those that are there.

use backbone::topology::{self, Sizes};
use clap::Args;

use super::Error;
use crate::reach::Broker;
use crate::{clock, output};

/// What to make, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
    /// The streams.
    #[command(flatten)]
    sizes: Sizes,
}

/// Makes or compares; what exists with other settings is reported and left as it is.
pub async fn run(options: &Options) -> Result<(), Error> {
    let (_client, context) = options.broker.streams().await?;
    let epoch = topology::ensure(&context, &options.sizes, clock::second()).await?;
    Ok(output::line(format!("streams, consumer and bucket are as they must be; events lie in EVENTS_{epoch}"))?)
}
