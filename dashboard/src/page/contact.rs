//! Contacts: whom conversations are held with.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Failure;
use crate::frame::Page;
use crate::page::list::List;
use crate::part::filter::{self, Condition};
use crate::part::{empty, pager, table};
use crate::path;
use crate::ui::Ui;
use crate::visit::{self, Visit, deed, page};

mod detail;
mod form;

/// How often erasing is gone on with before somebody is asked to press again. Each call takes up to five seconds.
const ERASURES_MAX: u32 = 3;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new()
        .route("/ui/contacts", page(list))
        .route("/ui/contacts/new", page(form::blank).merge(deed(form::create)))
        .route("/ui/contacts/{id}", page(detail::show).merge(deed(form::update)))
        .route("/ui/contacts/{id}/delete", deed(delete))
        .route("/ui/contacts/{id}/erase", deed(erase))
        .route("/ui/contacts/{id}/revoke", deed(revoke))
}

/// A contact, as far as its pages show it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contact {
    id: String,
    fingerprint: Option<String>,
    name: String,
    email: Option<String>,
    phone: Option<String>,
    nick: Option<String>,
    #[serde(default)]
    verified_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    revision: u64,
    /// All else, for the form.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Contact {
    fn title(&self) -> &str {
        let names = [Some(&self.name), self.nick.as_ref(), self.email.as_ref(), self.fingerprint.as_ref()];
        names.into_iter().flatten().find(|name| !name.is_empty()).map_or(&self.id, String::as_str)
    }
}

fn address(id: &str) -> String {
    format!("/ui/contacts/{}", path::part(id))
}

fn call(id: &str, verb: &str) -> String {
    format!("/contact/{}/{verb}", path::part(id))
}

async fn fetch(visit: &Visit) -> Result<Contact, Failure> {
    visit.get(&call(visit.place("id"), "fetch")).await
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let take = pager::ROWS.to_string();
    let (fingerprint, cursor) = (visit.asked("fingerprint"), visit.asked("cursor"));
    let query = [("take", take.as_str()), ("cursor", cursor), ("order", "desc"), ("fingerprint", fingerprint)];
    let List::<Contact> { items, cursor: next } = visit.get(&path::with("/contact/list", &query)).await?;
    let make = html! { @if visit.operates() { a.button.primary href="/ui/contacts/new" { "New contact" } } };
    let rows: Vec<table::Row> = items.iter().map(|contact| (contact.id.clone(), row(&visit, contact))).collect();
    let body = html! {
        (filter::form(&visit, &[Condition::Text { name: "fingerprint", label: "Fingerprint, whole" }]))
        @if rows.is_empty() && !fingerprint.is_empty() {
            (empty::tell("No contact has this fingerprint", &html! { a href="/ui/contacts" { "Show all contacts" } }))
        } @else if rows.is_empty() && cursor.is_empty() {
            (empty::tell("No contacts yet", &html! { "A contact is made by the first event that names one" @if visit.operates() { ", or " a href="/ui/contacts/new" { "by you" } } "." }))
        } @else {
            (table::show("Contacts", &["Name", "Fingerprint", "Email", "Phone", "Changed"], &rows))
        }
        (pager::more(&visit, pager::next(items.len(), next.as_deref())))
    };
    Ok(Page::new("Contacts", body).actions(make).answer(&visit))
}

fn row(visit: &Visit, contact: &Contact) -> Vec<Markup> {
    let said = |text: &Option<String>| html! { @if let Some(text) = text { span.id { (text) } } @else { span.muted { "–" } } };
    vec![
        html! { a href=(address(&contact.id)) { (contact.title()) } },
        said(&contact.fingerprint),
        said(&contact.email),
        said(&contact.phone),
        visit.zone.time(contact.updated_at),
    ]
}

async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&call(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/contacts", &[("note", "gone")]))
}

/// Forgets a person: goes on until nothing is left, or for as long as somebody would wait.
async fn erase(visit: Arc<Visit>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Told {
        done: bool,
    }
    let id = visit.place("id");
    for _ in 0..ERASURES_MAX {
        let told: Told = visit.post(&call(id, "erase"), &json!({})).await?;
        if told.done {
            return Ok(visit::back("/ui/contacts", &[("note", "erased")]));
        }
    }
    Ok(visit::back(&address(id), &[("note", "erasing")]))
}

/// Forgets a value of the contact's own.
async fn revoke(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    visit.act(&call(id, &format!("secret/{}/revoke", path::part(visit.form.word("secret")))), &json!({})).await?;
    Ok(visit::back(&address(id), &[("note", "revoked")]))
}
