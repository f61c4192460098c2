//! Where a call comes from.
//!
//! The address of the connection, unless it is a trusted proxy's: then the last address of
//! `X-Forwarded-For` that is no trusted proxy's. What a caller writes into that header itself stands
//! before what the proxies add, so it is believed no further than they are. Of IPv6 the first 64 bits
//! count, which is what one caller is given.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;
use proto::resource::Rate;

use super::{Kind, Limit, policy};
use crate::door::Door;

/// How many addresses of the header are looked at, from its end.
const HOPS_MAX: usize = 16;
/// What is never held to a limit: the looks of an orchestrator.
const FREE: [&str; 2] = ["/livez", "/readyz"];

/// The address that a connection comes from, beside each of its requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// How many calls one address may make in a time, as `100/1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerAddress(pub Rate);

impl FromStr for PerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("{text:?} must be a count and a time, such as 100/1m");
        let (count, period) = text.split_once('/').ok_or_else(form)?;
        let count: u32 = count.parse().map_err(|_| form())?;
        let period = humantime::parse_duration(period).map_err(|_| form())?;
        let per_ms = u64::try_from(period.as_millis()).unwrap_or_default();
        if count == 0 || per_ms == 0 { Err(form()) } else { Ok(Self(Rate { count, per_ms })) }
    }
}

/// Holds every call to the rate of its address; part of the router only where there is one.
pub(crate) async fn hold(
    State((door, rate, trusted)): State<(Arc<Door>, PerAddress, Arc<[IpNet]>)>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().map(|Peer(address)| address.ip());
    let is_free = FREE.contains(&request.uri().path());
    let limit = peer.filter(|_| !is_free).map(|peer| named(caller(peer, request.headers(), &trusted)));
    let limits: Vec<Limit> = limit.and_then(|of| Limit::of(Kind::Address, of, Some(rate.0))).into_iter().collect();
    match door.limiter.take(&door.redis, &limits).await {
        Ok(standings) => {
            let mut response = next.run(request).await;
            if !response.headers().contains_key("ratelimit") {
                policy::tell(response.headers_mut(), &standings);
            }
            response
        }
        Err(error) => door.refuse(error),
    }
}

fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let lines = headers.get_all("x-forwarded-for").into_iter().rev().filter_map(|line| line.to_str().ok());
    let mut last = peer;
    for text in lines.flat_map(|line| line.rsplit(',')).take(HOPS_MAX) {
        // What is no address was not written by a trusted proxy.
        let Some(address) = address(text.trim()) else { break };
        last = address;
        if !is_trusted(&address) {
            break;
        }
    }
    last
}

/// An address with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())).map(|address| address.to_canonical())
}

fn named(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use proto::resource::Rate;

    use super::{PerAddress, caller, named};

    fn check(peer: &str, forwarded: &[&str], expected: &str) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        assert_eq!(named(caller(peer.parse().unwrap(), &headers, &trusted)), expected, "{peer} {forwarded:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("192.0.2.1", &["198.51.100.7"], "192.0.2.1");
        check("10.1.1.1", &["198.51.100.7"], "198.51.100.7");
        check("10.1.1.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7");
        check("10.1.1.1", &["203.0.113.9", "198.51.100.7, 10.2.2.2"], "198.51.100.7");
        check("10.1.1.1", &["198.51.100.7:4711"], "198.51.100.7");
        check("10.1.1.1", &["nonsense"], "10.1.1.1");
        check("10.1.1.1", &["198.51.100.7, nonsense"], "10.1.1.1");
        check("10.1.1.1", &[], "10.1.1.1");
        check("::ffff:10.1.1.1", &["[2001:db8:1:2:3::4]:99"], "2001:db8:1:2::/64");
        check("fd00::1", &["2001:db8:1:2:9::4"], "2001:db8:1:2::/64");
    }

    #[test]
    fn a_rate_is_a_count_and_a_time() {
        assert_eq!("100/1m".parse(), Ok(PerAddress(Rate { count: 100, per_ms: 60_000 })));
        for text in ["", "100", "0/1m", "1/0s", "-1/1s", "1/x", "x/1s"] {
            text.parse::<PerAddress>().unwrap_err();
        }
    }
}
