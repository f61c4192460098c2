//! What is in a skillset, and who uses it.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};

use super::{Skillset, address, bots, call, fetch, side, users};
use crate::api::Failure;
use crate::page::ability::{self, Ability};
use crate::page::bot;
use crate::page::list;
use crate::part::{badge, code, empty, facts, table};
use crate::path;
use crate::visit::Visit;

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let skillset = fetch(&visit).await?;
    // A skillset has no more than one page of them.
    let abilities: Vec<Ability> = list::whole(&visit, &call(&skillset.id, "ability/list"), &[("order", "asc")]).await?;
    let rows: Vec<table::Row> = abilities.iter().map(|one| (one.id.clone(), row(&visit, &skillset, one))).collect();
    let body = html! {
        div.columns {
            div {
                @if rows.is_empty() { (empty::tell("No abilities yet", &begin(&visit, &skillset))) }
                @else { (table::show("Abilities", &["Name", "State", "Action", "Approval", "Changed"], &rows)) }
            }
            aside.stack { (about(&visit, &skillset).await) }
        }
    };
    Ok(side(&visit, &skillset, &body).answer(&visit))
}

fn begin(visit: &Visit, skillset: &Skillset) -> Markup {
    html! {
        "Each ability becomes a function that the model of a bot may call. "
        @if visit.operates() && skillset.managed_by.is_api() { a href={ (address(&skillset.id)) "/abilities/new" } { "Create the first one" } "." }
    }
}

fn row(visit: &Visit, skillset: &Skillset, one: &Ability) -> Vec<Markup> {
    let none = || html! { span.muted { "–" } };
    vec![
        html! { div { a href=(ability::address(&skillset.id, &one.id)) { (one.name) } @if !one.description.is_empty() { div.clip.muted title=(one.description) { (one.description) } } } },
        badge::status(&one.state),
        one.offer.action.as_deref().map_or_else(none, |action| html! { code.nowrap { (action) } }),
        html! { @match one.approval { Some(true) => "asks first", Some(false) => "asks nobody", None => span.muted { "as the bot has it" } } },
        visit.zone.time(one.updated_at),
    ]
}

async fn about(visit: &Visit, skillset: &Skillset) -> Markup {
    let bots = bots(visit).await;
    html! {
        section.card {
            h2 { "About" }
            (facts::list(vec![
                ("Id", Some(code::id(&skillset.id))),
                ("Alias", facts::text(skillset.alias.as_deref().unwrap_or_default())),
                ("Made", (skillset.created_at > 0).then(|| visit.zone.time(skillset.created_at))),
                ("Changed", (skillset.updated_at > 0).then(|| visit.zone.time(skillset.updated_at))),
                ("Kept by", skillset.managed_by.fact()),
            ]))
        }
        section.card {
            h2 { "Bots that use it" }
            @match &bots {
                Err(failure) => p.muted { "Not known right now: " (failure.message) },
                Ok(bots) => {
                    @let users = users(bots, &skillset.id);
                    @if users.is_empty() {
                        p.muted { "None. " @if visit.operates() { a href=(path::with("/ui/bots/new", &[("skillset", &skillset.id)])) { "Create a bot with it" } "." } }
                    } @else {
                        ul.links { @for bot in users { li { a href=(bot::address(&bot.id)) { (bot.title()) } " " (badge::status(&bot.state)) } } }
                    }
                }
            }
        }
    }
}
