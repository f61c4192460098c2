//! The events of a trigger, and events of one's own.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{LIVE, Trigger, address, call, fetch, side};
use crate::api::Failure;
use crate::frame;
use crate::page::conversation;
use crate::page::list::List;
use crate::part::field::Field;
use crate::part::filter::{self, Condition};
use crate::part::{badge, code, deed, empty, facts, number, pager, table};
use crate::path;
use crate::visit::{self, Visit};

/// How events are told apart.
const STATES: [&str; 8] = ["scheduled", "queued", "running", "waiting", "completed", "failed", "cancelled", "dead"];

/// An event of a trigger.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    id: String,
    session: String,
    status: String,
    #[serde(default)]
    attempts: u64,
    #[serde(default)]
    conversation_id: Option<String>,
    #[serde(default)]
    received_at: Option<i64>,
    #[serde(default)]
    duration: Option<u64>,
    created_at: i64,
}

pub(super) async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let trigger = fetch(&visit).await?;
    let path = call(&trigger.id, "event/list");
    let query = [("take", &*pager::ROWS.to_string()), ("cursor", visit.asked("cursor")), ("status", visit.asked("status"))];
    let List::<Event> { items, cursor } = visit.get(&path::with(&path, &query)).await?;
    let options = STATES.map(|state| (state.to_owned(), state.to_owned())).to_vec();
    let conditions = [Condition::One { name: "status", label: "Status", options }];
    let rows: Vec<table::Row> = items.iter().map(|event| (event.id.clone(), row(&visit, event))).collect();
    let is_narrowed = !visit.asked("status").is_empty();
    let body = html! {
        div.columns {
            div {
                (filter::form(&visit, &conditions))
                div data-region="events" {
                    @if rows.is_empty() && is_narrowed {
                        (empty::tell("No events with this status", &html! { a href=(address(&trigger.id)) { "Show all events" } }))
                    } @else if rows.is_empty() {
                        (empty::tell("No events yet", &html! { "Send a test event here, or call the URL under " a href={ (address(&trigger.id)) "/connect" } { "Connect" } "." }))
                    } @else {
                        (table::show("Events", &["Event", "Status", "Session", "Attempts", "Took", "Received"], &rows))
                    }
                }
                (pager::more(&visit, pager::next(items.len(), cursor.as_deref())))
            }
            aside.stack {
                @if visit.me.has("publish") { (sender(&visit, &trigger, None)) }
                (about(&visit, &trigger))
            }
        }
    };
    Ok(side(&visit, &trigger, &body).live(LIVE).answer(&visit))
}

fn about(visit: &Visit, trigger: &Trigger) -> Markup {
    let bot = trigger.bot_id.as_deref().unwrap_or_default();
    let firing = |at: Option<i64>| at.map(|at| visit.zone.time(at));
    let cancel = format!("{}/cancel", address(&trigger.id));
    html! {
        section.card {
            h2 { "About" }
            (facts::list(vec![
                ("Id", Some(code::id(&trigger.id))),
                ("Bot", facts::link(&format!("/ui/bots/{}", path::part(bot)), bot)),
                ("Schedule", facts::text(trigger.schedule.as_deref().unwrap_or_default())),
                ("Fires next", firing(trigger.next_trigger_at)),
                ("Fired last", firing(trigger.last_trigger_at)),
                ("Kept by", trigger.managed_by.fact()),
            ]))
            p { a href=(path::with("/ui/conversations", &[("triggerId", &trigger.id)])) { "Its conversations" } }
        }
        @if visit.operates() {
            section.card {
                h2 { "Everything that is open" }
                (deed::confirmed(visit, &cancel, "Cancel all", "Every event of this trigger that is queued, running or waiting is cancelled, up to 1,000 at a time.", &[]))
            }
        }
    }
}

fn row(visit: &Visit, event: &Event) -> Vec<Markup> {
    let number = event.id.rsplit('.').next().unwrap_or_default();
    vec![
        html! {
            @if let Some(conversation) = &event.conversation_id { a href=(conversation::address_at(conversation, &event.id)) title=(event.id) { "Event " (number) } }
            @else { span title=(event.id) { "Event " (number) } }
        },
        badge::status(&event.status),
        html! { span.id { (event.session) } },
        html! { (event.attempts.max(1)) },
        html! { @if let Some(ms) = event.duration { (number::duration(ms)) } @else { span.muted { "–" } } },
        visit.zone.time(event.received_at.unwrap_or(event.created_at)),
    ]
}

/// The form that sends an event of one's own.
fn sender(visit: &Visit, trigger: &Trigger, failure: Option<&Failure>) -> Markup {
    html! {
        section.card {
            h2 { "Send a test event" }
            form method="post" action={ (address(&trigger.id)) "/send" } {
                (frame::word(visit))
                (crate::part::field::fault(failure, &["text", "session"]))
                (Field::new("text", "Text", failure).area(&visit.form.text("text"), 3))
                (Field::new("session", "Session", failure).hint("Events of one session are handled in order. Left empty, the event has a session of its own.").line(visit.form.word("session")))
                button.primary type="submit" { "Send test event" }
            }
        }
    }
}

/// Sends an event, and shows its turn as it goes on.
pub(super) async fn send(visit: Arc<Visit>) -> Result<Response, Failure> {
    let mut body = json!({ "text": visit.form.text("text") });
    if let (Some(body), session) = (body.as_object_mut(), visit.form.word("session"))
        && !session.is_empty()
    {
        body.insert("session".to_owned(), session.into());
    }
    let sent: Result<Value, Failure> = visit.post(&call(visit.place("id"), "event"), &body).await;
    match sent {
        Ok(receipt) => Ok(led(&visit, receipt.get("id").and_then(Value::as_str))),
        Err(failure) => {
            let trigger = fetch(&visit).await?;
            Ok(side(&visit, &trigger, &sender(&visit, &trigger, Some(&failure))).refused(failure.status).answer(&visit))
        }
    }
}

/// To the conversation that an event begins or goes into, once that is known; else to the events.
fn led(visit: &Visit, receipt: Option<&str>) -> Response {
    match receipt {
        Some(receipt) => visit::see(&format!("/ui/events/{}", path::part(receipt))),
        None => visit::back(&address(visit.place("id")), &[("note", "sent")]),
    }
}

/// Fires the trigger as its schedule would.
pub(super) async fn invoke(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "invoke"), &json!({})).await?;
    Ok(visit::back(&address(visit.place("id")), &[("note", "sent")]))
}

/// Calls off all that is open.
pub(super) async fn cancel_all(visit: Arc<Visit>) -> Result<Response, Failure> {
    let told: Value = visit.post(&call(visit.place("id"), "event/cancel"), &json!({})).await?;
    let is_all = told.get("failed").and_then(Value::as_u64) == Some(0) && told.get("cursor").is_none();
    Ok(visit::back(&address(visit.place("id")), &[("note", if is_all { "cancelled" } else { "partial" })]))
}
