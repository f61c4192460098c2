//! Authorization by OAuth 2.1, as the protocol lays it out: who this client is to the
//! authorization server, and how it comes by a token.
//!
//! Nothing is authorized before a server demands it: its challenge names where to look. Tokens are
//! kept in memory, refreshed while the server allows it, and asked for again when it does not.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub mod consent;
mod errand;
pub(crate) mod session;

/// How a server's authorization server is dealt with.
#[derive(Debug, Clone)]
pub struct OAuth {
    /// Who this client is.
    pub client: Client,
    /// How it comes by a token.
    pub grant: Grant,
    /// Scopes to ask for; empty, those that the server names.
    pub scopes: Vec<String>,
}

/// Who this client is to an authorization server.
#[derive(Debug, Clone)]
pub enum Client {
    /// Registered there beforehand.
    Registered {
        /// The id it was given.
        id: String,
        /// The secret it was given, if any.
        secret: Option<SecretString>,
    },
    /// Described by a document at this https URL, where the authorization server reads such; else it registers itself.
    Document(Url),
    /// It registers itself.
    Dynamic,
}

/// How a client comes by a token.
#[derive(Debug, Clone)]
pub enum Grant {
    /// Somebody consents (authorization code with PKCE); the pool's [`consent::Consent`] is asked.
    Code {
        /// Where the authorization server sends whoever consented.
        redirect: Url,
    },
    /// As itself, by the secret of its registration.
    Credentials,
    /// As itself, by a signature.
    Key {
        /// The private key, as PEM.
        pem: SecretString,
        /// What it signs with.
        algorithm: Algorithm,
    },
    /// For somebody whom an identity provider vouches for (enterprise-managed authorization).
    Identity(Identity),
}

/// What a client signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with SHA-256.
    Rs256,
    /// RSA with SHA-384.
    Rs384,
    /// RSA with SHA-512.
    Rs512,
    /// ECDSA over P-256.
    Es256,
    /// ECDSA over P-384.
    Es384,
}

/// An identity provider, and its word for somebody.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The issuer.
    pub issuer: Url,
    /// Where it exchanges tokens.
    pub token_endpoint: Url,
    /// The id of this client there.
    pub client_id: String,
    /// Its word: an id token.
    pub id_token: SecretString,
}

/// Why no authorization is to be had.
///
/// What the authorization server says is not in it: it may repeat what it was sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A step failed.
    #[error("cannot {step}{}", if detail.is_empty() { String::new() } else { format!(": {detail}") })]
    Step {
        /// What was tried.
        step: &'static str,
        /// What came of it: a status and an error code of OAuth, or why nothing was sent.
        detail: String,
    },
    /// Somebody must consent, and nobody is there.
    #[error("the authorization server wants somebody to consent: {0}")]
    Consent(String),
    /// The configuration does not go together.
    #[error("the authorization cannot be used: {0}")]
    Configuration(&'static str),
    /// The token has run out and cannot be refreshed just now.
    #[error("cannot refresh the token")]
    Token,
    /// It takes too long.
    #[error("no authorization within {0:?}")]
    Late(std::time::Duration),
    /// The server still demands more.
    #[error("the server still demands more after {0} authorizations")]
    NeverEnough(u32),
}

impl OAuth {
    /// What must not come back in what a server says.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let client = match &self.client {
            Client::Registered { secret, .. } => secret.as_ref(),
            Client::Document(_) | Client::Dynamic => None,
        };
        let grant = match &self.grant {
            Grant::Key { pem, .. } => Some(pem),
            Grant::Identity(identity) => Some(&identity.id_token),
            Grant::Code { .. } | Grant::Credentials => None,
        };
        client.into_iter().chain(grant).map(ExposeSecret::expose_secret)
    }

    /// Every part that tells one configuration from another.
    pub(crate) fn parts(&self, mut add: impl FnMut(&str)) {
        match &self.client {
            Client::Registered { id, secret } => {
                add("registered");
                add(id);
                add(secret.as_ref().map_or("", |secret| secret.expose_secret()));
            }
            Client::Document(url) => {
                add("document");
                add(url.as_str());
            }
            Client::Dynamic => add("dynamic"),
        }
        match &self.grant {
            Grant::Code { redirect } => {
                add("code");
                add(redirect.as_str());
            }
            Grant::Credentials => add("credentials"),
            Grant::Key { pem, algorithm } => {
                add("key");
                add(pem.expose_secret());
                add(&format!("{algorithm:?}"));
            }
            Grant::Identity(identity) => {
                add("identity");
                add(identity.issuer.as_str());
                add(identity.token_endpoint.as_str());
                add(&identity.client_id);
                add(identity.id_token.expose_secret());
            }
        }
        self.scopes.iter().for_each(|scope| add(scope));
    }
}
