//! Abilities: what stands in a skillset, each a function that a model may call.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::skillset::{self, Skillset};
use crate::api::Failure;
use crate::frame::Page;
use crate::part::{badge, tabs};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};

mod argument;
mod edit;
mod fault;
mod form;
mod function;
mod run;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/skillsets/{id}/abilities", page(async |visit| Ok(visit::see(&skillset::address(visit.place("id"))))))
        .route("/ui/skillsets/{id}/abilities/new", page(edit::blank).merge(deed(edit::create)))
        .route("/ui/skillsets/{id}/abilities/{ability}", page(edit::show).merge(deed(edit::update)))
        .route("/ui/skillsets/{id}/abilities/{ability}/run", page(run::show).merge(deed(run::execute)))
        .route("/ui/skillsets/{id}/abilities/{ability}/delete", deed(delete))
}

/// An ability, as far as pages show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ability {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    alias: Option<String>,
    instruction: String,
    secret_id: Option<String>,
    pub(super) state: String,
    pub(super) approval: Option<bool>,
    doubt: Option<String>,
    limits: Limits,
    egress: Vec<String>,
    meta: Map<String, Value>,
    #[serde(flatten)]
    pub(super) offer: Offer,
    pub(super) updated_at: i64,
    revision: u64,
}

/// Who may have it used.
#[derive(Debug, Clone, Default, Deserialize)]
struct Limits {
    triggers: Vec<String>,
    contacts: Vec<String>,
}

/// What comes of an instruction.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Offer {
    pub(super) action: Option<String>,
    pub(super) function: Option<Function>,
}

/// A function that a model may call.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    description: String,
    parameters: Value,
}

/// The page of an ability.
pub(super) fn address(skillset: &str, id: &str) -> String {
    format!("{}/abilities/{}", skillset::address(skillset), path::part(id))
}

fn call(skillset: &str, id: &str, verb: &str) -> String {
    skillset::call(skillset, &format!("ability/{}/{verb}", path::part(id)))
}

/// The skillset and the ability that a page is of.
async fn fetch(visit: &Visit) -> Result<(Skillset, Ability), Failure> {
    let skillset = skillset::fetch(visit).await?;
    let ability = visit.get(&call(&skillset.id, visit.place("ability"), "fetch")).await?;
    Ok((skillset, ability))
}

/// A page below a skillset.
fn below(skillset: &Skillset, title: &str, body: Markup) -> Page {
    Page::new(title, body).below("Skillsets", "/ui/skillsets").below(skillset.title(), skillset::address(&skillset.id))
}

/// A page of one ability, with its sides.
fn side(visit: &Visit, (skillset, ability): (&Skillset, &Ability), body: &Markup) -> Page {
    let home = address(&skillset.id, &ability.id);
    let first = if visit.operates() && skillset.managed_by.is_api() { "Edit" } else { "Overview" };
    let sides = [(first, home.clone()), ("Run", format!("{home}/run"))];
    let body = html! { (tabs::show(visit, "Sides of the ability", &sides)) (body) };
    below(skillset, &ability.name, body).beside(badge::status(&ability.state))
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    visit.act(&call(id, visit.place("ability"), "delete"), &json!({})).await?;
    Ok(visit::back(&skillset::address(id), &[("note", "gone")]))
}
