//! `cuepoint dev`: a whole system in one process.
//!
//! Real servers run as children, gateway and worker run in here, and the configuration of a file is
//! applied. One data directory serves one `dev` at a time and is found again by the next. A clean
//! stop ends the gateway, then the worker, then the servers; whatever ends this process otherwise,
//! no server outlives the next start.

mod story;
mod supervisor;
mod system;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use self::system::System;
use crate::config::document::{self, Document};
use crate::data::{self, Data};
use crate::{apply, client, output, reach, secret, server};

/// The configuration where none is given.
const DEMO: &str = include_str!("../../../examples/demo.yaml");
/// What messages call it.
const DEMO_FILE: &str = "examples/demo.yaml";

/// What runs, and where.
#[derive(Debug, Args)]
pub struct Options {
    /// Address to serve HTTP on.
    #[arg(long, env = "CUEPOINT_HTTP", value_name = "ADDR", default_value = "127.0.0.1:8787")]
    http: SocketAddr,
    /// Data directory: streams, secrets, logs of the servers.
    #[arg(long, env = "CUEPOINT_DATA", value_name = "DIR", default_value = reach::DATA)]
    data: PathBuf,
    /// Configuration file with triggers and bots; a demo is built in.
    #[arg(long, env = "CUEPOINT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Send one event over HTTP and show what comes of it.
    #[arg(long)]
    demo: bool,
    /// Token of the API of scope admin; otherwise one is made at the first start and kept in the data directory.
    #[arg(long, env = "CUEPOINT_API_TOKEN", value_name = "TOKEN", hide_env_values = true, value_parser = super::send::secret)]
    api_token: Option<SecretString>,
    /// The nats-server to run; otherwise the one of `make tools`, or on PATH.
    #[arg(long, env = "CUEPOINT_NATS_SERVER", value_name = "FILE")]
    nats_server: Option<PathBuf>,
    /// The redis-server or valkey-server to run; otherwise the one of `make tools`, or on PATH.
    #[arg(long, env = "CUEPOINT_REDIS_SERVER", value_name = "FILE")]
    redis_server: Option<PathBuf>,
}

/// Why the system does not run, or did not stop cleanly.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Document(#[from] document::Error),
    /// A secret is not to be had.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// What the deployment lends its bots is not to be had.
    #[error(transparent)]
    Settings(#[from] worker::settings::Error),
    /// A master key cannot be used.
    #[error(transparent)]
    Key(#[from] backbone::seal::KeyError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The HTTP address is not free.
    #[error("port {} is taken: cannot serve HTTP on {address}; choose another address with --http", address.port())]
    PortTaken {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The HTTP address cannot be used.
    #[error("cannot serve HTTP on {address}; choose another address with --http")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A server does not run.
    #[error(transparent)]
    Server(#[from] server::Error),
    /// The broker cannot be used.
    #[error(transparent)]
    Nats(#[from] backbone::nats::Error),
    /// The streams cannot be made.
    #[error(transparent)]
    Topology(#[from] backbone::topology::Error),
    /// The configuration cannot be written.
    #[error(transparent)]
    Apply(#[from] apply::Error),
    /// The gateway does not run.
    #[error("the gateway does not run")]
    Gateway(#[from] gateway::Error),
    /// The worker does not run, or did not end in time.
    #[error("the worker does not run")]
    Worker(#[from] worker::service::Error),
    /// The gateway ended while it was still needed.
    #[error("the gateway ended by itself")]
    GatewayGone,
    /// The system does not get ready.
    #[error("the gateway is not ready after {}", humantime::format_duration(system::READY_DEADLINE))]
    Unready,
    /// The API does not answer as it should.
    #[error(transparent)]
    Client(#[from] client::Error),
}

impl Error {
    /// Whether the fault lies in what the user wrote.
    pub(super) fn is_usage(&self) -> bool {
        matches!(self, Self::Document(_) | Self::Secret(secret::Error::Faults(_)))
    }
}

/// Runs the system until `shutdown`.
pub async fn run(options: &Options, shutdown: CancellationToken) -> Result<(), Error> {
    let document = match &options.config {
        Some(path) => Document::load(path)?,
        None => Document::parse(DEMO_FILE, DEMO, Path::new("")).map_err(document::Error::from)?,
    };
    let data = Data::at(&options.data);
    let _lock = data.lock()?;
    let wanted = secret::resolve([&document], &data)?;
    look_at(options.http)?;
    let is_first = options.api_token.is_none() && data.known_api_token().is_none();
    let starting = System::start(options, &document, &wanted, data.clone());
    let mut system = tokio::select! {
        biased;
        () = shutdown.cancelled() => return Ok(()),
        system = starting => system?,
    };
    let (serving, login) = (system.serving.clone(), system.login.clone());
    let told = tokio::select! {
        biased;
        () = shutdown.cancelled() => Ok(()),
        told = story::tell(options, &document, (&serving, &login), (&data, is_first)) => told,
        () = system.gateway_ended() => Err(Error::GatewayGone),
    };
    let ran = match told {
        Ok(()) => tokio::select! {
            biased;
            () = shutdown.cancelled() => Ok(()),
            () = system.gateway_ended() => Err(Error::GatewayGone),
        },
        Err(error) => Err(error),
    };
    tracing::info!("stopping");
    let stopped = system.stop().await;
    ran.and(stopped)
}

/// Looks at the address early: starting the servers only to stop them again would hide the reason.
fn look_at(address: SocketAddr) -> Result<(), Error> {
    TcpListener::bind(address).map(drop).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => Error::PortTaken { address, source },
        _ => Error::Listen { address, source },
    })
}

/// Prints a line; a system whose output nobody reads runs on.
fn say(line: impl std::fmt::Display) {
    drop(output::line(line));
}
