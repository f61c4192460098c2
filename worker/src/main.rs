//! The worker process.

use std::process::ExitCode;

use backbone::logging::{self, Logging};
use backbone::signals::Signals;
use clap::Parser;
use tokio_util::sync::CancellationToken;

/// A profile showed 28 % of a worker's time in the system's: see docs/adr/0005-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs turns: takes events from NATS, one owner a session, and commits them to the log.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(flatten)]
    config: worker::config::Config,
    #[command(flatten)]
    logging: Logging,
    /// Checks the settings and ends.
    #[arg(long)]
    check_config: bool,
}

/// Exit code for settings that cannot be used (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print()?;
            return Ok(if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS });
        }
    };
    let mut faults = cli.config.validate().err().unwrap_or_default();
    match cli.config.lent() {
        Ok(settings) => cli.config.settings = Some(settings),
        Err(error) => faults.push(error.to_string()),
    }
    let log = logging::start(&cli.logging).map_err(|fault| faults.push(fault)).ok().filter(|_| faults.is_empty());
    let Some(log) = log else {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "error: {}", faults.join("\nerror: "))?;
        return Ok(USAGE.into());
    };
    if cli.check_config {
        return Ok(ExitCode::SUCCESS);
    }
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let shutdown = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let running = worker::service::start(cli.config, shutdown.clone()).await?;
    let reread = async || {
        log.reread(&cli.logging);
        running.reread();
    };
    signals.end(reread).await;
    tracing::info!("the worker stops");
    shutdown.cancel();
    tokio::select! {
        ended = running.finished() => ended?,
        () = signals.end(async || {}) => {
            tracing::warn!("asked a second time to end: turns that run are left to other workers");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
