//! What an operator sets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use backbone::seal::MasterKey;
use clap::Args;
use ipnet::IpNet;
use proto::idempotency::DeploymentKey;
use proto::limit;
use secrecy::SecretString;
use telemetry::Telemetry;

use crate::durability::Claim;
use crate::rate::address::PerAddress;

/// Shortest API token that is taken, in characters.
const API_TOKEN_CHARS_MIN: usize = 16;
/// How many messages may be on their way to the broker at once, as measured: see docs/overload.md.
const PUBLISHES: usize = 512;
/// The most that the client library's own queue has room for.
const PUBLISHES_MAX: usize = 8_192;

/// Everything the gateway needs to know.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The broker.
    #[command(flatten)]
    pub nats: backbone::config::Nats,
    /// The hints.
    #[command(flatten)]
    pub redis: backbone::config::Redis,
    /// Address to serve HTTP on; port 0 takes a free one.
    #[arg(long, env = "CUEPOINT_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub http: SocketAddr,
    /// Token that may read every trigger's events and conversations; give it by the environment or a file.
    #[arg(long, env = "CUEPOINT_API_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = secret)]
    pub api_token: Option<SecretString>,
    /// File with that token.
    #[arg(long, env = "CUEPOINT_API_TOKEN_FILE", value_name = "FILE", conflicts_with = "api_token")]
    pub api_token_file: Option<PathBuf>,
    /// File with the secret, at least 16 bytes, that all gateways of a deployment share: it makes idempotency keys unguessable.
    #[arg(long, env = "CUEPOINT_DEPLOYMENT_KEY_FILE", value_name = "FILE")]
    pub deployment_key_file: PathBuf,
    /// File with the master keys, one a line, that seal values in the broker; without it they are sealed by the deployment's key.
    #[arg(long, env = "CUEPOINT_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// Largest body of an event call, in bytes.
    #[arg(long, env = "CUEPOINT_BODY_BYTES", value_name = "BYTES", default_value_t = limit::BODY_BYTES_MAX)]
    pub body_bytes: usize,
    /// What is known of the broker's servers and they do not say: that each syncs always.
    #[arg(long, env = "CUEPOINT_DURABILITY", value_enum)]
    pub durability: Option<Claim>,
    /// Where callers reach this deployment, such as <https://events.example.com>: what the dashboard tells them to call.
    #[arg(long, env = "CUEPOINT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<url::Url>,
    /// Where the dashboard links traces to, such as `https://traces.example.com/{traceId}`.
    #[arg(long, env = "CUEPOINT_TRACE_URL", value_name = "URL")]
    pub trace_url: Option<String>,
    /// Whether the dashboard is served under /ui.
    #[arg(long = "dashboard", env = "CUEPOINT_DASHBOARD", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub pages: bool,
    /// What is told of what happens.
    #[arg(skip)]
    pub telemetry: Telemetry,
    /// A code that logs in to the dashboard once, as the API token does.
    #[arg(skip)]
    pub login_once: Option<SecretString>,
    /// How much the gateway takes on at once.
    #[command(flatten)]
    pub bounds: Bounds,
    /// How it ends.
    #[command(flatten)]
    pub drain: Drain,
    /// What callers are held to.
    #[command(flatten)]
    pub access: Access,
}

/// How a gateway ends in order.
#[derive(Debug, Clone, Copy, Args)]
pub struct Drain {
    /// How long it goes on to take connections once it was told to end, and is unready already: as long as a load
    /// balancer takes to notice.
    #[arg(long = "drain-delay", env = "CUEPOINT_DRAIN_DELAY", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "0s")]
    pub delay: Duration,
    /// How long requests that run may take from then on; Kubernetes' grace period must be longer than both together.
    #[arg(long = "drain-deadline", env = "CUEPOINT_DRAIN_DEADLINE", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "25s")]
    pub deadline: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self { delay: Duration::ZERO, deadline: limit::DRAIN_DEADLINE }
    }
}

/// What callers are held to.
#[derive(Debug, Clone, Default, Args)]
pub struct Access {
    /// How many calls one address may make in a time, such as 100/1m; without it as many as it likes.
    #[arg(long, env = "CUEPOINT_RATE_PER_ADDRESS", value_name = "COUNT/PERIOD")]
    pub rate_per_address: Option<PerAddress>,
    /// Networks of proxies whose X-Forwarded-For is believed, separated by commas, such as 10.0.0.0/8.
    #[arg(long, env = "CUEPOINT_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,
}

/// How much the gateway takes on at once.
#[derive(Debug, Clone, Args)]
pub struct Bounds {
    /// Open connections; past that new ones wait in the operating system's queue.
    #[arg(long, env = "CUEPOINT_CONNECTIONS", value_name = "COUNT", default_value_t = 16_384)]
    pub connections: usize,
    /// Memory for bodies of calls not yet confirmed, in bytes; past that calls are answered 503.
    #[arg(long, env = "CUEPOINT_BODY_MEMORY_BYTES", value_name = "BYTES", default_value_t = 256 << 20)]
    pub body_memory_bytes: usize,
    /// Callers that wait for their turn's end; past that a caller gets the receipt at once.
    #[arg(long, env = "CUEPOINT_WAITS", value_name = "COUNT", default_value_t = 4_096)]
    pub waits: usize,
    /// Readers that follow a conversation or an event; past that a reader is answered 503.
    #[arg(long, env = "CUEPOINT_FOLLOWERS", value_name = "COUNT", default_value_t = 2_048)]
    pub followers: usize,
    /// Messages that the broker has not confirmed yet; past that a call waits for --queue-time.
    #[arg(long, env = "CUEPOINT_PUBLISHES", value_name = "COUNT", default_value_t = PUBLISHES)]
    pub publishes: usize,
    /// How long a call waits for one of these; past that it is answered 503 and nothing is sent.
    #[arg(long, env = "CUEPOINT_QUEUE_TIME", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "250ms")]
    pub queue_time: Duration,
    /// How long a caller may take to send the head of a request, from its first byte on.
    #[arg(long, env = "CUEPOINT_HEAD_TIME", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10s")]
    pub head_time: Duration,
    /// How long a caller may take to send a body.
    #[arg(long, env = "CUEPOINT_BODY_TIME", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "30s")]
    pub body_time: Duration,
    /// How long a connection without a request stays open; longer than proxies keep theirs, so that they close it.
    #[arg(long, env = "CUEPOINT_IDLE_TIME", value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "75s")]
    pub idle_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 16_384,
            body_memory_bytes: 256 << 20,
            waits: 4_096,
            followers: 2_048,
            publishes: PUBLISHES,
            queue_time: Duration::from_millis(250),
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form of a clap parser")]
fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

impl Config {
    /// The defaults over two servers and a deployment's key, at a free port of this machine.
    pub fn new(nats: backbone::config::Nats, redis: backbone::config::Redis, deployment_key_file: PathBuf) -> Self {
        Self {
            nats,
            redis,
            http: ([127, 0, 0, 1], 0).into(),
            api_token: None,
            api_token_file: None,
            deployment_key_file,
            master_key_file: None,
            body_bytes: limit::BODY_BYTES_MAX,
            durability: None,
            public_url: None,
            trace_url: None,
            pages: true,
            telemetry: Telemetry::default(),
            login_once: None,
            bounds: Bounds::default(),
            drain: Drain::default(),
            access: Access::default(),
        }
    }

    /// Checks values and their combinations; says every fault at once.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        if self.body_bytes == 0 || self.body_bytes > limit::ENVELOPE_BYTES_MAX {
            faults.push(format!("--body-bytes {} must be 1 to {}", self.body_bytes, limit::ENVELOPE_BYTES_MAX));
        }
        if self.bounds.connections == 0 {
            faults.push("--connections must be at least 1".to_owned());
        }
        let bounds = &self.bounds;
        if bounds.publishes == 0 || bounds.publishes > PUBLISHES_MAX {
            faults.push(format!("--publishes {} must be 1 to {PUBLISHES_MAX}", bounds.publishes));
        }
        let times = [
            ("--queue-time", bounds.queue_time),
            ("--head-time", bounds.head_time),
            ("--body-time", bounds.body_time),
            ("--idle-time", bounds.idle_time),
            ("--drain-deadline", self.drain.deadline),
        ];
        for (flag, _) in times.iter().filter(|(_, time)| time.is_zero()) {
            faults.push(format!("{flag} must be longer than 0s"));
        }
        if bounds.queue_time > limit::PUBLISH_DEADLINE {
            faults.push(format!("--queue-time {:?} must be at most {:?}", bounds.queue_time, limit::PUBLISH_DEADLINE));
        }
        if self.bounds.body_memory_bytes < self.body_bytes.saturating_mul(2) {
            faults.push(format!("--body-memory-bytes {} must be at least twice --body-bytes", self.bounds.body_memory_bytes));
        }
        if self.public_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https") || url.query().is_some()) {
            faults.push("--public-url must be an http or https address without a query".to_owned());
        }
        let is_link = |url: &String| (url.starts_with("https://") || url.starts_with("http://")) && url.contains("{traceId}");
        if self.trace_url.as_ref().is_some_and(|url| !is_link(url)) {
            faults.push("--trace-url must be an http or https address with {traceId} in it".to_owned());
        }
        faults.extend(self.nats.validate().err().map(|fault| fault.to_string()));
        faults.extend(self.redis.validate().err().map(|fault| fault.to_string()));
        faults.extend(self.deployment_key().err());
        if self.master_key_file.is_some() {
            faults.extend(self.master_key().err());
        }
        faults.extend(self.token().err());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Reads the deployment key; white space at the end of the file does not count.
    pub(crate) fn deployment_key(&self) -> Result<DeploymentKey, String> {
        let path = &self.deployment_key_file;
        let bytes = std::fs::read(path).map_err(|error| unreadable("--deployment-key-file", path, &error))?;
        DeploymentKey::parse(bytes.trim_ascii_end())
            .ok_or_else(|| format!("--deployment-key-file {} must hold at least 16 bytes", path.display()))
    }

    /// Reads the master keys, or makes one of the deployment's key.
    pub(crate) fn master_key(&self) -> Result<MasterKey, String> {
        let key = match &self.master_key_file {
            Some(path) => MasterKey::load(path),
            None => MasterKey::derive(&self.deployment_key()?),
        };
        key.map_err(|error| match std::error::Error::source(&error) {
            Some(source) => format!("--master-key-file: {error}: {source}"),
            None => format!("--master-key-file: {error}"),
        })
    }

    /// Reads the API token, wherever it comes from.
    pub(crate) fn token(&self) -> Result<Option<SecretString>, String> {
        use secrecy::ExposeSecret as _;

        let token = match (&self.api_token, &self.api_token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| unreadable("--api-token-file", path, &error))?;
                Some(SecretString::from(text.trim()))
            }
            (None, None) => None,
        };
        match token {
            Some(token) if token.expose_secret().len() < API_TOKEN_CHARS_MIN => {
                Err(format!("the API token must have at least {API_TOKEN_CHARS_MIN} characters"))
            }
            token => Ok(token),
        }
    }
}

fn unreadable(flag: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{flag} {} cannot be read: {error}", path.display())
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

    #[test]
    fn all_faults_are_said_at_once() {
        let parsed = Arguments::try_parse_from([
            "gateway",
            "--deployment-key-file",
            "/nowhere/key",
            "--body-bytes",
            "0",
            "--connections",
            "0",
            "--api-token",
            "short",
        ]);
        let faults = parsed.unwrap().config.validate().unwrap_err();
        for part in ["--deployment-key-file", "--body-bytes", "--connections", "API token"] {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part} is not in {faults:?}");
        }
    }

    #[test]
    fn a_token_is_never_printed() {
        let parsed = Arguments::try_parse_from(["gateway", "--deployment-key-file", "k", "--api-token", "abcdefghijklmnop"]).unwrap();
        assert!(!format!("{:?}", parsed.config).contains("abcdefghijklmnop"));
    }
}
