//! Who is logged in.
//!
//! A session is a cookie and nothing else: the token, sealed under the deployment's master key with
//! the time at which it ends, so that every gateway reads it and none keeps it. What the token may is
//! decided by the API at every call; revoking the token ends its sessions. Beside the token lies a
//! random word that forms repeat: another site knows neither.

use std::sync::Arc;

use backbone::seal::{self, MasterKey, Purpose};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

/// How long a session lasts since it was last renewed, in milliseconds: 12 hours.
pub const SESSION_MS_MAX: i64 = 12 * 3_600_000;
/// How old a session is when a page renews it, in milliseconds: an hour.
const RENEW_AFTER_MS: i64 = 3_600_000;
/// Longest token that becomes a session, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 256;

/// Makes and reads sessions.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    master: MasterKey,
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct Session {
    /// What calls of the API carry.
    pub(crate) token: Arc<SecretString>,
    /// What forms repeat.
    pub(crate) word: Arc<str>,
    began_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    token: String,
    word: String,
    began_ms: i64,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session(..)")
    }
}

impl Keeper {
    /// Sessions under a key.
    pub(crate) fn new(master: MasterKey) -> Self {
        Self { master }
    }

    /// A session of whoever has a token.
    pub(crate) fn begin(token: SecretString, now_ms: i64) -> Session {
        let word = URL_SAFE_NO_PAD.encode(backbone::chance::bytes::<16>());
        Session { token: Arc::new(token), word: word.into(), began_ms: now_ms }
    }

    /// The cookie of a session; none where it cannot be sealed.
    pub(crate) fn seal(&self, session: &Session) -> Option<String> {
        let sealed =
            Sealed { token: session.token.expose_secret().to_owned(), word: session.word.as_ref().to_owned(), began_ms: session.began_ms };
        let text = serde_json::to_string(&sealed).ok()?;
        seal::seal(&self.master, Purpose::Session, &text).ok().map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The session of a cookie; none where it has ended, or is none of ours.
    pub(crate) fn open(&self, cookie: &str, now_ms: i64) -> Option<Session> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let text = seal::unseal(&self.master, Purpose::Session, &sealed).ok()?;
        let Sealed { token, word, began_ms } = serde_json::from_str(text.expose_secret()).ok()?;
        let is_running = now_ms.saturating_sub(began_ms) < SESSION_MS_MAX;
        is_running.then(|| Session { token: Arc::new(SecretString::from(token)), word: word.into(), began_ms })
    }
}

impl Session {
    /// Whether a form repeats the session's word.
    pub(crate) fn is_word(&self, said: &str) -> bool {
        self.word.as_bytes().ct_eq(said.as_bytes()).into()
    }

    /// The session as it goes on from now; none where it is young.
    pub(crate) fn renewed(&self, now_ms: i64) -> Option<Self> {
        (now_ms.saturating_sub(self.began_ms) > RENEW_AFTER_MS).then(|| Self { began_ms: now_ms, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use backbone::seal::MasterKey;
    use secrecy::ExposeSecret as _;

    use super::{Keeper, SESSION_MS_MAX};

    fn keeper(digit: char) -> Keeper {
        Keeper::new(MasterKey::parse(&digit.to_string().repeat(64)).unwrap())
    }

    #[test]
    fn a_session_is_read_by_every_gateway_until_it_ends() {
        let session = Keeper::begin("sk-token".to_owned().into(), 1_000);
        let cookie = keeper('a').seal(&session).unwrap();
        assert!(!cookie.contains("sk-token"));
        let read = keeper('a').open(&cookie, 1_000 + SESSION_MS_MAX - 1).unwrap();
        assert_eq!(read.token.expose_secret(), "sk-token");
        assert!(read.is_word(&session.word) && !read.is_word(""));
        assert!(keeper('a').open(&cookie, 1_000 + SESSION_MS_MAX).is_none(), "it has ended");
        assert!(keeper('b').open(&cookie, 1_000).is_none(), "it is another deployment's");
        let other: String = cookie.chars().rev().collect();
        for broken in ["", "x", cookie.trim_end_matches(char::is_alphanumeric), &format!("{cookie}A"), &other] {
            assert!(broken == cookie || keeper('a').open(broken, 1_000).is_none(), "{broken}");
        }
    }

    #[test]
    fn a_session_in_use_goes_on() {
        let session = Keeper::begin("t".to_owned().into(), 0);
        assert!(session.renewed(60_000).is_none());
        let renewed = session.renewed(2 * 3_600_000).unwrap();
        assert!(renewed.is_word(&session.word));
        let cookie = keeper('a').seal(&renewed).unwrap();
        assert!(keeper('a').open(&cookie, SESSION_MS_MAX + 3_600_000).is_some());
    }
}
