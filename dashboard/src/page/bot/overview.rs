//! What a bot is, what it took lately, and whose events it reads.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::{Bot, address, call, fetch, side};
use crate::api::Failure;
use crate::page::list;
use crate::page::skillset::{self, Skillset};
use crate::part::{badge, code, empty, facts, number, table};
use crate::path;
use crate::visit::Visit;

/// How many days are summed up, today among them.
const DAYS: i64 = 7;
/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A trigger, as far as its bot is concerned.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Trigger {
    id: String,
    name: String,
    bot_id: Option<String>,
    state: String,
    schedule: Option<String>,
}

/// What a bot took.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Usage {
    tokens: u64,
    conversations: u64,
    messages: u64,
    calls: u64,
    turns: u64,
    failures: u64,
    cost_micro_usd: u64,
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let bot = fetch(&visit).await?;
    let from = (visit.zone.now_ms() - (DAYS - 1) * DAY_MS).to_string();
    let usage: Result<Usage, Failure> = visit.get(&path::with(&call(&bot.id, "usage/fetch"), &[("from", &from)])).await;
    let triggers: Result<Vec<Trigger>, Failure> = list::whole(&visit, "/integration/trigger/list", &[("secrets", "false")]).await;
    let skillsets = if bot.skillset_id.is_some() { skillset::all(&visit).await } else { Vec::new() };
    let body = html! {
        div.columns {
            div.stack {
                section.stack { h2 { "The last " (DAYS) " days" } (took(usage.as_ref())) }
                section.stack { h2 { "Triggers" } (read(&visit, &bot, triggers.as_deref())) }
                (made(&bot))
            }
            aside.stack { (about(&visit, &bot, &skillsets)) }
        }
    };
    Ok(side(&visit, &bot, &body).answer(&visit))
}

fn took(usage: Result<&Usage, &Failure>) -> Markup {
    let usage = match usage {
        Ok(usage) => usage,
        Err(failure) => return html! { p.muted { "Not known right now: " (failure.message) } },
    };
    let tiles = [
        ("Turns", number::count(usage.turns)),
        ("Failed", number::count(usage.failures)),
        ("Tokens", number::count(usage.tokens)),
        ("Cost", number::cost(usage.cost_micro_usd)),
    ];
    let other = [("Conversations", usage.conversations), ("messages", usage.messages), ("calls of abilities", usage.calls)];
    html! {
        div.tiles { @for (name, figure) in &tiles { div.tile { span.name { (name) } span.figure { (figure) } } } }
        p.muted { @for (index, (name, count)) in other.into_iter().enumerate() { @if index > 0 { ", " } (name) ": " (number::count(count)) } }
    }
}

/// The triggers whose events it reads.
fn read(visit: &Visit, bot: &Bot, triggers: Result<&[Trigger], &Failure>) -> Markup {
    let triggers = match triggers {
        Ok(triggers) => triggers,
        Err(failure) => return html! { p.muted { "Not known right now: " (failure.message) } },
    };
    let mut rows: Vec<table::Row> = Vec::new();
    for trigger in triggers.iter().filter(|trigger| trigger.bot_id.as_deref() == Some(&bot.id)) {
        let name = if trigger.name.is_empty() { &trigger.id } else { &trigger.name };
        let cells = vec![
            html! { a href={ "/ui/triggers/" (path::part(&trigger.id)) } { (name) } },
            badge::status(&trigger.state),
            html! { @if let Some(schedule) = &trigger.schedule { (schedule) } @else { span.muted { "–" } } },
        ];
        rows.push((trigger.id.clone(), cells));
    }
    if rows.is_empty() {
        let next = html! { @if visit.operates() { a href="/ui/triggers/new" { "Create a trigger" } " that names it, or name it in one of " a href="/ui/triggers" { "those that are there" } "." } @else { "A trigger names the bot that reads its events." } };
        return empty::tell("No trigger uses it yet", &next);
    }
    table::show("Triggers of the bot", &["Name", "State", "Schedule"], &rows)
}

/// What it is made of, besides what stands elsewhere on the page.
fn made(bot: &Bot) -> Markup {
    let rest = super::configure::beside(&bot.kind, &bot.definition);
    html! {
        @if let Some(backstory) = bot.backstory.as_deref().filter(|text| !text.is_empty()) {
            section.card { h2 { "Backstory" } pre.wrap tabindex="0" aria-label="Backstory" { (backstory) } }
        }
        @if !rest.is_empty() {
            section.card { h2 { "Definition" } (code::block("Definition", &code::json(&rest))) }
        }
    }
}

fn about(visit: &Visit, bot: &Bot, skillsets: &[Skillset]) -> Markup {
    let skillset_id = bot.skillset_id.as_deref().unwrap_or_default();
    html! {
        section.card {
            h2 { "About" }
            (facts::list(vec![
                ("Id", Some(code::id(&bot.id))),
                ("Alias", facts::text(bot.alias.as_deref().unwrap_or_default())),
                ("Kind", facts::text(&bot.kind)),
                ("Model", facts::text(bot.model.as_deref().unwrap_or_default())),
                ("Skillset", facts::link(&skillset::address(skillset_id), skillset::title_of(skillsets, skillset_id))),
                ("Made", (bot.created_at > 0).then(|| visit.zone.time(bot.created_at))),
                ("Changed", (bot.updated_at > 0).then(|| visit.zone.time(bot.updated_at))),
                ("Kept by", bot.managed_by.fact()),
            ]))
            br;
            p { a href=(path::with("/ui/conversations", &[("botId", &bot.id)])) { "Its conversations" } }
        }
        @if bot.state != "active" {
            section.card {
                h2 { "It begins no turn" }
                p { "Events of its triggers wait meanwhile; turns that are under way go on." }
                @if !visit.operates() || !bot.managed_by.is_api() { p.muted { "Whoever may change it can resume it." } }
                @else { p { a href={ (address(&bot.id)) "/configure#state" } { "Its state" } } }
            }
        }
    }
}
