//! An HTTP service that means no good: it answers as a test tells it, and keeps what it was sent.

#![expect(clippy::indexing_slicing, reason = "JSON has null where nothing stands")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path and query, as they came.
    pub target: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
}

impl Asked {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Debug, Default)]
pub struct Reply {
    /// The status; 200 where it is 0.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

impl Reply {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self { body: Body::from(text.into()), ..Self::default() }
    }

    /// A document of some type.
    pub fn typed(kind: &str, body: impl Into<Body>) -> Self {
        Self { headers: vec![("content-type", kind.to_owned())], body: body.into(), ..Self::default() }
    }

    /// A redirect that keeps the method.
    pub fn redirect(to: String) -> Self {
        Self { status: 307, headers: vec![("location", to)], ..Self::default() }
    }
}

type Script = Box<dyn Fn(&Asked) -> Reply + Send + Sync>;

struct Inner {
    script: Script,
    asked: Mutex<Vec<Asked>>,
}

/// The service. Dropping it closes it.
pub struct Stranger {
    address: SocketAddr,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stranger {
    /// Serves on a free port.
    pub async fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a stranger can listen");
        let address = listener.local_addr().expect("a stranger has an address");
        let inner = Arc::new(Inner { script: Box::new(script), asked: Mutex::default() });
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("a stranger serves") });
        Self { address, inner, _serving: serving }
    }

    /// An MCP server with these tools; `call` is told a tool's name and arguments, and answers in words.
    pub async fn with_tools(tools: Value, call: impl Fn(&str, &Value) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |asked| {
            let question: Value = serde_json::from_str(&asked.body).unwrap_or_default();
            let result = match question["method"].as_str() {
                Some("initialize") => json!({
                    "protocolVersion": "2025-06-18", "capabilities": { "tools": {} }, "serverInfo": { "name": "stranger", "version": "1" },
                }),
                Some("tools/list") => json!({ "tools": tools }),
                Some("tools/call") => {
                    let called = &question["params"];
                    json!({ "content": [{ "type": "text", "text": call(called["name"].as_str().unwrap_or_default(), &called["arguments"]) }] })
                }
                _ => return Reply { status: if asked.method == "GET" { 405 } else { 202 }, ..Reply::default() },
            };
            let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": result });
            Reply::typed("application/json", answer.to_string())
        })
        .await
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.inner.asked).clone()
    }

    /// The arguments of all calls of a tool so far.
    pub fn called(&self, tool: &str) -> Vec<Value> {
        let asked = self.asked().into_iter().filter_map(|asked| serde_json::from_str::<Value>(&asked.body).ok());
        let calls = asked.filter(|asked| asked["method"] == "tools/call" && asked["params"]["name"] == tool);
        calls.map(|asked| asked["params"]["arguments"].clone()).collect()
    }
}

async fn take(State(inner): State<Arc<Inner>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let asked = Asked { method: method.to_string(), target: uri.to_string(), headers, body: String::from_utf8_lossy(&body).into_owned() };
    lock(&inner.asked).push(asked.clone());
    let Reply { status, headers, body } = (inner.script)(&asked);
    let response = Response::builder().status(if status == 0 { 200 } else { status });
    let response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    response.body(body).expect("a response")
}
