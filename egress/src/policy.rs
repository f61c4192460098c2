//! Where outgoing calls may go.
//!
//! Any public address, and of the others those that the operator lists. A name is judged by the
//! addresses it resolves to, at the moment of connecting, never by how it is spelt. This keeps an
//! author of rules, or a caller whose words end up in a URL, out of the network that the worker
//! stands in; it does not keep data from leaving to public hosts.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Why a call may not go out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host's address is not public, and no exception names it.
    #[error("{host} may not be called: its address is {kind}, and egress.allow does not list it")]
    Address {
        /// The host, as the call names it.
        host: String,
        /// What kind of address it has.
        kind: &'static str,
    },
    /// The URL is not of the web.
    #[error("{scheme} URLs may not be called: only http and https are")]
    Scheme {
        /// The scheme, in lower case.
        scheme: String,
    },
}

/// Why text is no entry of `egress.allow`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address, network (10.0.0.0/8) or host name, with or without a port (host:8080, [::1]:8080)")]
pub struct ParseError(String);

/// An exception: an address, a network or a host name, on one port or on all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Allow {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Net(IpNet),
    /// Lower case, without a dot at the end.
    Host(String),
}

/// Where outgoing calls may go: public addresses, and what is listed.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The exceptions.
    pub allow: Vec<Allow>,
}

impl Policy {
    /// Whether a call to `host` may connect to `ip` on `port`.
    pub fn check_address(&self, host: &str, ip: IpAddr, port: u16) -> Result<(), Refusal> {
        let ip = ip.to_canonical();
        match kind(ip) {
            Some(kind) if !self.allow.iter().any(|allow| allow.admits(host, ip, port)) => {
                Err(Refusal::Address { host: host.to_owned(), kind })
            }
            _ => Ok(()),
        }
    }

    /// This policy with further exceptions.
    #[must_use]
    pub fn with(&self, more: &[Allow]) -> Self {
        Self { allow: self.allow.iter().chain(more).cloned().collect() }
    }

    /// The ports that exceptions name.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.allow.iter().filter_map(|allow| allow.port).collect()
    }
}

impl Refusal {
    /// The refusal that an error stems from, if it does.
    pub fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref() {
                return Some(refusal);
            }
            next = error.source();
        }
        None
    }
}

impl Allow {
    fn admits(&self, host: &str, ip: IpAddr, port: u16) -> bool {
        let is_target = match &self.target {
            Target::Net(net) => net.contains(&ip),
            Target::Host(name) => host.strip_suffix('.').unwrap_or(host).eq_ignore_ascii_case(name),
        };
        is_target && self.port.is_none_or(|allowed| allowed == port)
    }
}

impl FromStr for Allow {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = Target::parse(text).map(|target| Self { target, port: None });
        let with_port = || {
            let (target, port) = text.rsplit_once(':')?;
            let port = port.parse().ok().filter(|number| *number != 0 && port.starts_with(|c: char| c.is_ascii_digit()))?;
            let bare = target.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let target = Target::parse(bare.unwrap_or(target)).filter(|target| target.is_v6() == bare.is_some())?;
            Some(Self { target, port: Some(port) })
        };
        whole.or_else(with_port).ok_or_else(|| ParseError(text.to_owned()))
    }
}

impl TryFrom<String> for Allow {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.target, self.port) {
            (target, None) => write!(f, "{target}"),
            (target, Some(port)) if target.is_v6() => write!(f, "[{target}]:{port}"),
            (target, Some(port)) => write!(f, "{target}:{port}"),
        }
    }
}

impl Target {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Net(ip.to_canonical().into()));
        }
        if text.contains('/') {
            return text.parse::<IpNet>().ok().map(|net| Self::Net(net.trunc()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        // A last label of digits would be an address in some spelling: those are written plainly.
        let is_name = name.len() <= HOST_BYTES_MAX && name.split('.').all(is_label);
        let is_number = name.rsplit('.').next().is_some_and(|label| label.starts_with(|c: char| c.is_ascii_digit()));
        (is_name && !is_number).then_some(Self::Host(name))
    }

    fn is_v6(&self) -> bool {
        matches!(self, Self::Net(IpNet::V6(_)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Self::Net(net) => write!(f, "{net}"),
            Self::Host(name) => f.write_str(name),
        }
    }
}

/// What is not public of IPv4, the narrower first (IANA's special-purpose registry, and the clouds' own).
const CLOSED_V4: [(Ipv4Net, &str); 19] = [
    (v4(169, 254, 169, 254, 32), "a cloud's metadata service"),
    (v4(168, 63, 129, 16, 32), "a cloud's metadata service"),
    (v4(100, 100, 100, 200, 32), "a cloud's metadata service"),
    (v4(192, 0, 0, 192, 32), "a cloud's metadata service"),
    (v4(255, 255, 255, 255, 32), "broadcast"),
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(10, 0, 0, 0, 8), "private"),
    (v4(100, 64, 0, 0, 10), "shared by a carrier"),
    (v4(127, 0, 0, 0, 8), "loopback"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(172, 16, 0, 0, 12), "private"),
    (v4(192, 0, 0, 0, 24), "reserved"),
    (v4(192, 0, 2, 0, 24), "for documentation"),
    (v4(192, 88, 99, 0, 24), "a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "private"),
    (v4(198, 18, 0, 0, 15), "for benchmarks"),
    (v4(198, 51, 100, 0, 24), "for documentation"),
    (v4(203, 0, 113, 0, 24), "for documentation"),
    (v4(224, 0, 0, 0, 3), "multicast or reserved"),
];

/// Names for what is not public of IPv6, the narrower first; what is not global unicast has none.
const CLOSED_V6: [(Ipv6Net, &str); 13] = [
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "a cloud's metadata service"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "IPv4-compatible"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a private NAT64"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "unique-local"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "Teredo"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "for documentation"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "6to4"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "for documentation"),
];

/// The only IPv6 addresses that are handed out.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// Where a resolver of an IPv6-only network puts the public IPv4 (RFC 6052).
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(parts: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(parts), prefix)
}

/// What an address is, if it is not public.
fn kind(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => CLOSED_V4.iter().find(|(net, _)| net.contains(&ip)).map(|(_, kind)| *kind),
        IpAddr::V6(ip) if NAT64.contains(&ip) => {
            let [.., a, b, c, d] = ip.octets();
            kind(Ipv4Addr::from_octets([a, b, c, d]).into())
        }
        IpAddr::V6(ip) => {
            let closed = CLOSED_V6.iter().find(|(net, _)| net.contains(&ip)).map(|(_, kind)| *kind);
            closed.or_else(|| (!GLOBAL_V6.contains(&ip)).then_some("reserved"))
        }
    }
}

#[cfg(test)]
mod tests;
