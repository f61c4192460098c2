//! One contact: what is known, what was said, and how it is forgotten.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::form::{fields, filled};
use super::{Contact, address, call, fetch};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::Page;
use crate::page::conversation::{self, Conversation};
use crate::page::list::List;
use crate::part::{badge, code, deed, empty, facts, number, table};
use crate::path;
use crate::visit::Visit;

/// How many conversations the page shows; the list has all.
const CONVERSATIONS: &str = "10";
const FORGETTING: &str = "Every conversation with this contact is erased for good, then the contact itself. This cannot be taken back. With many conversations it takes more than one press.";
const DELETING: &str = "The contact is deleted. Its conversations stay, and name it still.";

/// A secret of kind personal.
#[derive(Debug, Deserialize)]
struct Personal {
    id: String,
    name: String,
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let contact = fetch(&visit).await?;
    Ok(page(&visit, &contact, &filled(&contact), None).await.answer(&visit))
}

pub(super) async fn page(visit: &Visit, contact: &Contact, form: &Form, failure: Option<&Failure>) -> Page {
    let home = address(&contact.id);
    let secrets: Result<List<Personal>, Failure> = visit.get(&path::with(&call(&contact.id, "secret/list"), &[("take", "100")])).await;
    let secrets = secrets.map(|list| list.items).unwrap_or_default();
    let body = html! {
        div.columns {
            div.stack {
                @if visit.operates() { (fields(visit, form, (&home, "Save"), failure)) } @else { section.card { h2 { "Who it is" } (known(form)) } }
                section.part { h2 { "Conversations" } (conversations(visit, &contact.id).await) }
            }
            aside.stack {
                section.card { h2 { "About" } (about(visit, contact)) }
                @if !secrets.is_empty() { section.card { h2 { "Personal secrets" } (personal(visit, &home, &secrets)) } }
                @if visit.operates() {
                    section.card {
                        h2 { "Forget this contact" }
                        p.muted { "Erasing takes what was said along, deleting does not." }
                        div.foot {
                            (deed::confirmed(visit, &format!("{home}/erase"), "Erase", FORGETTING, &[]))
                            (deed::confirmed(visit, &format!("{home}/delete"), "Delete", DELETING, &[]))
                        }
                    }
                }
            }
        }
    };
    Page::new(contact.title(), body).below("Contacts", "/ui/contacts")
}

/// What the form would have, for those who may not change it.
fn known(form: &Form) -> Markup {
    let named = [("name", "Name"), ("nick", "Nick"), ("email", "Email"), ("phone", "Phone"), ("description", "Description")];
    let mut known: Vec<(&str, Option<Markup>)> = named.into_iter().map(|(name, label)| (label, facts::text(&form.text(name)))).collect();
    known.push(("Preferences", facts::text(&form.text("preferences"))));
    known.push((
        "Notes",
        Some(form.text("meta")).filter(|notes| !notes.is_empty()).map(|notes| html! { pre.wrap tabindex="0" { code { (notes) } } }),
    ));
    facts::list(known)
}

fn about(visit: &Visit, contact: &Contact) -> Markup {
    facts::list(vec![
        ("Fingerprint", contact.fingerprint.as_deref().map(code::id)),
        ("Id", Some(code::id(&contact.id))),
        ("Verified", contact.verified_at.map(|at| visit.zone.time(at))),
        ("Made", Some(visit.zone.time(contact.created_at))),
        ("Changed", Some(visit.zone.time(contact.updated_at))),
    ])
}

/// The last conversations; a list that cannot be had says why.
async fn conversations(visit: &Visit, id: &str) -> Markup {
    let query = [("take", CONVERSATIONS), ("contactId", id)];
    let listed: Result<List<Conversation>, Failure> = visit.get(&path::with("/conversation/list", &query)).await;
    let items = match listed {
        Ok(list) => list.items,
        Err(failure) => return empty::tell("The conversations cannot be listed right now", &html! { (failure.message) }),
    };
    let rows: Vec<table::Row> = items.iter().map(|one| (one.id.clone(), row(visit, one))).collect();
    html! {
        @if rows.is_empty() { (empty::tell("No conversations", &html! { "What is said with this contact appears here." })) }
        @else {
            (table::whole("Conversations", &["Conversation", "Status", "Turns", "Last change"], &rows))
            p.more { a.button href=(path::with("/ui/conversations", &[("contactId", id)])) { "All its conversations" } }
        }
    }
}

fn row(visit: &Visit, one: &Conversation) -> Vec<Markup> {
    let (trigger, session) = Conversation::place(&one.id);
    let title = match (one.name.as_str(), trigger) {
        ("", "_api") => "Conversation".to_owned(),
        ("", _) => format!("{trigger} · {session}"),
        (name, _) => name.to_owned(),
    };
    vec![
        html! { a href=(conversation::address(&one.id)) { (title) } },
        html! { @if let Some(status) = &one.status { (badge::status(status)) } @else { span.muted { "–" } } },
        html! { (number::count(one.turns)) },
        visit.zone.time(one.updated_at),
    ]
}

fn personal(visit: &Visit, home: &str, secrets: &[Personal]) -> Markup {
    let revoke = format!("{home}/revoke");
    html! {
        p.hint { "Secrets of which each contact would give a value of its own. None of this contact's is kept." }
        br;
        ul.plain {
            @for secret in secrets {
                li {
                    a href={ "/ui/secrets/" (path::part(&secret.id)) } { @if secret.name.is_empty() { (secret.id) } @else { (secret.name) } }
                    @if visit.operates() { (deed::confirmed(visit, &revoke, "Revoke", "A value of this contact's own is forgotten, if one is kept. The secret itself stays.", &[("secret", &secret.id)])) }
                }
            }
        }
    }
}
