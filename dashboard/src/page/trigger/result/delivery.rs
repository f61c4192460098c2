//! One delivery: its attempts, and what goes out.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::json;

use super::{Attempt, Delivery, LIVE, address, home, page_of, status};
use crate::api::Failure;
use crate::frame::Page;
use crate::page::list::Named;
use crate::part::{code, deed, empty, facts, number, table};
use crate::path;
use crate::visit::{self, Visit};

fn call(id: &str, verb: &str) -> String {
    format!("/delivery/{}/{verb}", path::part(id))
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let trigger = visit.place("id");
    let one: Delivery = visit.get(&call(visit.place("delivery"), "fetch")).await?;
    let payload = code::json(&one.payload);
    let rows: Vec<table::Row> = one.attempts.iter().map(|attempt| (attempt.at.to_string(), row(&visit, attempt))).collect();
    let body = html! {
        div.columns {
            div.stack {
                div data-region="attempts" {
                    @if rows.is_empty() { (empty::tell("Not tried yet", &html! { "It waits for what goes before it to the same destination." })) }
                    @else { (table::whole("Attempts", &["Attempt", "Status", "Answer", "Took", "When"], &rows)) }
                }
                section.card { h2 { "What goes out" } pre.wrap tabindex="0" aria-label="Payload" { code { (payload) } } }
            }
            aside { section.card data-region="about" { h2 { "About" } (about(&visit, &one)) } }
        }
    };
    let redeliver = format!("{}/redeliver", page_of(trigger, &one.id));
    let actions = html! { @if visit.operates() { (deed::button(&visit, &redeliver, "Redeliver", &[])) } };
    let page = Page::new(one.r#type.clone(), body)
        .below("Triggers", "/ui/triggers")
        .below(trigger, address(trigger))
        .below("Results", home(trigger));
    let page = page.beside(html! { span data-region="status" { (status(&one.status)) } });
    Ok(page.actions(actions).live(LIVE).answer(&visit))
}

fn row(visit: &Visit, attempt: &Attempt) -> Vec<Markup> {
    vec![
        html! { @if attempt.number > 0 { (attempt.number) } @else { span.muted { "none made" } } },
        status(&attempt.status),
        html! {
            div {
                @if let Some(code) = attempt.http_status { (code) " " }
                @if let Some(error) = &attempt.error { span.muted { (error) } }
                @if attempt.http_status.is_none() && attempt.error.is_none() { span.muted { "–" } }
            }
        },
        html! { span.nowrap { (number::duration(attempt.duration_ms)) } },
        visit.zone.time(attempt.at),
    ]
}

fn about(visit: &Visit, one: &Delivery) -> Markup {
    let event = one.event_id.as_deref().unwrap_or_default();
    let repeats = one.repeats.as_deref().unwrap_or_default();
    let trigger = visit.place("id");
    facts::list(vec![
        ("Destination", facts::text(&one.destination_id)),
        ("Session", Some(code::id(&one.session))),
        ("Event", facts::link(&format!("/ui/events/{}", path::part(event)), event)),
        ("Repeats", facts::link(&page_of(trigger, repeats), repeats)),
        ("Tried again", one.next_attempt_at.map(|at| visit.zone.time(at))),
        ("Put down", Some(visit.zone.time(one.created_at))),
        ("Webhook id", Some(code::id(&one.webhook_id))),
        ("Id", Some(code::id(&one.id))),
    ])
}

/// Tells it once more, as another delivery.
pub(super) async fn redeliver(visit: Arc<Visit>) -> Result<Response, Failure> {
    let again: Named = visit.post(&call(visit.place("delivery"), "redeliver"), &json!({})).await?;
    Ok(visit::back(&page_of(visit.place("id"), &again.id), &[("note", "sent")]))
}
