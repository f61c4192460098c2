//! What receives traces, metrics and log lines over OTLP, and keeps them as plain values.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A span as it was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The service.
    pub service: String,
    /// Its name.
    pub name: String,
    /// Its kind, as OTLP numbers it: 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: i32,
    /// Its trace.
    pub trace: String,
    /// Its id.
    pub id: String,
    /// Its parent; empty for a root.
    pub parent: String,
    /// The spans that it is linked to, as trace and id.
    pub links: Vec<(String, String)>,
    /// Its attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// Whether it failed.
    pub is_error: bool,
}

impl Span {
    /// An attribute; empty where there is none.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// A log line as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The service.
    pub service: String,
    /// What it says.
    pub text: String,
    /// The trace that it belongs to; empty for none.
    pub trace: String,
}

#[derive(Debug, Default)]
struct Heard {
    spans: Mutex<Vec<Span>>,
    lines: Mutex<Vec<Line>>,
    metrics: Mutex<Vec<String>>,
    bytes: Mutex<Vec<u8>>,
}

/// A receiver. Dropping it closes it.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    heard: Arc<Heard>,
    _serving: JoinSet<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// Listens on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a receiver can listen");
        let address = listener.local_addr().expect("a receiver has an address");
        let heard = Arc::new(Heard::default());
        let router = Router::new()
            .route("/v1/traces", post(traces))
            .route("/v1/logs", post(logs))
            .route("/v1/metrics", post(metrics))
            .with_state(Arc::clone(&heard));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("a receiver serves") });
        Self { address, heard, _serving: serving }
    }

    /// Its address, for `--otlp`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All spans so far.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.heard.spans).clone()
    }

    /// All log lines so far.
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.heard.lines).clone()
    }

    /// The names of all metrics so far.
    pub fn metrics(&self) -> Vec<String> {
        lock(&self.heard.metrics).clone()
    }

    /// Whether some bytes stood in anything that came.
    pub fn has_seen(&self, text: &str) -> bool {
        lock(&self.heard.bytes).windows(text.len()).any(|window| window == text.as_bytes())
    }
}

async fn traces(State(heard): State<Arc<Heard>>, body: Bytes) {
    lock(&heard.bytes).extend_from_slice(&body);
    for resource in ExportTraceServiceRequest::decode(body).expect("spans in protobuf").resource_spans {
        let service = service(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let links = span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id)));
            lock(&heard.spans).push(Span {
                service: service.clone(),
                kind: span.kind,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                links: links.collect(),
                attributes: attributes(span.attributes),
                is_error: span.status.is_some_and(|status| status.code == 2),
                name: span.name,
            });
        }
    }
}

async fn logs(State(heard): State<Arc<Heard>>, body: Bytes) {
    lock(&heard.bytes).extend_from_slice(&body);
    for resource in ExportLogsServiceRequest::decode(body).expect("log lines in protobuf").resource_logs {
        let service = service(resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        for line in resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
            lock(&heard.lines).push(Line { service: service.clone(), text: text(line.body), trace: hex(&line.trace_id) });
        }
    }
}

async fn metrics(State(heard): State<Arc<Heard>>, body: Bytes) {
    lock(&heard.bytes).extend_from_slice(&body);
    for resource in ExportMetricsServiceRequest::decode(body).expect("metrics in protobuf").resource_metrics {
        let names = resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics).map(|metric| metric.name);
        lock(&heard.metrics).extend(names);
    }
}

fn service(attributes_of_resource: Vec<KeyValue>) -> String {
    attributes(attributes_of_resource).remove("service.name").unwrap_or_default()
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    proto::idempotency::hex(bytes)
}
