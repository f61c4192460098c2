//! Where the ends of a trigger's turns are told, and how that went.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{LIVE, Trigger, address, call, fetch, side};
use crate::api::Failure;
use crate::page::list::List;
use crate::part::badge::{self, Tone};
use crate::part::{deed, empty, facts, pager, table};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed as done, page};

mod delivery;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/triggers/{id}/results", page(list))
        .route("/ui/triggers/{id}/results/enable", done(enable))
        .route("/ui/triggers/{id}/results/test", done(test))
        .route("/ui/triggers/{id}/results/{delivery}", page(delivery::show))
        .route("/ui/triggers/{id}/results/{delivery}/redeliver", done(delivery::redeliver))
}

/// A destination.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    id: String,
    r#type: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    statuses: Vec<String>,
    disabled: bool,
    stopped: bool,
    #[serde(default)]
    stopped_at: Option<i64>,
}

/// What was told of the end of a turn.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    id: String,
    destination_id: String,
    session: String,
    #[serde(default)]
    event_id: Option<String>,
    r#type: String,
    webhook_id: String,
    status: String,
    attempts: Vec<Attempt>,
    #[serde(default)]
    next_attempt_at: Option<i64>,
    #[serde(default)]
    repeats: Option<String>,
    created_at: i64,
    #[serde(default)]
    payload: Option<Value>,
}

/// One attempt to tell it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    number: u64,
    status: String,
    at: i64,
    duration_ms: u64,
    #[serde(default)]
    http_status: Option<u16>,
    #[serde(default)]
    error: Option<String>,
}

fn home(trigger: &str) -> String {
    format!("{}/results", address(trigger))
}

fn page_of(trigger: &str, delivery: &str) -> String {
    format!("{}/{}", home(trigger), path::part(delivery))
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let trigger = fetch(&visit).await?;
    let destinations: List<Destination> = visit.get(&call(&trigger.id, "destination/list")).await?;
    let query = [("take", &*pager::ROWS.to_string()), ("cursor", visit.asked("cursor"))];
    let List::<Delivery> { items, cursor } = visit.get(&path::with(&call(&trigger.id, "delivery/list"), &query)).await?;
    let rows: Vec<table::Row> = items.iter().map(|one| (one.id.clone(), row(&visit, &trigger, one))).collect();
    let next = pager::next(items.len(), cursor.as_deref());
    let body = html! {
        div.columns {
            div {
                div data-region="deliveries" {
                    @if destinations.items.is_empty() && rows.is_empty() {
                        (empty::tell("The ends of its turns are told to nobody", &html! { "Add a destination under " a href={ (address(&trigger.id)) "/configure" } { "Configure" } ": a webhook, or a subject of the broker." }))
                    } @else if rows.is_empty() && visit.asked("cursor").is_empty() {
                        (empty::tell("Nothing was told yet", &html! { "The end of the next turn is told, and listed here for seven days." @if visit.operates() { " A test can be sent at any time." } }))
                    } @else {
                        (table::show("Deliveries", &["Told of", "Destination", "Status", "Attempts", "Session", "When"], &rows))
                    }
                }
                (pager::more(&visit, next))
            }
            aside.stack data-region="destinations" { @for one in &destinations.items { (destination(&visit, &trigger, one)) } }
        }
    };
    Ok(side(&visit, &trigger, &body).live(LIVE).answer(&visit))
}

fn destination(visit: &Visit, trigger: &Trigger, one: &Destination) -> Markup {
    let state = match (one.disabled, one.stopped) {
        (true, _) => badge::toned(Tone::Calm, "left out"),
        (false, true) => badge::toned(Tone::Bad, "stopped"),
        (false, false) => badge::toned(Tone::Good, "enabled"),
    };
    let place = one.url.as_deref().or(one.subject.as_deref()).unwrap_or("nowhere");
    let told = if one.statuses.is_empty() { "every end".to_owned() } else { one.statuses.join(", ") };
    let (home, hidden) = (home(&trigger.id), [("destination", one.id.as_str())]);
    html! {
        section.card {
            header { h2 { (one.id) } (state) }
            (facts::list(vec![
                (if one.r#type == "webhook" { "Webhook" } else { "Subject" }, Some(html! { code.id { (place) } })),
                ("Told of", Some(html! { (told) })),
                ("Stopped", one.stopped_at.map(|at| html! { (visit.zone.time(at)) ", when it answered 410" })),
            ]))
            @if visit.operates() && !one.disabled {
                div.foot {
                    (deed::button(visit, &format!("{home}/test"), "Send a test", &hidden))
                    @if one.stopped { (deed::primary(visit, &format!("{home}/enable"), "Enable", &hidden)) }
                }
            }
        }
    }
}

/// The state of a delivery or of an attempt.
fn status(name: &str) -> Markup {
    match name {
        "sending" => badge::toned(Tone::Busy, name),
        "givenUp" => badge::toned(Tone::Bad, "given up"),
        _ => badge::status(name),
    }
}

fn row(visit: &Visit, trigger: &Trigger, one: &Delivery) -> Vec<Markup> {
    let last = one
        .attempts
        .last()
        .and_then(|attempt| attempt.error.clone().or_else(|| attempt.http_status.map(|code| format!("answered {code}"))));
    vec![
        html! { a.nowrap href=(page_of(&trigger.id, &one.id)) { (one.r#type) } },
        html! { span.short title=(one.destination_id) { (one.destination_id) } },
        html! { div { (status(&one.status)) @if let (Some(last), false) = (last, one.status == "delivered") { p.muted.clip title=(last) { (last) } } } },
        html! { (one.attempts.len()) },
        html! { span.short title=(one.session) { (one.session) } },
        visit.zone.time(one.created_at),
    ]
}

async fn enable(visit: Arc<Visit>) -> Result<Response, Failure> {
    told(&visit, "enable", "enabled").await
}

async fn test(visit: Arc<Visit>) -> Result<Response, Failure> {
    told(&visit, "test", "sent").await
}

async fn told(visit: &Visit, verb: &str, note: &str) -> Result<Response, Failure> {
    let id = visit.place("id");
    let destination = path::part(visit.form.word("destination"));
    visit.act(&call(id, &format!("destination/{destination}/{verb}")), &json!({})).await?;
    Ok(visit::back(&home(id), &[("note", note)]))
}
