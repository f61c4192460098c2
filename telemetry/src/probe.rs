//! A process that asks another whether it is well: the health check of images without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::ValueEnum;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the answer may take.
const DEADLINE: Duration = Duration::from_secs(3);
/// How much of the answer is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Question {
    /// Whether it can do its work.
    Ready,
    /// Whether it runs.
    Live,
}

/// Asks the process that has its operations listener at `ops`; what is wrong, if anything.
pub async fn ask(ops: Option<SocketAddr>, question: Question) -> Result<(), String> {
    let ops = ops.ok_or("--probe asks the listener of --ops, which is not set")?;
    let path = match question {
        Question::Ready => "/readyz",
        Question::Live => "/healthz",
    };
    let answer = tokio::time::timeout(DEADLINE, get(near(ops), path));
    let answer = answer.await.map_err(|_| format!("no answer within {DEADLINE:?}"))?.map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split(' ').nth(1) == Some("200") { Ok(()) } else { Err(body.trim().to_owned()) }
}

/// The address by which a listener on all addresses is reached from here.
fn near(ops: SocketAddr) -> SocketAddr {
    let ip = match ops.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, ops.port())
}

async fn get(from: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(from).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {from}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_the_loopback() {
        for (ops, expected) in [("0.0.0.0:9464", "127.0.0.1:9464"), ("[::]:9464", "[::1]:9464"), ("10.0.0.7:1", "10.0.0.7:1")] {
            assert_eq!(near(ops.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
