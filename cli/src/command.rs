//! The commands.
//!
//! In reading order:
//! - [`dev`]: a whole system in one process;
//! - [`lint`], [`apply`] and [`export`]: configuration as files;
//! - [`schema`]: what files may say, for editors;
//! - [`nats_config`]: keys, accounts and certificates of a deployment;
//! - [`setup`]: streams and consumer of a deployment;
//! - [`backup`] and [`restore`]: a deployment in a directory, and back;
//! - [`send`]: an event in;
//! - [`follow`]: a conversation or an event as it goes on;
//! - [`answer`]: what a call of a turn waits for;
//! - [`cancel`]: a turn called off;
//! - [`tail`]: records out;
//! - [`dead`]: events that were given up on;
//! - [`reindex`]: the lists made anew;
//! - [`token`]: tokens of the API;
//! - [`session_token`]: the token of a session string;
//! - [`mcp_probe`]: the tools of a server.

pub mod answer;
pub mod apply;
pub mod backup;
pub mod cancel;
pub mod dead;
pub mod dev;
pub mod export;
pub mod follow;
pub mod lint;
pub mod mcp_probe;
pub mod nats_config;
pub mod reindex;
pub mod restore;
pub mod schema;
pub mod send;
pub mod session_token;
pub mod setup;
pub mod tail;
pub mod token;

use std::process::ExitCode;

use crate::config::document;
use crate::config::fault::Faults;
use crate::{apply as applying, client, data, output, reach, secret, security};

/// Exit code for a command line or a configuration that cannot be used (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be used.
    #[error(transparent)]
    Document(#[from] document::Error),
    /// A secret is not to be had.
    #[error(transparent)]
    Secret(#[from] secret::Error),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The broker cannot be reached.
    #[error(transparent)]
    Reach(#[from] reach::Error),
    /// The streams are not as they must be.
    #[error(transparent)]
    Topology(#[from] backbone::topology::Error),
    /// The configuration cannot be made to match.
    #[error(transparent)]
    Apply(#[from] applying::Error),
    /// The files of the servers' security cannot be made.
    #[error(transparent)]
    Security(#[from] security::Error),
    /// A master key cannot be used.
    #[error(transparent)]
    Key(#[from] backbone::seal::KeyError),
    /// The configuration cannot be written as a file.
    #[error("the configuration cannot be written as a file: {0}")]
    Export(String),
    /// The API refused or is not there.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// A stream cannot be read.
    #[error("cannot read the stream {stream}")]
    Stream {
        /// The stream.
        stream: &'static str,
        /// Why.
        source: async_nats::Error,
    },
    /// A read by sequence failed.
    #[error("cannot read the stream {stream}")]
    Read {
        /// The stream.
        stream: &'static str,
        /// Why.
        source: backbone::direct::Error,
    },
    /// A dead letter cannot be replayed.
    #[error(transparent)]
    Replay(#[from] dead::ReplayError),
    /// The index was not made again.
    #[error(transparent)]
    Reindex(#[from] reindex::ReindexError),
    /// A backup cannot be taken or given back.
    #[error(transparent)]
    Backup(#[from] crate::backup::Error),
    /// No HTTP client can be set up.
    #[error("cannot set up an HTTP client")]
    Http {
        /// Why.
        source: reqwest::Error,
    },
    /// A server of tools refuses, or is not there.
    #[error(transparent)]
    Mcp(#[from] mcp::error::Error),
    /// The whole system does not run.
    #[error(transparent)]
    Dev(#[from] dev::Error),
    /// The operating system refused.
    #[error("cannot {what}")]
    Process {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Nothing can be printed.
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl Error {
    /// What the process ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Output(output::Error::Closed) => ExitCode::SUCCESS,
            error if error.is_usage() => USAGE.into(),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether the fault lies in what the user wrote.
    fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_)
            | Self::Security(security::Error::Unknown(_) | security::Error::Subject(_) | security::Error::Reserved(_))
            | Self::Document(_)
            | Self::Secret(secret::Error::Faults(Faults { .. })) => true,
            Self::Dev(error) => error.is_usage(),
            _ => false,
        }
    }
}
