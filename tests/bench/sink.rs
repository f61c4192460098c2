//! A receiver of telemetry that counts what comes and forgets it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use bytes::Bytes;
use tokio::net::TcpListener;

/// One that listens until this process ends.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    address: SocketAddr,
    received: Arc<AtomicUsize>,
}

impl Sink {
    /// Listens on a free port.
    pub(crate) async fn open() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let sink = Self { address: listener.local_addr()?, received: Arc::default() };
        let received = Arc::clone(&sink.received);
        let take = move |body: Bytes| {
            received.fetch_add(body.len(), Ordering::Relaxed);
            std::future::ready(())
        };
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(take)).await });
        Ok(sink)
    }

    /// What a process is told to tell it everything.
    pub(crate) fn flags(&self) -> [String; 4] {
        ["--otlp".to_owned(), format!("http://{}", self.address), "--ops".to_owned(), "127.0.0.1:0".to_owned()]
    }

    /// How many bytes came.
    pub(crate) fn received(&self) -> usize {
        self.received.load(Ordering::Relaxed)
    }
}
