//! Connections that the egress policy has seen.
//!
//! A name is resolved once, while connecting, and the addresses that pass are the ones connected
//! to: there is no second look-up that could answer otherwise. The resolver is not told the port,
//! so each port that an exception names has a client of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use reqwest::{Client, Response};
use url::Host;

use super::Error;
use super::request::Request;
use crate::ability::egress::{Policy, Refusal};

/// How long a connection may take to open, name look-up included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How many idle connections to one host are kept.
const IDLE_MAX: usize = 8;
/// Stands for every port that no exception names; none can name this one.
const ANY_PORT: u16 = 0;

/// HTTP clients, one for each port that an exception names and one for all others.
#[derive(Debug)]
pub(super) struct Clients {
    policy: Arc<Policy>,
    other: Client,
    named: BTreeMap<u16, Client>,
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy)]
enum Roots {
    System,
    /// Fails every TLS handshake; a minimal image may come without authorities.
    None,
}

/// Resolves names to addresses that the policy admits.
#[derive(Debug)]
struct Guard {
    policy: Arc<Policy>,
    port: u16,
}

impl Clients {
    /// Sets the clients up.
    pub(super) fn new(policy: Policy) -> Result<Self, reqwest::Error> {
        let policy = Arc::new(policy);
        let guard = |port| Guard { policy: Arc::clone(&policy), port };
        let (roots, other) = match client(guard(ANY_PORT), Roots::System) {
            Ok(client) => (Roots::System, client),
            Err(error) => {
                tracing::warn!(error = ?error, "no certificate authorities on this system: fetch can call http only, not https");
                (Roots::None, client(guard(ANY_PORT), Roots::None)?)
            }
        };
        let named = policy.ports().map(|port| Ok((port, client(guard(port), roots)?))).collect::<Result<_, reqwest::Error>>()?;
        Ok(Self { policy, other, named })
    }

    /// Sends a request; redirects are not followed.
    pub(super) async fn send(&self, request: &Request) -> Result<Response, Error> {
        let port = request.url.port_or_known_default().unwrap_or(ANY_PORT);
        let literal = match request.url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            Some(Host::Domain(_)) | None => None,
        };
        if let Some(ip) = literal {
            self.policy.check_address(request.url.host_str().unwrap_or_default(), ip, port)?;
        }
        let client = self.named.get(&port).unwrap_or(&self.other);
        let mut call = client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            call = call.body(body.clone());
        }
        Ok(call.send().await?)
    }
}

fn client(guard: Guard, roots: Roots) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .user_agent(concat!("cuepoint/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(guard)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_MAX);
    match roots {
        Roots::System => builder.build(),
        Roots::None => builder.tls_certs_only([]).build(),
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, port) = (Arc::clone(&self.policy), self.port);
        Box::pin(async move {
            let host = name.as_str();
            let found = tokio::net::lookup_host((host, 0)).await?;
            let checked: Vec<(SocketAddr, Result<(), Refusal>)> =
                found.map(|address| (address, policy.check_address(host, address.ip(), port))).collect();
            let open: Vec<SocketAddr> = checked.iter().filter(|(_, verdict)| verdict.is_ok()).map(|(address, _)| *address).collect();
            match checked.into_iter().find_map(|(_, verdict)| verdict.err()) {
                Some(refusal) if open.is_empty() => Err(refusal.into()),
                _ => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}
