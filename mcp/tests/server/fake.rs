//! A server over HTTP that does as a test tells it, and remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use egress::Egress;
use egress::policy::Policy;
use futures_util::{StreamExt as _, stream};
use mcp::pool::{Call, Config, Pool};
use mcp::server::{Auth, Http, Server};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use url::Url;

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// What the server was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) verb: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

/// What it does about it.
pub(crate) enum Reply {
    /// The result of a request.
    Result(Value),
    /// Any JSON, with status 200.
    Json(Value),
    /// A status with headers and a body.
    Status(u16, Vec<(&'static str, String)>, String),
    /// A stream of events, each after a pause; it stays open afterwards if told so.
    Events(Vec<(u64, String)>, bool),
    /// Never an answer.
    Hang,
}

type Script = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

struct Inner {
    script: Box<Script>,
    asked: Mutex<Vec<Asked>>,
    arrived: Notify,
}

/// The server, in a runtime of its own: when it dies, its connections die with it.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    runtime: Option<Runtime>,
}

impl Asked {
    /// The method of JSON-RPC, or the verb of HTTP where there is none.
    pub(crate) fn what(&self) -> &str {
        self.body["method"].as_str().unwrap_or(&self.verb)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The parameter of a form.
    pub(crate) fn form(&self, name: &str) -> String {
        url::form_urlencoded::parse(self.text.as_bytes())
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    }
}

impl Fake {
    /// Starts a server; what the script leaves open, a plain server with one tool answers.
    pub(crate) fn start(script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        Self::start_on(([127, 0, 0, 1], 0).into(), script)
    }

    pub(crate) fn start_on(address: SocketAddr, script: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner { script: Box::new(script), asked: Mutex::default(), arrived: Notify::new() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let serving = async move { axum::serve(TcpListener::from_std(listener).unwrap(), router).await.unwrap() };
        drop(runtime.spawn(serving));
        Self { address, inner, runtime: Some(runtime) }
    }

    /// Kills the server, and waits until it is dead.
    pub(crate) async fn die(mut self) {
        let runtime = self.runtime.take().unwrap();
        tokio::task::spawn_blocking(move || runtime.shutdown_timeout(DEADLINE)).await.unwrap();
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}/mcp", self.address).parse().unwrap()
    }

    pub(crate) fn server(&self) -> Server {
        self.server_with(&[], Auth::None)
    }

    pub(crate) fn server_with(&self, headers: &[(&str, &str)], auth: Auth) -> Server {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        Server::Http(Http { url: self.url(), headers, auth })
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.inner.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.asked().iter().filter(|asked| asked.what() == what).count()
    }

    /// Waits until something was asked that `is_it`.
    pub(crate) async fn wait(&self, is_it: impl Fn(&Asked) -> bool) -> Asked {
        let waiting = async {
            loop {
                let arrived = self.inner.arrived.notified();
                if let Some(asked) = self.asked().into_iter().find(|asked| is_it(asked)) {
                    return asked;
                }
                arrived.await;
            }
        };
        let asked: Vec<String> = self.asked().iter().map(|asked| asked.what().to_owned()).collect();
        tokio::time::timeout(DEADLINE, waiting).await.unwrap_or_else(|_| panic!("it was asked only {asked:?}"))
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 16 << 20).await.unwrap();
    let asked = Asked {
        verb: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    inner.asked.lock().unwrap().push(asked.clone());
    inner.arrived.notify_waiters();
    let reply = (inner.script)(&asked).unwrap_or_else(|| plain(&asked));
    let response = Response::builder();
    match reply {
        Reply::Result(result) => json_response(&answer_to(&asked, &result), &asked),
        Reply::Json(value) => json_response(&value, &asked),
        Reply::Status(status, headers, body) => headers
            .into_iter()
            .fold(response.status(status), |response, (name, value)| response.header(name, value))
            .body(body.into())
            .unwrap(),
        Reply::Events(events, stays_open) => {
            let events = stream::iter(events).then(|(pause_ms, event)| async move {
                tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                Ok::<_, Infallible>(Bytes::from(event))
            });
            let rest = stream::once(async move { if stays_open { std::future::pending().await } else { Ok(Bytes::new()) } });
            response.header("content-type", "text/event-stream").body(Body::from_stream(events.chain(rest))).unwrap()
        }
        Reply::Hang => std::future::pending().await,
    }
}

/// The message that answers a request.
pub(crate) fn answer_to(asked: &Asked, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": asked.body["id"], "result": result })
}

/// A message as an event.
pub(crate) fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

fn json_response(value: &Value, asked: &Asked) -> Response {
    let mut response = Response::builder().header("content-type", "application/json");
    if asked.what() == "initialize" {
        response = response.header("mcp-session-id", "session-1");
    }
    response.body(value.to_string().into()).unwrap()
}

fn plain(asked: &Asked) -> Reply {
    match asked.what() {
        "initialize" => Reply::Result(json!({
            "protocolVersion": "2025-06-18", "capabilities": { "tools": { "listChanged": true } }, "serverInfo": { "name": "fake", "version": "1" },
        })),
        "tools/list" => Reply::Result(json!({ "tools": [{ "name": "echo", "inputSchema": { "type": "object" } }] })),
        "tools/call" => Reply::Result(json!({ "content": [{ "type": "text", "text": asked.body["params"]["arguments"].to_string() }] })),
        "GET" => Reply::Status(405, vec![], String::new()),
        _ => Reply::Status(202, vec![], String::new()),
    }
}

/// A pool that may call these addresses, beside public ones.
pub(crate) fn pool(config: Config, allowed: &[SocketAddr]) -> Pool {
    let allow = allowed.iter().map(|address| address.to_string().parse().unwrap()).collect();
    Pool::new(config, Egress::new(Policy { allow }).unwrap())
}

/// A call of `echo`.
pub(crate) fn call(timeout: Duration) -> Call<'static> {
    Call { tool: "echo", arguments: Map::new(), idempotency_key: None, timeout }
}
