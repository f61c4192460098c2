//! How a caller's words become a session.
//!
//! The session string is the caller's `session`, else the contact's email, else its phone; its
//! token is a hash, so that any string fits a subject and no address stands in one. A direct
//! publisher may compute the same token (`cuepoint session-token`) or choose any other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::event::Contact;
use crate::id::{SessionToken, TriggerId};

/// How many characters of the hash make a token: 132 bits.
const TOKEN_CHARS: usize = 22;

/// The string that names the session: the first of these that is there and not empty.
pub fn string<'a>(session: Option<&'a str>, contact: &'a Contact) -> Option<&'a str> {
    [session, contact.email.as_deref(), contact.phone.as_deref()].into_iter().flatten().find(|text| !text.is_empty())
}

/// The token of a session string.
pub fn token(string: &str) -> SessionToken {
    hashed(&[string.as_bytes()])
}

/// The token of a call that has an idempotency key and no session, so that its repeat meets it.
pub fn token_of_key(trigger: &TriggerId, key: &str) -> SessionToken {
    hashed(&[b"key", trigger.as_str().as_bytes(), key.as_bytes()])
}

/// The token of a session that nobody else can name.
pub fn fresh_token(random: [u8; 16]) -> SessionToken {
    hashed(&[b"fresh", &random])
}

fn hashed(parts: &[&[u8]]) -> SessionToken {
    let mut hash = Sha256::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    let text = URL_SAFE_NO_PAD.encode(hash.finalize());
    #[expect(clippy::expect_used, reason = "base64url of a hash is 43 characters of the token alphabet")]
    text.get(..TOKEN_CHARS).and_then(|head| head.parse().ok()).expect("a base64url prefix is a token")
}

#[cfg(test)]
mod tests {
    use super::{string, token};
    use crate::event::Contact;

    #[test]
    fn tokens_match_the_golden_vectors() {
        // base64url(SHA-256(string)), first 22 characters: direct publishers in other languages rely on these.
        assert_eq!(token("order-42").as_str(), "O_ixV8Qjju_lrkpm7Kgca4");
        assert_eq!(token("ada@example.com").as_str(), "tfyF5VdV-eDQMKEKtEKbay");
        assert_eq!(token("").as_str(), "47DEQpj8HBSa-_TImW-5JC");
    }

    #[test]
    fn session_precedes_email_precedes_phone() {
        let contact = Contact { name: Some("Ada".into()), email: Some("a@x".into()), phone: Some("1".into()) };
        assert_eq!(string(Some("s"), &contact), Some("s"));
        assert_eq!(string(Some(""), &contact), Some("a@x"));
        assert_eq!(string(None, &Contact { email: None, ..contact.clone() }), Some("1"));
        assert_eq!(string(None, &Contact { email: None, phone: None, ..contact }), None);
    }
}
