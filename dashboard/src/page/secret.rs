//! Secrets: values that abilities use and nobody reads back.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::Failure;
use crate::frame::Page;
use crate::page::kept::Keeper;
use crate::page::list::List;
use crate::part::badge::{self, Tone};
use crate::part::{empty, pager, table};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};

mod form;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/secrets", page(list))
        .route("/ui/secrets/new", page(form::blank).merge(deed(form::create)))
        .route("/ui/secrets/{id}", page(form::show).merge(deed(form::update)))
        .route("/ui/secrets/{id}/verify", deed(verify))
        .route("/ui/secrets/{id}/revoke", deed(revoke))
        .route("/ui/secrets/{id}/delete", deed(delete))
}

/// A secret, without its value.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    id: String,
    alias: Option<String>,
    name: String,
    description: String,
    kind: Option<String>,
    #[serde(rename = "type")]
    form: Option<String>,
    config: Value,
    meta: Value,
    has_value: bool,
    managed_by: Keeper,
    revision: u64,
    created_at: i64,
    updated_at: i64,
}

impl Secret {
    fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }

    fn badge(&self) -> Markup {
        if self.has_value { badge::toned(Tone::Good, "has a value") } else { badge::toned(Tone::Wait, "no value") }
    }
}

fn address(id: &str) -> String {
    format!("/ui/secrets/{}", path::part(id))
}

fn call(id: &str, verb: &str) -> String {
    format!("/secret/{}/{verb}", path::part(id))
}

async fn fetch(visit: &Visit) -> Result<Secret, Failure> {
    visit.get(&call(visit.place("id"), "fetch")).await
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let query = [("take", &*pager::ROWS.to_string()), ("cursor", visit.asked("cursor")), ("order", "desc")];
    let List::<Secret> { items, cursor } = visit.get(&path::with("/secret/list", &query)).await?;
    let make = html! { @if visit.operates() { a.button.primary href="/ui/secrets/new" { "New secret" } } };
    let body = if items.is_empty() && visit.asked("cursor").is_empty() {
        let next = html! { "A key that an ability needs lies here, sealed. " @if visit.operates() { a href="/ui/secrets/new" { "Create the first one" } "." } };
        empty::tell("No secrets yet", &next)
    } else {
        let rows: Vec<table::Row> = items.iter().map(|secret| (secret.id.clone(), row(&visit, secret))).collect();
        html! {
            (table::show("Secrets", &["Name", "Value", "Type", "Whose", "Id", "Changed"], &rows))
            (pager::more(&visit, pager::next(items.len(), cursor.as_deref())))
        }
    };
    Ok(Page::new("Secrets", body).actions(make).answer(&visit))
}

fn row(visit: &Visit, secret: &Secret) -> Vec<Markup> {
    vec![
        html! { a href=(address(&secret.id)) { (secret.title()) } },
        secret.badge(),
        html! { (secret.form.as_deref().unwrap_or("plain")) },
        html! { (secret.kind.as_deref().unwrap_or("shared")) },
        html! { code.id { (secret.id) } },
        visit.zone.time(secret.updated_at),
    ]
}

async fn verify(visit: Arc<Visit>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Standing {
        status: String,
    }
    let id = visit.place("id");
    let standing: Standing = visit.post(&call(id, "verify"), &json!({})).await?;
    let note = if standing.status == "authenticated" { "valued" } else { "valueless" };
    Ok(visit::back(&address(id), &[("note", note)]))
}

async fn revoke(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    visit.act(&call(id, "revoke"), &json!({})).await?;
    Ok(visit::back(&address(id), &[("note", "revoked")]))
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/secrets", &[("note", "gone")]))
}
