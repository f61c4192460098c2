//! The listener for those who run the process: is it well, what does it count, what does it log.
//!
//! It has no authentication and is not for the outside: it listens where `--ops` says, in a
//! cluster's own network. It goes on answering while the process stops, so that the end of a drain
//! can be watched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use prometheus::{Registry, TextEncoder};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::logging::Handle;
use crate::pipeline::Pipeline;

/// How many connections are open at once; others wait.
const CONNECTIONS_MAX: usize = 64;
/// How long a request's head may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection is kept.
const CONNECTION_MAX: Duration = Duration::from_mins(2);
/// The pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);
/// Largest body: a filter.
const BODY_BYTES_MAX: usize = 8 * 1024;

/// What is looked at.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Whether it can do its work, and the checks behind that as JSON.
    async fn ready(&self) -> (bool, Vec<u8>);

    /// How many sessions of the whole deployment could be worked on now, where this process knows.
    async fn runnable(&self) -> Option<u64> {
        None
    }
}

struct Room {
    subject: Arc<dyn Subject>,
    log: Handle,
    registry: Option<Registry>,
}

/// A listener that answers.
#[derive(Debug)]
pub struct Ops {
    /// Where it listens.
    pub address: SocketAddr,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

/// Starts the listener at an address.
pub async fn start(address: SocketAddr, pipeline: &Pipeline, subject: Arc<dyn Subject>) -> std::io::Result<Ops> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let room = Room { subject, log: pipeline.log().clone(), registry: pipeline.registry().cloned() };
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    drop(tracker.spawn(accept(listener, router(Arc::new(room)), tracker.clone(), shutdown.clone())));
    tracing::info!(%address, "the operations listener answers");
    Ok(Ops { address, tracker, shutdown })
}

impl Ops {
    /// Ends it.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

fn router(room: Arc<Room>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { answer(StatusCode::OK, "application/json", r#"{"status":"alive"}"#) }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/runnable", get(runnable))
        .route("/log", get(filter).put(set_filter))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(room)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn ready(State(room): State<Arc<Room>>) -> Response {
    let (is_ready, checks) = room.subject.ready().await;
    answer(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, "application/json", checks)
}

async fn runnable(State(room): State<Arc<Room>>) -> Response {
    match room.subject.runnable().await {
        Some(count) => answer(StatusCode::OK, "application/json", json!({ "runnableSessions": count }).to_string()),
        None => answer(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "how many sessions could run is not known here\n"),
    }
}

async fn metrics(State(room): State<Arc<Room>>) -> Response {
    let families = room.registry.as_ref().map(Registry::gather).unwrap_or_default();
    match TextEncoder::new().encode_to_string(&families) {
        Ok(text) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", format!("the metrics cannot be written: {error}\n")),
    }
}

async fn filter(State(room): State<Arc<Room>>) -> Response {
    answer(StatusCode::OK, "text/plain", format!("{}\n", room.log.filter()))
}

async fn set_filter(State(room): State<Arc<Room>>, wanted: String) -> Response {
    let before = room.log.filter();
    match room.log.set_filter(&wanted) {
        Ok(()) => {
            let now = room.log.filter();
            tracing::info!(log.before = before, log.now = now, "what is logged was changed");
            answer(StatusCode::OK, "text/plain", format!("{now}\n"))
        }
        Err(fault) => answer(StatusCode::BAD_REQUEST, "text/plain", format!("{fault}\n")),
    }
}

async fn accept(listener: TcpListener, router: Router, tracker: TaskTracker, shutdown: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        let (Ok(place), Ok((stream, _))) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        drop(tracker.spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                _ = tokio::time::timeout(CONNECTION_MAX, serve(stream, router)) => {}
            }
            drop(place);
        }));
    }
}

async fn serve(stream: TcpStream, router: Router) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_DEADLINE);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)).await {
        tracing::trace!(error, "a connection ended with an error");
    }
}
