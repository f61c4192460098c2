//! The form of a contact.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{Contact, address, call, detail, fetch};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::Page;
use crate::part::code;
use crate::part::field::{self, Field};
use crate::visit::{self, Visit};

/// The fields that the form has; what is wrong with others is said above it.
const FIELDS: [&str; 8] = ["fingerprint", "name", "nick", "email", "phone", "description", "preferences", "meta"];

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.must("operate", "make contacts")?;
    Ok(made(&visit, &Form::default(), None).answer(&visit))
}

fn made(visit: &Visit, form: &Form, failure: Option<&Failure>) -> Page {
    let body = fields(visit, form, ("/ui/contacts/new", "Create contact"), failure);
    Page::new("New contact", body).below("Contacts", "/ui/contacts")
}

pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    match visit.make("/contact/create", body(&visit.form, true)).await {
        Ok(id) => Ok(visit::back(&address(&id), &[("note", "made")])),
        Err(failure) => Ok(made(&visit, &visit.form, Some(&failure)).refused(failure.status).answer(&visit)),
    }
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let contact = fetch(&visit).await?;
    let id = visit.place("id");
    // The API decides on the last revision; what somebody else wrote meanwhile is not written over unseen.
    let changed = match body(&visit.form, false) {
        Ok(_) if visit.form.word("revision") != contact.revision.to_string() => Err(lost()),
        Ok(body) => visit.act(&call(id, "update"), &body).await,
        Err(failure) => Err(failure),
    };
    match changed {
        Ok(()) => Ok(visit::back(&address(id), &[("note", "saved")])),
        Err(failure) => Ok(detail::page(&visit, &contact, &visit.form, Some(&failure)).await.refused(failure.status).answer(&visit)),
    }
}

fn lost() -> Failure {
    Failure::new(StatusCode::CONFLICT, "the contact was changed meanwhile: open the page again, and repeat your change")
}

/// The form as a contact has it.
pub(super) fn filled(contact: &Contact) -> Form {
    let text = |name: &str| contact.rest.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    Form::filled([
        ("revision", contact.revision.to_string()),
        ("name", contact.name.clone()),
        ("nick", said(&contact.nick)),
        ("email", said(&contact.email)),
        ("phone", said(&contact.phone)),
        ("description", text("description")),
        ("preferences", text("preferences")),
        ("meta", code::json(&contact.rest.get("meta"))),
    ])
}

/// What a form asks for, as the API takes it. A fingerprint is given once.
fn body(form: &Form, is_new: bool) -> Result<Value, Failure> {
    let mut body = form.object(&["name", "nick", "email", "phone", "description", "preferences"], &["meta"])?;
    if is_new {
        body.insert("fingerprint".to_owned(), form.or_null("fingerprint"));
    }
    Ok(Value::Object(body))
}

pub(super) fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let field = |name, label| Field::new(name, label, failure);
    let is_new = action == "/ui/contacts/new";
    html! {
        form.form method="post" action=(action) {
            (field::head(visit, form, failure, &FIELDS))
            section.card {
                h2 { "Who it is" }
                @if is_new {
                    (field("fingerprint", "Fingerprint").hint("What your own system calls this person; unique, and not changed later. Events that name it are this contact's.").line(form.word("fingerprint")))
                }
                div.pair {
                    (field("name", "Name").line(&form.text("name")))
                    (field("nick", "Nick").hint("What the bot calls them.").line(&form.text("nick")))
                }
                div.pair {
                    (field("email", "Email").typed("email", form.word("email")))
                    (field("phone", "Phone").typed("tel", form.word("phone")))
                }
                (field("description", "Description").area(&form.text("description"), 2))
                (field("preferences", "Preferences").hint("How they want to be addressed; the bot reads it.").area(&form.text("preferences"), 2))
                (field("meta", "Notes").hint("A JSON object, such as {\"plan\": \"gold\"}").source(&form.text("meta"), 3))
                p.foot { button.primary type="submit" { (label) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body;
    use crate::form::Form;

    #[test]
    fn a_form_says_all_that_may_be_changed_and_the_fingerprint_once() {
        let form = Form::of(b"fingerprint=crm-1&name=Ada&nick=&email=+ada%40example.com&meta=%7B%22plan%22%3A%22gold%22%7D");
        let told = body(&form, false).unwrap();
        assert_eq!((&told["name"], &told["nick"], &told["meta"]["plan"]), (&json!("Ada"), &json!(null), &json!("gold")));
        assert_eq!((told.get("fingerprint"), &body(&form, true).unwrap()["fingerprint"]), (None, &json!("crm-1")));
        assert_eq!(body(&Form::of(b"meta=%7B"), true).unwrap_err().field.as_deref(), Some("meta"));
    }
}
