//! Letters sent again.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{address, call};
use crate::api::Failure;
use crate::frame::Page;
use crate::part::{deed, number, table};
use crate::path;
use crate::visit::{self, Visit};

/// How many letters may be ticked.
const TICKED_MAX: usize = 200;
/// How many calls one press makes, of up to 100 letters each.
const CALLS_MAX: usize = 10;

/// What came of one letter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    id: String,
    #[serde(default)]
    event_id: Option<String>,
    #[serde(default)]
    error: Option<String>,
}

/// What came of many.
#[derive(Debug, Default, Deserialize)]
struct Outcome {
    items: Vec<Sent>,
    #[serde(default)]
    cursor: Option<String>,
}

/// The event that a letter became.
#[derive(Debug, Deserialize)]
struct Receipt {
    id: String,
}

pub(super) async fn one(visit: Arc<Visit>) -> Result<Response, Failure> {
    let receipt: Receipt = visit.post(&call(visit.place("id"), "replay"), &json!({})).await?;
    Ok(event(&receipt.id))
}

fn event(receipt: &str) -> Response {
    visit::see(&format!("/ui/events/{}", path::part(receipt)))
}

/// Sends those again that were ticked.
pub(super) async fn ticked(visit: Arc<Visit>) -> Result<Response, Failure> {
    let ids = oldest_first(visit.form.all("id").collect());
    if ids.is_empty() {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "no letter is ticked: tick those that are to be sent again"));
    }
    if ids.len() > TICKED_MAX {
        return Err(Failure::new(StatusCode::BAD_REQUEST, format!("at most {TICKED_MAX} letters are sent again at once")));
    }
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        let sent: Result<Receipt, Failure> = visit.post(&call(id, "replay"), &json!({})).await;
        items.push(match sent {
            Ok(receipt) => Sent { id: id.to_owned(), event_id: Some(receipt.id), error: None },
            Err(failure) => Sent { id: id.to_owned(), event_id: None, error: Some(failure.message) },
        });
    }
    Ok(told(&visit, &Outcome { items, cursor: None }))
}

/// The order in which letters came, so that events of one session are sent in theirs; each once.
fn oldest_first(mut ids: Vec<&str>) -> Vec<&str> {
    // Ids are numbers without zeros before them.
    ids.sort_unstable_by_key(|id| (id.len(), *id));
    ids.dedup();
    ids
}

/// Sends all of a trigger and a code again.
pub(super) async fn matching(visit: Arc<Visit>) -> Result<Response, Failure> {
    let form = &visit.form;
    // Letters that these become are none of them.
    let until = form.word("to").parse().unwrap_or_else(|_| visit.zone.now_ms());
    let mut all = Outcome { items: Vec::new(), cursor: Some(form.word("cursor").to_owned()) };
    for _ in 0..CALLS_MAX {
        let Some(cursor) = all.cursor.take() else { break };
        let mut body = json!({ "triggerId": form.or_null("triggerId"), "code": form.or_null("code"), "to": until });
        if let (Some(body), false) = (body.as_object_mut(), cursor.is_empty()) {
            body.insert("cursor".to_owned(), cursor.into());
        }
        let part: Outcome = match visit.post("/dead/replay", &body).await {
            Ok(part) => part,
            // What was sent already is told all the same.
            Err(_) if !all.items.is_empty() => {
                all.cursor = body.get("cursor").and_then(Value::as_str).map(str::to_owned);
                break;
            }
            Err(failure) => return Err(failure),
        };
        all.items.extend(part.items);
        all.cursor = part.cursor;
    }
    Ok(told(&visit, &all))
}

/// Leads to the event where one became one; else tells what became of each.
fn told(visit: &Visit, outcome: &Outcome) -> Response {
    if let ([Sent { event_id: Some(receipt), .. }], None) = (&*outcome.items, &outcome.cursor) {
        return event(receipt);
    }
    let sent = outcome.items.iter().filter(|sent| sent.error.is_none()).count();
    let failed = outcome.items.len() - sent;
    let rows: Vec<table::Row> = outcome.items.iter().map(|sent| (sent.id.clone(), row(sent))).collect();
    let (form, until) = (&visit.form, visit.zone.now_ms().to_string());
    let until = if form.word("to").is_empty() { &until } else { form.word("to") };
    let body = html! {
        p.note role="status" { (number::count(sent as u64)) " sent again" @if failed > 0 { ", " (number::count(failed as u64)) " could not be" } "." }
        @if !rows.is_empty() { (table::whole("Letters", &["Letter", "Became"], &rows)) }
        div.foot {
            @if let Some(cursor) = &outcome.cursor {
                (deed::primary(visit, "/ui/dead/replay/all", "Go on with the next", &[("triggerId", form.word("triggerId")), ("code", form.word("code")), ("cursor", cursor), ("to", until)]))
            }
            a.button href="/ui/dead" { "Back to dead letters" }
        }
    };
    Page::new("Replayed", body).below("Dead letters", "/ui/dead").answer(visit)
}

fn row(sent: &Sent) -> Vec<maud::Markup> {
    vec![
        html! { a.nowrap href=(address(&sent.id)) { "Letter " (sent.id) } },
        html! {
            @if let Some(receipt) = &sent.event_id { a.id href={ "/ui/events/" (path::part(receipt)) } { (receipt) } }
            @if let Some(error) = &sent.error { span.muted { (error) } }
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::oldest_first;

    #[test]
    fn letters_are_sent_in_the_order_in_which_they_came() {
        assert_eq!(oldest_first(vec!["10", "9", "2", "9", "100"]), ["2", "9", "10", "100"]);
        assert_eq!(oldest_first(Vec::new()), Vec::<&str>::new());
    }
}
