//! How redis-server or valkey-server is told what to do, and when it serves.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How often a sign of readiness is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How much of an answer is read: the process id stands near its start.
const ANSWER_BYTES: usize = 4096;

/// The arguments: no persistence, for it holds only hints.
pub(super) fn arguments(data: &Path, port: u16, extra: &[String]) -> Vec<String> {
    let own =
        ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &data.display().to_string()]
            .map(str::to_owned);
    own.into_iter().chain(extra.iter().cloned()).collect()
}

/// Waits until the server takes commands.
///
/// It says its process id, so a stranger on the same port is not mistaken for it.
pub(super) async fn ready(pid: Option<u32>, port: u16) {
    let Some(pid) = pid else { return std::future::pending().await };
    while !answers_as(pid, port).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn answers_as(pid: u32, port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(b"INFO server\r\nQUIT\r\n").await?;
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        while answer.len() < ANSWER_BYTES && stream.read_buf(&mut answer).await? > 0 {}
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask.await.unwrap_or_default();
    String::from_utf8_lossy(&answer).lines().any(|line| line == format!("process_id:{pid}"))
}
