//! The worker as a process of its own: its command line, its telemetry, and how signals end it.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use backbone::signals::Signals;
use clap::Parser;
use telemetry::logging::Logging;
use telemetry::pipeline::{self, Service};
use telemetry::{ops, probe};
use tokio_util::sync::CancellationToken;

/// Runs turns: takes events from NATS, one owner a session, and commits them to the log.
#[derive(Debug, Parser)]
#[command(name = "worker", version)]
struct Arguments {
    #[command(flatten)]
    config: crate::config::Config,
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

/// Runs it to its end. The first of the arguments is what the program is called.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
            return error.print().map_or(ExitCode::FAILURE, |()| code);
        }
    };
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(question) = arguments.probe {
        let Err(fault) = probe::ask(arguments.telemetry.ops, question).await else { return Ok(ExitCode::SUCCESS) };
        refuse(&[fault])?;
        return Ok(ExitCode::FAILURE);
    }
    let mut faults = arguments.config.validate().err().unwrap_or_default();
    match arguments.config.lent() {
        Ok(settings) => arguments.config.settings = Some(settings),
        Err(error) => faults.push(error.to_string()),
    }
    faults.extend(arguments.telemetry.validate().err());
    faults.extend(arguments.logging.validate().err());
    if !faults.is_empty() {
        refuse(&faults)?;
        return Ok(USAGE.into());
    }
    if arguments.check_config {
        return Ok(ExitCode::SUCCESS);
    }
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let instance = proto::idempotency::hex(&backbone::chance::bytes::<8>());
    let service = Service { name: "cuepoint-worker", version: env!("CARGO_PKG_VERSION"), instance };
    let pipeline = match pipeline::start(&service, &arguments.telemetry, &arguments.logging) {
        Ok(pipeline) => pipeline,
        Err(faults) => return refuse(&faults).map(|()| USAGE.into()).map_err(Into::into),
    };
    arguments.config.telemetry = pipeline.telemetry();
    let shutdown = CancellationToken::new();
    let mut signals = Signals::listen()?;
    let running = crate::service::start(arguments.config, shutdown.clone()).await?;
    let ops = match arguments.telemetry.ops {
        Some(address) => {
            let started = ops::start(address, &pipeline, running.subject()).await;
            Some(started.with_context(|| format!("cannot listen on --ops {address}"))?)
        }
        None => None,
    };
    let reread = async || {
        pipeline.log().reread(&arguments.logging);
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
