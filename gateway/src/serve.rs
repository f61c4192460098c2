//! Connections, bounded.
//!
//! `axum::serve` sets no time-out for the head of a request and no bound on connections, so the
//! accept loop is ours. Each connection is a task of the service: a fault ends that connection
//! only. Past their bound further ones wait in the operating system's queue until one closes.
//!
//! A gateway that was told to end goes on to take connections for its drain delay, and asks each
//! caller over HTTP/1 to close with its next answer. Then it serves whoever waits in the queue already,
//! takes no more, finishes the requests that it has, closes what is idle, and tells HTTP/2 callers to go away.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Version};
use axum::response::Response;
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer as _, ServiceExt as _};

use crate::rate::address::Peer;

mod patient;

use patient::Patient;

/// Largest head of a request, and most of a body that is read ahead, in bytes.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How many headers a request may have.
const HEADERS_MAX: usize = 100;
/// Largest head of an HTTP/2 request, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// How many requests one HTTP/2 connection may have open.
const STREAMS_MAX: u32 = 256;
/// How often a silent HTTP/2 connection is probed.
const PROBE_EVERY: Duration = Duration::from_secs(20);
/// How long a peer may take nothing of what is written to it.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);
/// How many connections are still taken from the queue at the end: as many as fit into it.
const LAST_MAX: usize = 1_024;
/// The pause after a failed accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// What every connection is held to.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// How many there may be.
    pub(crate) connections_max: usize,
    /// How long a caller may take to send the head of a first request.
    pub(crate) head_time: Duration,
    /// How long one may be without a request.
    pub(crate) idle_time: Duration,
    /// From when on callers are asked to close.
    pub(crate) ending: CancellationToken,
    /// From when on there is an end.
    pub(crate) shutdown: CancellationToken,
}

/// Accepts connections until the shutdown.
pub(crate) async fn run(listener: TcpListener, router: Router, terms: Terms, tracker: TaskTracker) {
    let places = Arc::new(Semaphore::new(terms.connections_max.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            biased;
            () = terms.shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some(((stream, from), place)) = accepted else { break };
        let connection = connection(stream, from, router.clone(), terms.clone());
        drop(tracker.spawn(async move {
            connection.await;
            drop(place);
        }));
    }
    // Whoever waits there has sent a request, and would see it cut off. There is no place to wait for: nobody comes any more.
    for _ in 0..LAST_MAX {
        let Ok(Ok((stream, from))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await else { break };
        drop(tracker.spawn(connection(stream, from, router.clone(), terms.clone())));
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

async fn connection(stream: TcpStream, from: SocketAddr, router: Router, terms: Terms) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY is not set");
    }
    // The builder looks for the first bytes without any time-out. Readiness alone may be a false alarm.
    let mut first = [0];
    let first = tokio::select! {
        biased;
        first = tokio::time::timeout(terms.idle_time, stream.peek(&mut first)) => first,
        () = terms.shutdown.cancelled() => return,
    };
    if !matches!(first, Ok(Ok(1..))) {
        return;
    }
    let requests = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&requests);
    let count = move |request: Request<_>| {
        counted.fetch_add(1, Ordering::Relaxed);
        request
    };
    let ending = terms.ending.clone();
    let router = Extension(Peer(from)).layer(router).map_request(count).map_response(move |response| last_on(&ending, response));
    let stream = TokioIo::new(Patient::new(stream, WRITE_DEADLINE));
    let mut builder = Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(terms.idle_time).max_buf_size(BUFFER_BYTES_MAX).max_headers(HEADERS_MAX);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX).keep_alive_interval(PROBE_EVERY);
    http2.max_header_list_size(HEADER_LIST_BYTES_MAX);
    let mut connection = pin!(builder.serve_connection(stream, TowerToHyperService::new(router)));
    // In this order: a request that is there already is begun before the connection is told to end.
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        // Where not even a first head has come, there is nobody to be polite to.
        () = headless(&requests, terms.head_time) => return,
        () = closes(&requests, &terms) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(error, "a connection ended with an error");
    }
}

/// Asks for the connection to be closed with this answer, once the gateway is ending. HTTP/2 has other words for it.
fn last_on(ending: &CancellationToken, mut response: Response) -> Response {
    if ending.is_cancelled() && response.version() < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Resolves where no request has begun in time.
async fn headless(requests: &AtomicU64, head_time: Duration) {
    tokio::time::sleep(head_time).await;
    if requests.load(Ordering::Relaxed) > 0 {
        std::future::pending::<()>().await;
    }
}

/// Resolves when the connection is to end: on shutdown, or after a while without a further request.
///
/// What runs on it then is finished first, however long it takes.
async fn closes(requests: &AtomicU64, terms: &Terms) {
    let idle = async {
        let mut seen = requests.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(terms.idle_time).await;
            let now = requests.load(Ordering::Relaxed);
            if now == seen {
                return;
            }
            seen = now;
        }
    };
    tokio::select! {
        () = terms.shutdown.cancelled() => {}
        () = idle => {}
    }
}
