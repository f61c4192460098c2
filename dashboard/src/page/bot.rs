//! Bots: who reads events, and answers.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::skillset::{self, Skillset};
use super::trigger::List;
use crate::api::Failure;
use crate::frame::Page;
use crate::part::{badge, deed as button, empty, pager, table, tabs};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};

mod configure;
mod export;
mod overview;

/// How many pages of a list are gone through for what names something; a deployment with more is told only of these.
const PAGES_MAX: usize = 10;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/bots", page(list))
        .route("/ui/bots/new", page(configure::blank).merge(deed(configure::create)))
        .route("/ui/bots/{id}", page(overview::show))
        .route("/ui/bots/{id}/configure", page(configure::show).merge(deed(configure::update)))
        .route("/ui/bots/{id}/export", page(export::show))
        .route("/ui/bots/{id}/state", deed(set_state))
        .route("/ui/bots/{id}/clone", deed(clone))
        .route("/ui/bots/{id}/delete", deed(delete))
}

/// A bot, as far as pages show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bot {
    pub(super) id: String,
    pub(super) name: String,
    description: String,
    alias: Option<String>,
    meta: Map<String, Value>,
    kind: String,
    definition: Map<String, Value>,
    model: Option<String>,
    backstory: Option<String>,
    pub(super) skillset_id: Option<String>,
    pub(super) state: String,
    managed_by: String,
    created_at: i64,
    updated_at: i64,
    revision: u64,
}

impl Bot {
    pub(super) fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }

    /// The file that keeps it.
    fn file(&self) -> &str {
        self.managed_by.strip_prefix("file:").unwrap_or(&self.managed_by)
    }

    /// Whether the API lets it be changed: what a file keeps is changed there.
    fn is_changed_here(&self) -> bool {
        self.managed_by == "api"
    }
}

/// The page of a bot.
pub(super) fn address(id: &str) -> String {
    format!("/ui/bots/{}", path::part(id))
}

fn call(id: &str, verb: &str) -> String {
    format!("/bot/{}/{verb}", path::part(id))
}

async fn fetch(visit: &Visit) -> Result<Bot, Failure> {
    visit.get(&call(visit.place("id"), "fetch")).await
}

/// All items of a list, page by page within a bound; `query` narrows it.
pub(super) async fn whole<T: DeserializeOwned>(visit: &Visit, list: &str, query: &[(&str, &str)]) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES_MAX {
        let query: Vec<(&str, &str)> = query.iter().copied().chain([("take", "100"), ("cursor", &cursor)]).collect();
        let List::<T> { items, cursor: next } = visit.get(&path::with(list, &query)).await?;
        let is_last = items.len() < 100;
        all.extend(items);
        match next.filter(|next| !is_last && !next.is_empty()) {
            Some(next) => cursor = next,
            None => break,
        }
    }
    Ok(all)
}

/// A page of one bot, with its sides.
fn side(visit: &Visit, bot: &Bot, body: &Markup) -> Page {
    let home = address(&bot.id);
    let sides = [("Overview", home.clone()), ("Configure", format!("{home}/configure")), ("Export", format!("{home}/export"))];
    let actions = html! {
        @if visit.operates() {
            @if bot.is_changed_here() {
                @let (label, next) = if bot.state == "active" { ("Pause", "paused") } else { ("Resume", "active") };
                (button::button(visit, &format!("{home}/state"), label, &[("state", next)]))
            }
            (button::button(visit, &format!("{home}/clone"), "Clone", &[]))
        }
    };
    let body = html! {
        @if !bot.description.is_empty() { p.muted { (bot.description) } br; }
        (tabs::show(visit, "Sides of the bot", &sides))
        (body)
    };
    Page::new(bot.title(), body).below("Bots", "/ui/bots").beside(badge::status(&bot.state)).actions(actions)
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let query = [("take", &*pager::ROWS.to_string()), ("cursor", visit.asked("cursor"))];
    let List::<Bot> { items, cursor } = visit.get(&path::with("/bot/list", &query)).await?;
    let make = html! { @if visit.operates() { a.button.primary href="/ui/bots/new" { "New bot" } } };
    let body = if items.is_empty() && visit.asked("cursor").is_empty() {
        let next = html! { "A bot answers the events of the triggers that name it. " @if visit.operates() { a href="/ui/bots/new" { "Create the first one" } "." } };
        empty::tell("No bots yet", &next)
    } else {
        let skillsets = skillset::all(&visit).await;
        let rows: Vec<table::Row> = items.iter().map(|bot| (bot.id.clone(), row(&visit, bot, &skillsets))).collect();
        let next = pager::next(items.len(), cursor.as_deref());
        html! {
            div data-region="bots" { (table::show("Bots", &["Name", "State", "Kind", "Model", "Skillset", "Changed"], &rows)) }
            (pager::more(&visit, next))
        }
    };
    Ok(Page::new("Bots", body).actions(make).answer(&visit))
}

fn row(visit: &Visit, bot: &Bot, skillsets: &[Skillset]) -> Vec<Markup> {
    let none = || html! { span.muted { "–" } };
    vec![
        html! { a href=(address(&bot.id)) { (bot.title()) } },
        badge::status(&bot.state),
        html! { span.nowrap { (bot.kind) } },
        bot.model.as_deref().map_or_else(none, |model| html! { (model) }),
        bot.skillset_id.as_deref().map_or_else(none, |id| html! { a href=(skillset::address(id)) { (skillset::title_of(skillsets, id)) } }),
        visit.zone.time(bot.updated_at),
    ]
}

async fn set_state(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    visit.act(&call(id, "update"), &json!({ "state": visit.form.word("state") })).await?;
    Ok(visit::back(&address(id), &[("note", "saved")]))
}

/// Makes one like it, and leads to what it is set to: it is there to be changed.
async fn clone(visit: Arc<Visit>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Made {
        id: String,
    }
    let made: Made = visit.post(&call(visit.place("id"), "clone"), &json!({})).await?;
    Ok(visit::back(&format!("{}/configure", address(&made.id)), &[("note", "made")]))
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/bots", &[("note", "gone")]))
}
