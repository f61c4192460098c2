//! All streams into a directory, while the system goes on.

use std::path::Path;

use async_nats::Client;
use backbone::topology;
use proto::subject::{self, AUDIT_STREAM, CONTACTS, DEAD_STREAM, LOG_STREAM, OUT_STREAM, RESOURCES, TIMERS_STREAM};

use super::manifest::{Events, Manifest, VERSION};
use super::{Error, file, snapshot, waiting};
use crate::clock;

/// Takes a backup into a directory that is empty or not there.
pub async fn take(client: &Client, directory: &Path) -> Result<Manifest, Error> {
    make_private(directory)?;
    let context = topology::context(client);
    let began_ms = clock::now_ms();
    let timers = snapshot::take(client, TIMERS_STREAM, directory).await?;
    let epoch = topology::current_epoch(&context).await?;
    let stream = subject::events_stream(epoch);
    let unseen = |error: &dyn std::fmt::Display| Error::Broker { what: "describe", stream: stream.clone(), reason: error.to_string() };
    let found = context.get_stream(&stream).await.map_err(|error| unseen(&error))?;
    let config = serde_json::to_value(&found.cached_info().config).map_err(|error| unseen(&error))?;
    let (print, count) = waiting::take(client, &stream, directory).await?;
    let mut streams = Vec::new();
    for stream in [LOG_STREAM, DEAD_STREAM, OUT_STREAM, AUDIT_STREAM] {
        streams.push(snapshot::take(client, stream, directory).await?);
    }
    streams.push(timers);
    for bucket in [RESOURCES, CONTACTS] {
        streams.push(snapshot::take(client, &format!("KV_{bucket}"), directory).await?);
    }
    let manifest =
        Manifest { version: VERSION, began_ms, epoch: epoch.to_string(), streams, events: Events { file: print, count, config } };
    manifest.write(directory)?;
    Ok(manifest)
}

/// Makes a directory that nobody else reads: what callers sent lies in it.
fn make_private(directory: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt as _;

    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(file("make", directory))?;
    let mut entries = std::fs::read_dir(directory).map_err(file("read", directory))?;
    if entries.next().is_some() { Err(Error::NotEmpty(directory.to_owned())) } else { Ok(()) }
}
