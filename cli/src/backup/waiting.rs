//! The events and answers that wait, one a line.

use std::path::Path;

use async_nats::{Client, HeaderMap};
use backbone::direct::{self, Stored};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, BufWriter, Lines};

use super::manifest::Print;
use super::{Error, file};

/// Its name.
pub const NAME: &str = "events.jsonl";
/// How many are read at once.
const BATCH: usize = 64;

/// One message of EVENTS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// Its sequence in its epoch.
    pub seq: u64,
    /// Its subject.
    pub subject: String,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: i64,
    /// Its headers; those of the broker are left out.
    pub headers: Vec<(String, String)>,
    /// Its body, in base64.
    pub body: String,
}

impl Line {
    fn of(stored: &Stored) -> Self {
        let own = |name: &&str| !BROKERS.contains(name);
        let headers = stored.headers.iter().flat_map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().filter(move |_| own(&name)).map(move |value| (name.to_owned(), value.as_str().to_owned()))
        });
        Self {
            seq: stored.seq,
            subject: stored.subject.clone(),
            at_ms: stored.at_ms,
            headers: headers.collect(),
            body: STANDARD.encode(&stored.body),
        }
    }

    /// Its headers, to be sent again.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.as_str(), value.as_str());
        }
        headers
    }

    /// Its body.
    pub fn body(&self) -> Option<bytes::Bytes> {
        STANDARD.decode(&self.body).ok().map(Into::into)
    }
}

/// What the broker adds to a message that is read.
const BROKERS: [&str; 6] = ["Nats-Sequence", "Nats-Time-Stamp", "Nats-Subject", "Nats-Stream", "Nats-Num-Pending", "Nats-Last-Sequence"];

/// Writes all that waits into a file of the directory; how many there are.
pub async fn take(client: &Client, stream: &str, directory: &Path) -> Result<(Print, u64), Error> {
    let read = |source| Error::Read { stream: stream.to_owned(), source };
    let path = directory.join(NAME);
    let mut out = BufWriter::new(File::create_new(&path).await.map_err(file("make", &path))?);
    let (mut next, mut count) = (1, 0);
    loop {
        let mut batch = direct::batch(client, stream, ">", next, BATCH).await.map_err(read)?;
        if batch.is_empty() {
            // A replica may lag: the leader knows the end.
            batch.extend(direct::next_from_leader(client, stream, ">", next).await.map_err(read)?);
        }
        let Some(last) = batch.last() else { break };
        next = last.seq + 1;
        for stored in &batch {
            let mut line = serde_json::to_vec(&Line::of(stored)).unwrap_or_default();
            line.push(b'\n');
            out.write_all(&line).await.map_err(file("write", &path))?;
            count += 1;
        }
    }
    out.flush().await.map_err(file("write", &path))?;
    out.get_ref().sync_all().await.map_err(file("write", &path))?;
    Ok((Print::of(directory, NAME)?, count))
}

/// The lines of a backup.
pub struct Reader {
    lines: Lines<BufReader<File>>,
    path: std::path::PathBuf,
}

impl Reader {
    /// Opens them.
    pub async fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(NAME);
        let from = File::open(&path).await.map_err(file("read", &path))?;
        Ok(Self { lines: BufReader::new(from).lines(), path })
    }

    /// The next one.
    pub async fn next(&mut self) -> Result<Option<Line>, Error> {
        let Some(line) = self.lines.next_line().await.map_err(file("read", &self.path))? else { return Ok(None) };
        let unusable = |error: serde_json::Error| Error::Unusable { path: self.path.clone(), reason: error.to_string() };
        serde_json::from_str(&line).map(Some).map_err(unusable)
    }
}
