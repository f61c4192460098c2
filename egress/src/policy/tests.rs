//! The policy, over every spelling of an address that we know of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::{Host, Url};

use super::{Allow, Policy, Refusal};

/// Addresses as URLs spell them, and what they are if not public.
const SPELLINGS: &[(&str, Option<&str>)] = &[
    ("http://127.0.0.1/", Some("loopback")),
    ("http://127.255.255.254:8080/", Some("loopback")),
    ("http://2130706433/", Some("loopback")),
    ("http://0x7f.1/", Some("loopback")),
    ("http://0X7F000001/", Some("loopback")),
    ("http://0177.0.0.1/", Some("loopback")),
    ("http://017700000001/", Some("loopback")),
    ("http://127.1/", Some("loopback")),
    ("http://127.0.1/", Some("loopback")),
    ("http://127.0.0.1./", Some("loopback")),
    ("http://%31%32%37.0.0.1/", Some("loopback")),
    ("http://１２７.０.０.１/", Some("loopback")),
    ("http://127。0。0。1/", Some("loopback")),
    ("HTTP://127.0.0.1/", Some("loopback")),
    ("http:127.0.0.1/", Some("loopback")),
    ("http:\\\\127.0.0.1\\", Some("loopback")),
    ("http:///127.0.0.1/", Some("loopback")),
    ("http://example.com@127.0.0.1/", Some("loopback")),
    ("http://user:example.com@127.0.0.1:80/", Some("loopback")),
    ("http://127.0.0.1#@example.com/", Some("loopback")),
    ("http://127.0.0.1\\@example.com/", Some("loopback")),
    ("http://12\t7.0.0.1/", Some("loopback")),
    (" http://127.0.0.1/ ", Some("loopback")),
    ("http://0/", Some("unspecified")),
    ("http://0.0.0.0/", Some("unspecified")),
    ("http://0.1.2.3/", Some("unspecified")),
    ("http://10.0.0.1/", Some("private")),
    ("http://10.255.255.255/", Some("private")),
    ("http://167772161/", Some("private")),
    ("http://172.16.0.1/", Some("private")),
    ("http://172.31.255.255/", Some("private")),
    ("http://192.168.0.1/", Some("private")),
    ("http://0xc0a80001/", Some("private")),
    ("http://100.64.0.1/", Some("shared by a carrier")),
    ("http://100.127.255.255/", Some("shared by a carrier")),
    ("http://169.254.1.1/", Some("link-local")),
    ("http://169.254.169.254/latest/meta-data/", Some("a cloud's metadata service")),
    ("http://2852039166/", Some("a cloud's metadata service")),
    ("http://0xa9.0xfe.0xa9.0xfe/", Some("a cloud's metadata service")),
    ("http://168.63.129.16/", Some("a cloud's metadata service")),
    ("http://100.100.100.200/", Some("a cloud's metadata service")),
    ("http://192.0.0.192/", Some("a cloud's metadata service")),
    ("http://192.0.0.8/", Some("reserved")),
    ("http://192.0.2.1/", Some("for documentation")),
    ("http://198.51.100.1/", Some("for documentation")),
    ("http://203.0.113.1/", Some("for documentation")),
    ("http://192.88.99.1/", Some("a 6to4 relay")),
    ("http://198.18.0.1/", Some("for benchmarks")),
    ("http://198.19.255.255/", Some("for benchmarks")),
    ("http://224.0.0.1/", Some("multicast or reserved")),
    ("http://240.0.0.1/", Some("multicast or reserved")),
    ("http://255.255.255.255/", Some("broadcast")),
    ("http://[::]/", Some("unspecified")),
    ("http://[::1]/", Some("loopback")),
    ("http://[0:0:0:0:0:0:0:1]:8080/", Some("loopback")),
    ("http://[::ffff:127.0.0.1]/", Some("loopback")),
    ("http://[::FFFF:7F00:1]/", Some("loopback")),
    ("http://[::ffff:a9fe:a9fe]/", Some("a cloud's metadata service")),
    ("http://[::127.0.0.1]/", Some("IPv4-compatible")),
    ("http://[::8.8.8.8]/", Some("IPv4-compatible")),
    ("http://[::ffff:0:127.0.0.1]/", Some("reserved")),
    ("http://[64:ff9b::127.0.0.1]/", Some("loopback")),
    ("http://[64:ff9b::a00:1]/", Some("private")),
    ("http://[64:ff9b::a9fe:a9fe]/", Some("a cloud's metadata service")),
    ("http://[64:ff9b:1::808:808]/", Some("a private NAT64")),
    ("http://[2002:7f00:1::]/", Some("6to4")),
    ("http://[2002:808:808::1]/", Some("6to4")),
    ("http://[2001::1]/", Some("Teredo")),
    ("http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", Some("Teredo")),
    ("http://[2001:2::1]/", Some("reserved")),
    ("http://[2001:10::1]/", Some("reserved")),
    ("http://[2001:db8::1]/", Some("for documentation")),
    ("http://[3fff::1]/", Some("for documentation")),
    ("http://[fc00::1]/", Some("unique-local")),
    ("http://[FD12:3456::1]/", Some("unique-local")),
    ("http://[fd00:ec2::254]/", Some("a cloud's metadata service")),
    ("http://[fe80::1]/", Some("link-local")),
    ("http://[fec0::1]/", Some("reserved")),
    ("http://[ff02::1]/", Some("multicast")),
    ("http://[100::1]/", Some("reserved")),
    ("http://[5f00::1]/", Some("reserved")),
    ("http://8.8.8.8/", None),
    ("http://134744072/", None),
    ("http://127.0.0.1@8.8.8.8/", None),
    ("http://9.255.255.255/", None),
    ("http://11.0.0.0/", None),
    ("http://100.63.255.255/", None),
    ("http://100.128.0.0/", None),
    ("http://172.15.255.255/", None),
    ("http://172.32.0.0/", None),
    ("http://192.167.255.255/", None),
    ("http://198.17.255.255/", None),
    ("http://223.255.255.255/", None),
    ("http://[2606:4700::1111]/", None),
    ("http://[2a00:1450:4001::1]/", None),
    ("http://[::ffff:8.8.8.8]/", None),
    ("http://[64:ff9b::8.8.8.8]/", None),
];

fn policy(allow: &[&str]) -> Policy {
    Policy { allow: allow.iter().map(|text| text.parse().unwrap()).collect() }
}

/// What the policy says of the address that a URL spells out.
fn verdict(policy: &Policy, url: &str) -> Option<&'static str> {
    let url: Url = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
    let ip = match url.host().unwrap() {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        Host::Domain(name) => panic!("{name} is a name"),
    };
    policy.check_address(url.host_str().unwrap(), ip, url.port_or_known_default().unwrap()).err().map(|refusal| match refusal {
        Refusal::Address { kind, .. } => kind,
        Refusal::Scheme { scheme } => panic!("{scheme}"),
    })
}

#[test]
fn only_public_addresses_are_open_however_they_are_spelt() {
    for (url, expected) in SPELLINGS {
        assert_eq!(verdict(&Policy::default(), url), *expected, "{url}");
    }
}

#[test]
fn names_stay_names_and_odd_hosts_are_no_urls() {
    for url in ["http://localhost/", "http://LOCALHOST./", "http://127.0.0.1.nip.io/", "http://0x7f.1.example/"] {
        assert!(matches!(url.parse::<Url>().unwrap().host(), Some(Host::Domain(_))), "{url}");
    }
    for url in
        ["http://1.2.3.4.5/", "http://0x7f.0.0.0.1/", "http://256.0.0.1/", "http://[::1%25eth0]/", "http://127.0.0.1:99999/", "http://a b/"]
    {
        url.parse::<Url>().unwrap_err();
    }
}

#[test]
fn an_exception_opens_what_it_names_and_no_more() {
    for (allow, host, ip, port, expected) in [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", 80, true),
        ("127.0.0.1", "127.0.0.1", "127.0.0.2", 80, false),
        ("127.0.0.1", "rebound.example", "127.0.0.1", 80, true),
        ("127.0.0.1", "[::ffff:127.0.0.1]", "::ffff:127.0.0.1", 80, true),
        ("::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1", 80, true),
        ("127.0.0.1:8080", "127.0.0.1", "127.0.0.1", 8080, true),
        ("127.0.0.1:8080", "127.0.0.1", "127.0.0.1", 80, false),
        ("127.0.0.1", "localhost", "::1", 80, false),
        ("10.0.0.0/8", "db", "10.9.8.7", 5432, true),
        ("10.0.0.0/8", "db", "11.0.0.1", 5432, true), // public
        ("10.0.0.0/8", "db", "192.168.0.1", 5432, false),
        ("10.0.0.0/8:443", "db", "10.9.8.7", 5432, false),
        ("10.0.0.0/8", "db", "64:ff9b::a00:1", 5432, false),
        ("localhost", "localhost", "127.0.0.1", 80, true),
        ("localhost", "LocalHost.", "::1", 80, true),
        ("localhost", "evil.localhost", "127.0.0.1", 80, false),
        ("localhost", "127.0.0.1", "127.0.0.1", 80, false),
        ("LOCALHOST.:81", "localhost", "127.0.0.1", 80, false),
        ("[::1]:8080", "[::1]", "::1", 8080, true),
        ("::1", "[::1]", "::1", 8080, true),
        ("fd00::/8", "[fd00::5]", "fd00::5", 80, true),
    ] {
        let verdict = policy(&[allow]).check_address(host, ip.parse().unwrap(), port);
        assert_eq!(verdict.is_ok(), expected, "{allow}: {host} {ip} {port}");
    }
}

#[test]
fn exceptions_survive_the_round_trip() {
    for (text, expected) in [
        ("127.0.0.1", Some("127.0.0.1")),
        ("127.0.0.1:8080", Some("127.0.0.1:8080")),
        ("10.1.2.3/8", Some("10.0.0.0/8")),
        ("10.0.0.0/8:443", Some("10.0.0.0/8:443")),
        ("::1", Some("::1")),
        ("[::1]:8080", Some("[::1]:8080")),
        ("[fd00::/8]:443", Some("[fd00::/8]:443")),
        ("API.Internal.", Some("api.internal")),
        ("api.internal:8443", Some("api.internal:8443")),
        ("my_host", Some("my_host")),
        ("", None),
        (":80", None),
        ("host:", None),
        ("host:+80", None),
        ("host:0", None),
        ("host:99999", None),
        ("host:80:80", None),
        ("[127.0.0.1]:80", None),
        ("10.0.0.0/33", None),
        ("10.0.0", None),
        ("2130706433", None),
        ("0x7f.1", None),
        ("*.internal", None),
        ("http://host", None),
        ("a b", None),
        ("a..b", None),
    ] {
        let parsed = text.parse::<Allow>().ok().map(|allow| allow.to_string());
        assert_eq!(parsed.as_deref(), expected, "{text}");
    }
    assert_eq!(serde_json::from_str::<Vec<Allow>>(r#"["::1","x:1"]"#).unwrap().len(), 2);
    assert!(serde_json::from_str::<Allow>(r#""*""#).unwrap_err().to_string().contains("is no address"));
}

proptest! {
    #[test]
    fn no_address_that_std_calls_special_is_open(bits in any::<u32>()) {
        let ip = Ipv4Addr::from_bits(bits);
        let is_special = ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast()
            || ip.is_documentation() || ip.is_unspecified();
        let is_open = |ip: IpAddr| Policy::default().check_address("h", ip, 80).is_ok();
        prop_assert!(!(is_special && is_open(ip.into())));
        prop_assert_eq!(is_open(ip.into()), is_open(ip.to_ipv6_mapped().into()));
        let nat64 = Ipv6Addr::from_bits(0x0064_ff9b_u128 << 96 | u128::from(bits));
        prop_assert_eq!(is_open(ip.into()), is_open(nat64.into()));
    }

    #[test]
    fn no_text_panics(text in ".*") {
        drop(text.parse::<Allow>());
    }
}
