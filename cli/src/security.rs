//! The security of a deployment's servers, as files in one directory.
//!
//! In reading order:
//! - [`user`]: who there is, and what each may say and hear: the one table of permissions;
//! - [`plan`]: what a directory was made for, kept in it so that a later run only adds;
//! - [`accounts`]: the table as nats-server reads it;
//! - [`acl`]: the user of Redis;
//! - [`certificate`]: an authority, and what it signs;
//! - [`file`](mod@file): secrets made once, readable by their owner alone.
//!
//! Every user but the workers' and the set-up's has an account of its own, without streams, which
//! imports what it needs from the one that has them. nats-server does not ask whether a client may
//! publish on the reply subject that it chose, and answers there: in the account of the streams that
//! would let whoever may publish an event, or read one, write the log (docs/adr/0015).

pub mod accounts;
pub mod acl;
pub mod certificate;
pub mod file;
pub mod plan;
pub mod user;

use std::path::{Path, PathBuf};

use backbone::chance;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::id::TriggerId;
use proto::idempotency::hex;

use file::Done;
use plan::Plan;

/// Why the files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file that is there holds something else.
    #[error("{} {what}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// No certificate can be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// No nkey can be made.
    #[error("cannot make an nkey")]
    Nkey(#[from] nkeys::error::Error),
    /// There is nothing of that name.
    #[error("there is nothing to rotate that is called {0}: give a path in the directory, such as users/gateway.nk")]
    Unknown(String),
    /// No resource may have that id.
    #[error("--publisher {0} stands for conversations without a trigger, to which nobody publishes: name a trigger")]
    Reserved(TriggerId),
    /// A subject cannot be used.
    #[error("--subject {0} must be tokens separated by dots, the last perhaps >, and none of Cuepoint's own or the broker's")]
    Subject(String),
}

/// How many random bytes a made secret has.
const SECRET_BYTES: usize = 32;

/// Makes what is missing, and what is to be made anew; what is there otherwise stays.
pub fn generate(dir: &Path, plan: &Plan, rotate: &[String], now_ms: i64) -> Result<Vec<Done>, Error> {
    let mut maker = file::Maker::new(dir, rotate, now_ms)?;
    let mut keyed = Vec::new();
    for user in user::all(plan) {
        let keys = maker.nkey(&user.file())?;
        if let user::Kind::Publisher(trigger) = &user.kind {
            maker.secret(&format!("publishers/{trigger}.key"), || hex(&chance::bytes::<SECRET_BYTES>()))?;
        }
        keyed.push((user, keys));
    }
    if plan.tls {
        certificate::make(&mut maker, plan)?;
    }
    let password = maker.secret("redis.password", || hex(&chance::bytes::<SECRET_BYTES>()))?;
    maker.secret("deployment.key", || hex(&chance::bytes::<SECRET_BYTES>()))?;
    maker.secret("api.token", || format!("sk-{}", URL_SAFE_NO_PAD.encode(chance::bytes::<SECRET_BYTES>())))?;
    maker.text("redis.acl", &acl::render(&password))?;
    maker.text("accounts.conf", &accounts::render(&keyed))?;
    maker.text("nats.conf", &accounts::server(plan))?;
    plan.write(&mut maker)?;
    maker.finish()
}
