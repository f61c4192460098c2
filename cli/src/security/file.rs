//! Files of a directory, made once; those with secrets are readable by their owner alone.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nkeys::KeyPair;
use secrecy::{ExposeSecret as _, SecretString};

use super::Error;
use super::plan::Plan;

/// What was done with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The file, by its place in the directory.
    pub file: String,
    /// What was done.
    pub what: What,
}

/// What was done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was not there.
    Made,
    /// It was made anew.
    Changed,
    /// It is as it was.
    Kept,
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Made => "made",
            What::Changed => "changed",
            What::Kept => "kept",
        };
        write!(f, "{what:>7}  {}", self.file)
    }
}

/// Makes the files of a directory.
#[derive(Debug)]
pub(super) struct Maker {
    dir: PathBuf,
    rotate: Vec<String>,
    rotated: Vec<String>,
    before: Plan,
    now_ms: i64,
    done: Vec<Done>,
}

impl Maker {
    pub(super) fn new(dir: &Path, rotate: &[String], now_ms: i64) -> Result<Self, Error> {
        let before = Plan::read(dir)?;
        Ok(Self { dir: dir.to_owned(), rotate: rotate.to_vec(), rotated: Vec::new(), before, now_ms, done: Vec::new() })
    }

    pub(super) fn failed(&self, what: &'static str, file: &str, source: io::Error) -> Error {
        Error::Io { what, path: self.dir.join(file), source }
    }

    /// Year, month and day.
    pub(super) fn day(&self) -> (i32, u8, u8) {
        let now = jiff::Timestamp::from_millisecond(self.now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let date = now.to_zoned(jiff::tz::TimeZone::UTC).date();
        (date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    }

    /// Whether a file was made, or made anew, in this run.
    pub(super) fn is_made(&self, file: &str) -> bool {
        self.done.iter().any(|done| done.file == file && done.what != What::Kept)
    }

    /// Whether the servers' certificate is for other hosts than before.
    pub(super) fn is_changed(&self, plan: &Plan) -> bool {
        self.before.hosts != plan.hosts
    }

    /// A secret: the one that is there, unless it is to be made anew.
    pub(super) fn secret(&mut self, file: &str, make: impl FnOnce() -> String) -> Result<SecretString, Error> {
        let is_wanted = self.rotate.iter().any(|name| name == file);
        if is_wanted {
            self.rotated.push(file.to_owned());
        }
        let found = self.read(file)?;
        let what = match found {
            Some(text) if !is_wanted => {
                self.done.push(Done { file: file.to_owned(), what: What::Kept });
                return Ok(SecretString::from(text.trim()));
            }
            Some(_) => What::Changed,
            None => What::Made,
        };
        let secret = SecretString::from(make());
        self.write(file, &format!("{}\n", secret.expose_secret().trim_end()), 0o600)?;
        self.done.push(Done { file: file.to_owned(), what });
        Ok(secret)
    }

    /// The public keys of a user. One that was made anew a run before is still let in until the next.
    pub(super) fn nkey(&mut self, file: &str) -> Result<Vec<String>, Error> {
        let before = self.read(file)?.and_then(|text| public_key(text.trim()));
        let fresh = KeyPair::new_user().seed()?;
        let seed = self.secret(file, || fresh)?;
        let path = self.dir.join(file);
        let now = public_key(seed.expose_secret()).ok_or(Error::Content { path, what: "holds no seed of a user" })?;
        let mut keys = vec![now.clone()];
        keys.extend(before.filter(|before| *before != now && self.is_made(file)));
        Ok(keys)
    }

    /// A file that holds no secret; written where it changes.
    pub(super) fn text(&mut self, file: &str, text: &str) -> Result<(), Error> {
        let what = match self.read(file)? {
            Some(found) if found == text => What::Kept,
            Some(_) => What::Changed,
            None => What::Made,
        };
        if what != What::Kept {
            self.write(file, text, 0o644)?;
        }
        self.done.push(Done { file: file.to_owned(), what });
        Ok(())
    }

    /// One that costs something to make; whether it was.
    pub(super) fn text_if(&mut self, file: &str, is_stale: bool, make: impl FnOnce() -> Result<String, Error>) -> Result<bool, Error> {
        match self.read(file)? {
            Some(found) if !is_stale => self.text(file, &found)?,
            _ => self.text(file, &make()?)?,
        }
        Ok(self.is_made(file))
    }

    /// What was done; an error where something was to be made anew that is not there.
    pub(super) fn finish(self) -> Result<Vec<Done>, Error> {
        match self.rotate.into_iter().find(|name| !self.rotated.contains(name)) {
            Some(name) => Err(Error::Unknown(name)),
            None => Ok(self.done),
        }
    }

    fn read(&self, file: &str) -> Result<Option<String>, Error> {
        match std::fs::read_to_string(self.dir.join(file)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read", file, source)),
        }
    }

    /// Writes under another name first: a file that is there is whole.
    fn write(&self, file: &str, text: &str, mode: u32) -> Result<(), Error> {
        let path = self.dir.join(file);
        let draft = self.dir.join(format!("{file}.draft"));
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(&path))?;
            let mut out = File::options().create(true).truncate(true).write(true).mode(mode).open(&draft)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            std::fs::rename(&draft, &path)
        };
        write().map_err(|source| self.failed("write", file, source))
    }
}

fn public_key(seed: &str) -> Option<String> {
    KeyPair::from_seed(seed).ok().map(|pair| pair.public_key()).filter(|key| key.starts_with('U'))
}
