//! An ability, done once to see what comes of it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::function::plain;
use super::{Ability, address, argument, call, fetch, side};
use crate::api::Failure;
use crate::frame::{self, Page};
use crate::page::conversation;
use crate::page::skillset::Skillset;
use crate::part::field::{self, Field};
use crate::part::{badge, code, empty, number};
use crate::visit::Visit;

/// What came of a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Outcome {
    result: Option<Value>,
    error: Option<Value>,
    messages: Vec<Value>,
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let (skillset, ability) = fetch(&visit).await?;
    Ok(page(&visit, (&skillset, &ability), &Markup::default(), None).answer(&visit))
}

pub(super) async fn execute(visit: Arc<Visit>) -> Result<Response, Failure> {
    let (skillset, ability) = fetch(&visit).await?;
    let schema = ability.offer.function.as_ref().map_or(&Value::Null, |function| &function.parameters);
    let begun = Instant::now();
    let done: Result<Outcome, Failure> = match argument::read(schema, &visit.form) {
        Ok(arguments) => {
            let contact = Some(visit.form.word("contactId")).filter(|contact| !contact.is_empty());
            let body = json!({ "input": arguments.to_string(), "contactId": contact });
            visit.post(&call(&skillset.id, &ability.id, "execute"), &body).await
        }
        Err(failure) => Err(failure),
    };
    let (shown, failure) = match &done {
        Ok(outcome) => (came(outcome, begun.elapsed()), None),
        Err(failure) => (Markup::default(), Some(failure)),
    };
    let status = failure.map_or(StatusCode::OK, |failure| failure.status);
    Ok(page(&visit, (&skillset, &ability), &shown, failure).refused(status).answer(&visit))
}

fn page(visit: &Visit, (skillset, ability): (&Skillset, &Ability), shown: &Markup, failure: Option<&Failure>) -> Page {
    let home = address(&skillset.id, &ability.id);
    let body = match (&ability.offer.function, skillset.state.as_str(), ability.state.as_str()) {
        _ if !visit.operates() => {
            empty::tell("Your token may not run abilities", &html! { "A token of scope " code { "operate" } " may." })
        }
        (_, "disabled", _) => empty::tell("The skillset is disabled", &html! { "Enable it to run what is in it." }),
        (_, _, "disabled") => empty::tell("The ability is disabled", &html! { a href={ (home) "#state" } { "Enable it" } " to run it." }),
        (None, ..) => empty::tell(
            "This cannot be run by itself",
            &html! { "The model is offered no function of it. " a href={ (home) "#function" } { "Why" } },
        ),
        (Some(function), ..) => {
            let names = argument::names(&function.parameters);
            let names: Vec<&str> = names.iter().map(String::as_str).chain(["contactId"]).collect();
            html! { div.stack {
                form.form method="post" action={ (home) "/run" } {
                    (frame::word(visit))
                    (field::fault(failure, &names))
                    @if let Some(record) = failure.and_then(|failure| record(&failure.message)) { p { a href=(record) { "Its record" } } br; }
                    section.card {
                        h2 { "Run it once" }
                        p { "This does what the ability does, with its secret: what it calls, sends or changes outside is called, sent and changed. It waits up to a minute for the outcome." }
                        @if waits(ability) { p { "Somebody has to answer before it ends, so a minute may not do: it goes on all the same, and is answered under " a href="/ui/approvals" { "Approvals" } "." } }
                        br;
                        (argument::fields(&function.parameters, &visit.form, failure))
                        details.hint open[!visit.form.word("contactId").is_empty()] {
                            summary { "Run it for a contact" }
                            (Field::new("contactId", "Contact", failure).hint("The id of a contact; left empty, it is done for nobody.").line(visit.form.word("contactId")))
                        }
                        p.foot { button.primary type="submit" { "Run" } }
                    }
                }
                (shown)
            } }
        }
    };
    side(visit, (skillset, ability), &body)
}

/// Whether somebody is asked before it ends.
fn waits(ability: &Ability) -> bool {
    ability.approval == Some(true) || ability.offer.action.as_deref() == Some("await")
}

/// The conversation that a run was, by the receipt that a text ends with. It is an event in a session of its own,
/// so both have the same name.
fn record(text: &str) -> Option<String> {
    let receipt = text.rsplit(' ').next()?.strip_prefix("evt.")?;
    Some(conversation::address(&format!("cnv.{receipt}")))
}

/// What came of a call, in how long.
fn came(outcome: &Outcome, took: Duration) -> Markup {
    let status = if outcome.error.is_some() { "failed" } else { "completed" };
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let record = outcome.messages.iter().find_map(|message| record(message.pointer("/meta/event")?.as_str()?));
    html! {
        section.card.form #outcome role="status" {
            header { h2 { "What came of it" } span { (badge::status(status)) " " span.muted { "in " (number::duration(took_ms)) } } }
            @if let Some(error) = &outcome.error { p.fault { (plain(error)) } }
            @if let Some(result) = &outcome.result { (code::block("Result", &code::text(result))) }
            @if outcome.result.is_none() && outcome.error.is_none() { p.muted { "It came to nothing." } }
            @if let Some(record) = &record { br; p { a href=(record) { "Its record" } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{Outcome, came, record};

    #[test]
    fn an_outcome_is_told_whatever_it_is() {
        let shown = |outcome| came(&serde_json::from_value::<Outcome>(outcome).unwrap(), Duration::from_millis(1_900)).into_string();
        let result = shown(json!({ "result": { "a": "<b>" }, "messages": [{ "meta": { "event": "evt.a.b" } }] }));
        assert!(
            result.contains("completed")
                && result.contains("1.9 s")
                && result.contains("&lt;b&gt;")
                && result.contains("/ui/conversations/cnv.a.b"),
            "{result}"
        );
        let error = shown(json!({ "error": "Status code: 503" }));
        assert!(error.contains("failed") && error.contains("Status code: 503"), "{error}");
        assert!(shown(json!({})).contains("It came to nothing."));
        assert_eq!(record("it goes on as evt._api.b.c.1").as_deref(), Some("/ui/conversations/cnv._api.b.c.1"));
        assert_eq!(record("the broker is away"), None);
    }
}
