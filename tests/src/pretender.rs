//! A broker that says it is of an old version, and nothing else.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Greets clients as nats-server of a version would, and answers their pings.
#[derive(Debug)]
pub struct Pretender {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _accepting: JoinSet<()>,
}

impl Pretender {
    /// Pretends to be a version.
    pub async fn of(version: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a pretender can listen");
        let port = listener.local_addr().expect("a pretender has an address").port();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let mut accepting = JoinSet::new();
        let hearing = Arc::clone(&heard);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(greet(stream, version, Arc::clone(&hearing)));
            }
        });
        Self { port, heard, _accepting: accepting }
    }

    /// All lines that clients have sent.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}

async fn greet(stream: TcpStream, version: &str, heard: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let info = format!(
        r#"INFO {{"server_id":"P","server_name":"P","version":"{version}","go":"go1.19","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"proto":1,"client_id":1,"jetstream":true}}"#
    );
    if stream.write_all(format!("{info}\r\n").as_bytes()).await.is_err() {
        return;
    }
    let mut line = String::new();
    while matches!(stream.read_line(&mut line).await, Ok(1..)) {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
        if line.starts_with("PING") && stream.write_all(b"PONG\r\n").await.is_err() {
            return;
        }
        line.clear();
    }
}
