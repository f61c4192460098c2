//! Which server, and as whom it is spoken to.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::oauth::OAuth;

/// A server of tools.
#[derive(Debug, Clone)]
pub enum Server {
    /// Over streamable HTTP.
    Http(Http),
    /// A program of the operator's list, over its standard input and output.
    Stdio {
        /// Its name in the list.
        program: String,
    },
}

/// A server over streamable HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    /// Its endpoint.
    pub url: Url,
    /// Headers of every request to it.
    pub headers: Vec<(String, SecretString)>,
    /// How requests are authorized, beside the headers.
    pub auth: Auth,
}

/// How requests are authorized.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// They are not, or by a header.
    #[default]
    None,
    /// By a token that does not change.
    Bearer(SecretString),
    /// By a token that is asked for when the server demands one, and kept in memory only.
    Token(Box<OAuth>),
}

/// Tells configurations of servers apart; two that are equal in every part share a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key([u8; 32]);

impl Server {
    /// Names the server without its path, query and headers, any of which may be secret.
    pub fn label(&self) -> String {
        match self {
            Self::Http(http) => origin(&http.url),
            Self::Stdio { program } => crate::text::line(program, crate::limit::LABEL_BYTES_MAX),
        }
    }

    pub(crate) fn key(&self) -> Key {
        let mut digest = Parts(Sha256::new());
        match self {
            Self::Stdio { program } => digest.add("stdio").add(program),
            Self::Http(http) => {
                digest.add("http").add(http.url.as_str());
                for (name, value) in &http.headers {
                    digest.add(name).add(value.expose_secret());
                }
                match &http.auth {
                    Auth::None => digest.add("none"),
                    Auth::Bearer(token) => digest.add("bearer").add(token.expose_secret()),
                    Auth::Token(oauth) => {
                        digest.add("oauth");
                        oauth.parts(|part| {
                            digest.add(part);
                        });
                        &mut digest
                    }
                }
            }
        };
        Key(digest.0.finalize().into())
    }
}

/// Scheme, host and port.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A digest of parts, each with its length before it: no two lists of parts run into each other.
struct Parts(Sha256);

impl Parts {
    fn add(&mut self, part: &str) -> &mut Self {
        self.0.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        self.0.update(part);
        self
    }
}

/// A digest over secrets is not shown either.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::{Auth, Http, Server};

    fn http(url: &str, headers: &[(&str, &str)], auth: Auth) -> Server {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        Server::Http(Http { url: url.parse().unwrap(), headers, auth })
    }

    #[test]
    fn servers_that_differ_in_any_part_do_not_share_a_connection() {
        let servers = [
            http("https://a.example/mcp", &[], Auth::None),
            http("https://a.example/mcp?x=1", &[], Auth::None),
            http("https://a.example/mcp", &[("a", "bc")], Auth::None),
            http("https://a.example/mcp", &[("ab", "c")], Auth::None),
            http("https://a.example/mcp", &[], Auth::Bearer("t".into())),
            http("https://a.example/mcp", &[], Auth::Bearer("u".into())),
            Server::Stdio { program: "https://a.example/mcp".into() },
        ];
        for (index, one) in servers.iter().enumerate() {
            for (other_index, other) in servers.iter().enumerate() {
                assert_eq!(one.key() == other.key(), index == other_index, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn neither_label_nor_debug_shows_a_secret() {
        let server = http("https://u:pw@a.example:8443/secret-path?key=hidden", &[("x-key", "hidden")], Auth::Bearer("hidden".into()));
        assert_eq!(server.label(), "https://a.example:8443");
        let Server::Http(http) = &server else { unreachable!() };
        assert!(!format!("{:?}{:?}{:?}", http.headers, http.auth, server.key()).contains("hidden"));
    }
}
