//! Where outgoing calls may go, and the connections that keep to it.
//!
//! A name is resolved once, while connecting, and the addresses that pass are the ones connected
//! to: there is no second look-up that could answer otherwise. Nothing here follows a redirect,
//! asks a proxy (which would resolve names out of the policy's sight) or unpacks a body (which
//! could grow past every bound).
//!
//! In reading order:
//! - [`policy`]: which addresses are open;
//! - [`lookup`]: how a name becomes addresses, and which of them pass;
//! - [`Egress`]: HTTP clients, and addresses for everything else, that obey a policy.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Client, redirect};
use url::{Host, Url};

use self::lookup::{Guard, Resolve, System};
use self::policy::{Allow, Policy, Refusal};

pub mod lookup;
pub mod policy;

/// How long a connection may take to open, name look-up included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many idle connections to one host are kept.
const IDLE_MAX: usize = 8;
/// How many extended policies keep their connections; past that the oldest is let go.
const EXTENDED_MAX: usize = 64;
/// Stands for every port that no exception names; none can name this one.
const ANY_PORT: u16 = 0;

/// Why a host has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The policy refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is neither a name nor an address.
    #[error("{0:?} is no host name or address")]
    Host(String),
    /// The name service does not know it, or does not answer.
    #[error("{host} was not found")]
    Lookup {
        /// The host.
        host: String,
        /// What the name service says.
        #[source]
        source: std::io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    Empty(String),
    /// The name service did not answer in time.
    #[error("{0} was not found within {CONNECT_TIMEOUT:?}")]
    Late(String),
}

/// Connections that a policy has seen; a clone shares them.
#[derive(Debug, Clone)]
pub struct Egress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolve>,
    roots: Roots,
    /// For the ports that no exception names.
    other: Client,
    /// The resolver is not told the port, so each port that an exception names has a client of its own.
    named: BTreeMap<u16, Client>,
    /// By what was added, the oldest first.
    extended: Mutex<VecDeque<(Vec<Allow>, Egress)>>,
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy)]
enum Roots {
    System,
    /// Fails every TLS handshake; a minimal image may come without authorities.
    None,
}

impl Egress {
    /// Sets connections up that resolve names as the system does.
    pub fn new(policy: Policy) -> Result<Self, reqwest::Error> {
        Self::over(policy, Arc::new(System))
    }

    /// Sets connections up over a resolver.
    pub fn over(policy: Policy, resolver: Arc<dyn Resolve>) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        match client(Guard::new(&policy, &resolver, ANY_PORT), Roots::System) {
            Ok(other) => Self::around(policy, resolver, Roots::System, other),
            Err(error) => {
                tracing::warn!(error = ?error, "no certificate authorities on this system: only http can be called, not https");
                let other = client(Guard::new(&policy, &resolver, ANY_PORT), Roots::None)?;
                Self::around(policy, resolver, Roots::None, other)
            }
        }
    }

    fn around(policy: Arc<Policy>, resolver: Arc<dyn Resolve>, roots: Roots, other: Client) -> Result<Self, reqwest::Error> {
        let named = |port| Ok((port, client(Guard::new(&policy, &resolver, port), roots)?));
        let named = policy.ports().into_iter().map(named).collect::<Result<_, reqwest::Error>>()?;
        Ok(Self(Arc::new(Inner { policy, resolver, roots, other, named, extended: Mutex::default() })))
    }

    /// The same with further exceptions. Its connections are its own, and kept for the next who asks for the same.
    pub fn with(&self, more: &[Allow]) -> Result<Self, reqwest::Error> {
        if more.is_empty() {
            return Ok(self.clone());
        }
        let mut extended = self.0.extended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = extended.iter().find(|(added, _)| added == more) {
            return Ok(kept.clone());
        }
        let policy = Arc::new(self.0.policy.with(more));
        let other = client(Guard::new(&policy, &self.0.resolver, ANY_PORT), self.0.roots)?;
        let made = Self::around(policy, Arc::clone(&self.0.resolver), self.0.roots, other)?;
        if extended.len() >= EXTENDED_MAX {
            extended.pop_front();
        }
        extended.push_back((more.to_vec(), made.clone()));
        Ok(made)
    }

    /// The policy that the connections keep to.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    /// The client for a URL. It is for this URL only: another port or a redirect's target is asked for again.
    pub fn client(&self, url: &Url) -> Result<Client, Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme { scheme: url.scheme().to_owned() });
        }
        let port = url.port_or_known_default().unwrap_or(ANY_PORT);
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(ip) = literal {
            self.0.policy.check_address(url.host_str().unwrap_or_default(), ip, port)?;
        }
        Ok(self.0.named.get(&port).unwrap_or(&self.0.other).clone())
    }

    /// The addresses of a host that may be connected to on a port: at least one, looked up once.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let literal = match (host.parse::<IpAddr>(), Host::parse(host)) {
            (Ok(ip), _) => ip,
            (_, Ok(Host::Ipv4(ip))) => IpAddr::V4(ip),
            (_, Ok(Host::Ipv6(ip))) => IpAddr::V6(ip),
            (_, Ok(Host::Domain(name))) => return self.look_up(&name, port).await,
            (_, Err(_)) => return Err(Error::Host(host.to_owned())),
        };
        self.0.policy.check_address(host, literal, port)?;
        Ok(vec![SocketAddr::new(literal, port)])
    }

    async fn look_up(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let looked_up = tokio::time::timeout(CONNECT_TIMEOUT, self.0.resolver.resolve(name)).await;
        let found = looked_up.map_err(|_| Error::Late(name.to_owned()))?;
        let found = found.map_err(|source| Error::Lookup { host: name.to_owned(), source })?;
        let open = lookup::admitted(&self.0.policy, name, found, port)?;
        if open.is_empty() {
            return Err(Error::Empty(name.to_owned()));
        }
        Ok(open.into_iter().map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

fn client(guard: Guard, roots: Roots) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .user_agent(concat!("cuepoint/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(guard)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        // Another crate of the build may have turned these on for all of reqwest.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_MAX);
    match roots {
        Roots::System => builder.build(),
        Roots::None => builder.tls_certs_only([]).build(),
    }
}

#[cfg(test)]
mod tests;
