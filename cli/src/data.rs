//! The data directory: what one deployment on one machine keeps between runs.
//!
//! ```text
//! lock                 held by a running `cuepoint dev`
//! dev.json             where that one serves, for the other commands
//! deployment.key       makes message ids that nobody can guess
//! api-token            may do everything at the API
//! secrets/trigger.ID   a trigger's secret, where its file names none
//! nats/ redis/         the servers' own
//! ```
//! Files with secrets are made once, with mode 0600, and never rewritten.

use std::fs::{DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::id::TriggerId;
use proto::idempotency::hex;
use rustix::fs::{FlockOperation, flock};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// How many random bytes a made secret has.
const SECRET_BYTES: usize = 32;

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another `cuepoint dev` holds it.
    #[error("another cuepoint dev runs on {path}: stop it, or give this one its own directory with --data")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// Where a running `cuepoint dev` serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// The address of NATS.
    pub nats: String,
    /// The address of Redis.
    pub redis: String,
    /// The address of the API.
    pub http: String,
}

/// The data directory.
#[derive(Debug, Clone)]
pub struct Data {
    path: PathBuf,
}

/// Keeps every other `cuepoint dev` away while it lives; the kernel lets go of it with the process.
#[derive(Debug)]
#[must_use = "dropping it lets another dev in"]
pub struct Lock {
    _file: File,
}

impl Data {
    /// Names a directory, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory where it is missing, and locks it.
    pub fn lock(&self) -> Result<Lock, Error> {
        make_directory(&self.path)?;
        let path = self.path.join("lock");
        let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(Error::io("open", &path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock { _file: file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Busy { path: self.path.clone() }),
            Err(error) => Err(Error::io("lock", &path)(error.into())),
        }
    }

    /// The file with the deployment's key; made once.
    pub fn deployment_key_file(&self) -> Result<PathBuf, Error> {
        let path = self.path.join("deployment.key");
        made_once(&path).map(|_| path)
    }

    /// The first token of the API, of scope admin; made once.
    pub fn api_token(&self) -> Result<SecretString, Error> {
        let path = self.path.join("api-token");
        match read_secret(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let random = URL_SAFE_NO_PAD.encode(backbone::chance::bytes::<SECRET_BYTES>());
                make(&path, SecretString::from(format!("sk-{random}")))
            }
            read => read.map_err(Error::io("read", &path)),
        }
    }

    /// That token, where one was made here.
    pub fn known_api_token(&self) -> Option<SecretString> {
        read_secret(&self.path.join("api-token")).ok()
    }

    /// The secret of a trigger whose file names none; made once.
    pub fn trigger_secret(&self, id: &TriggerId) -> Result<SecretString, Error> {
        made_once(&self.trigger_secret_file(id))
    }

    /// The secret of a trigger, where one was made here.
    pub fn known_trigger_secret(&self, id: &TriggerId) -> Option<SecretString> {
        read_secret(&self.trigger_secret_file(id)).ok()
    }

    /// Where the secret of a trigger is kept, once it was made.
    pub fn trigger_secret_file(&self, id: &TriggerId) -> PathBuf {
        self.path.join("secrets").join(format!("trigger.{id}"))
    }

    /// Says where this process serves.
    pub fn announce(&self, serving: &Serving) -> Result<(), Error> {
        let path = self.path.join("dev.json");
        let text = serde_json::to_vec_pretty(serving).map_err(|error| Error::io("write", &path)(error.into()))?;
        std::fs::write(&path, text).map_err(Error::io("write", &path))
    }

    /// Takes that back.
    pub fn withdraw(&self) {
        drop(std::fs::remove_file(self.path.join("dev.json")));
    }

    /// Where a `cuepoint dev` on this directory serves, or did when it was killed.
    pub fn serving(&self) -> Option<Serving> {
        serde_json::from_slice(&std::fs::read(self.path.join("dev.json")).ok()?).ok()
    }
}

/// The secret in a file: its text without the line's end.
pub(crate) fn read_secret(path: &Path) -> io::Result<SecretString> {
    let text = std::fs::read_to_string(path)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty"));
    }
    Ok(text.into())
}

fn made_once(path: &Path) -> Result<SecretString, Error> {
    match read_secret(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path, SecretString::from(hex(&backbone::chance::bytes::<SECRET_BYTES>())))
        }
        read => read.map_err(Error::io("read", path)),
    }
}

/// Writes under another name first: a file that is there is whole.
fn make(path: &Path, secret: SecretString) -> Result<SecretString, Error> {
    make_directory(path.parent().unwrap_or(path))?;
    let draft = path.with_extension("draft");
    let write = || {
        let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&draft)?;
        writeln!(file, "{}", secret.expose_secret())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().map_err(Error::io("write", path))?;
    Ok(secret)
}

fn make_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::io("make the directory", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use secrecy::ExposeSecret as _;

    use super::{Data, Error, Serving};

    fn scratch() -> Data {
        Data::at(std::env::temp_dir().join(format!("cuepoint-{:016x}", u64::from_le_bytes(backbone::chance::bytes()))))
    }

    #[test]
    fn a_secret_is_made_once_and_readable_by_its_owner_alone() {
        let data = scratch();
        let id = "orders".parse().unwrap();
        assert!(data.known_trigger_secret(&id).is_none());
        let first = data.trigger_secret(&id).unwrap();
        assert_eq!(first.expose_secret().len(), 64);
        assert_eq!(data.trigger_secret(&id).unwrap().expose_secret(), first.expose_secret());
        assert_eq!(data.known_trigger_secret(&id).unwrap().expose_secret(), first.expose_secret());
        assert!(data.known_api_token().is_none());
        let token = data.api_token().unwrap();
        assert!(token.expose_secret().starts_with("sk-") && token.expose_secret().len() == 46);
        assert_eq!(data.known_api_token().unwrap().expose_secret(), token.expose_secret());
        for file in [data.path().join("api-token"), data.trigger_secret_file(&id), data.deployment_key_file().unwrap()] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_dir_all(data.path()).unwrap();
    }

    #[test]
    fn one_dev_a_directory() {
        let data = scratch();
        let lock = data.lock().unwrap();
        assert!(matches!(data.lock(), Err(Error::Busy { .. })));
        drop(lock);
        let _again = data.lock().unwrap();
        let serving = Serving { nats: "n".into(), redis: "r".into(), http: "h".into() };
        data.announce(&serving).unwrap();
        assert_eq!(data.serving(), Some(serving));
        data.withdraw();
        assert_eq!(data.serving(), None);
        std::fs::remove_dir_all(data.path()).unwrap();
    }
}
