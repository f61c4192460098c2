//! What an ability says, and the form that changes it.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::form::{body, fields, filled, fresh};
use super::{Ability, Offer, address, below, call, fetch, function, side};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::Page;
use crate::page::kept;
use crate::page::list;
use crate::page::skillset::{self, Skillset};
use crate::part::{code, deed, facts};
use crate::path;
use crate::visit::{self, Visit};

/// An ability to begin with.
#[derive(Debug, Deserialize)]
struct Template {
    id: String,
    name: String,
    description: String,
    instruction: String,
}

/// How what was sent is answered, where it was not kept.
enum Outcome {
    /// It was only tried, and is right.
    Checked(Offer),
    /// Something is wrong.
    Refused(Failure),
}

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    let skillset = skillset::fetch(&visit).await?;
    let templates: Result<Vec<Template>, Failure> = list::whole(&visit, "/platform/ability/list", &[("order", "asc")]).await;
    let templates = templates.unwrap_or_default();
    let chosen = templates.iter().find(|one| one.id == visit.asked("from"));
    let form = chosen.map_or_else(|| fresh("", "", ""), |one| fresh(&one.name, &one.description, &one.instruction));
    Ok(new_page(&visit, &skillset, &form, (&templates, None)).await.answer(&visit))
}

pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    let skillset = skillset::fetch(&visit).await?;
    let outcome = match body(&visit.form) {
        Err(failure) => Outcome::Refused(failure),
        Ok(body) if is_check(&visit) => check(&visit, &skillset, (&body, "")).await,
        Ok(body) => match visit.make(&skillset::call(&skillset.id, "ability/create"), Ok(body)).await {
            Ok(id) => return Ok(visit::back(&address(&skillset.id, &id), &[("note", "made")])),
            Err(failure) => Outcome::Refused(failure),
        },
    };
    Ok(new_page(&visit, &skillset, &visit.form, (&[], Some(&outcome))).await.refused(outcome.status()).answer(&visit))
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let (skillset, ability) = fetch(&visit).await?;
    let form = filled(&ability);
    Ok(page(&visit, (&skillset, &ability), &form, None).await.answer(&visit))
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let (skillset, ability) = fetch(&visit).await?;
    let outcome = match body(&visit.form) {
        Err(failure) => Outcome::Refused(failure),
        Ok(body) if is_check(&visit) => check(&visit, &skillset, (&body, &ability.id)).await,
        Ok(body) => {
            let path = call(&skillset.id, &ability.id, "update");
            match visit.save(&path, Ok(body)).await {
                Ok(()) => return Ok(visit::back(&address(&skillset.id, &ability.id), &[("note", "saved")])),
                Err(failure) => Outcome::Refused(failure),
            }
        }
    };
    Ok(page(&visit, (&skillset, &ability), &visit.form, Some(&outcome)).await.refused(outcome.status()).answer(&visit))
}

impl Outcome {
    fn status(&self) -> StatusCode {
        match self {
            Self::Checked(_) => StatusCode::OK,
            Self::Refused(failure) => failure.status,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Checked(_) => None,
            Self::Refused(failure) => Some(failure),
        }
    }
}

fn is_check(visit: &Visit) -> bool {
    visit.form.word("deed") == "check"
}

/// Has it checked, as a change of an ability or, without one, as a new one.
async fn check(visit: &Visit, skillset: &Skillset, (body, ability): (&Value, &str)) -> Outcome {
    let path = path::with(&skillset::call(&skillset.id, "ability/check"), &[("ability", ability)]);
    match visit.post(&path, body).await {
        Ok(offer) => Outcome::Checked(offer),
        Err(failure) => Outcome::Refused(failure),
    }
}

async fn new_page(visit: &Visit, skillset: &Skillset, form: &Form, (templates, outcome): (&[Template], Option<&Outcome>)) -> Page {
    let action = format!("{}/abilities/new", skillset::address(&skillset.id));
    let body = if let Some(kept) = kept::locked(visit, "skillset", &skillset.managed_by) {
        kept
    } else {
        html! { div.stack {
            @if !templates.is_empty() { (beginnings(visit, &action, templates)) }
            (checked(outcome))
            (fields(visit, form, (&action, "Create ability"), outcome.and_then(Outcome::failure)).await)
            @if let Some(Outcome::Checked(offer)) = outcome { (function::card("What the model would be offered", offer)) }
        } }
    };
    below(skillset, "New ability", body)
}

/// The abilities that one may begin with: a form that asks for the same page.
fn beginnings(visit: &Visit, action: &str, templates: &[Template]) -> Markup {
    let chosen = visit.asked("from");
    html! {
        form.filter method="get" action=(action) {
            select name="from" aria-label="Begin with" {
                option value="" { "Begin with nothing" }
                @for one in templates { option value=(one.id) selected[one.id == chosen] { (one.name) ": " (one.description) } }
            }
            button type="submit" { "Begin with it" }
        }
    }
}

async fn page(visit: &Visit, (skillset, ability): (&Skillset, &Ability), form: &Form, outcome: Option<&Outcome>) -> Page {
    let home = address(&skillset.id, &ability.id);
    let body = if let Some(kept) = kept::locked(visit, "skillset", &skillset.managed_by) {
        html! { div.stack { (kept) (read(visit, ability)) (function::card("What the model is offered", &ability.offer)) } }
    } else {
        let meaning = "Bots that use the skillset are not offered it any more.";
        html! { div.stack {
            (checked(outcome))
            (fields(visit, form, (&home, "Save"), outcome.and_then(Outcome::failure)).await)
            @match outcome {
                Some(Outcome::Checked(offer)) => (function::card("What the model would be offered", offer)),
                _ => (function::card("What the model is offered, as it was saved", &ability.offer)),
            }
            section.card.form { header { h2 { "Delete this ability" } (deed::confirmed(visit, &format!("{home}/delete"), "Delete", meaning, &[])) } p.muted { (meaning) } }
        } }
    };
    side(visit, (skillset, ability), &body)
}

fn checked(outcome: Option<&Outcome>) -> Markup {
    match outcome {
        Some(Outcome::Checked(_)) => {
            html! { p.note.form role="status" { "Nothing is wrong. It is not saved yet. " a href="#function" { "What the model would be offered" } } }
        }
        Some(Outcome::Refused(_)) => html! { p.fault.form role="alert" { "It was not saved: something is wrong below." } },
        None => Markup::default(),
    }
}

/// What it says, for those who only read it.
fn read(visit: &Visit, ability: &Ability) -> Markup {
    let list = |entries: &[String]| facts::text(&entries.join(", "));
    let approval = match ability.approval {
        Some(true) => "somebody must agree to each call",
        Some(false) => "nobody is asked",
        None => "as the bot has it",
    };
    html! {
        section.card.form {
            h2 { "What it does" }
            @if !ability.description.is_empty() { p { (ability.description) } br; }
            (code::block("Instruction", &ability.instruction))
            br;
            (facts::list(vec![
                ("Secret", facts::text(ability.secret_id.as_deref().unwrap_or_default())),
                ("Approval", facts::text(approval)),
                ("A call that a crash left unknown", facts::text(ability.doubt.as_deref().unwrap_or_default())),
                ("Only for these triggers", list(&ability.limits.triggers)),
                ("Only for these contacts", list(&ability.limits.contacts)),
                ("Addresses besides public ones", list(&ability.egress)),
                ("Changed", (ability.updated_at > 0).then(|| visit.zone.time(ability.updated_at))),
            ]))
        }
    }
}
