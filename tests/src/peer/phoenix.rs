//! Arize Phoenix: a receiver of traces that shows what models, agents and tools did.

use std::collections::BTreeMap;

use cuepoint::server::free_port;
use serde::Deserialize;
use serde_json::Value;

use super::command_line::{self, CommandLine};
use super::process::Process;
use crate::call;

/// Most spans that are read.
const SPANS_MAX: usize = 1_000;

/// Where a span belongs.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    /// The trace.
    pub trace_id: String,
    /// The span.
    pub span_id: String,
}

/// A span as Phoenix has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Span {
    /// Its name.
    pub name: String,
    /// Where it belongs.
    pub context: Place,
    /// The span above it.
    pub parent_id: Option<String>,
    /// What Phoenix takes it for: `LLM`, `AGENT`, `TOOL` and so on.
    #[serde(rename = "span_kind")]
    pub kind: String,
    /// What it says, and what Phoenix made of it.
    pub attributes: BTreeMap<String, Value>,
}

/// A running Phoenix.
#[derive(Debug)]
pub struct Phoenix {
    base: String,
    http: reqwest::Client,
    _process: Process,
}

impl Phoenix {
    /// Starts one that has seen nothing.
    pub async fn start() -> Self {
        let grpc = free_port().expect("a free port").to_string();
        let (process, port) = Process::serve("phoenix", "Application startup complete", |port, directory| {
            let program = command_line::installed("peers/phoenix/bin/phoenix");
            let mut command = CommandLine { program, arguments: vec!["serve".to_owned()] }.command();
            command.env("PHOENIX_PORT", port.to_string()).env("PHOENIX_GRPC_PORT", &grpc).env("PHOENIX_HOST", "127.0.0.1");
            command.env("PHOENIX_WORKING_DIR", directory).env("PHOENIX_TELEMETRY_ENABLED", "false");
            command
        })
        .await;
        Self { base: format!("http://127.0.0.1:{port}"), http: call::client(), _process: process }
    }

    /// Where it takes telemetry over OTLP/HTTP.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// The spans that it has; none where it does not answer yet.
    pub async fn spans(&self) -> Option<Vec<Span>> {
        let answer = self.http.get(format!("{}/v1/projects/default/spans?limit={SPANS_MAX}", self.base)).send().await.ok()?;
        let body: Value = answer.error_for_status().ok()?.json().await.ok()?;
        Some(serde_json::from_value(body.get("data")?.clone()).expect("Phoenix describes spans as it did"))
    }

    /// The traces of each session that it has.
    pub async fn sessions(&self) -> Option<BTreeMap<String, Vec<String>>> {
        let answer = self.http.get(format!("{}/v1/projects/default/sessions", self.base)).send().await.ok()?;
        let body: Value = answer.error_for_status().ok()?.json().await.ok()?;
        let session = |session: &Value| {
            let traces = session.get("traces")?.as_array()?.iter().filter_map(|trace| trace.get("trace_id")?.as_str().map(str::to_owned));
            Some((session.get("session_id")?.as_str()?.to_owned(), traces.collect()))
        };
        body.get("data")?.as_array()?.iter().map(session).collect()
    }
}
