//! How nats-server is told what to do, and when it serves.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// How often a sign of readiness is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Writes the configuration; the arguments name it.
pub(super) fn arguments(data: &Path, name: &str, port: u16, extra: &str) -> io::Result<Vec<String>> {
    let file = data.join("nats-server.conf");
    std::fs::write(&file, configuration(data, name, port, extra))?;
    Ok(vec!["--config".into(), file.display().to_string()])
}

/// The store's limits are far above what a stream may take: streams have bounds of their own, and
/// the server's default, a share of the free disk, would refuse them on a small one.
fn configuration(data: &Path, name: &str, port: u16, extra: &str) -> String {
    let quoted = |path: &Path| path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "server_name: \"{name}\"\nlisten: \"127.0.0.1:{port}\"\nports_file_dir: \"{}\"\n\
         jetstream {{\n  store_dir: \"{}\"\n  max_file_store: 1TB\n  max_memory_store: 256MB\n}}\n{extra}\n",
        quoted(data),
        quoted(&data.join("store")),
    )
}

/// Waits until the server takes clients.
///
/// Its file of ports carries its process id, so a stranger on the same port is not mistaken for it.
pub(super) async fn ready(data: &Path, pid: Option<u32>, port: u16) {
    let Some(pid) = pid else { return std::future::pending().await };
    let file = data.join(format!("nats-server_{pid}.ports"));
    while !file.is_file() || !greets(port).await {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    drop(std::fs::remove_file(file));
}

async fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else { return false };
    let mut start = [0; 5];
    stream.read_exact(&mut start).await.is_ok() && &start == b"INFO "
}
