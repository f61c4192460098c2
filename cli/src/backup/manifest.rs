//! What a directory holds: written last, so that a backup that was cut short has none.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Error, file};

/// Its name.
pub const NAME: &str = "manifest.json";
/// The version that this build writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// What a backup is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// The version of the format.
    pub version: u32,
    /// When it began, in milliseconds since 1970.
    pub began_ms: i64,
    /// The epoch whose events wait in it.
    pub epoch: String,
    /// The streams that the broker packed, in the order in which they are put back.
    pub streams: Vec<Packed>,
    /// The events that wait.
    pub events: Events,
}

/// A stream that the broker packed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Packed {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: Print,
    /// Its configuration, as the broker said it.
    pub config: Value,
    /// Its state, as the broker said it.
    pub state: Value,
}

/// The events that wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Events {
    /// Their file.
    pub file: Print,
    /// How many there are.
    pub count: u64,
    /// The configuration of their stream.
    pub config: Value,
}

/// What a file must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Print {
    /// Its name.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their digest, in hex.
    pub sha256: String,
}

impl Manifest {
    /// Reads it, and compares every file with what it must be.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(NAME);
        let text = std::fs::read(&path).map_err(file("read", &path))?;
        let unusable = |reason: String| Error::Unusable { path: path.clone(), reason };
        let manifest: Self = serde_json::from_slice(&text).map_err(|error| unusable(error.to_string()))?;
        if manifest.version != VERSION {
            return Err(unusable(format!("it is of version {}, and this build reads {VERSION}", manifest.version)));
        }
        for print in manifest.streams.iter().map(|packed| &packed.file).chain([&manifest.events.file]) {
            print.check(directory)?;
        }
        Ok(manifest)
    }

    /// Writes it.
    pub fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(NAME);
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        std::fs::write(&path, text).map_err(file("write", &path))
    }
}

impl Print {
    /// Looks at a file.
    pub fn of(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(name);
        let mut reader = std::fs::File::open(&path).map_err(file("read", &path))?;
        let mut hash = Sha256::new();
        let bytes = std::io::copy(&mut reader, &mut Hashing(&mut hash)).map_err(file("read", &path))?;
        Ok(Self { name: name.to_owned(), bytes, sha256: proto::idempotency::hex(&hash.finalize()) })
    }

    fn check(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(&self.name);
        // A name leads nowhere else.
        if Path::new(&self.name).components().count() != 1 {
            return Err(Error::Unusable { path, reason: "its name leads out of the directory".to_owned() });
        }
        let found = Self::of(directory, &self.name)?;
        if found == *self {
            return Ok(());
        }
        let reason = format!("it has {} bytes with the digest {}, not {} with {}", found.bytes, found.sha256, self.bytes, self.sha256);
        Err(Error::Unusable { path, reason })
    }
}

/// A digest that is written to.
struct Hashing<'a>(&'a mut Sha256);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
