//! Triggers: what takes events.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Failure;
use crate::frame::Page;
use crate::page::kept::Keeper;
use crate::page::list::List;
use crate::part::{badge, empty, pager, table, tabs};
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};
use crate::{live, path};

mod configure;
mod connect;
mod event;
mod result;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/triggers", page(list))
        .route("/ui/triggers/new", page(configure::blank).merge(deed(configure::create)))
        .route("/ui/triggers/{id}", page(event::list))
        .route("/ui/triggers/{id}/configure", page(configure::show).merge(deed(configure::update)))
        .route("/ui/triggers/{id}/connect", page(connect::show))
        .route("/ui/triggers/{id}/secret", deed(connect::reveal))
        .route("/ui/triggers/{id}/rotate", deed(connect::rotate))
        .route("/ui/triggers/{id}/state", deed(set_state))
        .route("/ui/triggers/{id}/delete", deed(delete))
        .route("/ui/triggers/{id}/invoke", deed(event::invoke))
        .route("/ui/triggers/{id}/send", deed(event::send))
        .route("/ui/triggers/{id}/cancel", deed(event::cancel_all))
        .merge(result::routes())
}

/// A trigger, as far as its pages show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trigger {
    id: String,
    name: String,
    description: String,
    bot_id: Option<String>,
    secret: Option<String>,
    authenticate: bool,
    schedule: Option<String>,
    next_trigger_at: Option<i64>,
    last_trigger_at: Option<i64>,
    state: String,
    managed_by: Keeper,
    updated_at: i64,
    signature: Option<Value>,
    /// All else, for the form.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Trigger {
    fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

fn address(id: &str) -> String {
    format!("/ui/triggers/{}", path::part(id))
}

fn call(id: &str, verb: &str) -> String {
    format!("/integration/trigger/{}/{verb}", path::part(id))
}

async fn fetch(visit: &Visit) -> Result<Trigger, Failure> {
    visit.get(&path::with(&call(visit.place("id"), "fetch"), &[("secrets", "false")])).await
}

/// A page of one trigger, with its sides.
fn side(visit: &Visit, trigger: &Trigger, body: &Markup) -> Page {
    let home = address(&trigger.id);
    let under = |side: &str| format!("{home}/{side}");
    let sides = [("Events", home.clone()), ("Connect", under("connect")), ("Results", under("results")), ("Configure", under("configure"))];
    let switch = format!("{home}/state");
    let actions = html! {
        @if visit.operates() {
            @if trigger.managed_by.is_api() {
                @let (label, next) = if trigger.state == "active" { ("Pause", "paused") } else { ("Resume", "active") };
                (crate::part::deed::button(visit, &switch, label, &[("state", next)]))
            }
            (crate::part::deed::button(visit, &format!("{home}/invoke"), "Invoke", &[]))
        }
    };
    let body = html! {
        @if !trigger.description.is_empty() { p.muted { (trigger.description) } br; }
        (tabs::show(visit, "Sides of the trigger", &sides))
        (body)
    };
    Page::new(trigger.title(), body).below("Triggers", "/ui/triggers").beside(badge::status(&trigger.state)).actions(actions)
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let query = [("secrets", "false"), ("take", &pager::ROWS.to_string()), ("cursor", visit.asked("cursor")), ("order", "desc")];
    let List::<Trigger> { items, cursor } = visit.get(&path::with("/integration/trigger/list", &query)).await?;
    let make = html! { @if visit.operates() { a.button.primary href="/ui/triggers/new" { "New trigger" } } };
    let body = if items.is_empty() && visit.asked("cursor").is_empty() {
        let next = html! { "A trigger gives you a URL; what is posted there, a bot reads. " @if visit.operates() { a href="/ui/triggers/new" { "Create the first one" } "." } };
        empty::tell("No triggers yet", &next)
    } else {
        let rows: Vec<table::Row> = items.iter().map(|trigger| (trigger.id.clone(), row(&visit, trigger))).collect();
        let next = pager::next(items.len(), cursor.as_deref());
        html! {
            div data-region="triggers" { (table::show("Triggers", &["Name", "State", "Bot", "Schedule", "Access", "Changed"], &rows)) }
            (pager::more(&visit, next))
        }
    };
    Ok(Page::new("Triggers", body).actions(make).answer(&visit))
}

fn row(visit: &Visit, trigger: &Trigger) -> Vec<Markup> {
    let access = match (&trigger.signature, trigger.authenticate) {
        (Some(_), true) => "secret or signature",
        (Some(_), false) => "signature",
        (None, true) => "secret",
        (None, false) => "open to anybody",
    };
    vec![
        html! { a href=(address(&trigger.id)) { (trigger.title()) } },
        badge::status(&trigger.state),
        html! { @if let Some(bot) = &trigger.bot_id { a href={ "/ui/bots/" (path::part(bot)) } { (bot) } } @else { span.muted { "none" } } },
        html! { @if let Some(schedule) = &trigger.schedule { (schedule) } @else { span.muted { "–" } } },
        html! { (access) },
        visit.zone.time(trigger.updated_at),
    ]
}

async fn set_state(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    visit.act(&call(id, "update"), &json!({ "state": visit.form.word("state") })).await?;
    Ok(visit::back(&address(id), &[("note", "saved")]))
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/triggers", &[("note", "gone")]))
}

/// The page of the events of a trigger goes on by all that happens.
const LIVE: &str = live::ALL;
