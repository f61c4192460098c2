//! Conversations: what was said and done.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Failure;
use crate::frame::Page;
use crate::page::list::{self, List};
use crate::part::filter::{self, Condition};
use crate::part::{badge, deed, empty, number, pager, table};
use crate::ui::Ui;
use crate::visit::{self, Visit, deed as done, page};
use crate::{live, path};

mod ahead;
mod detail;
mod entry;
mod took;

/// What a list shows of each.
const COLUMNS: [&str; 7] = ["Conversation", "Status", "Bot", "Turns", "Messages", "Tokens", "Last change"];
/// The reserved trigger of conversations that the API began.
const DIRECT: &str = "_api";
/// The states that a list is narrowed to.
const STATES: [&str; 7] = ["queued", "running", "waiting", "completed", "failed", "cancelled", "dead"];
/// How much of a session's token tells it apart, in characters.
const TOKEN_CHARS: usize = 8;
/// How often an event that was just sent is looked for, and the pause between.
const LOOKS_MAX: u32 = 20;
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/conversations", page(list))
        .route("/ui/conversations/{id}", page(detail::show))
        .route("/ui/conversations/{id}/say", done(detail::say))
        .route("/ui/conversations/{id}/fork", done(detail::fork))
        .route("/ui/conversations/{id}/delete", done(detail::delete))
        .route("/ui/events/{receipt}", page(event))
        .route("/ui/events/{receipt}/cancel", done(detail::cancel))
        .route("/ui/events/{receipt}/rerun", done(detail::rerun))
        .route("/ui/events/{receipt}/answer", done(detail::answer))
}

/// A conversation in a list.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conversation {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) bot_id: Option<String>,
    #[serde(default)]
    pub(super) contact_id: Option<String>,
    #[serde(default)]
    pub(super) turns: u64,
    #[serde(default)]
    pub(super) messages: u64,
    #[serde(default)]
    pub(super) usage: Option<Usage>,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

/// What a conversation took.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Usage {
    #[serde(default)]
    pub(super) token: u64,
}

impl Conversation {
    /// The trigger and the session that an id names.
    pub(super) fn place(id: &str) -> (&str, &str) {
        let mut parts = id.split('.').skip(1);
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
    }

    /// What it is called: its name, and the session that it is of, by the name that callers gave it where that is known.
    fn title(&self, named: Option<&str>) -> String {
        let (trigger, token) = Self::place(&self.id);
        let short: String = token.chars().take(TOKEN_CHARS).collect();
        let session = named.unwrap_or(&short);
        match (self.name.is_empty(), trigger) {
            (false, DIRECT) => self.name.clone(),
            (true, DIRECT) => "Conversation".to_owned(),
            (false, _) => format!("{} · {session}", self.name),
            (true, _) => format!("{trigger} · {session}"),
        }
    }
}

/// The page of a conversation.
pub(super) fn address(id: &str) -> String {
    format!("/ui/conversations/{}", path::part(id))
}

/// The same, where an event of it begins.
pub(super) fn address_at(id: &str, receipt: &str) -> String {
    format!("{}#{}", address(id), path::part(receipt))
}

/// Where an event of the API is dealt with; none where a text is no receipt.
fn call(receipt: &str, verb: &str) -> Result<String, Failure> {
    let trigger = receipt.split('.').nth(1).filter(|trigger| !trigger.is_empty());
    let trigger = trigger.ok_or_else(|| Failure::new(axum::http::StatusCode::NOT_FOUND, "there is no such event"))?;
    Ok(format!("/integration/trigger/{}/event/{}/{verb}", path::part(trigger), path::part(receipt)))
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let take = pager::ROWS.to_string();
    let until = day_after(visit.asked("to"));
    let query = [
        ("take", take.as_str()),
        ("cursor", visit.asked("cursor")),
        ("search", visit.asked("search")),
        ("status", visit.asked("status")),
        ("triggerId", visit.asked("triggerId")),
        ("botId", visit.asked("botId")),
        ("contactId", visit.asked("contactId")),
        ("from", visit.asked("from")),
        ("to", &until),
    ];
    let List::<Conversation> { items, cursor } = visit.get(&path::with("/conversation/list", &query)).await?;
    let named = |ids: Vec<String>| ids.into_iter().map(|id| (id.clone(), id)).collect();
    let conditions = [
        Condition::Text { name: "search", label: "Search what was said" },
        Condition::One { name: "status", label: "Status", options: named(STATES.map(str::to_owned).to_vec()) },
        Condition::One { name: "triggerId", label: "Trigger", options: named(list::triggers(&visit).await) },
        Condition::One { name: "botId", label: "Bot", options: named(list::names(&visit, "/bot/list").await) },
        Condition::Text { name: "contactId", label: "Contact" },
        Condition::Day { name: "from", label: "From" },
        Condition::Day { name: "to", label: "to" },
    ];
    let is_narrowed = query.iter().skip(1).any(|(_, value)| !value.is_empty());
    let rows = rows(&visit, &items);
    let next = pager::next(items.len(), cursor.as_deref());
    let body = html! {
        (filter::form(&visit, &conditions))
        div data-region="conversations" {
            @if rows.is_empty() && is_narrowed {
                (empty::tell("Nothing matches", &html! { "Take a condition away. The search goes through recent conversations only." }))
            } @else if rows.is_empty() {
                (empty::tell("No conversations yet", &html! { "One begins with the first event of a session: " a href="/ui/triggers" { "send one to a trigger" } "." }))
            } @else {
                (table::show("Conversations", &COLUMNS, &rows))
            }
        }
        (pager::more(&visit, next))
    };
    Ok(Page::new("Conversations", body).live(live::ALL).answer(&visit))
}

fn rows(visit: &Visit, items: &[Conversation]) -> Vec<table::Row> {
    items.iter().map(|one| (one.id.clone(), row(visit, one))).collect()
}

/// The newest few.
pub(super) async fn latest(visit: &Visit) -> Result<Markup, Failure> {
    let List::<Conversation> { items, .. } = visit.get("/conversation/list?take=8").await?;
    if items.is_empty() {
        return Ok(empty::tell(
            "No conversations yet",
            &html! { "One begins with the first event: " a href="/ui/triggers" { "send one to a trigger" } "." },
        ));
    }
    Ok(table::show("Latest conversations", &COLUMNS, &rows(visit, &items)))
}

/// The day after one, for a list that ends before; the API says what is no day.
fn day_after(day: &str) -> String {
    day.parse::<jiff::civil::Date>().ok().and_then(|day| day.tomorrow().ok()).map_or_else(|| day.to_owned(), |day| day.to_string())
}

fn row(visit: &Visit, one: &Conversation) -> Vec<Markup> {
    let usage = one.usage.clone().unwrap_or_default();
    vec![
        html! { a href=(address(&one.id)) { (one.title(None)) } },
        html! { @if let Some(status) = &one.status { (badge::status(status)) } },
        html! { @if let Some(bot) = &one.bot_id { a href={ "/ui/bots/" (path::part(bot)) } { (bot) } } @else { span.muted { "–" } } },
        html! { (number::count(one.turns)) },
        html! { (number::count(one.messages)) },
        html! { (number::count(usage.token)) },
        visit.zone.time(one.updated_at),
    ]
}

/// An event: its conversation, where its turn has begun, and until then what it waits for.
async fn event(visit: Arc<Visit>) -> Result<Response, Failure> {
    let receipt = visit.place("receipt");
    let fetch = call(receipt, "fetch")?;
    let mut looks = 0;
    let told: Value = loop {
        let told: Value = visit.get(&fetch).await?;
        if let Some(id) = told.get("conversationId").and_then(Value::as_str) {
            return Ok(visit::see(&address_at(id, receipt)));
        }
        looks += 1;
        let status = told.get("status").and_then(Value::as_str).unwrap_or_default();
        if looks == LOOKS_MAX || !matches!(status, "queued" | "running") {
            break told;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let text = |name: &str| told.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (status, trigger) = (text("status"), receipt.split('.').nth(1).unwrap_or_default());
    let at = told.get("at").and_then(Value::as_i64);
    let next = match (status.as_str(), at) {
        ("scheduled", Some(at)) => html! { "It is sent at " (visit.zone.time(at)) "." },
        ("queued", _) => html! { "Its turn begins when the session is free, and this page then shows it." },
        _ => html! { a href={ "/ui/triggers/" (path::part(trigger)) } { "All events of the trigger" } },
    };
    let actions = html! {
        @if visit.operates() && matches!(status.as_str(), "queued" | "running" | "scheduled" | "waiting") {
            (deed::button(&visit, &format!("/ui/events/{}/cancel", path::part(receipt)), "Cancel", &[]))
        }
    };
    let body = html! { div data-region="event" { (empty::tell(&format!("This event is {status}"), &next)) } };
    let page = Page::new("Event", body).below("Triggers", "/ui/triggers").below(trigger, format!("/ui/triggers/{}", path::part(trigger)));
    Ok(page.beside(badge::status(&status)).actions(actions).live(live::ALL).answer(&visit))
}

/// Has something done to an event that needs nothing said.
async fn act(visit: &Visit, verb: &str) -> Result<Value, Failure> {
    visit.post(&call(visit.place("receipt"), verb)?, &json!({})).await
}
