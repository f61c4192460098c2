//! Where a command finds its deployment: by flag, else by the environment, else where a `cuepoint dev` serves.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::Context;
use backbone::{config, nats, topology};
use clap::Args;
use tokio::time::Instant;

use crate::data::Data;

/// The default of `--data`.
pub const DATA: &str = ".cuepoint";
/// Where a gateway serves unless it is told otherwise.
const HTTP: &str = "127.0.0.1:8787";
/// Where NATS serves unless it is told otherwise.
const NATS: &str = "nats://127.0.0.1:4222";
/// How long NATS may take to answer.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Why the broker cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection can be made.
    #[error(transparent)]
    Connect(#[from] nats::Error),
    /// Nobody answers.
    #[error("no answer from NATS at {url}: is cuepoint dev, or a nats-server, running there?")]
    Unreachable {
        /// The address, without its user and password.
        url: String,
    },
}

/// The data directory of a deployment on this machine.
#[derive(Debug, Clone, Args)]
pub struct At {
    /// Data directory of `cuepoint dev`: says where it serves, and holds secrets that it made.
    #[arg(long, env = "CUEPOINT_DATA", value_name = "DIR", default_value = DATA, global = true)]
    data: PathBuf,
}

impl At {
    /// The directory.
    pub fn data(&self) -> Data {
        Data::at(&self.data)
    }
}

/// The broker of a deployment.
#[derive(Debug, Clone, Args)]
pub struct Broker {
    /// Address of NATS; otherwise that of the running `cuepoint dev`.
    #[arg(long = "nats", env = "CUEPOINT_NATS", value_name = "URL", hide_env_values = true, global = true)]
    url: Option<String>,
    /// Who the command is to it.
    #[command(flatten)]
    access: config::NatsAccess,
    /// The deployment on this machine.
    #[command(flatten)]
    pub at: At,
}

impl Broker {
    /// Connects, and makes sure that somebody answers who is recent enough.
    pub async fn connect(&self) -> Result<async_nats::Client, Error> {
        let url = self.url.clone().or_else(|| Some(self.at.data().serving()?.nats)).unwrap_or_else(|| NATS.to_owned());
        let client = nats::connect(&config::Nats { url: url.clone(), access: self.access.clone() }, "cuepoint").await?;
        let since = Instant::now();
        while since.elapsed() < CONNECT_DEADLINE {
            if nats::is_connected(&client) {
                nats::check_version(&client)?;
                return Ok(client);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let bare = url.rsplit_once('@').map_or(url.as_str(), |(_, address)| address);
        Err(Error::Unreachable { url: bare.to_owned() })
    }

    /// Connects, with the API of the streams.
    pub async fn streams(&self) -> Result<(async_nats::Client, Context), Error> {
        let client = self.connect().await?;
        let context = topology::context(&client);
        Ok((client, context))
    }
}

/// The HTTP API of a deployment.
#[derive(Debug, Clone, Args)]
pub struct Api {
    /// Address of the API; otherwise that of the running `cuepoint dev`.
    #[arg(long, env = "CUEPOINT_HTTP", value_name = "ADDR|URL", global = true)]
    http: Option<String>,
    /// The deployment on this machine.
    #[command(flatten)]
    pub at: At,
}

impl Api {
    /// The address.
    pub fn address(&self) -> String {
        self.http.clone().or_else(|| Some(self.at.data().serving()?.http)).unwrap_or_else(|| HTTP.to_owned())
    }
}
