//! Values that lie in the broker so that only this deployment reads them.
//!
//! A value is sealed with AES-256-GCM-SIV (RFC 8452) under a master key. What it is for is bound to
//! it as associated data ([`Purpose`]): whoever may write the bucket and not read
//! the key cannot move a value to where it would be shown to somebody else. Equal values sealed
//! twice differ, for the nonce is random; a nonce drawn twice would tell only that two values are
//! equal, which is why this cipher was chosen.
//!
//! ```text
//! version (1 byte: 1) | key id (8 bytes) | nonce (12 bytes) | ciphertext | tag (16 bytes)
//! ```
//! A key's id is the beginning of a digest of it. The first key of a [`MasterKey`] seals and every one
//! unseals, so keys are changed by putting a new one first; what is written again is then sealed under it.
//!
//! It does not hide how long a value is, nor keep whoever may write from putting an older value back.

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proto::idempotency::DeploymentKey;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::shared::Shared;

pub mod direct;
mod purpose;

pub use purpose::Purpose;

/// The only format there is.
const VERSION: u8 = 1;
/// How long a key is, in bytes.
const KEY_BYTES: usize = 32;
/// How long a key's id is, in bytes.
const ID_BYTES: usize = 8;
/// How many keys a file may hold.
const KEYS_MAX: usize = 16;
/// Tells a key made of the deployment's from all other uses of that one.
const LABEL: &[u8] = b"cuepoint/v1/master-key";

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the key file {path} cannot be read")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no key.
    #[error("line {line} of the master key file is no key: 32 bytes are needed, as 64 hex digits or in base64")]
    Line {
        /// Which line, from 1.
        line: usize,
    },
    /// No key, or too many.
    #[error("the master key file must hold 1 to {KEYS_MAX} keys, one a line, the one that seals first")]
    Count,
    /// The cipher refuses the key.
    #[error("the master key cannot be used")]
    Cipher,
}

/// Why a value cannot be sealed or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It has no such form; it is of a later version, or was never sealed.
    #[error("the sealed value has a form that this version does not know")]
    Form,
    /// It was sealed under a key that is not among these.
    #[error("the value is sealed under a key that --master-key-file does not hold")]
    KeyUnknown,
    /// It was changed, or is for something else.
    #[error("the sealed value was changed, or belongs elsewhere")]
    Forged,
    /// The system gave no random bytes.
    #[error("the value cannot be sealed")]
    Cipher,
}

struct Key {
    id: [u8; ID_BYTES],
    cipher: RandomizedNonceKey,
}

/// The keys of a deployment: the first seals, all unseal. Cheap to clone; clones are replaced together.
#[derive(Clone)]
pub struct MasterKey {
    keys: Shared<Vec<Key>>,
}

impl Key {
    fn new(bytes: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        let mut id = [0; ID_BYTES];
        let digest = Sha256::new().chain_update(b"cuepoint/v1/key-id").chain_update(bytes).finalize();
        for (slot, byte) in id.iter_mut().zip(digest) {
            *slot = byte;
        }
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, bytes).map_err(|_| KeyError::Cipher)?;
        Ok(Self { id, cipher })
    }
}

impl MasterKey {
    /// Reads a file of keys.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeyError::File { path: path.to_owned(), source })?;
        Self::parse(&Zeroizing::new(text))
    }

    /// Reads keys, one a line; empty lines and those that begin with `#` do not count.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let lines = text.lines().map(str::trim).enumerate();
        let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let keys: Vec<Key> =
            keys.map(|(index, line)| Key::new(&*key(line).ok_or(KeyError::Line { line: index + 1 })?)).collect::<Result<_, _>>()?;
        if (1..=KEYS_MAX).contains(&keys.len()) { Ok(Self { keys: Shared::new(keys) }) } else { Err(KeyError::Count) }
    }

    /// Makes the key of a deployment that has no file of keys.
    pub fn derive(deployment: &DeploymentKey) -> Result<Self, KeyError> {
        let secret = Salt::new(HKDF_SHA256, LABEL).extract(deployment.expose());
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        secret.expand(&[LABEL], HKDF_SHA256).and_then(|key| key.fill(&mut *bytes)).map_err(|_| KeyError::Cipher)?;
        Ok(Self { keys: Shared::new(vec![Key::new(&bytes)?]) })
    }

    /// Takes the place of the keys in all clones; whether they were others.
    pub fn replace(&self, other: &Self) -> bool {
        let ids = |key: &Self| key.keys.get().iter().map(|key| key.id).collect::<Vec<_>>();
        let is_other = ids(self) != ids(other);
        if is_other {
            self.keys.take(&other.keys);
        }
        is_other
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn key(line: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let bytes = if line.len() == 2 * KEY_BYTES { hex(line)? } else { STANDARD.decode(line).ok()? };
    let bytes = Zeroizing::new(bytes);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

/// Seals a value for one purpose.
pub fn seal(key: &MasterKey, purpose: Purpose<'_>, plaintext: &str) -> Result<Bytes, Error> {
    let keys = key.keys.get();
    let first = keys.first().ok_or(Error::KeyUnknown)?;
    let mut body = plaintext.as_bytes().to_vec();
    let nonce = first.cipher.seal_in_place_append_tag(aad(purpose), &mut body).map_err(|_| Error::Cipher)?;
    Ok([&[VERSION], first.id.as_slice(), nonce.as_ref(), &body].concat().into())
}

/// Reads a value that was sealed for the same purpose.
pub fn unseal(key: &MasterKey, purpose: Purpose<'_>, sealed: &[u8]) -> Result<SecretString, Error> {
    let (version, rest) = sealed.split_first().ok_or(Error::Form)?;
    let (id, rest) = rest.split_first_chunk::<ID_BYTES>().ok_or(Error::Form)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Error::Form)?;
    if *version != VERSION {
        return Err(Error::Form);
    }
    let keys = key.keys.get();
    let key = keys.iter().find(|key| key.id == *id).ok_or(Error::KeyUnknown)?;
    let mut body = Zeroizing::new(body.to_vec());
    let plaintext = key.cipher.open_in_place(Nonce::assume_unique_for_key(*nonce), aad(purpose), &mut body).map_err(|_| Error::Forged)?;
    std::str::from_utf8(plaintext).map(SecretString::from).map_err(|_| Error::Forged)
}

fn aad(purpose: Purpose<'_>) -> Aad<Vec<u8>> {
    Aad::from([&[VERSION], purpose.to_string().as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use proto::id::TriggerId;
    use proto::idempotency::DeploymentKey;
    use secrecy::ExposeSecret as _;

    use super::{Error, KeyError, MasterKey, Purpose, seal, unseal};

    const OLD: &str = "0001020304050607080910111213141516171819202122232425262728293031";
    const NEW: &str = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=";

    static TRIGGER: LazyLock<TriggerId> = LazyLock::new(|| "t".parse().unwrap());
    static OTHER: LazyLock<TriggerId> = LazyLock::new(|| "u".parse().unwrap());

    fn purpose() -> Purpose<'static> {
        Purpose::TriggerSecret(&TRIGGER)
    }

    fn keys(lines: &[&str]) -> MasterKey {
        MasterKey::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn a_value_is_read_back_for_its_use_alone() {
        let key = keys(&[OLD]);
        let sealed = seal(&key, purpose(), "s3cret").unwrap();
        assert_eq!(unseal(&key, purpose(), &sealed).unwrap().expose_secret(), "s3cret");
        for other in [Purpose::TriggerSecret(&OTHER), Purpose::SigningKey(&TRIGGER), Purpose::ResultKey(&TRIGGER, "secret")] {
            assert_eq!(unseal(&key, other, &sealed).unwrap_err(), Error::Forged, "{other}");
        }
        assert_ne!(seal(&key, purpose(), "s3cret").unwrap(), sealed);
        assert!(!sealed.windows(6).any(|window| window == b"s3cret"));
        assert_eq!(unseal(&key, purpose(), &seal(&key, purpose(), "").unwrap()).unwrap().expose_secret(), "");
    }

    #[test]
    fn an_older_key_still_opens_and_the_first_one_seals() {
        let old = seal(&keys(&[OLD]), purpose(), "a").unwrap();
        let both = keys(&["# the new one", NEW, "", OLD]);
        assert_eq!(unseal(&both, purpose(), &old).unwrap().expose_secret(), "a");
        let new = seal(&both, purpose(), "b").unwrap();
        assert_eq!(unseal(&keys(&[NEW]), purpose(), &new).unwrap().expose_secret(), "b");
        assert_eq!(unseal(&keys(&[OLD]), purpose(), &new).unwrap_err(), Error::KeyUnknown);
    }

    #[test]
    fn keys_are_replaced_wherever_they_are_held() {
        let (key, holder) = (keys(&[OLD]), keys(&[OLD]));
        let clone = holder.clone();
        let sealed = seal(&keys(&[NEW]), purpose(), "a").unwrap();
        assert!(!holder.replace(&key), "the same keys are no change");
        assert!(holder.replace(&keys(&[NEW, OLD])));
        assert_eq!(unseal(&clone, purpose(), &sealed).unwrap().expose_secret(), "a");
        assert_eq!(unseal(&key, purpose(), &sealed).unwrap_err(), Error::KeyUnknown, "another's stay as they are");
    }

    #[test]
    fn the_key_of_a_deployment_is_always_the_same_and_is_not_the_deployments() {
        let deployment = DeploymentKey::parse(&[7; 32]).unwrap();
        let sealed = seal(&MasterKey::derive(&deployment).unwrap(), purpose(), "a").unwrap();
        assert_eq!(unseal(&MasterKey::derive(&deployment).unwrap(), purpose(), &sealed).unwrap().expose_secret(), "a");
        let itself = keys(&[&"07".repeat(32)]);
        assert_eq!(unseal(&itself, purpose(), &sealed).unwrap_err(), Error::KeyUnknown);
        assert_eq!(format!("{itself:?}"), "MasterKey(..)");
    }

    #[test]
    fn what_is_no_key_is_said_with_its_line() {
        assert!(matches!(MasterKey::parse(&format!("{OLD}\nshort")), Err(KeyError::Line { line: 2 })));
        assert!(matches!(MasterKey::parse(&OLD.replace('0', "g")), Err(KeyError::Line { line: 1 })));
        assert!(matches!(MasterKey::parse("# nothing\n"), Err(KeyError::Count)));
        assert!(matches!(MasterKey::parse(&[OLD; 17].join("\n")), Err(KeyError::Count)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_none_but_its_own_open(bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0usize..64, flip in 1u8..) {
            let key = keys(&[OLD]);
            prop_assert!(unseal(&key, purpose(), &bytes).is_err());
            let mut sealed = seal(&key, purpose(), "a value of some length").unwrap().to_vec();
            prop_assert!(unseal(&key, purpose(), &sealed[..at.min(sealed.len() - 1)]).is_err());
            let at = at % sealed.len();
            sealed[at] ^= flip;
            prop_assert!(unseal(&key, purpose(), &sealed).is_err());
        }
    }
}
