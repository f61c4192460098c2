//! The connection to NATS, with bounds of our own.
//!
//! The client buffers while it is disconnected and backs off for seconds by default; here it comes
//! back within a quarter of a second, and every caller sets its own deadline.

use std::io;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions};
use secrecy::ExposeSecret as _;

use crate::{config, tls};

/// Longest pause between two attempts to connect.
const RECONNECT_MAX: Duration = Duration::from_millis(250);
/// How often a silent connection is probed. The client leaves a frozen server after the third miss, so
/// five seconds meant a gap of fourteen in a cluster.
const PING_EVERY: Duration = Duration::from_secs(2);
/// The oldest server whose fence and work queue behave as measured.
const VERSION_MIN: (i64, i64, i64) = (2, 12, 0);

/// Why there is no usable connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be used.
    #[error("cannot use the address of NATS")]
    Connect(#[from] async_nats::ConnectError),
    /// A setting or its file cannot be used.
    #[error(transparent)]
    Setting(#[from] tls::Fault),
    /// The credentials cannot be used.
    #[error("the credentials for NATS cannot be used")]
    Creds(#[from] io::Error),
    /// The server is too old: it would lose messages, or let a stale writer through.
    #[error("nats-server {found} is too old: at least 2.12 is needed")]
    TooOld {
        /// The server's version.
        found: String,
    },
}

/// Connects, or keeps trying in the background; fails only where trying again cannot help.
pub async fn connect(config: &config::Nats, name: &str) -> Result<Client, Error> {
    let options = authenticated(config)?;
    let addresses: Vec<&str> = config.url.split(',').map(str::trim).collect();
    let client = options
        .name(name)
        .ping_interval(PING_EVERY)
        .request_timeout(Some(proto::limit::READ_DEADLINE))
        .reconnect_delay_callback(|attempts| RECONNECT_MAX.min(Duration::from_millis(20) * u32::try_from(attempts).unwrap_or(u32::MAX)))
        .retry_on_initial_connect()
        .client_capacity(8192)
        .connect(addresses)
        .await?;
    Ok(client)
}

/// What says who this process is, and whom it believes.
fn authenticated(config: &config::Nats) -> Result<ConnectOptions, Error> {
    let credentials = config.credentials()?;
    let mut options = ConnectOptions::new();
    if let Some(text) = credentials.creds {
        options = ConnectOptions::with_credentials(text.expose_secret())?;
    }
    if let Some(seed) = credentials.nkey {
        options = options.nkey(seed.expose_secret().to_owned());
    }
    let access = &config.access;
    if let Some(prefix) = &access.inbox {
        options = options.custom_inbox_prefix(prefix);
    }
    if config.url.contains("tls://") || access.files().first().is_some() {
        tls::provide();
        options = options.require_tls(true);
    }
    if let Some(path) = &access.ca {
        options = options.add_root_certificates(path.clone());
    }
    if let (Some(cert), Some(key)) = (&access.cert, &access.key) {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    Ok(options)
}

/// Whether the connection stands right now.
pub fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

/// Refuses a server that is too old; a server that was never reached passes until it is.
pub fn check_version(client: &Client) -> Result<(), Error> {
    let (major, minor, patch) = VERSION_MIN;
    match client.try_server_info() {
        Some(info) if !client.is_server_compatible(major, minor, patch) => Err(Error::TooOld { found: info.version }),
        _ => Ok(()),
    }
}
