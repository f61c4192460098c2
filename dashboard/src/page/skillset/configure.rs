//! What a skillset is set to, and the form that changes it.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::{Skillset, address, call, fetch, side};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::Page;
use crate::page::kept;
use crate::part::code;
use crate::part::deed;
use crate::part::field::{self, Field};
use crate::visit::{self, Visit};

/// The fields that the form has; what is wrong with others is said above it.
const FIELDS: [&str; 5] = ["name", "alias", "description", "state", "meta"];
const STATES: [(&str, &str); 2] = [("enabled", "enabled: bots are offered it"), ("disabled", "disabled: bots are not offered it")];

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.must("operate", "make skillsets")?;
    let form = Form::filled([("state", "enabled".to_owned())]);
    let body = fields(&visit, &form, ("/ui/skillsets/new", "Create skillset"), None);
    Ok(Page::new("New skillset", body).below("Skillsets", "/ui/skillsets").answer(&visit))
}

pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    match visit.make("/skillset/create", body(&visit.form)).await {
        Ok(id) => Ok(visit::back(&address(&id), &[("note", "made")])),
        Err(failure) => {
            let body = fields(&visit, &visit.form, ("/ui/skillsets/new", "Create skillset"), Some(&failure));
            Ok(Page::new("New skillset", body).below("Skillsets", "/ui/skillsets").refused(failure.status).answer(&visit))
        }
    }
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let skillset = fetch(&visit).await?;
    let form = filled(&skillset);
    Ok(page(&visit, &skillset, &form, None).answer(&visit))
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    match visit.save(&call(id, "update"), body(&visit.form)).await {
        Ok(()) => Ok(visit::back(&format!("{}/configure", address(id)), &[("note", "saved")])),
        Err(failure) => {
            let skillset = fetch(&visit).await?;
            Ok(page(&visit, &skillset, &visit.form, Some(&failure)).refused(failure.status).answer(&visit))
        }
    }
}

fn page(visit: &Visit, skillset: &Skillset, form: &Form, failure: Option<&Failure>) -> Page {
    let home = address(&skillset.id);
    let body = if let Some(locked) = kept::locked(visit, "skillset", &skillset.managed_by) {
        locked
    } else {
        let meaning = "All its abilities go with it. Turns of bots that name it fail from then on.";
        html! { div.stack {
            (fields(visit, form, (&format!("{home}/configure"), "Save"), failure))
            section.card.form { header { h2 { "Delete this skillset" } (deed::confirmed(visit, &format!("{home}/delete"), "Delete", meaning, &[])) } p.muted { (meaning) } }
        } }
    };
    side(visit, skillset, &body)
}

/// The form as a skillset has it.
fn filled(skillset: &Skillset) -> Form {
    Form::filled([
        ("revision", skillset.revision.to_string()),
        ("name", skillset.name.clone()),
        ("alias", skillset.alias.clone().unwrap_or_default()),
        ("description", skillset.description.clone()),
        ("state", skillset.state.clone()),
        ("meta", code::json(&skillset.meta)),
    ])
}

/// What a form asks for, as the API takes it.
fn body(form: &Form) -> Result<Value, Failure> {
    form.object(&["name", "alias", "description", "state"], &["meta"]).map(Value::Object)
}

fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let field = |name, label| Field::new(name, label, failure);
    html! {
        form.form method="post" action=(action) {
            (field::head(visit, form, failure, &FIELDS))
            section.card {
                h2 { "What it is" }
                (field("name", "Name").line(&form.text("name")))
                (field("description", "Description").hint("What its abilities have in common. The model reads it.").area(&form.text("description"), 3))
                (field("alias", "Alias").hint("A second name for URLs: a-z 0-9 _ -").line(form.word("alias")))
                (field("state", "State").choice(form.word("state"), &STATES))
            }
            details.card open[failure.is_some_and(|failure| failure.field.as_deref().is_some_and(|field| field.starts_with("meta")))] {
                summary { "Notes, as JSON" }
                (field("meta", "Notes").source(&form.text("meta"), 3))
            }
            p.foot { button.primary type="submit" { (label) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::body;
    use crate::form::Form;

    #[test]
    fn what_is_empty_is_cleared() {
        let form = Form::of(b"name=Shop&alias=&state=disabled&meta=%7B%22a%22%3A1%7D");
        let expected = json!({ "name": "Shop", "alias": null, "description": null, "state": "disabled", "meta": { "a": 1 } });
        assert_eq!(body(&form).unwrap(), expected);
    }
}
