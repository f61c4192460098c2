//! The gateway as a process of its own: its command line, its telemetry, and how signals end it.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use backbone::signals::Signals;
use clap::Parser;
use telemetry::logging::Logging;
use telemetry::pipeline::{self, Service};
use telemetry::{ops, probe};
use tokio_util::sync::CancellationToken;

/// The exit code of a configuration that cannot be used (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

/// Takes events over HTTP and publishes them to the broker.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
struct Arguments {
    #[command(flatten)]
    gateway: crate::Config,
    #[command(flatten)]
    telemetry: telemetry::Config,
    #[command(flatten)]
    logging: Logging,
    /// Checks the settings and their files, and ends; connects to nothing.
    #[arg(long)]
    check_config: bool,
    /// Asks the gateway that runs with these settings whether it is well, and ends.
    #[arg(long, value_name = "QUESTION", value_enum)]
    probe: Option<probe::Question>,
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

/// Says what keeps the gateway from starting, where logging may not have begun.
fn refuse(faults: &[String]) -> std::io::Result<()> {
    let command = <Arguments as clap::CommandFactory>::command();
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{}\n", faults.join("\n"))).with_cmd(&command).print()
}

#[tokio::main]
async fn run(mut arguments: Arguments) -> anyhow::Result<ExitCode> {
    if let Some(question) = arguments.probe {
        return match probe::ask(arguments.telemetry.ops, question).await {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(fault) => refuse(&[fault]).map(|()| ExitCode::FAILURE).map_err(Into::into),
        };
    }
    let mut faults = arguments.gateway.validate().err().unwrap_or_default();
    faults.extend(arguments.telemetry.validate().err());
    faults.extend(arguments.logging.validate().err());
    if !faults.is_empty() {
        refuse(&faults)?;
        return Ok(USAGE.into());
    }
    if arguments.check_config {
        return Ok(ExitCode::SUCCESS);
    }
    let instance = proto::idempotency::hex(&backbone::chance::bytes::<8>());
    let service = Service { name: "cuepoint-gateway", version: env!("CARGO_PKG_VERSION"), instance };
    let pipeline = match pipeline::start(&service, &arguments.telemetry, &arguments.logging) {
        Ok(pipeline) => pipeline,
        Err(faults) => return refuse(&faults).map(|()| USAGE.into()).map_err(Into::into),
    };
    arguments.gateway.telemetry = pipeline.telemetry();
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let shutdown = CancellationToken::new();
    let running = crate::start(arguments.gateway, shutdown.clone()).await?;
    let listening = async {
        let Some(address) = arguments.telemetry.ops else { return Ok(None) };
        ops::start(address, &pipeline, running.subject()).await.map(Some).with_context(|| format!("cannot listen on --ops {address}"))
    };
    let ops = listening.await?;
    let reread = async || {
        pipeline.log().reread(&arguments.logging);
        running.reread();
    };
    signals.end(reread).await;
    tracing::info!("gateway stops");
    shutdown.cancel();
    tokio::select! {
        ended = running.finished() => ended?,
        () = signals.end(async || {}) => {
            tracing::warn!("asked a second time to end: requests that run are given up");
            return Ok(ExitCode::FAILURE);
        }
    }
    if let Some(ops) = ops {
        ops.stop().await;
    }
    pipeline.finish().await;
    Ok(ExitCode::SUCCESS)
}
