//! One token, and the form that makes or changes it. The token itself stands on one page, once.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use super::body::{body, filled};
use super::{Token, address, call, fetch};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::{self, Page};
use crate::page::kept;
use crate::page::list;
use crate::part::field::{self, Field};
use crate::part::{code, deed, facts};
use crate::visit::{self, Visit};

/// The fields that the form has; what is wrong with others is said above it.
const FIELDS: [&str; 7] = ["name", "alias", "scopes", "triggers", "expiresAt", "rate", "meta"];
/// What tokens may.
const SCOPES: [(&str, &str); 4] = [
    ("read", "Reads all but secrets."),
    ("publish", "Sends events and invokes triggers."),
    ("operate", "Reads, changes resources and conversations, answers and calls off turns, replays, sees the secrets of triggers."),
    ("admin", "Everything, tokens and the audit log included."),
];

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.must("admin", "make tokens")?;
    let form = Form::filled([("scopes", "read".to_owned())]);
    Ok(making(&visit, &form, None).await.answer(&visit))
}

async fn making(visit: &Visit, form: &Form, failure: Option<&Failure>) -> Page {
    let body = fields(visit, form, ("/ui/tokens/new", "Create token"), failure).await;
    Page::new("New token", body).below("API tokens", "/ui/tokens")
}

/// Makes a token, and answers with it: it stands nowhere else.
pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Made {
        id: String,
        token: String,
    }
    let created: Result<Made, Failure> = match body(&visit.form, &visit.zone) {
        Ok(body) => visit.post("/token/create", &body).await,
        Err(failure) => Err(failure),
    };
    let made = match created {
        Ok(made) => made,
        Err(failure) => return Ok(making(&visit, &visit.form, Some(&failure)).await.refused(failure.status).answer(&visit)),
    };
    let body = html! {
        section.card.form {
            h2 { "This is the token" }
            (code::block("the token", &made.token))
            p.hint { "Copy it now: it is shown this once, and kept nowhere. Whoever has it may do what it may." }
            p.foot { a.button href=(address(&made.id)) { "What it may" } a.button href="/ui/tokens" { "All tokens" } }
        }
    };
    Ok(Page::new("Token created", body).below("API tokens", "/ui/tokens").answer(&visit))
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let token = fetch(&visit).await?;
    Ok(page(&visit, &token, &filled(&token, &visit.zone), None).await.answer(&visit))
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    match visit.save(&call(id, "update"), body(&visit.form, &visit.zone)).await {
        Ok(()) => Ok(visit::back(&address(id), &[("note", "saved")])),
        Err(failure) => {
            let token = fetch(&visit).await?;
            Ok(page(&visit, &token, &visit.form, Some(&failure)).await.refused(failure.status).answer(&visit))
        }
    }
}

async fn page(visit: &Visit, token: &Token, form: &Form, failure: Option<&Failure>) -> Page {
    let home = address(&token.id);
    let main = match kept::locked(visit, "token", &token.managed_by) {
        Some(locked) => locked,
        None => fields(visit, form, (&home, "Save"), failure).await,
    };
    let body = html! {
        div.columns {
            div { (main) }
            aside.stack { section.card { h2 { "About" } (about(visit, token)) } }
        }
    };
    let meaning = "Calls that present this token are refused from now on, and whoever is logged in with it is logged out.";
    let actions = html! { @if token.managed_by.is_api() { (deed::confirmed(visit, &format!("{home}/revoke"), "Revoke", meaning, &[])) } };
    Page::new(token.title(), body).below("API tokens", "/ui/tokens").actions(actions)
}

fn about(visit: &Visit, token: &Token) -> Markup {
    facts::list(vec![
        ("Ends with", Some(html! { code { "…" (token.hint) } })),
        ("Expires", Some(token.expiry(visit))),
        ("Last used", Some(token.last_used_at.map_or_else(|| html! { span.muted { "not known" } }, |at| visit.zone.time(at)))),
        ("Made", (token.created_at > 0).then(|| visit.zone.time(token.created_at))),
        ("Changed", (token.updated_at > 0).then(|| visit.zone.time(token.updated_at))),
        ("Id", Some(code::id(&token.id))),
        ("Kept by", token.managed_by.fact()),
    ])
}

async fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let field = |name, label| Field::new(name, label, failure);
    let chosen: BTreeSet<&str> = form.all("triggers").collect();
    let known = list::triggers(visit).await;
    // A trigger that is not listed any more can still be unticked.
    let triggers: BTreeSet<&str> = known.iter().map(String::as_str).chain(chosen.iter().copied()).collect();
    html! {
        form.form method="post" action=(action) {
            (frame::word(visit))
            @for name in ["revision", "expiresAt"] { input type="hidden" name=(name) value=(form.word(name)); }
            (field::fault(failure, &FIELDS))
            section.card {
                h2 { "The token" }
                (field("name", "Name").hint("Who or what uses it; it stands on the audit log.").line(&form.text("name")))
                (field("alias", "Alias").hint("A second name for URLs: a-z 0-9 _ -").line(form.word("alias")))
            }
            section.card {
                h2 { "What it may" }
                @if let Some(fault) = field("scopes", "").said() { p.fault role="alert" { (fault) } }
                @for (scope, meaning) in SCOPES { (tick(("scopes", scope), meaning, form.all("scopes").any(|one| one == scope))) }
            }
            details.card open[!chosen.is_empty() || field("triggers", "").said().is_some()] {
                summary { "Limit it to triggers" }
                @if let Some(fault) = field("triggers", "").said() { p.fault role="alert" { (fault) } }
                p.hint { "Ticked, it sees and does only what is of these. With none ticked it is not limited. A token of scope admin cannot be limited." }
                @if triggers.is_empty() { p.muted { "There are no triggers yet." } }
                div.ticks { @for trigger in triggers { (tick(("triggers", trigger), "", chosen.contains(trigger))) } }
            }
            section.card {
                h2 { "For how long, and how often" }
                (field("expiresAt", "Last day").hint("It ends with this day; empty for never.").around_typed("expiresOn", "date", form.word("expiresOn")))
                div.pair {
                    (field("rate", "Calls allowed").around_typed("rateCount", "number", form.word("rateCount")))
                    (Field::new("rateSeconds", "in so many seconds", None).typed("number", form.word("rateSeconds")))
                }
                (field("meta", "Notes").hint("A JSON object.").source(&form.text("meta"), 3))
            }
            p.foot { button.primary type="submit" { (label) } }
        }
    }
}

/// One of several boxes of a name.
fn tick((name, value): (&str, &str), meaning: &str, is_on: bool) -> Markup {
    let id = format!("{name}-{value}");
    html! {
        div.field.tick {
            input id=(id) name=(name) type="checkbox" value=(value) checked[is_on];
            label for=(id) { (value) }
            @if !meaning.is_empty() { p.hint { (meaning) } }
        }
    }
}
