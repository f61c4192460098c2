//! One secret, and the form that changes it. A value goes in and is never shown.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{Secret, address, call, fetch};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::Page;
use crate::page::kept;
use crate::part::field::{self, Field};
use crate::part::{code, deed, facts};
use crate::visit::{self, Visit};

/// The fields that the form has; what is wrong with others is said above it.
const FIELDS: [&str; 8] = ["name", "alias", "description", "kind", "type", "value", "config", "meta"];
/// How values are presented.
const TYPES: [(&str, &str); 7] = [
    ("plain", "plain: as it is"),
    ("basic", "basic: user:password, for HTTP's basic scheme"),
    ("bearer", "bearer: behind the word Bearer"),
    ("jwt", "jwt: as a signed token"),
    ("oauth", "oauth: as an access token"),
    ("template", "template: made of others"),
    ("reference", "reference: another's"),
];
/// Whose values are.
const KINDS: [(&str, &str); 2] = [("shared", "shared: everybody's"), ("personal", "personal: each contact's own")];

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.must("operate", "make secrets")?;
    let form = Form::filled([("type", "plain".to_owned()), ("kind", "shared".to_owned())]);
    Ok(made(&visit, &form, None).answer(&visit))
}

fn made(visit: &Visit, form: &Form, failure: Option<&Failure>) -> Page {
    let body = fields(visit, form, ("/ui/secrets/new", "Create secret"), failure);
    Page::new("New secret", body).below("Secrets", "/ui/secrets")
}

pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    match visit.make("/secret/create", body(&visit.form)).await {
        Ok(id) => Ok(visit::back(&address(&id), &[("note", "made")])),
        Err(failure) => Ok(made(&visit, &visit.form, Some(&failure)).refused(failure.status).answer(&visit)),
    }
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let secret = fetch(&visit).await?;
    Ok(page(&visit, &secret, &filled(&secret), None).answer(&visit))
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    match visit.save(&call(id, "update"), body(&visit.form)).await {
        Ok(()) => Ok(visit::back(&address(id), &[("note", "saved")])),
        Err(failure) => {
            let secret = fetch(&visit).await?;
            Ok(page(&visit, &secret, &visit.form, Some(&failure)).refused(failure.status).answer(&visit))
        }
    }
}

fn page(visit: &Visit, secret: &Secret, form: &Form, failure: Option<&Failure>) -> Page {
    let home = address(&secret.id);
    let main = if let Some(locked) = kept::locked(visit, "secret", &secret.managed_by) {
        locked
    } else {
        fields(visit, form, (&home, "Save"), failure)
    };
    let body = html! {
        div.columns {
            div { (main) }
            aside.stack {
                section.card { h2 { "About" } (about(visit, secret)) }
                @if visit.operates() && secret.managed_by.is_api() { (deeds(visit, secret, &home)) }
            }
        }
    };
    let actions = html! { @if visit.operates() { (deed::button(visit, &format!("{home}/verify"), "Verify", &[])) } };
    Page::new(secret.title(), body).below("Secrets", "/ui/secrets").beside(secret.badge()).actions(actions)
}

fn about(visit: &Visit, secret: &Secret) -> Markup {
    facts::list(vec![
        ("Id", Some(code::id(&secret.id))),
        ("Alias", secret.alias.as_deref().map(code::id)),
        ("Type", facts::text(secret.form.as_deref().unwrap_or_default())),
        ("Whose", facts::text(secret.kind.as_deref().unwrap_or_default())),
        ("For", facts::text(&secret.description)),
        ("Kept by", secret.managed_by.fact()),
        ("Made", (secret.created_at > 0).then(|| visit.zone.time(secret.created_at))),
        ("Changed", (secret.updated_at > 0).then(|| visit.zone.time(secret.updated_at))),
    ])
}

fn deeds(visit: &Visit, secret: &Secret, home: &str) -> Markup {
    html! {
        section.card {
            h2 { "Take it away" }
            p.muted { "Revoking forgets the value and leaves the secret, so that it can be given another." }
            div.foot {
                @if secret.has_value { (deed::confirmed(visit, &format!("{home}/revoke"), "Revoke value", "The value is forgotten. Abilities that use this secret fail until it has another.", &[])) }
                (deed::confirmed(visit, &format!("{home}/delete"), "Delete", "The secret is deleted with its value. Abilities that use it fail.", &[]))
            }
        }
    }
}

/// The form as a secret has it.
fn filled(secret: &Secret) -> Form {
    let said = |text: &Option<String>| text.clone().unwrap_or_default();
    Form::filled([
        ("revision", secret.revision.to_string()),
        ("name", secret.name.clone()),
        ("alias", said(&secret.alias)),
        ("description", secret.description.clone()),
        ("kind", said(&secret.kind)),
        ("type", said(&secret.form)),
        ("config", code::json(&secret.config)),
        ("meta", code::json(&secret.meta)),
    ])
}

/// What a form asks for, as the API takes it. A value that is not typed stays as it is.
fn body(form: &Form) -> Result<Value, Failure> {
    let mut body = form.object(&["name", "alias", "description", "kind", "type"], &["config", "meta"])?;
    if let Some(value) = form.said("value").filter(|value| !value.is_empty()) {
        body.insert("value".to_owned(), value.into());
    }
    Ok(Value::Object(body))
}

fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let field = |name, label| Field::new(name, label, failure);
    let is_new = action == "/ui/secrets/new";
    let value = if is_new { "Sealed, and never shown again." } else { "Never shown. Left empty, the value stays as it is." };
    html! {
        form.form method="post" action=(action) {
            (field::head(visit, form, failure, &FIELDS))
            section.card {
                h2 { "The secret" }
                (field("name", "Name").hint("Abilities refer to it as ${SECRET_<NAME>}, or by its id.").line(&form.text("name")))
                (field("value", "Value").hint(value).typed("password", ""))
                div.pair {
                    (field("type", "How it is presented").choice(form.word("type"), &TYPES))
                    (field("kind", "Whose it is").choice(form.word("kind"), &KINDS))
                }
                (field("description", "What it is for").area(&form.text("description"), 2))
                (field("alias", "Alias").hint("A second name for URLs: a-z 0-9 _ -").line(form.word("alias")))
                (field("config", "Configuration").hint("A JSON object of what the type needs besides.").source(&form.text("config"), 4))
                (field("meta", "Notes").hint("A JSON object.").source(&form.text("meta"), 3))
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
    fn a_value_that_is_not_typed_stays() {
        let told = body(&Form::of(b"name=Shop&type=bearer&kind=shared&value=&config=%7B%22a%22%3A1%7D")).unwrap();
        assert_eq!(
            (told.get("value"), &told["type"], &told["config"]["a"], &told["alias"]),
            (None, &json!("bearer"), &json!(1), &json!(null))
        );
        assert_eq!(body(&Form::of(b"value=+s3cret+")).unwrap()["value"], " s3cret ", "white space may be part of it");
    }
}
