//! Tokens of the API.

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

mod body;
mod form;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/tokens", page(list))
        .route("/ui/tokens/new", page(form::blank).merge(deed(form::create)))
        .route("/ui/tokens/{id}", page(form::show).merge(deed(form::update)))
        .route("/ui/tokens/{id}/revoke", deed(revoke))
}

/// A token, without itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    id: String,
    alias: Option<String>,
    name: String,
    scopes: Vec<String>,
    triggers: Vec<String>,
    expires_at: Option<i64>,
    hint: String,
    rate: Option<Rate>,
    #[serde(default)]
    last_used_at: Option<i64>,
    meta: Value,
    managed_by: Keeper,
    revision: u64,
    created_at: i64,
    updated_at: i64,
}

/// How many calls it may make in a time.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rate {
    count: u64,
    per_ms: u64,
}

impl Token {
    fn title(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }

    fn has_expired(&self, visit: &Visit) -> bool {
        self.expires_at.is_some_and(|at| at <= visit.zone.now_ms())
    }

    fn expiry(&self, visit: &Visit) -> Markup {
        match self.expires_at {
            None => html! { span.muted { "never" } },
            Some(at) => html! { div { (visit.zone.time(at)) @if self.has_expired(visit) { " " (badge::toned(Tone::Bad, "expired")) } } },
        }
    }
}

fn address(id: &str) -> String {
    format!("/ui/tokens/{}", path::part(id))
}

fn call(id: &str, verb: &str) -> String {
    format!("/token/{}/{verb}", path::part(id))
}

async fn fetch(visit: &Visit) -> Result<Token, Failure> {
    visit.get(&call(visit.place("id"), "fetch")).await
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let query = [("take", &*pager::ROWS.to_string()), ("cursor", visit.asked("cursor")), ("order", "desc")];
    let List::<Token> { items, cursor } = visit.get(&path::with("/token/list", &query)).await?;
    let make = html! { a.button.primary href="/ui/tokens/new" { "New token" } };
    let body = if items.is_empty() && visit.asked("cursor").is_empty() {
        let next = html! { "The token of the operator's configuration works, and is not listed. " a href="/ui/tokens/new" { "Create one" } " for each person and program, so that each can be revoked by itself." };
        empty::tell("No tokens yet", &next)
    } else {
        let rows: Vec<table::Row> = items.iter().map(|token| (token.id.clone(), row(&visit, token))).collect();
        html! {
            (table::show("API tokens", &["Name", "Scopes", "Triggers", "Ends with", "Last used", "Expires"], &rows))
            (pager::more(&visit, pager::next(items.len(), cursor.as_deref())))
        }
    };
    Ok(Page::new("API tokens", body).actions(make).answer(&visit))
}

fn row(visit: &Visit, token: &Token) -> Vec<Markup> {
    vec![
        html! { a href=(address(&token.id)) { (token.title()) } },
        html! { (token.scopes.join(", ")) },
        html! { @if token.triggers.is_empty() { span.muted { "all" } } @else { (token.triggers.join(", ")) } },
        html! { code { "…" (token.hint) } },
        html! { @if let Some(at) = token.last_used_at { (visit.zone.time(at)) } @else { span.muted { "not known" } } },
        token.expiry(visit),
    ]
}

async fn revoke(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "revoke"), &json!({})).await?;
    Ok(visit::back("/ui/tokens", &[("note", "revoked")]))
}
