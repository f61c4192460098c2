//! Dead letters: events that were given up on or refused.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::Failure;
use crate::frame::{self, Page};
use crate::page::list::{self, List};
use crate::part::filter::{self, Condition};
use crate::part::{deed, empty, number, pager, table};
use crate::path;
use crate::ui::Ui;
use crate::visit::{Visit, deed as done, page};

mod content;
mod letter;
mod meaning;
mod replay;

/// The form that the ticks of the list belong to.
const TICKED: &str = "ticked";

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/dead", page(list))
        .route("/ui/dead/replay", done(replay::ticked))
        .route("/ui/dead/replay/all", done(replay::matching))
        .route("/ui/dead/{id}", page(letter::show))
        .route("/ui/dead/{id}/replay", done(replay::one))
}

/// A letter, as far as its pages show it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    id: String,
    r#type: String,
    code: String,
    reason: String,
    subject: String,
    #[serde(default)]
    trigger_id: Option<String>,
    #[serde(default)]
    session: Option<String>,
    #[serde(default)]
    event_id: Option<String>,
    attempts: u64,
    bytes: u64,
    #[serde(default)]
    received_at: Option<i64>,
    created_at: i64,
}

fn address(id: &str) -> String {
    format!("/ui/dead/{}", path::part(id))
}

fn call(id: &str, verb: &str) -> String {
    format!("/dead/{}/{verb}", path::part(id))
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let take = pager::ROWS.to_string();
    let (trigger, code, cursor) = (visit.asked("triggerId"), visit.asked("code"), visit.asked("cursor"));
    let query = [("take", take.as_str()), ("cursor", cursor), ("triggerId", trigger), ("code", code)];
    let List::<Letter> { items, cursor: next } = visit.get(&path::with("/dead/list", &query)).await?;
    let triggers = list::triggers(&visit).await;
    let conditions = [
        Condition::One { name: "triggerId", label: "Trigger", options: triggers.into_iter().map(|id| (id.clone(), id)).collect() },
        Condition::One { name: "code", label: "Reason", options: meaning::options() },
    ];
    let is_narrowed = !trigger.is_empty() || !code.is_empty();
    let rows: Vec<table::Row> = items.iter().map(|letter| (letter.id.clone(), row(&visit, letter))).collect();
    let columns = ["Reason", "Code", "Trigger", "Session", "Attempts", "Size", "When", "Replay"];
    let columns = if visit.operates() { &columns } else { columns.split_last().map_or(&columns[..], |(_, rest)| rest) };
    let body = html! {
        (filter::form(&visit, &conditions))
        @if rows.is_empty() && is_narrowed {
            (empty::tell("Nothing matches", &html! { "Take a condition away. The newest 4,096 letters are gone through. " a href="/ui/dead" { "Show all" } }))
        } @else if rows.is_empty() && cursor.is_empty() {
            (empty::tell("No dead letters", &html! { "An event that cannot be read, or fails however often it is tried, is kept here until you replay it." }))
        } @else {
            (table::show("Dead letters", columns, &rows))
        }
        (pager::more(&visit, pager::next(items.len(), next.as_deref())))
    };
    let actions = html! { @if visit.operates() && !rows.is_empty() { (deeds(&visit, trigger, code)) } };
    Ok(Page::new("Dead letters", body).actions(actions).answer(&visit))
}

fn deeds(visit: &Visit, trigger: &str, code: &str) -> Markup {
    let of = if trigger.is_empty() { "all triggers".to_owned() } else { format!("the trigger {trigger}") };
    let with = if code.is_empty() { String::new() } else { format!(" with the code {code}") };
    let meaning = format!(
        "Every letter of {of}{with} is sent again as a new event, those on further pages too. What caused them should be mended first. The letters stay."
    );
    html! {
        (deed::confirmed(visit, "/ui/dead/replay/all", "Replay all that match", &meaning, &[("triggerId", trigger), ("code", code)]))
        form #(TICKED).deed method="post" action="/ui/dead/replay" {
            (frame::word(visit))
            button.primary type="submit" { "Replay ticked" }
        }
    }
}

fn row(visit: &Visit, letter: &Letter) -> Vec<Markup> {
    let reason = if letter.reason.is_empty() { "no reason given" } else { &letter.reason };
    let mut cells = vec![
        html! { a href=(address(&letter.id)) title=(reason) { span.clip { (reason) } } },
        html! { code.nowrap title=(meaning::of(&letter.code)) { (letter.code) } },
        html! { @if let Some(trigger) = &letter.trigger_id { a.short href={ "/ui/triggers/" (path::part(trigger)) } title=(trigger) { (trigger) } } @else { span.muted { "none" } } },
        html! { @if let Some(session) = &letter.session { span.short title=(session) { (session) } } @else { span.muted { "–" } } },
        html! { (letter.attempts) },
        html! { span.nowrap { (number::bytes(letter.bytes)) } },
        visit.zone.time(letter.created_at),
    ];
    if visit.operates() {
        let name = format!("Letter {}", letter.id);
        cells.push(html! { @if letter.r#type == "unknown" { span.muted title="Its subject names nothing that it could be sent to." { "–" } } @else { input type="checkbox" name="id" value=(letter.id) form=(TICKED) aria-label=(name); } });
    }
    cells
}
