//! A mock of model providers that answers what it is told to.
//!
//! It is `@copilotkit/aimock`: the wires of the known providers, streamed or not, from
//! fixtures that match requests. It serves a mock MCP server too, where it is configured.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::command_line::CommandLine;
use super::process::Process;
use crate::call;

/// A request that reached it.
#[derive(Debug, Clone, Deserialize)]
pub struct Entry {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its headers, by names in lowercase.
    pub headers: Value,
    /// Its body.
    pub body: Value,
    /// What it was answered: `status`, and the `fixture` that matched.
    pub response: Value,
}

/// A running aimock.
#[derive(Debug)]
pub struct Aimock {
    base: String,
    http: reqwest::Client,
    _process: Process,
}

impl Aimock {
    /// Starts one that answers nothing yet.
    pub async fn start() -> Self {
        Self::configured(&json!({})).await
    }

    /// Starts one with a configuration of its own form: `mcp`, `auth`, `llm` and so on.
    pub async fn configured(config: &Value) -> Self {
        let (process, port) = Process::serve("aimock", "server listening on", |port, directory| {
            let file = directory.join("aimock.json");
            std::fs::write(&file, config.to_string()).expect("a configuration can be written");
            CommandLine::npm("aimock").with(["--config", &file.display().to_string(), "--port", &port.to_string()]).command()
        })
        .await;
        Self { base: format!("http://127.0.0.1:{port}"), http: call::client(), _process: process }
    }

    /// The address of a path, such as `/v1` for chat completions.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Answers requests whose last message of the user contains a text.
    pub async fn reply(&self, user_message: &str, content: &str) {
        self.add(&json!([{ "match": { "userMessage": user_message }, "response": { "content": content } }])).await;
    }

    /// Adds fixtures in its own form: a list of `{match, response}`; the first that matches answers.
    pub async fn add(&self, fixtures: &Value) {
        self.control(Method::POST, "fixtures", Some(&json!({ "fixtures": fixtures }))).await;
    }

    /// Answers the next request with an error.
    pub async fn fail_next(&self, status: u16, message: &str) {
        self.control(Method::POST, "error", Some(&json!({ "status": status, "body": { "message": message } }))).await;
    }

    /// All requests so far, in order.
    pub async fn journal(&self) -> Vec<Entry> {
        serde_json::from_value(self.control(Method::GET, "journal", None).await).expect("a journal of requests")
    }

    /// Forgets fixtures and requests.
    pub async fn reset(&self) {
        self.control(Method::POST, "reset", None).await;
    }

    async fn control(&self, method: Method, what: &str, body: Option<&Value>) -> Value {
        let mut request = self.http.request(method, self.url(&format!("/__aimock/{what}")));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.expect("aimock answers");
        let status = answer.status();
        let body = answer.json().await.expect("aimock answers in JSON");
        assert!(status.is_success(), "aimock refuses {what}: {body}");
        body
    }
}
