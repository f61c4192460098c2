//! A worker or a gateway in a process of its own, for tests that kill, freeze and terminate it.
//!
//! The first line of its output names it: the worker's id, or the address that the gateway serves on.

use std::io::Write as _;
use std::process::ExitCode;

use backbone::logging::{self, Logging};
use backbone::signals::Signals;
use clap::Parser;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Parser)]
enum Arguments {
    /// Runs turns.
    Worker {
        #[command(flatten)]
        config: Box<worker::config::Config>,
        /// Where it kills itself.
        #[arg(long)]
        fatal: Option<String>,
        #[command(flatten)]
        logging: Logging,
    },
    /// Takes events.
    Gateway {
        #[command(flatten)]
        config: Box<gateway::Config>,
        #[command(flatten)]
        logging: Logging,
    },
}

fn say(name: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{name}")?;
    out.flush()
}

/// Why a node ended that was asked twice.
const TWICE: &str = "asked a second time to end";

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let shutdown = CancellationToken::new();
    match Arguments::parse() {
        Arguments::Worker { config, fatal, logging } => {
            let log = logging::start(&logging).map_err(anyhow::Error::msg)?;
            let mut signals = Signals::listen()?;
            let fatal = fatal.map(tests::fatal::Fatal::at);
            let wrap = |ports| if let Some(fatal) = &fatal { tests::fatal::wrap(ports, fatal) } else { ports };
            let running = worker::service::start_over(*config, shutdown.clone(), wrap).await?;
            say(&running.id)?;
            let reread = async || {
                log.reread(&logging);
                running.reread();
            };
            signals.end(reread).await;
            shutdown.cancel();
            tokio::select! {
                ended = running.finished() => ended?,
                () = signals.end(async || {}) => anyhow::bail!(TWICE),
            }
        }
        Arguments::Gateway { config, logging } => {
            let log = logging::start(&logging).map_err(anyhow::Error::msg)?;
            let mut signals = Signals::listen()?;
            let running = gateway::start(*config, shutdown.clone()).await?;
            say(running.address)?;
            let reread = async || {
                log.reread(&logging);
                running.reread();
            };
            signals.end(reread).await;
            shutdown.cancel();
            tokio::select! {
                ended = running.finished() => ended?,
                () = signals.end(async || {}) => anyhow::bail!(TWICE),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
