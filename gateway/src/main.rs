//! The gateway as a process of its own.

use std::process::ExitCode;

use anyhow::Context as _;
use backbone::logging::{self, Logging};
use backbone::signals::Signals;
use clap::Parser;
use tokio_util::sync::CancellationToken;

/// A profile showed 28 % of a worker's time in the system's: see docs/adr/0005-allocator.md.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a configuration that cannot be used (`EX_USAGE` of sysexits).
const USAGE: u8 = 64;

/// Takes events over HTTP and publishes them to the broker.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
struct Arguments {
    #[command(flatten)]
    gateway: gateway::Config,
    #[command(flatten)]
    logging: Logging,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
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
async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut faults = arguments.gateway.validate().err().unwrap_or_default();
    let log = logging::start(&arguments.logging).map_err(|fault| faults.push(fault)).ok().filter(|_| faults.is_empty());
    let Some(log) = log else {
        // The log filter itself may be at fault: then this is the only way to be heard.
        let command = <Arguments as clap::CommandFactory>::command();
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{}\n", faults.join("\n"))).with_cmd(&command).print()?;
        return Ok(ExitCode::from(USAGE));
    };
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let shutdown = CancellationToken::new();
    let running = gateway::start(arguments.gateway, shutdown.clone()).await?;
    let reread = async || {
        log.reread(&arguments.logging);
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
    Ok(ExitCode::SUCCESS)
}
