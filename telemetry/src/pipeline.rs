//! Where all of it goes: standard error, OTLP over HTTP, and the registry that `/metrics` shows.
//!
//! Exporters run on threads of their own with bounded queues; past those, spans and log lines are
//! dropped and counted by the library. A receiver that is gone is named once a minute by it.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus::Registry;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;

use crate::Telemetry;
use crate::config::{Config, Exporter};
use crate::instrument::{CARDINALITY_MAX, Instruments};
use crate::logging::{self, BoxedLayer, Handle, Logging};
use crate::span::TARGET;
use crate::story::Stories;

/// How long the last export of each signal may take.
const FLUSH_DEADLINE: Duration = Duration::from_secs(3);

/// Which process this is.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name, such as `cuepoint-gateway`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What tells it from others of its kind; random per start.
    pub instance: String,
}

/// What exports. It is to be [finished](Pipeline::finish), or the last seconds are lost.
#[derive(Debug)]
pub struct Pipeline {
    telemetry: Telemetry,
    log: Handle,
    registry: Option<Registry>,
    traces: Option<SdkTracerProvider>,
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
}

/// Starts logging and whatever else is wanted; says every fault at once.
pub fn start(service: &Service, config: &Config, logging: &Logging) -> Result<Pipeline, Vec<String>> {
    let base = config.base().map_err(|fault| vec![fault])?;
    let to = |wanted: Exporter, path: &str| base.as_ref().filter(|_| wanted == Exporter::Otlp).map(|base| format!("{base}{path}"));
    let resource = resource(service);
    let fault = |error: opentelemetry_otlp::ExporterBuildError| vec![format!("--otlp: {error}")];
    let traces = to(config.traces, "/v1/traces").map(|to| traces(&to, &resource)).transpose().map_err(fault)?;
    let logs = to(config.logs, "/v1/logs").map(|to| logs(&to, &resource)).transpose().map_err(fault)?;
    let registry = config.ops.map(|_| Registry::new());
    let metrics = metrics(to(config.metrics, "/v1/metrics"), registry.as_ref(), &resource)?;
    let mut layers: Vec<BoxedLayer> = Vec::new();
    if let Some(traces) = &traces {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(traces.tracer_with_scope(scope(service)))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false);
        layers.push(layer.with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET)).boxed());
    }
    if let Some(logs) = &logs {
        // What exporters themselves log would make more to export, and more of that; rmcp says what it must not, as in `logging`.
        let is_ours =
            |target: &str| !["opentelemetry", "reqwest", "hyper", "h2", "rustls", "rmcp"].iter().any(|theirs| target.starts_with(theirs));
        let bridge = OpenTelemetryTracingBridge::new(logs);
        layers.push(
            bridge.with_filter(filter_fn(move |metadata| is_ours(metadata.target()) && *metadata.level() <= tracing::Level::INFO)).boxed(),
        );
    }
    let log = logging::start_with(logging, layers).map_err(|fault| vec![fault])?;
    let instruments = metrics.as_ref().map(|metrics| Instruments::new(metrics.meter_with_scope(scope(service)))).unwrap_or_default();
    let stories = if traces.is_some() { Stories::new(config.roots_per_second, config.content) } else { Stories::default() };
    let telemetry = Telemetry { instruments: Arc::new(instruments), stories: Arc::new(stories) };
    Ok(Pipeline { telemetry, log, registry, traces, metrics, logs })
}

impl Pipeline {
    /// What code tells by.
    pub fn telemetry(&self) -> Telemetry {
        self.telemetry.clone()
    }

    /// What is logged.
    pub fn log(&self) -> &Handle {
        &self.log
    }

    /// What `/metrics` shows, where somebody may ask.
    pub(crate) fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
    }

    /// Exports what is left, within a few seconds.
    pub async fn finish(self) {
        let Self { telemetry, traces, metrics, logs, .. } = self;
        drop(telemetry);
        // The library blocks until it is done; what is late is lost.
        let flushed = tokio::task::spawn_blocking(move || {
            let ended = [
                traces.map(|traces| traces.shutdown_with_timeout(FLUSH_DEADLINE)),
                metrics.map(|metrics| metrics.shutdown_with_timeout(FLUSH_DEADLINE)),
                logs.map(|logs| logs.shutdown_with_timeout(FLUSH_DEADLINE)),
            ];
            ended.into_iter().flatten().filter_map(Result::err).for_each(|error| tracing::debug!(%error, "the last export failed"));
        });
        drop(tokio::time::timeout(FLUSH_DEADLINE, flushed).await);
    }
}

fn scope(service: &Service) -> InstrumentationScope {
    InstrumentationScope::builder("cuepoint").with_version(service.version).build()
}

fn resource(service: &Service) -> Resource {
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before these.
    let defaults = Resource::builder_empty().with_attributes([
        KeyValue::new("service.name", service.name),
        KeyValue::new("service.namespace", "cuepoint"),
        KeyValue::new("service.version", service.version),
        KeyValue::new("service.instance.id", service.instance.clone()),
    ]);
    let said = opentelemetry_sdk::resource::EnvResourceDetector::new();
    let resource = defaults.with_detector(Box::new(said)).build();
    let named = opentelemetry_sdk::resource::SdkProvidedResourceDetector;
    let named = Resource::builder_empty().with_detector(Box::new(named)).build();
    let name = named.get(&opentelemetry::Key::from_static_str("service.name")).filter(|name| !name.as_str().starts_with("unknown_service"));
    match name {
        Some(name) => Resource::builder_empty()
            .with_attributes(resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
            .with_attribute(KeyValue::new("service.name", name))
            .build(),
        None => resource,
    }
}

fn traces(to: &str, resource: &Resource) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter = SpanExporter::builder().with_http().with_endpoint(to).build()?;
    // What is told was decided before: see `story`.
    Ok(SdkTracerProvider::builder().with_resource(resource.clone()).with_sampler(Sampler::AlwaysOn).with_batch_exporter(exporter).build())
}

fn logs(to: &str, resource: &Resource) -> Result<SdkLoggerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter = LogExporter::builder().with_http().with_endpoint(to).build()?;
    Ok(SdkLoggerProvider::builder().with_resource(resource.clone()).with_batch_exporter(exporter).build())
}

fn metrics(to: Option<String>, registry: Option<&Registry>, resource: &Resource) -> Result<Option<SdkMeterProvider>, Vec<String>> {
    if to.is_none() && registry.is_none() {
        return Ok(None);
    }
    let bounded = |_: &Instrument| Stream::builder().with_cardinality_limit(CARDINALITY_MAX).build().ok();
    let mut provider = SdkMeterProvider::builder().with_resource(resource.clone()).with_view(bounded);
    if let Some(registry) = registry {
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).scope_info_enabled(false).build();
        provider = provider.with_reader(exporter.map_err(|error| vec![format!("--ops: {error}")])?);
    }
    if let Some(to) = to {
        let exporter = MetricExporter::builder().with_http().with_endpoint(to).build();
        provider = provider.with_periodic_exporter(exporter.map_err(|error| vec![format!("--otlp: {error}")])?);
    }
    Ok(Some(provider.build()))
}
