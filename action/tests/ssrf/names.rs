//! A name service in an attacker's hand.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use egress::lookup::Resolve;

use crate::OUTSIDE;

/// Answers as the names say; remembers how often each was asked for.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<String, usize>>);

impl Names {
    /// How often a name was asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(name).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        let asked = {
            let mut asked = self.0.lock().unwrap();
            let count = asked.entry(name.clone()).or_default();
            *count += 1;
            *count
        };
        let answer: &[&str] = match name.as_str() {
            // What a check sees first is not what a second look-up would connect to.
            "rebinding.example" if asked == 1 => &[OUTSIDE],
            "localhost" | "loop.example" | "127.0.0.1.nip.example" | "0x7f.1.example" | "rebinding.example" => &["127.0.0.1"],
            "loop6.example" => &["::1"],
            "mapped.example" => &["::ffff:127.0.0.1"],
            "zero.example" => &["0.0.0.0"],
            // Nothing listens on the canary's port there, so a client goes on to the next.
            "mixed.example" => &[OUTSIDE, "127.0.0.1"],
            "mixed6.example" => &["::1", OUTSIDE],
            "metadata.google.internal" | "metadata.example" => &["169.254.169.254"],
            "private.example" => &["10.0.0.1", "192.168.0.1", "172.16.0.1"],
            "nat64.example" => &["64:ff9b::7f00:1"],
            "documentation.example" => &["192.0.2.1"],
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(answer.iter().map(|ip| ip.parse().unwrap()).collect())
    }
}
