//! The system at a glance.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::Failure;
use crate::frame::Page;
use crate::live;
use crate::part::badge::{self, Tone};
use crate::part::{empty, facts, number, table};
use crate::ui::Ui;
use crate::visit::{Visit, page};

/// How long a worker may be silent until it counts as gone, in milliseconds.
const SILENCE_MS_MAX: i64 = 1_500;
/// How much lag of the index is nothing to speak of, in records.
const LAG_MAX: u64 = 100;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new().route("/ui/system", page(show))
}

/// What the API tells.
#[derive(Debug, Deserialize)]
struct System {
    versions: Versions,
    #[serde(default)]
    epoch: Option<String>,
    streams: Vec<Stream>,
    workers: Vec<Worker>,
    #[serde(default)]
    index: Option<Index>,
}

#[derive(Debug, Deserialize)]
struct Versions {
    gateway: String,
    #[serde(default)]
    nats: Option<String>,
    #[serde(default)]
    redis: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    name: String,
    messages: u64,
    bytes: u64,
    /// None where it is negative: no limit.
    bytes_max: i64,
    #[serde(default)]
    subjects: u64,
    #[serde(default)]
    replicas: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Worker {
    id: String,
    version: String,
    roles: Vec<String>,
    turns: u64,
    sessions: u64,
    started_at: i64,
    /// Redis keeps it as a float.
    heartbeat_at: f64,
}

#[derive(Debug, Deserialize)]
struct Index {
    at: u64,
    last: u64,
    lag: u64,
    complete: bool,
    #[serde(default)]
    leader: Option<String>,
}

impl Worker {
    /// How long it has been silent, in milliseconds.
    fn silence_ms(&self, now_ms: i64) -> i64 {
        let beat = Duration::try_from_secs_f64(self.heartbeat_at / 1_000.0).unwrap_or_default();
        now_ms.saturating_sub(i64::try_from(beat.as_millis()).unwrap_or(i64::MAX)).max(0)
    }
}

impl Stream {
    /// How full it is, in hundredths; none without a limit.
    fn percent(&self) -> Option<u64> {
        let max = u64::try_from(self.bytes_max).ok().filter(|max| *max > 0)?;
        Some((self.bytes.saturating_mul(100) / max).min(100))
    }
}

async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let system: System = visit.get("/system/fetch").await?;
    let now_ms = visit.zone.now_ms();
    let streams: Vec<table::Row> = system.streams.iter().map(|stream| (stream.name.clone(), stream_row(stream))).collect();
    let workers: Vec<table::Row> = system.workers.iter().map(|worker| (worker.id.clone(), worker_row(&visit, worker, now_ms))).collect();
    let body = html! {
        div.stack data-region="system" {
            (tiles(&system, now_ms))
            section.part {
                h2 { "Workers" }
                @if workers.is_empty() { (empty::tell("No worker is known", &html! { "Events are taken and wait. Start one with " code { "cuepoint worker" } "." })) }
                @else { (table::whole("Workers", &["Worker", "State", "Version", "Roles", "Sessions held", "Turns at once", "Started", "Last heard"], &workers)) }
            }
            section.part { h2 { "Streams" } (table::whole("Streams", &["Stream", "Messages", "Size", "Of its limit", "Subjects", "Replicas"], &streams)) }
            div.charts {
                section.card { h2 { "Index" } (index(system.index.as_ref())) }
                section.card { h2 { "Versions" } (versions(&system)) }
            }
        }
    };
    Ok(Page::new("System", body).live(live::ALL).answer(&visit))
}

fn tiles(system: &System, now_ms: i64) -> Markup {
    let is_heard = |worker: &&Worker| worker.silence_ms(now_ms) <= SILENCE_MS_MAX;
    let alive = system.workers.iter().filter(is_heard).count();
    let sessions: u64 = system.workers.iter().filter(is_heard).map(|worker| worker.sessions).sum();
    let fullest = system.streams.iter().filter_map(Stream::percent).max();
    let lag = system.index.as_ref().map_or_else(|| "not known".to_owned(), |index| number::count(index.lag));
    let tiles = [
        ("Workers alive", number::count(alive as u64)),
        ("Sessions held", number::count(sessions)),
        ("Index behind by", lag),
        (
            "Fullest stream",
            fullest.map_or_else(|| "–".to_owned(), |percent| if percent == 0 { "under 1 %".to_owned() } else { format!("{percent} %") }),
        ),
    ];
    html! { div.tiles { @for (name, figure) in tiles { div.tile { p.name { (name) } p.figure { (figure) } } } } }
}

fn worker_row(visit: &Visit, worker: &Worker, now_ms: i64) -> Vec<Markup> {
    let silence = worker.silence_ms(now_ms);
    let state = if silence <= SILENCE_MS_MAX { badge::toned(Tone::Good, "alive") } else { badge::toned(Tone::Bad, "silent") };
    vec![
        html! { code.id { (worker.id) } },
        state,
        html! { (worker.version) },
        html! { (worker.roles.join(", ")) },
        html! { (number::count(worker.sessions)) },
        html! { (number::count(worker.turns)) },
        visit.zone.time(worker.started_at),
        html! { span.nowrap { (number::duration(u64::try_from(silence).unwrap_or(0))) " ago" } },
    ]
}

fn stream_row(stream: &Stream) -> Vec<Markup> {
    let size = html! { span.nowrap { (number::bytes(stream.bytes)) } };
    let full = if let Some(percent) = stream.percent() {
        let max = number::bytes(u64::try_from(stream.bytes_max).unwrap_or(0));
        let amount = if percent == 0 && stream.bytes > 0 { "under 1 %".to_owned() } else { format!("{percent} %") };
        let name = format!("{}: {amount} of its limit", stream.name);
        html! { span.level { meter min="0" max="100" low="60" high="80" optimum="0" value=(percent) aria-label=(name) { (amount) } span.nowrap { (amount) " of " (max) } } }
    } else {
        html! { span.muted { "no limit" } }
    };
    vec![
        html! { code.id { (stream.name) } },
        html! { (number::count(stream.messages)) },
        size,
        full,
        html! { (number::count(stream.subjects)) },
        html! { (stream.replicas) },
    ]
}

fn index(index: Option<&Index>) -> Markup {
    let Some(index) = index else { return html! { p.muted { "How far lists are behind the log cannot be said right now." } } };
    let state = if !index.complete {
        badge::toned(Tone::Busy, "being built")
    } else if index.lag > LAG_MAX {
        badge::toned(Tone::Wait, "behind")
    } else {
        badge::toned(Tone::Good, "up to date")
    };
    facts::list(vec![
        ("State", Some(state)),
        ("Behind by", Some(html! { (number::count(index.lag)) " records" })),
        ("Read up to", Some(html! { (number::count(index.at)) " of " (number::count(index.last)) })),
        ("Kept by", index.leader.as_deref().map(|leader| html! { code.id { (leader) } })),
    ])
}

fn versions(system: &System) -> Markup {
    facts::list(vec![
        ("Gateway", facts::text(&system.versions.gateway)),
        ("NATS", facts::text(system.versions.nats.as_deref().unwrap_or_default())),
        ("Redis", facts::text(system.versions.redis.as_deref().unwrap_or_default())),
        ("Epoch of the events", system.epoch.as_deref().map(|epoch| html! { code.id { (epoch) } })),
    ])
}

#[cfg(test)]
mod tests {
    use super::{Stream, Worker};

    #[test]
    fn a_worker_is_silent_since_its_last_beat() {
        let text =
            r#"{"id":"w1","version":"0.1.0","roles":["turns"],"turns":512,"sessions":2,"startedAt":1,"heartbeatAt":1790000000250.0}"#;
        let worker: Worker = serde_json::from_str(text).unwrap();
        assert_eq!((worker.silence_ms(1_790_000_001_000), worker.silence_ms(0)), (750, 0));
    }

    #[test]
    fn a_stream_is_as_full_as_its_limit_says() {
        let stream = |bytes, bytes_max| Stream { name: "LOG".into(), messages: 1, bytes, bytes_max, subjects: 1, replicas: 1 };
        for (bytes, max, expected) in [(0, 100, Some(0)), (1, 1_000, Some(0)), (2_000, 1_000, Some(100)), (1, -1, None), (1, 0, None)] {
            assert_eq!(stream(bytes, max).percent(), expected);
        }
    }
}
