//! The words of a model, over the wire of an OpenAI-compatible provider.
//!
//! A script says what the model answers to how many steps of a turn; everything else is real:
//! HTTP, the event stream, tool calls in fragments, usage. Every question is kept.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What the model says.
#[derive(Debug, Clone)]
pub enum Say {
    /// Words.
    Text(String),
    /// Calls, by function and arguments.
    Calls(Vec<(String, Value)>),
}

type Script = Box<dyn Fn(usize, &Value) -> Say + Send + Sync>;

struct Inner {
    script: Script,
    asked: Mutex<Vec<Value>>,
    latency: Mutex<Duration>,
    pace: Mutex<Duration>,
    under_way: Mutex<UnderWay>,
}

/// How many questions are being answered, and how many were at most.
#[derive(Debug, Default)]
struct UnderWay {
    now: usize,
    max: usize,
}

/// Counts a question while it is being answered.
struct Counted(Arc<Inner>);

impl Counted {
    fn new(inner: &Arc<Inner>) -> Self {
        let mut under_way = lock(&inner.under_way);
        under_way.now += 1;
        under_way.max = under_way.max.max(under_way.now);
        Self(Arc::clone(inner))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        lock(&self.0.under_way).now -= 1;
    }
}

/// A provider of one scripted model. Dropping it closes it.
pub struct Oracle {
    address: SocketAddr,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Oracle {
    /// Serves on a free port; `script` is told how many steps the turn has and the whole question.
    pub async fn start(script: impl Fn(usize, &Value) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("an oracle can listen");
        let address = listener.local_addr().expect("an oracle has an address");
        let inner = Arc::new(Inner {
            script: Box::new(script),
            asked: Mutex::default(),
            latency: Mutex::default(),
            pace: Mutex::default(),
            under_way: Mutex::default(),
        });
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("an oracle serves") });
        Self { address, inner, _serving: serving }
    }

    /// The settings of a worker that asks it, as the provider `oracle`; `more` is put behind.
    pub fn settings(&self, more: &str) -> String {
        format!("providers: [{{ id: oracle, kind: compatible, baseUrl: '{}' }}]\n{more}", self.url())
    }

    /// Its address as the base URL of a provider.
    pub fn url(&self) -> String {
        format!("http://{}/v1/", self.address)
    }

    /// How many questions were being answered at once, at most.
    pub fn under_way_max(&self) -> usize {
        lock(&self.inner.under_way).max
    }

    /// Answers after this long from now on.
    pub fn set_latency(&self, latency: Duration) {
        *lock(&self.inner.latency) = latency;
    }

    /// Says each word this long after the one before from now on.
    pub fn set_pace(&self, pace: Duration) {
        *lock(&self.inner.pace) = pace;
    }

    /// All questions so far.
    pub fn asked(&self) -> Vec<Value> {
        lock(&self.inner.asked).clone()
    }

    /// How many questions had this text in them.
    pub fn asked_about(&self, text: &str) -> usize {
        self.asked().iter().filter(|question| question["messages"].to_string().contains(text)).count()
    }
}

/// How many steps the current turn has: answers with calls since the last words of the user.
fn steps(question: &Value) -> usize {
    let messages = question["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let turn = messages.iter().rev().take_while(|message| message["role"] != "user");
    turn.filter(|message| message["role"] == "assistant").count()
}

async fn answer(State(inner): State<Arc<Inner>>, body: Bytes) -> Response {
    let question: Value = serde_json::from_slice(&body).expect("a question in JSON");
    lock(&inner.asked).push(question.clone());
    let _counted = Counted::new(&inner);
    let latency = *lock(&inner.latency);
    tokio::time::sleep(latency).await;
    let said = (inner.script)(steps(&question), &question);
    let pace = *lock(&inner.pace);
    let chunks = futures_util::stream::iter(chunks(&said)).then(move |chunk| async move {
        tokio::time::sleep(pace).await;
        Ok::<_, Infallible>(Bytes::from(format!("data: {chunk}\n\n")))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().expect("a header"));
    response
}

fn chunks(said: &Say) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        json!({
            "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    };
    let mut chunks = vec![chunk(json!({ "role": "assistant", "content": "" }), Value::Null)];
    let finish = match said {
        Say::Text(text) => {
            chunks.extend(text.split_inclusive(' ').map(|word| chunk(json!({ "content": word }), Value::Null)));
            "stop"
        }
        Say::Calls(calls) => {
            for (index, (name, arguments)) in calls.iter().enumerate() {
                let begun = json!({ "index": index, "id": format!("call_{index}"), "type": "function", "function": { "name": name, "arguments": "" } });
                chunks.push(chunk(json!({ "tool_calls": [begun] }), Value::Null));
                for part in arguments.to_string().split_inclusive(',') {
                    let more = json!({ "index": index, "function": { "arguments": part } });
                    chunks.push(chunk(json!({ "tool_calls": [more] }), Value::Null));
                }
            }
            "tool_calls"
        }
    };
    chunks.push(chunk(json!({}), finish.into()));
    let usage = json!({ "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110 });
    chunks.push(json!({ "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [], "usage": usage }));
    chunks.iter().map(ToString::to_string).chain(["[DONE]".to_owned()]).collect()
}
