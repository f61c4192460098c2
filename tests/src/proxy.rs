//! A TCP connection that can be cut, stalled and delayed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::eventually::eventually;

/// How much is passed on at a time, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;
/// How long connections may take to close.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// What happens to the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They pass, each after this long.
    Through(Duration),
    /// They stay where they are; connections stay open.
    Stalled,
    /// Connections are closed, and new ones too.
    Cut,
}

/// A proxy in front of a server on this machine. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    mode: watch::Sender<Mode>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// Puts a proxy in front of a port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a proxy can listen");
        let own = listener.local_addr().expect("a proxy has an address").port();
        let (mode, seen) = watch::channel(Mode::Through(Duration::ZERO));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, (Ipv4Addr::LOCALHOST, port).into(), seen));
        Self { port: own, mode, _accepting: accepting }
    }

    /// The port to connect to instead of the server's.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lets everything pass.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::Through(Duration::ZERO));
    }

    /// Closes all connections, and every new one.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Closes all connections that there are, with what is on its way, and lets new ones pass.
    pub async fn sever(&self) {
        self.cut();
        // Whoever accepts looks at the mode too.
        eventually("all connections are closed", CLOSED_WITHIN, async || (self.mode.receiver_count() == 1).then_some(())).await;
        self.restore();
    }

    /// Keeps connections open and passes nothing on.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stalled);
    }

    /// Passes each chunk on after a while.
    pub fn delay(&self, by: Duration) {
        self.mode.send_replace(Mode::Through(by));
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, mode: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        if *mode.borrow() != Mode::Cut {
            connections.spawn(connection(near, server, mode.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(near: TcpStream, server: SocketAddr, mut mode: watch::Receiver<Mode>) {
    let Ok(far) = TcpStream::connect(server).await else { return };
    drop((near.set_nodelay(true), far.set_nodelay(true)));
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let (up, down) = (mode.clone(), mode.clone());
    tokio::select! {
        () = pass(near_read, far_write, up) => {}
        () = pass(far_read, near_write, down) => {}
        _ = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut mode: watch::Receiver<Mode>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(bytes @ 1..) = from.read(&mut chunk).await {
        let moving = mode.wait_for(|mode| matches!(mode, Mode::Through(_))).await.map(|mode| *mode);
        let Ok(Mode::Through(delay)) = moving else { return };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(chunk.get(..bytes).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
