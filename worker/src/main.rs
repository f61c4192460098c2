//! The worker process.

use std::process::ExitCode;

use anyhow::Context as _;
use backbone::signals::Signals;
use clap::Parser;
use telemetry::logging::Logging;
use telemetry::pipeline::{self, Service};
use telemetry::{ops, probe};
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
    telemetry: telemetry::Config,
    #[command(flatten)]
    logging: Logging,
    /// Checks the settings and their files, and ends; connects to nothing.
    #[arg(long)]
    check_config: bool,
    /// Asks the worker that runs with these settings whether it is well, and ends.
    #[arg(long, value_name = "QUESTION", value_enum)]
    probe: Option<probe::Question>,
}

/// Exit code for settings that cannot be used (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

/// Says what keeps the worker from starting, where logging may not have begun.
fn refuse(faults: &[String]) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "error: {}", faults.join("\nerror: "))
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print()?;
            return Ok(if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS });
        }
    };
    if let Some(question) = cli.probe {
        let Err(fault) = probe::ask(cli.telemetry.ops, question).await else { return Ok(ExitCode::SUCCESS) };
        refuse(&[fault])?;
        return Ok(ExitCode::FAILURE);
    }
    let mut faults = cli.config.validate().err().unwrap_or_default();
    match cli.config.lent() {
        Ok(settings) => cli.config.settings = Some(settings),
        Err(error) => faults.push(error.to_string()),
    }
    faults.extend(cli.telemetry.validate().err());
    faults.extend(cli.logging.validate().err());
    if !faults.is_empty() {
        refuse(&faults)?;
        return Ok(USAGE.into());
    }
    if cli.check_config {
        return Ok(ExitCode::SUCCESS);
    }
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let instance = proto::idempotency::hex(&backbone::chance::bytes::<8>());
    let service = Service { name: "cuepoint-worker", version: env!("CARGO_PKG_VERSION"), instance };
    let pipeline = pipeline::start(&service, &cli.telemetry, &cli.logging).map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
    cli.config.telemetry = pipeline.telemetry();
    let shutdown = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let running = worker::service::start(cli.config, shutdown.clone()).await?;
    let ops = match cli.telemetry.ops {
        Some(address) => {
            let started = ops::start(address, &pipeline, running.subject()).await;
            Some(started.with_context(|| format!("cannot listen on --ops {address}"))?)
        }
        None => None,
    };
    let reread = async || {
        pipeline.log().reread(&cli.logging);
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
    if let Some(ops) = ops {
        ops.stop().await;
    }
    pipeline.finish().await;
    Ok(ExitCode::SUCCESS)
}
