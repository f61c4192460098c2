//! A haproxy that asks gateways whether they are ready.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use cuepoint::server::free_port;
use tests::eventually::eventually;
use tests::scratch::Scratch;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long it may take until it serves.
const START_WITHIN: Duration = Duration::from_secs(10);

/// The load balancer; dropping it ends it.
pub(crate) struct Balancer {
    child: Child,
    address: SocketAddr,
}

impl Balancer {
    /// Starts it before these ports of this machine.
    pub(crate) async fn start(scratch: &Scratch, gateways: &[u16]) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut config = format!(
            "global\n  maxconn 2048\n\
             defaults\n  mode http\n  timeout connect 1s\n  timeout client 70s\n  timeout server 70s\n  timeout http-keep-alive 60s\n\
             \x20 retries 3\n  option redispatch\n\
             frontend events\n  bind 127.0.0.1:{port}\n  default_backend gateways\n\
             backend gateways\n  balance roundrobin\n  option httpchk GET /readyz\n  http-check expect status 200\n\
             \x20 default-server check inter 250ms fall 2 rise 2\n"
        );
        for (number, gateway) in gateways.iter().enumerate() {
            writeln!(config, "  server g{number} 127.0.0.1:{gateway}")?;
        }
        let file = scratch.write("haproxy.cfg", &config);
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("haproxy cannot be started")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let balancer = Self { child, address };
        eventually("haproxy serves", START_WITHIN, async || TcpStream::connect(address).await.ok()).await;
        let url = format!("http://{address}/readyz");
        let ready = async || reqwest::get(&url).await.ok().filter(|answer| answer.status() == 200);
        eventually("haproxy knows the gateways", START_WITHIN, ready).await;
        Ok(balancer)
    }

    /// Where callers call.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
