//! Skillsets: what bots may do.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::bot::{self, Bot};
use crate::api::Failure;
use crate::frame::Page;
use crate::page::kept::Keeper;
use crate::page::list::{self, List};
use crate::part::{badge, empty, pager, table, tabs};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};

mod configure;
mod content;

/// How many bots a row names; of more it says how many.
const NAMED_MAX: usize = 3;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/skillsets", page(list))
        .route("/ui/skillsets/new", page(configure::blank).merge(deed(configure::create)))
        .route("/ui/skillsets/{id}", page(content::show))
        .route("/ui/skillsets/{id}/configure", page(configure::show).merge(deed(configure::update)))
        .route("/ui/skillsets/{id}/state", deed(set_state))
        .route("/ui/skillsets/{id}/delete", deed(delete))
}

/// A skillset, as far as pages show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Skillset {
    pub(super) id: String,
    name: String,
    description: String,
    alias: Option<String>,
    meta: Map<String, Value>,
    pub(super) state: String,
    pub(super) managed_by: Keeper,
    created_at: i64,
    updated_at: i64,
    revision: u64,
}

impl Skillset {
    pub(super) fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// The page of a skillset.
pub(super) fn address(id: &str) -> String {
    format!("/ui/skillsets/{}", path::part(id))
}

/// Where the API deals with a skillset.
pub(super) fn call(id: &str, verb: &str) -> String {
    format!("/skillset/{}/{verb}", path::part(id))
}

/// The skillset that the page is of.
pub(super) async fn fetch(visit: &Visit) -> Result<Skillset, Failure> {
    visit.get(&call(visit.place("id"), "fetch")).await
}

/// All skillsets, for their names; none where they cannot be read.
pub(super) async fn all(visit: &Visit) -> Vec<Skillset> {
    list::whole(visit, "/skillset/list", &[]).await.unwrap_or_default()
}

/// What people call a skillset; its id where nobody knows.
pub(super) fn title_of<'a>(all: &'a [Skillset], id: &'a str) -> &'a str {
    all.iter().find(|one| one.id == id).map_or(id, Skillset::title)
}

/// All bots, for those that use a skillset.
async fn bots(visit: &Visit) -> Result<Vec<Bot>, Failure> {
    list::whole(visit, "/bot/list", &[]).await
}

/// Those that use a skillset.
fn users<'a>(bots: &'a [Bot], id: &str) -> Vec<&'a Bot> {
    bots.iter().filter(|bot| bot.skillset_id.as_deref() == Some(id)).collect()
}

/// A page of one skillset, with its sides.
fn side(visit: &Visit, skillset: &Skillset, body: &Markup) -> Page {
    let home = address(&skillset.id);
    let sides = [("Abilities", home.clone()), ("Configure", format!("{home}/configure"))];
    let actions = html! {
        @if visit.operates() && skillset.managed_by.is_api() {
            @let (label, next) = if skillset.state == "enabled" { ("Disable", "disabled") } else { ("Enable", "enabled") };
            (crate::part::deed::button(visit, &format!("{home}/state"), label, &[("state", next)]))
            a.button.primary href={ (home) "/abilities/new" } { "New ability" }
        }
    };
    let body = html! {
        @if !skillset.description.is_empty() { p.muted { (skillset.description) } br; }
        (tabs::show(visit, "Sides of the skillset", &sides))
        (body)
    };
    Page::new(skillset.title(), body).below("Skillsets", "/ui/skillsets").beside(badge::status(&skillset.state)).actions(actions)
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let query = [("take", &*pager::ROWS.to_string()), ("cursor", visit.asked("cursor"))];
    let List::<Skillset> { items, cursor } = visit.get(&path::with("/skillset/list", &query)).await?;
    // A list that cannot be had names nobody; what is listed is there all the same.
    let bots = bots(&visit).await.unwrap_or_default();
    let make = html! { @if visit.operates() { a.button.primary href="/ui/skillsets/new" { "New skillset" } } };
    let body = if items.is_empty() && visit.asked("cursor").is_empty() {
        let next = html! { "A skillset is a set of abilities: what the model of a bot may call. " @if visit.operates() { a href="/ui/skillsets/new" { "Create the first one" } "." } };
        empty::tell("No skillsets yet", &next)
    } else {
        let rows: Vec<table::Row> = items.iter().map(|one| (one.id.clone(), row(&visit, one, &bots))).collect();
        let next = pager::next(items.len(), cursor.as_deref());
        html! {
            div data-region="skillsets" { (table::show("Skillsets", &["Name", "State", "Description", "Used by", "Changed"], &rows)) }
            (pager::more(&visit, next))
        }
    };
    Ok(Page::new("Skillsets", body).actions(make).answer(&visit))
}

fn row(visit: &Visit, one: &Skillset, bots: &[Bot]) -> Vec<Markup> {
    let users = users(bots, &one.id);
    vec![
        html! { a href=(address(&one.id)) { (one.title()) } },
        badge::status(&one.state),
        html! { @if one.description.is_empty() { span.muted { "–" } } @else { div.clip title=(one.description) { (one.description) } } },
        html! { div {
            @if users.is_empty() { span.muted { "no bot" } }
            @for (index, bot) in users.iter().take(NAMED_MAX).enumerate() { @if index > 0 { ", " } a href=(bot::address(&bot.id)) { (bot.title()) } }
            @if users.len() > NAMED_MAX { " and " (users.len() - NAMED_MAX) " more" }
        } },
        visit.zone.time(one.updated_at),
    ]
}

async fn set_state(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    visit.act(&call(id, "update"), &json!({ "state": visit.form.word("state") })).await?;
    Ok(visit::back(&address(id), &[("note", "saved")]))
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/skillsets", &[("note", "gone")]))
}
