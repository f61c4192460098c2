//! Files that say who a process is and whom it believes, read with errors that name flag and file.
//!
//! No error repeats what stands in a file.

use std::io;
use std::path::{Path, PathBuf};

use redis::ClientTlsConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::SecretString;

/// What is wrong with a setting.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A value cannot be used.
    #[error("{flag} {what}")]
    Setting {
        /// The flag.
        flag: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// A file cannot be used.
    #[error("{flag} {} {what}", path.display())]
    File {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// A file cannot be read.
    #[error("{flag} {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The flag.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Fault {
    pub(crate) fn setting(flag: &'static str, what: &'static str) -> Self {
        Self::Setting { flag, what }
    }

    pub(crate) fn file(flag: &'static str, path: &Path, what: &'static str) -> Self {
        Self::File { flag, path: path.to_owned(), what }
    }
}

fn read(flag: &'static str, path: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(path).map_err(|source| Fault::Unreadable { flag, path: path.to_owned(), source })
}

/// Reads a secret; white space around it does not count.
pub(crate) fn text(flag: &'static str, path: &Path) -> Result<SecretString, Fault> {
    let text = String::from_utf8(read(flag, path)?).map_err(|_| Fault::file(flag, path, "is no text"))?;
    if text.trim().is_empty() { Err(Fault::file(flag, path, "is empty")) } else { Ok(SecretString::from(text.trim())) }
}

/// Chooses the cryptography of TLS for this process, where nobody has yet.
pub(crate) fn provide() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Certificates and a key, by their flags: of authorities, of this client, and its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) flags: [&'static str; 3],
    pub(crate) ca: Option<&'a Path>,
    pub(crate) cert: Option<&'a Path>,
    pub(crate) key: Option<&'a Path>,
}

impl Files<'_> {
    /// The first flag that is set.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let set = [self.ca, self.cert, self.key];
        self.flags.into_iter().zip(set).find_map(|(flag, path)| path.map(|_| flag))
    }

    /// Finds what is wrong with them.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.roots()?;
        self.pair().map(drop)
    }

    /// The certificates of authorities, in PEM.
    pub(crate) fn roots(&self) -> Result<Option<Vec<u8>>, Fault> {
        let ([flag, ..], Some(path)) = (self.flags, self.ca) else { return Ok(None) };
        let bytes = read(flag, path)?;
        let mut store = rustls::RootCertStore::empty();
        for certificate in certificates(flag, path, &bytes)? {
            store.add(certificate).map_err(|_| Fault::file(flag, path, "holds a certificate that cannot be used"))?;
        }
        Ok(Some(bytes))
    }

    /// The client's certificate and key, in PEM, where they belong together.
    pub(crate) fn pair(&self) -> Result<Option<ClientTlsConfig>, Fault> {
        let [_, of_cert, of_key] = self.flags;
        let (cert, key) = match (self.cert, self.key) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(Fault::setting(of_cert, "needs the key of the certificate beside it")),
            (None, Some(_)) => return Err(Fault::setting(of_key, "needs the certificate of the key beside it")),
            (Some(cert), Some(key)) => (cert, key),
        };
        let (client_cert, client_key) = (read(of_cert, cert)?, read(of_key, key)?);
        let chain = certificates(of_cert, cert, &client_cert)?;
        let unusable = || Fault::file(of_key, key, "holds no private key in PEM");
        let parsed = PrivateKeyDer::from_pem_slice(&client_key).map_err(|_| unusable())?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        match rustls::sign::CertifiedKey::from_der(chain, parsed, &provider) {
            Ok(_) => Ok(Some(ClientTlsConfig { client_cert, client_key })),
            Err(rustls::Error::InconsistentKeys(_)) => Err(Fault::file(of_key, key, "is not the key of the certificate")),
            Err(_) => Err(unusable()),
        }
    }
}

fn certificates(flag: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.ok().filter(|read| !read.is_empty()).ok_or_else(|| Fault::file(flag, path, "holds no certificate in PEM"))
}
