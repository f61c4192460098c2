//! A worker or a gateway in a process of its own, for tests that kill, freeze and terminate it.
//!
//! The first line of its output names it: the worker's id, or the address that the gateway serves on.

use std::io::Write as _;
use std::process::ExitCode;

use backbone::signals::Signals;
use clap::Parser;
use telemetry::logging::Logging;
use telemetry::ops::{self, Ops};
use telemetry::pipeline::{self, Pipeline, Service};
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
        telling: Telling,
    },
    /// Takes events.
    Gateway {
        #[command(flatten)]
        config: Box<gateway::Config>,
        #[command(flatten)]
        telling: Telling,
    },
}

/// What it tells, and to whom.
#[derive(Debug, clap::Args)]
struct Telling {
    #[command(flatten)]
    telemetry: telemetry::Config,
    #[command(flatten)]
    logging: Logging,
}

impl Telling {
    fn start(&self, name: &'static str) -> anyhow::Result<Pipeline> {
        let service = Service { name, version: "test", instance: std::process::id().to_string() };
        pipeline::start(&service, &self.telemetry, &self.logging).map_err(|faults| anyhow::anyhow!(faults.join("; ")))
    }

    async fn listen(&self, pipeline: &Pipeline, subject: std::sync::Arc<dyn ops::Subject>) -> anyhow::Result<Option<Ops>> {
        match self.telemetry.ops {
            Some(address) => Ok(Some(ops::start(address, pipeline, subject).await?)),
            None => Ok(None),
        }
    }
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
        Arguments::Worker { mut config, fatal, telling } => {
            let pipeline = telling.start("cuepoint-worker")?;
            config.telemetry = pipeline.telemetry();
            let mut signals = Signals::listen()?;
            let fatal = fatal.map(tests::fatal::Fatal::at);
            let wrap = |ports| if let Some(fatal) = &fatal { tests::fatal::wrap(ports, fatal) } else { ports };
            let running = worker::service::start_over(*config, shutdown.clone(), wrap).await?;
            let _ops = telling.listen(&pipeline, running.subject()).await?;
            say(&running.id)?;
            let reread = async || {
                pipeline.log().reread(&telling.logging);
                running.reread();
            };
            signals.end(reread).await;
            shutdown.cancel();
            tokio::select! {
                ended = running.finished() => ended?,
                () = signals.end(async || {}) => anyhow::bail!(TWICE),
            }
            pipeline.finish().await;
        }
        Arguments::Gateway { mut config, telling } => {
            let pipeline = telling.start("cuepoint-gateway")?;
            config.telemetry = pipeline.telemetry();
            let mut signals = Signals::listen()?;
            let running = gateway::start(*config, shutdown.clone()).await?;
            let _ops = telling.listen(&pipeline, running.subject()).await?;
            say(running.address)?;
            let reread = async || {
                pipeline.log().reread(&telling.logging);
                running.reread();
            };
            signals.end(reread).await;
            shutdown.cancel();
            tokio::select! {
                ended = running.finished() => ended?,
                () = signals.end(async || {}) => anyhow::bail!(TWICE),
            }
            pipeline.finish().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}
