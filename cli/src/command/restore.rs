//! `cuepoint restore`: a backup into a broker that has nothing of the deployment.

use std::path::PathBuf;

use backbone::config;
use backbone::redis::Redis;
use clap::Args;

use super::Error;
use crate::backup::{self, forget, give};
use crate::output;
use crate::reach::Broker;

/// What to give back, and where to.
#[derive(Debug, Args)]
pub struct Options {
    /// What `cuepoint backup` made.
    directory: PathBuf,
    /// The deployment, whose gateways and workers do not run.
    #[command(flatten)]
    broker: Broker,
    /// Address of Redis, which is made to forget what was lost; otherwise that of the running `cuepoint dev`.
    #[arg(long = "redis", env = "CUEPOINT_REDIS", value_name = "URL", hide_env_values = true)]
    redis: Option<String>,
    /// Who the command is to it.
    #[command(flatten)]
    access: config::RedisAccess,
}

/// Gives a backup back.
pub async fn run(options: &Options) -> Result<(), Error> {
    let url = options.redis.clone().or_else(|| Some(options.broker.at.data().serving()?.redis));
    let url = url.unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let config = config::Redis { url, access: options.access.clone() };
    let redis = Redis::new(&config).map_err(backup::Error::Address)?;
    redis.ping().await.map_err(backup::Error::Redis)?;
    let client = options.broker.connect().await?;
    // Before anything can be asked for that only Redis remembers, and again for what was asked meanwhile.
    forget::forget(&redis).await?;
    let (manifest, told) = give::give(&client, &options.directory).await?;
    forget::forget(&redis).await?;
    let epoch = told.epoch.map(|epoch| epoch.to_string()).unwrap_or_default();
    output::line(format!("{} streams are as they were; events lie in EVENTS_{epoch}", manifest.streams.len()))?;
    output::line(format!(
        "of {} messages that waited {} wait again, {} had been handled, {} called off, {} were repeats",
        manifest.events.count, told.sent, told.handled, told.called_off, told.repeats
    ))?;
    for receipt in &told.open {
        output::line(format!("{receipt} was being handled: it ends as failed (CUE0606), and is not sent again"))?;
    }
    Ok(())
}
