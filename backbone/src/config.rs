//! Addresses and credentials of the two servers.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use proto::idempotency::DeploymentKey;
use redis::{ConnectionAddr, IntoConnectionInfo as _};
use secrecy::{ExposeSecret as _, SecretString};

use crate::seal::{KeyError, MasterKey};
use crate::tls;

/// How to reach NATS.
#[derive(Clone, Args)]
pub struct Nats {
    /// Addresses of NATS, separated by commas; `tls://` demands TLS.
    #[arg(
        id = "nats",
        long = "nats",
        env = "CUEPOINT_NATS",
        value_name = "URL",
        default_value = "nats://127.0.0.1:4222",
        hide_env_values = true
    )]
    pub url: String,
    /// Who this process is.
    #[command(flatten)]
    pub access: NatsAccess,
}

/// Who a process is to NATS, and whom it believes to be NATS.
#[derive(Debug, Clone, Default, Args)]
pub struct NatsAccess {
    /// Credentials file for NATS (JWT and nkey seed).
    #[arg(long = "nats-creds", env = "CUEPOINT_NATS_CREDS", value_name = "FILE", global = true)]
    pub creds: Option<PathBuf>,
    /// File with the nkey seed of a user of NATS.
    #[arg(long = "nats-nkey", env = "CUEPOINT_NATS_NKEY", value_name = "FILE", global = true)]
    pub nkey: Option<PathBuf>,
    /// File with the certificates that NATS' own must be signed by; with it TLS is demanded.
    #[arg(id = "nats_ca", long = "nats-ca", env = "CUEPOINT_NATS_CA", value_name = "FILE", global = true)]
    pub ca: Option<PathBuf>,
    /// File with this client's certificate for NATS.
    #[arg(id = "nats_cert", long = "nats-cert", env = "CUEPOINT_NATS_CERT", value_name = "FILE", global = true)]
    pub cert: Option<PathBuf>,
    /// File with that certificate's key.
    #[arg(id = "nats_key", long = "nats-key", env = "CUEPOINT_NATS_KEY", value_name = "FILE", global = true)]
    pub key: Option<PathBuf>,
    /// First tokens of the subjects on which this client is answered.
    #[arg(id = "nats_inbox", long = "nats-inbox", env = "CUEPOINT_NATS_INBOX", value_name = "PREFIX", global = true)]
    pub inbox: Option<String>,
}

/// How to reach Redis.
#[derive(Clone, Args)]
pub struct Redis {
    /// Address of Redis; `rediss://` demands TLS. May carry a password, so prefer the environment, or a file.
    #[arg(
        id = "redis",
        long = "redis",
        env = "CUEPOINT_REDIS",
        value_name = "URL",
        default_value = "redis://127.0.0.1:6379",
        hide_env_values = true
    )]
    pub url: String,
    /// Who this process is.
    #[command(flatten)]
    pub access: RedisAccess,
}

/// Who a process is to Redis, and whom it believes to be Redis.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisAccess {
    /// File with the password of the user in the address.
    #[arg(id = "redis_password_file", long = "redis-password-file", env = "CUEPOINT_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub password: Option<PathBuf>,
    /// File with the certificates that Redis' own must be signed by.
    #[arg(id = "redis_ca", long = "redis-ca", env = "CUEPOINT_REDIS_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with this client's certificate for Redis.
    #[arg(id = "redis_cert", long = "redis-cert", env = "CUEPOINT_REDIS_CERT", value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// File with that certificate's key.
    #[arg(id = "redis_key", long = "redis-key", env = "CUEPOINT_REDIS_KEY", value_name = "FILE")]
    pub key: Option<PathBuf>,
}

impl Nats {
    /// A server that asks nobody who they are.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), access: NatsAccess::default() }
    }

    /// The fault in what was set, if there is one: it names the flag and the file.
    pub fn validate(&self) -> Result<(), tls::Fault> {
        self.credentials().map(drop)
    }

    /// Reads the files.
    pub(crate) fn credentials(&self) -> Result<Credentials, tls::Fault> {
        let access = &self.access;
        access.files().check()?;
        if access.creds.is_some() && access.nkey.is_some() {
            return Err(tls::Fault::setting("--nats-nkey", "cannot stand beside --nats-creds"));
        }
        if let Some(prefix) = &access.inbox
            && (prefix.is_empty() || prefix.split('.').any(|token| token.is_empty() || token.contains(['*', '>', ' ', '\t', '$'])))
        {
            return Err(tls::Fault::setting("--nats-inbox", "must be tokens without wildcards, separated by dots"));
        }
        let creds = access.creds.as_deref().map(|path| tls::text("--nats-creds", path)).transpose()?;
        // The library finds the end of the seed by the line that follows its last one.
        let creds = creds.map(|text| SecretString::from(format!("{}\n", text.expose_secret())));
        if let (Some(text), Some(path)) = (&creds, &access.creds)
            && async_nats::ConnectOptions::with_credentials(text.expose_secret()).is_err()
        {
            return Err(tls::Fault::file("--nats-creds", path, "holds no credentials"));
        }
        let nkey = access.nkey.as_deref().map(seed).transpose()?;
        Ok(Credentials { creds, nkey })
    }
}

/// What stands in the files.
pub(crate) struct Credentials {
    pub(crate) creds: Option<SecretString>,
    pub(crate) nkey: Option<SecretString>,
}

/// Reads the seed of a user.
fn seed(path: &Path) -> Result<SecretString, tls::Fault> {
    let text = tls::text("--nats-nkey", path)?;
    match nkeys::KeyPair::from_seed(text.expose_secret()) {
        Ok(pair) if pair.public_key().starts_with('U') => Ok(text),
        _ => Err(tls::Fault::file("--nats-nkey", path, "holds no seed of a user (SU...)")),
    }
}

impl NatsAccess {
    pub(crate) fn files(&self) -> tls::Files<'_> {
        let flags = ["--nats-ca", "--nats-cert", "--nats-key"];
        tls::Files { flags, ca: self.ca.as_deref(), cert: self.cert.as_deref(), key: self.key.as_deref() }
    }
}

impl Redis {
    /// A server that asks nobody who they are.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), access: RedisAccess::default() }
    }

    /// The fault in what was set, if there is one: it names the flag and the file.
    pub fn validate(&self) -> Result<(), tls::Fault> {
        self.client().map(drop)
    }

    /// Reads the files. Nothing is connected to.
    pub(crate) fn client(&self) -> Result<redis::Client, tls::Fault> {
        let access = &self.access;
        let flags = ["--redis-ca", "--redis-cert", "--redis-key"];
        let files = tls::Files { flags, ca: access.ca.as_deref(), cert: access.cert.as_deref(), key: access.key.as_deref() };
        files.check()?;
        // What the library says of an address may repeat it, password and all.
        let unusable = |_| tls::Fault::setting("--redis", "is no address of Redis");
        let mut info = self.url.as_str().into_connection_info().map_err(unusable)?;
        if let Some(path) = &access.password {
            let password = tls::text("--redis-password-file", path)?;
            let settings = info.redis_settings().clone().set_password(password.expose_secret());
            info = info.set_redis_settings(settings);
        }
        if !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            return match files.first() {
                Some(flag) => Err(tls::Fault::setting(flag, "needs an address in --redis that begins with rediss://")),
                None => redis::Client::open(info).map_err(unusable),
            };
        }
        tls::provide();
        let certificates = redis::TlsCertificates { client_tls: files.pair()?, root_cert: files.roots()? };
        redis::Client::build_with_tls(info, certificates).map_err(|_| tls::Fault::setting("--redis-ca", "cannot be used"))
    }
}

/// The keys that a deployment's values are sealed under.
#[derive(Debug, Clone, Default, Args)]
pub struct Keys {
    /// File with the master keys, one a line, the one that seals first; without it one is made of the deployment key.
    #[arg(long, env = "CUEPOINT_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// File with the secret that all gateways of a deployment share.
    #[arg(long, env = "CUEPOINT_DEPLOYMENT_KEY_FILE", value_name = "FILE")]
    pub deployment_key_file: Option<PathBuf>,
}

impl Keys {
    /// The deployment key; none where no file is named.
    fn deployment(&self) -> Result<Option<DeploymentKey>, KeyError> {
        let Some(path) = &self.deployment_key_file else { return Ok(None) };
        let bytes = std::fs::read(path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        DeploymentKey::parse(bytes.trim_ascii_end()).ok_or(KeyError::Count).map(Some)
    }

    /// The master key; none where no file is named.
    pub fn master(&self) -> Result<Option<MasterKey>, KeyError> {
        match &self.master_key_file {
            Some(path) => MasterKey::load(path).map(Some),
            None => self.deployment()?.map(|key| MasterKey::derive(&key)).transpose(),
        }
    }
}

// Addresses may carry passwords, so neither is printed.

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats").field("access", &self.access).finish_non_exhaustive()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("access", &self.access).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
