//! A deployment's streams in a directory, and back.
//!
//! What lies in streams that only grow is taken by the broker's own snapshots, with its consumers, and
//! put back byte for byte. EVENTS is a queue, and its sequences must never be used for other events: a
//! restored stream that is older than the log would have new events acked unread. So its messages are
//! read one by one, and published again into a stream of a new epoch.
//!
//! The order in which streams are taken while the system goes on is what keeps a backup whole:
//!
//! 1. TIMERS: what fires from now on is found again in EVENTS or LOG, and not fired twice;
//! 2. EVENTS: what is handled from now on is found in LOG, and not sent twice;
//! 3. LOG: what it says of copies and deliveries is in DEAD and OUT, which come after it;
//! 4. DEAD, OUT, AUDIT and the buckets.
//!
//! So a backup stands for the moment at which it began: what was accepted before is in it, handled or
//! not. The library for NATS has no call for snapshots; see docs/adr/0014-backup.md.
//!
//! In reading order:
//! - [`manifest`]: what a directory holds;
//! - [`snapshot`]: one stream as the broker packs it;
//! - [`waiting`]: the events that wait;
//! - [`take`] and [`give`]: all of it, there and back;
//! - [`forget`]: what Redis must not remember.

pub mod forget;
pub mod give;
pub mod manifest;
pub mod snapshot;
pub mod take;
pub mod waiting;

use std::io;
use std::path::PathBuf;

use backbone::{direct, journal, publish, topology};

/// Why a backup was not taken or given back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory holds something already.
    #[error("{0} is not empty: a backup wants a directory of its own")]
    NotEmpty(PathBuf),
    /// A file cannot be written or read.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds no whole backup, or one of another version.
    #[error("{path} is no backup that can be used: {reason}")]
    Unusable {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is something where it would go.
    #[error("{0} is there already: a backup is given back to a broker that has nothing of the deployment; see docs/backup.md")]
    Taken(String),
    /// The broker refused, or did not answer.
    #[error("the broker did not {what} {stream}: {reason}")]
    Broker {
        /// What was asked.
        what: &'static str,
        /// Of which stream.
        stream: String,
        /// What it said.
        reason: String,
    },
    /// A stream cannot be read.
    #[error("cannot read {stream}")]
    Read {
        /// The stream.
        stream: String,
        /// Why.
        source: direct::Error,
    },
    /// The log cannot be read.
    #[error("cannot read the log")]
    Log(#[from] journal::Error),
    /// An event cannot be sent again.
    #[error("the event {seq} of the backup cannot be sent again")]
    Publish {
        /// Its sequence in the backup.
        seq: u64,
        /// Why.
        source: publish::Error,
    },
    /// The stream of the new epoch cannot be made.
    #[error(transparent)]
    Topology(#[from] topology::Error),
    /// Redis cannot be used.
    #[error("the address of Redis cannot be used")]
    Address(#[source] backbone::redis::Error),
    /// Redis does not answer.
    #[error("Redis cannot be reached, which must forget what was lost")]
    Redis(#[from] backbone::redis::Silent),
}

/// An error of a file.
fn file(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}
