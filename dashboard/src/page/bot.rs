//! Bots: who reads events, and answers.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::skillset::{self, Skillset};
use crate::api::Failure;
use crate::frame::Page;
use crate::page::kept::Keeper;
use crate::page::list::{List, Named};
use crate::part::{badge, deed as button, empty, pager, table, tabs};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};

mod configure;
mod export;
mod overview;

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
    managed_by: Keeper,
    created_at: i64,
    updated_at: i64,
    revision: u64,
}

impl Bot {
    pub(super) fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
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

/// A page of one bot, with its sides.
fn side(visit: &Visit, bot: &Bot, body: &Markup) -> Page {
    let home = address(&bot.id);
    let sides = [("Overview", home.clone()), ("Configure", format!("{home}/configure")), ("Export", format!("{home}/export"))];
    let actions = html! {
        @if visit.operates() {
            @if bot.managed_by.is_api() {
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
    let made: Named = visit.post(&call(visit.place("id"), "clone"), &json!({})).await?;
    Ok(visit::back(&format!("{}/configure", address(&made.id)), &[("note", "made")]))
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/bots", &[("note", "gone")]))
}
