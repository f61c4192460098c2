//! How a name becomes addresses, and which of them pass.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve as Lookup, Resolving};

use crate::policy::{Policy, Refusal};

/// How many addresses of one name are tried.
const ADDRESSES_MAX: usize = 16;

/// A name service.
#[async_trait]
pub trait Resolve: std::fmt::Debug + Send + Sync {
    /// All addresses of a name.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The name service of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct System;

/// Answers a client's look-ups with the addresses that a policy admits.
#[derive(Debug)]
pub(crate) struct Guard {
    policy: Arc<Policy>,
    resolver: Arc<dyn Resolve>,
    port: u16,
}

impl Guard {
    pub(crate) fn new(policy: &Arc<Policy>, resolver: &Arc<dyn Resolve>, port: u16) -> Self {
        Self { policy: Arc::clone(policy), resolver: Arc::clone(resolver), port }
    }
}

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

impl Lookup for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (policy, resolver, port) = (Arc::clone(&self.policy), Arc::clone(&self.resolver), self.port);
        Box::pin(async move {
            let host = name.as_str();
            let found = resolver.resolve(host).await?;
            let open = admitted(&policy, host, found, port)?;
            // A port of zero makes the client put the URL's own.
            Ok(Box::new(open.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// The addresses that pass; a refusal if there are some and none does.
pub(crate) fn admitted(policy: &Policy, host: &str, found: Vec<IpAddr>, port: u16) -> Result<Vec<IpAddr>, Refusal> {
    let mut refusal = None;
    let mut open = Vec::new();
    for ip in found {
        match policy.check_address(host, ip, port) {
            Ok(()) if open.len() < ADDRESSES_MAX => open.push(ip),
            Ok(()) => break,
            Err(refused) => refusal = refusal.or(Some(refused)),
        }
    }
    match refusal {
        Some(refusal) if open.is_empty() => Err(refusal),
        _ => Ok(open),
    }
}
