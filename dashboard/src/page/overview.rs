//! How it goes: rates, latencies, what is under way and what failed, over all processes.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::conversation;
use crate::api::Failure;
use crate::frame::Page;
use crate::part::chart::{self, Legend, Point};
use crate::part::{empty, number};
use crate::ui::Ui;
use crate::visit::{self, Visit, page};
use crate::{live, path};

/// The spans that are shown, and what they are called.
const SPANS: [(&str, &str); 3] = [("1h", "Last hour"), ("24h", "Last day"), ("7d", "Last week")];

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new().route("/ui", page(show))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    step_ms: u64,
    points: Vec<Slot>,
    total: Option<Figures>,
    now: Now,
    index: Option<Index>,
}

#[derive(Debug, Deserialize)]
struct Slot {
    at: i64,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    events: u64,
    completed: u64,
    failed: u64,
    tokens: u64,
    turn_p50_ms: Option<f64>,
    turn_p99_ms: Option<f64>,
    accept_p50_ms: Option<f64>,
    accept_p99_ms: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Now {
    backlog: u64,
    running: Option<u64>,
    waiting: Option<u64>,
    dead: u64,
    workers: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Index {
    #[serde(default)]
    lag: u64,
    #[serde(default)]
    complete: bool,
}

async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    // A token that is limited to triggers sees what is of these.
    if !visit.me.triggers.is_empty() {
        return Ok(visit::see("/ui/conversations"));
    }
    let span = SPANS.iter().find(|(span, _)| *span == visit.asked("span")).map_or("1h", |(span, _)| span);
    let told: Overview = visit.get(&path::with("/overview/fetch", &[("span", span)])).await?;
    let body = html! {
        (spans(span))
        div data-region="now" {
            @if let Some(index) = told.index.as_ref().filter(|index| index.lag > 1_000 || !index.complete) {
                p.note role="status" { "Lists are " (number::count(index.lag)) " records behind the log, and catching up." }
            }
            (tiles(&told))
        }
        div data-region="charts" { (charts(&visit, &told, span == "7d")) }
        section.section { h2 { "Latest conversations" } div data-region="latest" { (conversation::latest(&visit).await?) } }
    };
    Ok(Page::new("Overview", body).live(live::ALL).answer(&visit))
}

fn spans(span: &str) -> Markup {
    html! {
        nav.tabs aria-label="Span of time" {
            @for (name, label) in SPANS { a href=(path::with("/ui", &[("span", name)])) aria-current=[(name == span).then_some("page")] { (label) } }
        }
    }
}

fn tiles(told: &Overview) -> Markup {
    let or_dash = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), number::count);
    let total = told.total.as_ref();
    let latency = |ms: Option<f64>| ms.map_or_else(|| "–".to_owned(), millis);
    let now = &told.now;
    let waiting = or_dash(now.waiting);
    html! {
        div.tiles {
            (tile("Backlog", &number::count(now.backlog), None))
            (tile("Running", &or_dash(now.running), Some("/ui/conversations?status=running")))
            (tile("Waiting", &waiting, Some("/ui/approvals")))
            (tile("Dead letters", &number::count(now.dead), Some("/ui/dead")))
            (tile("Workers", &or_dash(now.workers), Some("/ui/system")))
            (tile("Events", &or_dash(total.map(|total| total.events)), None))
            (tile("Failed", &or_dash(total.map(|total| total.failed)), Some("/ui/conversations?status=failed")))
            (tile("Tokens", &or_dash(total.map(|total| total.tokens)), None))
            (tile("Turn, p50 / p99", &format!("{} / {}", latency(total.and_then(|total| total.turn_p50_ms)), latency(total.and_then(|total| total.turn_p99_ms))), None))
            (tile("Accept, p50 / p99", &format!("{} / {}", latency(total.and_then(|total| total.accept_p50_ms)), latency(total.and_then(|total| total.accept_p99_ms))), None))
        }
    }
}

fn tile(name: &str, figure: &str, path: Option<&str>) -> Markup {
    let inside = html! { span.name { (name) } span.figure { (figure) } };
    html! { @if let Some(path) = path { a.tile href=(path) { (inside) } } @else { div.tile { (inside) } } }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a latency in milliseconds is small and not negative")]
fn millis(ms: f64) -> String {
    if ms > 0.0 && ms < 10.0 { format!("{ms:.1} ms") } else { number::duration(ms.round() as u64) }
}

#[expect(clippy::cast_precision_loss, reason = "a chart is read to three digits")]
fn charts(visit: &Visit, told: &Overview, is_week: bool) -> Markup {
    if told.points.is_empty() {
        return empty::tell("No figures right now", &html! { "They come back when Redis does; events go on meanwhile." });
    }
    let points = |low: fn(&Figures) -> Option<f64>, high: fn(&Figures) -> Option<f64>| -> Vec<Point> {
        let point = |slot: &Slot| Point { at: visit.zone.tick(slot.at, is_week), low: low(&slot.figures), high: high(&slot.figures) };
        told.points.iter().map(point).collect()
    };
    let ends = Legend { name: "Turns that ended", low: "completed", high: "failed", said: whole };
    let turns = Legend { name: "From event to end of turn", low: "p50", high: "p99", said: millis };
    let accepts = Legend { name: "From call to receipt", low: "p50", high: "p99", said: millis };
    let tokens = Legend { name: "Tokens", low: "tokens", high: "", said: whole };
    let each = number::duration(told.step_ms);
    html! {
        div.charts {
            (card(ends, &each, &chart::bars(ends, &points(|one| Some(one.completed as f64), |one| Some(one.failed as f64))), &[("completed", ""), ("failed", "fails")]))
            (card(turns, &each, &chart::lines(turns, &points(|one| one.turn_p50_ms, |one| one.turn_p99_ms)), &[("p50", ""), ("p99", "high")]))
            (card(accepts, &each, &chart::lines(accepts, &points(|one| one.accept_p50_ms, |one| one.accept_p99_ms)), &[("p50", ""), ("p99", "high")]))
            (card(tokens, &each, &chart::bars(tokens, &points(|one| Some(one.tokens as f64), |_| None)), &[("tokens", "")]))
        }
    }
}

fn card(legend: Legend<'_>, each: &str, drawn: &Markup, keys: &[(&str, &str)]) -> Markup {
    html! {
        section.card {
            header { h2 { (legend.name) } div.legend { @for (key, class) in keys { span class=(class) { (key) } } } }
            (drawn)
            p.hint { "One point: " (each) }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is whole and not negative")]
fn whole(value: f64) -> String {
    match value {
        0.0..10_000.0 => number::count(value.round() as u64),
        10_000.0..1e6 => format!("{:.0} k", value / 1e3),
        _ => format!("{:.1} M", value / 1e6),
    }
}
