//! An HTTP service that records what it is asked.
//!
//! It notes a request before it answers, so a caller that is killed while it waits has been seen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::eventually::eventually;

/// One request.
#[derive(Debug, Clone)]
pub struct Hit {
    /// When it came.
    pub at: Instant,
    /// Its path.
    pub path: String,
    /// Its `Idempotency-Key`.
    pub key: String,
    /// Its body.
    pub body: String,
}

#[derive(Debug)]
struct Inner {
    hits: Mutex<Vec<Hit>>,
    latency: Mutex<Duration>,
    status: Mutex<StatusCode>,
    holding: watch::Sender<bool>,
}

/// A service that effects are sent to. Dropping it closes it.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    /// Serves on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a sink can listen");
        let address = listener.local_addr().expect("a sink has an address");
        let inner = Arc::new(Inner {
            hits: Mutex::default(),
            latency: Mutex::default(),
            status: Mutex::new(StatusCode::OK),
            holding: watch::channel(false).0,
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("a sink serves") });
        Self { address, inner, _serving: serving }
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Answers after this long from now on.
    pub fn set_latency(&self, latency: Duration) {
        *lock(&self.inner.latency) = latency;
    }

    /// Answers with this status from now on.
    pub fn set_status(&self, status: u16) {
        *lock(&self.inner.status) = StatusCode::from_u16(status).expect("a status");
    }

    /// Notes requests and answers none until [`Self::release`].
    pub fn hold(&self) {
        self.inner.holding.send_replace(true);
    }

    /// Answers what was held back.
    pub fn release(&self) {
        self.inner.holding.send_replace(false);
    }

    /// All requests so far.
    pub fn hits(&self) -> Vec<Hit> {
        lock(&self.inner.hits).clone()
    }

    /// Waits for a number of requests.
    pub async fn reached(&self, count: usize, within: Duration) -> Vec<Hit> {
        eventually(&format!("{count} calls reach the sink"), within, async || Some(self.hits()).filter(|hits| hits.len() >= count)).await
    }
}

async fn take(State(inner): State<Arc<Inner>>, uri: Uri, headers: HeaderMap, body: String) -> (StatusCode, String) {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let ordinal = {
        let mut hits = lock(&inner.hits);
        hits.push(Hit { at: Instant::now(), path: uri.path().to_owned(), key, body });
        hits.len()
    };
    let (latency, status) = (*lock(&inner.latency), *lock(&inner.status));
    tokio::time::sleep(latency).await;
    drop(inner.holding.subscribe().wait_for(|holding| !holding).await);
    (status, format!("call {ordinal}"))
}
