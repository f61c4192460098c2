//! A provider on loopback that answers what a test tells it to, byte for byte.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long a request's body may be.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What comes next of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    /// These bytes, in a chunk of their own.
    Bytes(Vec<u8>),
    /// Nothing for so long.
    Pause(Duration),
    /// The connection is torn down.
    Cut,
}

/// An answer of the provider.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) parts: Vec<Part>,
    /// How long nothing comes at all.
    pub(crate) after: Duration,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) headers: axum::http::HeaderMap,
    pub(crate) body: Value,
}

/// The provider. Dropping it ends it.
pub(crate) struct Fake {
    base: String,
    state: Arc<Script>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
}

impl Answer {
    /// A stream of these bytes, all at once.
    pub(crate) fn stream(bytes: impl Into<Vec<u8>>) -> Self {
        Self::parts(vec![Part::Bytes(bytes.into())])
    }

    pub(crate) fn parts(parts: Vec<Part>) -> Self {
        Self { status: 200, headers: vec![("content-type", "text/event-stream".to_owned())], parts, after: Duration::ZERO }
    }

    pub(crate) fn error(status: u16, body: &str) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, parts: vec![Part::Bytes(body.as_bytes().to_vec())], after: Duration::ZERO }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Answers only after so long.
    pub(crate) fn late(self, after: Duration) -> Self {
        Self { after, ..self }
    }

    async fn give(self) -> Response {
        tokio::time::sleep(self.after).await;
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(*name, value);
        }
        let parts = stream::unfold(self.parts.into_iter(), |mut parts| async move {
            loop {
                match parts.next()? {
                    Part::Bytes(bytes) => return Some((Ok(Bytes::from(bytes)), parts)),
                    Part::Pause(pause) => tokio::time::sleep(pause).await,
                    Part::Cut => {
                        // What was said before goes out first.
                        tokio::task::yield_now().await;
                        return Some((Err(io::Error::other("cut")), parts));
                    }
                }
            }
        });
        response.body(Body::from_stream(parts)).unwrap()
    }
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Script::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&state));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { base, state, _server: server }
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Gives these answers, one for each request.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.answers.lock().unwrap().extend(answers);
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().unwrap().clone()
    }

    /// What was asked, of which there must be one.
    pub(crate) fn only(&self) -> Asked {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{asked:#?}");
        asked[0].clone()
    }

    /// How many answers nobody has asked for.
    pub(crate) fn left(&self) -> usize {
        self.state.answers.lock().unwrap().len()
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Result<Response, Infallible> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap();
    let body = serde_json::from_slice(&body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&body)));
    script.asked.lock().unwrap().push(Asked { path: head.uri.to_string(), headers: head.headers, body });
    let next = script.answers.lock().unwrap().pop_front();
    Ok(next.unwrap_or_else(|| Answer::error(418, "the test has no answer for this")).give().await)
}
