//! A mock of model providers that fails as it is told to, and grades its client.
//!
//! It is the Python program `llmock`: it answers every request with some text, or by calling an offered tool, unless
//! a behaviour is queued; a request takes the first of each kind that applies. From the times of all
//! attempts it judges the client: whether it obeyed Retry-After, backed off, gave up in time, retried what
//! can never succeed, or believed a stream that had no end.

mod behavior;
mod verdict;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

pub use self::behavior::{Behavior, BrokenCall, BrokenStream};
pub use self::verdict::{Finding, Severity, Verdict};
use super::command_line::CommandLine;
use super::process::Process;
use crate::call;

/// A request that reached it.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    /// Its path.
    pub path: String,
    /// The model that it asks for.
    pub model: Option<String>,
    /// Whether it asks for a stream.
    pub stream: bool,
    /// What it was answered.
    pub status: u16,
    /// What was done to it, such as `fail:429`.
    pub fault: Option<String>,
    /// Whether the answer was taken to its end.
    pub completed: bool,
    /// When it came, in seconds of a clock of llmock.
    pub started_at: f64,
    /// When it was answered, by the same clock.
    pub ended_at: f64,
    /// Its body.
    pub body: Value,
}

/// A running llmock.
#[derive(Debug)]
pub struct Llmock {
    base: String,
    http: reqwest::Client,
    _process: Process,
}

impl Llmock {
    /// Starts one.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts one with further arguments of `llmock serve`, such as `--rpm 60`.
    pub async fn with(arguments: &[&str]) -> Self {
        let (process, port) = Process::serve("llmock", "Uvicorn running on", |port, _| {
            let line = CommandLine::pypi("llmock").with(["serve", "--host", "127.0.0.1", "--port", &port.to_string()]);
            line.with(arguments.iter().copied()).command()
        })
        .await;
        Self { base: format!("http://127.0.0.1:{port}"), http: call::client(), _process: process }
    }

    /// The address of a path, such as `/v1` for chat completions and `/anthropic` for the wire of Anthropic.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Queues behaviours for the next requests.
    pub async fn queue(&self, behaviors: impl IntoIterator<Item = Behavior>) {
        let behaviors: Vec<Behavior> = behaviors.into_iter().collect();
        self.control(Method::POST, "scenario", Some(&json!({ "behaviors": behaviors }))).await;
    }

    /// How many behaviours no request has used up.
    pub async fn pending(&self) -> usize {
        self.control(Method::GET, "scenario", None).await.pointer("/pending").and_then(Value::as_array).expect("a list").len()
    }

    /// All requests so far, in order.
    pub async fn requests(&self) -> Vec<Request> {
        let mut body = self.control(Method::GET, "requests", None).await;
        let requests = body.pointer_mut("/requests").expect("a list of requests").take();
        serde_json::from_value(requests).expect("requests")
    }

    /// What it thinks of its client.
    pub async fn verdict(&self) -> Verdict {
        serde_json::from_value(self.control(Method::GET, "verdict", None).await).expect("a verdict")
    }

    /// Forgets requests and behaviours.
    pub async fn reset(&self) {
        self.control(Method::POST, "reset", None).await;
    }

    async fn control(&self, method: Method, what: &str, body: Option<&Value>) -> Value {
        let mut request = self.http.request(method, self.url(&format!("/_llmock/{what}")));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("llmock answers");
        let status = answer.status();
        let body = answer.json().await.expect("llmock answers in JSON");
        assert!(status.is_success(), "llmock refuses {what}: {body}");
        body
    }
}
