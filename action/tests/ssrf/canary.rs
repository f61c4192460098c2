//! Servers on the loopback addresses: the one that must not be reached, and one that stands for a public one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::OUTSIDE;

/// What must not be reached: it listens on both loopback addresses, on one port.
pub(crate) struct Canary {
    pub(crate) port: u16,
    hits: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

/// Redirects to where a request's query says, with the status that its path says.
pub(crate) struct Outside {
    pub(crate) port: u16,
    _tasks: JoinSet<()>,
}

/// How many ports are tried until one is free on both addresses.
const PORTS_MAX: usize = 64;

/// What a server does with a connection.
type Serve = fn(TcpStream) -> futures::Boxed;

mod futures {
    use std::pin::Pin;

    pub(crate) type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl Canary {
    /// One that answers HTTP.
    pub(crate) async fn web() -> Self {
        Self::start(|stream| Box::pin(answer(stream, |_| "HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ncanary".into())))
            .await
    }

    /// One that hangs up on everybody.
    pub(crate) async fn mail() -> Self {
        Self::start(|stream| Box::pin(async move { drop(stream) })).await
    }

    async fn start(serve: Serve) -> Self {
        let (hits, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
        for _ in 0..PORTS_MAX {
            let four = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = four.local_addr().unwrap().port();
            // The port may be taken on the other address: then another one.
            let Ok(six) = TcpListener::bind(("::1", port)).await else { continue };
            for listener in [four, six] {
                tasks.spawn(accept(listener, Arc::clone(&hits), serve));
            }
            return Self { port, hits, _tasks: tasks };
        }
        panic!("no port is free on both 127.0.0.1 and ::1");
    }

    /// How many connections there were since the last time.
    pub(crate) fn hits(&self) -> usize {
        self.hits.swap(0, Ordering::SeqCst)
    }
}

impl Outside {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::default(), |stream| Box::pin(answer(stream, redirect))));
        Self { port, _tasks: tasks }
    }
}

/// `/302?<where to, percent-encoded>` becomes a redirect.
fn redirect(target: &str) -> String {
    let (status, to) = target.trim_start_matches('/').split_once('?').unwrap();
    let to = percent_decode_str(to).decode_utf8().unwrap();
    format!("HTTP/1.1 {status} Go\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

async fn accept(listener: TcpListener, hits: Arc<AtomicUsize>, serve: Serve) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        hits.fetch_add(1, Ordering::SeqCst);
        connections.spawn(serve(stream));
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(mut stream: TcpStream, answer: fn(&str) -> String) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let target = request.split(' ').nth(1).unwrap_or_default();
    stream.write_all(answer(target).as_bytes()).await.unwrap_or_default();
}
