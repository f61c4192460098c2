//! Connections, bounded.
//!
//! `axum::serve` sets no time-out for the head of a request and no bound on connections, so the
//! accept loop is ours. Each connection is a task of the service: a fault ends that connection
//! only, and on shutdown it finishes the requests it has and closes.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::middleware::AddExtension;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer as _;

use crate::rate::address::Peer;

mod patient;

use patient::Patient;

/// How long a connection may be idle, or take to send the head of a request.
///
/// Longer than common proxies keep theirs open (60 s), so that it is the proxy that closes.
const HEAD_DEADLINE: Duration = Duration::from_secs(75);
/// Largest head of a request, and most of a body that is read ahead, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How many requests one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 256;
/// How often a silent HTTP/2 connection is probed.
const PROBE_EVERY: Duration = Duration::from_secs(20);
/// How long a peer may take nothing of what is written to it.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);
/// The pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Accepts connections until `shutdown`.
pub(crate) async fn run(listener: TcpListener, router: Router, connections_max: usize, tracker: TaskTracker, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some(((stream, from), place)) = accepted else { return };
        let connection = connection(stream, Extension(Peer(from)).layer(router.clone()), shutdown.clone());
        drop(tracker.spawn(async move {
            connection.await;
            drop(place);
        }));
    }
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<((TcpStream, SocketAddr), tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return Some(((stream, from), place)),
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, router: AddExtension<Router, Peer>, shutdown: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not set");
    }
    // The builder looks for the first bytes without any time-out.
    let first = tokio::select! {
        () = shutdown.cancelled() => return,
        first = tokio::time::timeout(HEAD_DEADLINE, stream.readable()) => first,
    };
    if !matches!(first, Ok(Ok(()))) {
        return;
    }
    let stream = TokioIo::new(Patient::new(stream, WRITE_DEADLINE));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE).max_buf_size(BUFFER_BYTES_MAX);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX).keep_alive_interval(PROBE_EVERY);
    let mut connection = pin!(builder.serve_connection(stream, TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error, "a connection ended with an error");
    }
}
