//! A real server that a test breaks while others use it.

use std::sync::atomic::{AtomicBool, Ordering};

use cuepoint::server::Server;
use tokio::sync::Mutex;

/// A server behind a lock, so that it can be broken while the system is borrowed.
#[derive(Debug)]
pub struct Breakable {
    url: String,
    port: u16,
    was_broken: AtomicBool,
    server: Mutex<Server>,
}

impl Breakable {
    pub(crate) fn new(server: Server) -> Self {
        Self { url: server.url(), port: server.port(), was_broken: AtomicBool::new(false), server: Mutex::new(server) }
    }

    /// The address for clients; the same over restarts.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The port on 127.0.0.1; the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it was ever killed or frozen: a call that timed out then may have run later.
    pub fn was_broken(&self) -> bool {
        self.was_broken.load(Ordering::Relaxed)
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(&self) {
        self.was_broken.store(true, Ordering::Relaxed);
        self.server.lock().await.kill().await.expect("a server can be killed");
    }

    /// Starts it again on the same port and data.
    pub async fn restart(&self) {
        self.server.lock().await.restart().await.expect("a server comes back");
    }

    /// Stops it in its tracks, with its connections open (SIGSTOP).
    pub async fn freeze(&self) {
        self.was_broken.store(true, Ordering::Relaxed);
        self.server.lock().await.freeze().expect("a server can be frozen");
    }

    /// Lets it go on (SIGCONT).
    pub async fn thaw(&self) {
        self.server.lock().await.thaw().expect("a server can be thawed");
    }

    /// Asks it to end, and waits until it is gone.
    pub async fn stop(&self) {
        self.server.lock().await.stop().await.expect("a server can be stopped");
    }
}
