//! The format of log lines: readable on a terminal, JSON for machines.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, clap::Args)]
pub struct Logging {
    /// Format of log lines.
    #[arg(long = "log-format", env = "CUEPOINT_LOG_FORMAT", value_enum, default_value = "text")]
    pub format: Format,
    /// What is logged, as a tracing filter such as `info,worker=debug`.
    #[arg(long = "log", env = "CUEPOINT_LOG", value_name = "FILTER", default_value = "info")]
    pub filter: String,
}

/// Starts logging to standard error; a second call in one process changes nothing.
pub fn start(logging: &Logging) -> Result<(), String> {
    let filter = EnvFilter::try_new(&logging.filter).map_err(|error| format!("--log {:?} is not a filter: {error}", logging.filter))?;
    let quiet = |text: &str| text.parse().map_err(|error| format!("{text}: {error}"));
    let filter = filter.add_directive(quiet("async_nats=error")?);
    // rmcp repeats what servers say and what they are sent, tokens among it: nothing of that is logged, whatever the filter.
    let is_ours = filter_fn(|metadata| !metadata.target().starts_with("rmcp"));
    let registry = tracing_subscriber::registry().with(filter).with(is_ours);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = match logging.format {
        Format::Text => registry.with(layer).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    drop(started);
    Ok(())
}
