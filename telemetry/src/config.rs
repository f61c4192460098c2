//! What an operator sets.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use url::Url;

/// How many traces are begun a second at most, unless told otherwise.
pub const ROOTS_PER_SECOND: u32 = 50;

/// Whether a signal is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Exporter {
    /// Over OTLP.
    Otlp,
    /// Not at all.
    None,
}

/// Where telemetry goes, and how much of it there is.
///
/// The variables are those of the OpenTelemetry specification; `OTEL_RESOURCE_ATTRIBUTES`,
/// `OTEL_EXPORTER_OTLP_HEADERS` and those of the batches are read by the library.
#[derive(Debug, Clone, Args)]
#[group(id = "telemetry")]
pub struct Config {
    /// Receiver of traces, metrics and logs over OTLP/HTTP, such as <http://collector:4318>; without it nothing is exported.
    #[arg(long = "otlp", env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,
    /// Whether traces are exported.
    #[arg(long = "otlp-traces", env = "OTEL_TRACES_EXPORTER", value_enum, default_value = "otlp")]
    pub traces: Exporter,
    /// Whether metrics are exported.
    #[arg(long = "otlp-metrics", env = "OTEL_METRICS_EXPORTER", value_enum, default_value = "otlp")]
    pub metrics: Exporter,
    /// Whether log lines are exported beside those on standard error.
    #[arg(long = "otlp-logs", env = "OTEL_LOGS_EXPORTER", value_enum, default_value = "otlp")]
    pub logs: Exporter,
    /// How many traces a second are begun here at most; what a caller traces is always told. 0 begins none.
    #[arg(long = "trace-roots-per-second", env = "CUEPOINT_TRACE_ROOTS_PER_SECOND", value_name = "COUNT", default_value_t = ROOTS_PER_SECOND)]
    pub roots_per_second: u32,
    /// Whether spans say what was asked of models and abilities and what they answered: personal data among it.
    #[arg(
        long = "trace-content",
        env = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT",
        value_name = "BOOL",
        default_value_t = false,
        action = clap::ArgAction::Set
    )]
    pub content: bool,
    /// Address of the operations listener (/healthz, /readyz, /metrics, /runnable, /log); without it there is none. Not for the outside.
    #[arg(long = "ops", env = "CUEPOINT_OPS", value_name = "ADDR")]
    pub ops: Option<SocketAddr>,
}

impl Config {
    /// Checks what can be checked without a network.
    pub fn validate(&self) -> Result<(), String> {
        self.base().map(drop)
    }

    /// The receiver's address, without a slash at its end.
    pub(crate) fn base(&self) -> Result<Option<String>, String> {
        let Some(text) = self.endpoint.as_deref().filter(|text| !text.is_empty()) else { return Ok(None) };
        // The address may carry credentials: it is not repeated.
        let url = Url::parse(text).map_err(|error| format!("--otlp is no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() {
            return Err("--otlp must be an http or https address without a query".to_owned());
        }
        Ok(Some(text.trim_end_matches('/').to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Config;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        config: Config,
    }

    fn base(endpoint: &str) -> Result<Option<String>, String> {
        Arguments::parse_from(["x", "--otlp", endpoint]).config.base()
    }

    #[test]
    fn a_receiver_is_an_http_address_and_never_repeated() {
        assert_eq!(base("http://127.0.0.1:4318/"), Ok(Some("http://127.0.0.1:4318".to_owned())));
        assert_eq!(base(""), Ok(None));
        for endpoint in ["collector:4318", "grpc://me:hunter2@collector", "http://me:hunter2@collector?x=1", "http://"] {
            assert!(base(endpoint).is_err_and(|fault| fault.starts_with("--otlp ") && !fault.contains("hunter2")), "{endpoint}");
        }
    }
}
