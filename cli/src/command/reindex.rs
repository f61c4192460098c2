//! `cuepoint reindex`: drops the index that lists are read from, and waits until it is made again.
//!
//! Workers with the role `index` make it; this command only says that it has to be, and watches.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use backbone::config;
use backbone::redis::Redis;
use clap::Args;
use index::rebuild;
use index::store::Store;
use tokio::time::Instant;

use super::Error;
use crate::output;
use crate::reach::Broker;

/// How often the progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often it is printed where nobody watches a terminal.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Where, and for how long.
#[derive(Debug, Args)]
pub struct Options {
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
    /// Address of Redis; otherwise that of the running `cuepoint dev`.
    #[arg(long = "redis", env = "CUEPOINT_REDIS", value_name = "URL", hide_env_values = true)]
    redis: Option<String>,
    /// Who the command is to it.
    #[command(flatten)]
    access: config::RedisAccess,
    /// How long to wait for the index; it goes on being made after that.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "10m")]
    timeout: Duration,
}

/// Why the index was not made again.
#[derive(Debug, thiserror::Error)]
pub enum ReindexError {
    /// The address of Redis cannot be used.
    #[error("the address of Redis cannot be used")]
    Address(#[source] backbone::redis::Error),
    /// Redis is away.
    #[error("the index cannot be reached")]
    Away(#[from] backbone::redis::Silent),
    /// The log cannot be looked at.
    #[error(transparent)]
    Log(#[from] index::follow::Error),
    /// Nothing moved in time.
    #[error("{at} of {goal} records are read after {}: is a worker with the role index running?", humantime::format_duration(*waited))]
    Late {
        /// How far it is.
        at: u64,
        /// Where it has to be.
        goal: u64,
        /// How long that took.
        waited: Duration,
    },
}

/// Drops it, and waits.
pub async fn run(options: &Options) -> Result<(), Error> {
    let client = options.broker.connect().await?;
    let url = options.redis.clone().or_else(|| Some(options.broker.at.data().serving()?.redis));
    let url = url.unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let config = config::Redis { url, access: options.access.clone() };
    let store = Store::new(Arc::new(Redis::new(&config).map_err(ReindexError::Address)?));
    let goal = rebuild::progress(&client, &store).await.map_err(ReindexError::Log)?.last;
    rebuild::drop_present(&store).await.map_err(ReindexError::Away)?;
    let (since, is_watched) = (Instant::now(), std::io::stdout().is_terminal());
    let mut said = since;
    loop {
        let progress = rebuild::progress(&client, &store).await.map_err(ReindexError::Log)?;
        if progress.is_complete && progress.at >= goal {
            let seconds = since.elapsed().as_secs_f64();
            return Ok(output::line(format!("the index is complete: {} records in {seconds:.1} s", progress.at))?);
        }
        if since.elapsed() > options.timeout {
            return Err(ReindexError::Late { at: progress.at, goal, waited: options.timeout }.into());
        }
        if is_watched || said.elapsed() > SAY_EVERY {
            said = Instant::now();
            output::line(format!("{} of {goal} records", progress.at))?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
