//! What a trigger is set to, and the form that changes it.

use std::sync::Arc;

use axum::response::Response;
use jiff::tz::TimeZoneDatabase;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Trigger, address, call, fetch, side};
use crate::api::Failure;
use crate::form::Form;
use crate::frame::Page;
use crate::page::kept;
use crate::page::list;
use crate::part::code;
use crate::part::deed;
use crate::part::field::{self, Field};
use crate::visit::{self, Visit};

/// The fields that the form has; what is wrong with others is said above it.
const FIELDS: [&str; 17] = [
    "name",
    "alias",
    "description",
    "botId",
    "text",
    "sessionDuration",
    "authenticate",
    "schedule",
    "timezone",
    "catchUp",
    "busy",
    "quietMs",
    "rate",
    "limits",
    "signature",
    "results",
    "meta",
];
/// The schemes of signed calls.
const SCHEMES: [(&str, &str); 6] = [
    ("", "None: the secret alone"),
    ("standard", "Standard Webhooks, shared key"),
    ("standard-ed25519", "Standard Webhooks, public key"),
    ("github", "GitHub"),
    ("stripe", "Stripe"),
    ("slack", "Slack"),
];

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.must("operate", "make triggers")?;
    let form = Form::filled([("sessionMinutes", "60".to_owned()), ("busy", "enqueue".to_owned())]).ticked("authenticate", true);
    let body = fields(&visit, &form, ("/ui/triggers/new", "Create trigger"), None).await;
    Ok(Page::new("New trigger", body).below("Triggers", "/ui/triggers").answer(&visit))
}

pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    match visit.make("/integration/trigger/create", body(&visit.form)).await {
        Ok(id) => Ok(visit::back(&format!("{}/connect", address(&id)), &[("note", "made")])),
        Err(failure) => {
            let body = fields(&visit, &visit.form, ("/ui/triggers/new", "Create trigger"), Some(&failure)).await;
            Ok(Page::new("New trigger", body).below("Triggers", "/ui/triggers").refused(failure.status).answer(&visit))
        }
    }
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let trigger = fetch(&visit).await?;
    let form = filled(&trigger);
    Ok(page(&visit, &trigger, &form, None).await.answer(&visit))
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    match visit.save(&call(id, "update"), body(&visit.form)).await {
        Ok(()) => Ok(visit::back(&format!("{}/configure", address(id)), &[("note", "saved")])),
        Err(failure) => {
            let trigger = fetch(&visit).await?;
            Ok(page(&visit, &trigger, &visit.form, Some(&failure)).await.refused(failure.status).answer(&visit))
        }
    }
}

async fn page(visit: &Visit, trigger: &Trigger, form: &Form, failure: Option<&Failure>) -> Page {
    let body = if let Some(locked) = kept::locked(visit, "trigger", &trigger.managed_by) {
        locked
    } else {
        let action = format!("{}/configure", address(&trigger.id));
        let meaning = "The trigger takes no more events. Its conversations stay.";
        html! {
            (fields(visit, form, (&action, "Save"), failure).await)
            section.card.form { header { h2 { "Delete this trigger" } (deed::confirmed(visit, &format!("{}/delete", address(&trigger.id)), "Delete", meaning, &[])) } p.muted { (meaning) } }
        }
    };
    side(visit, trigger, &body)
}

/// The form as a trigger has it.
fn filled(trigger: &Trigger) -> Form {
    let text = |name: &str| trigger.rest.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let whole = |name: &str| trigger.rest.get(name).and_then(Value::as_u64);
    let pretty = |name: &str| code::json(&trigger.rest.get(name));
    let rate = trigger.rest.get("rate").and_then(|rate| Some((rate.get("count")?.as_u64()?, rate.get("perMs")?.as_u64()?)));
    let of_signature =
        |name: &str| trigger.signature.as_ref().and_then(|one| one.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned();
    Form::filled([
        ("revision", trigger.rest.get("revision").map(ToString::to_string).unwrap_or_default()),
        ("name", trigger.name.clone()),
        ("alias", text("alias")),
        ("description", trigger.description.clone()),
        ("botId", trigger.bot_id.clone().unwrap_or_default()),
        ("text", text("text")),
        ("sessionMinutes", whole("sessionDuration").map_or_else(String::new, |ms| (ms / 60_000).to_string())),
        ("schedule", trigger.schedule.clone().unwrap_or_default()),
        ("timezone", text("timezone")),
        ("catchUp", text("catchUp")),
        ("busy", text("busy")),
        ("quietMs", whole("quietMs").map_or_else(String::new, |ms| ms.to_string())),
        ("rateCount", rate.map_or_else(String::new, |(count, _)| count.to_string())),
        ("rateSeconds", rate.map_or_else(String::new, |(_, per_ms)| (per_ms / 1_000).to_string())),
        ("limits", pretty("limits")),
        ("scheme", of_signature("scheme")),
        ("publicKey", of_signature("publicKey")),
        ("results", pretty("results")),
        ("meta", pretty("meta")),
    ])
    .ticked("authenticate", trigger.authenticate)
}

/// What a form asks for, as the API takes it.
fn body(form: &Form) -> Result<Value, Failure> {
    let minutes = form.number("sessionMinutes").map_err(|failure| Failure { field: Some("sessionDuration".into()), ..failure })?;
    let mut body = form.object(
        &["name", "alias", "description", "botId", "text", "schedule", "timezone", "catchUp", "busy"],
        &["limits", "results", "meta"],
    )?;
    body.insert("authenticate".into(), form.is_on("authenticate").into());
    body.insert("sessionDuration".into(), minutes.as_u64().map_or(Value::Null, |minutes| minutes.saturating_mul(60_000).into()));
    body.insert("quietMs".into(), form.number("quietMs")?);
    let in_rate = |failure: Failure| Failure { field: Some("rate".into()), ..failure };
    let (count, seconds) = (form.number("rateCount").map_err(in_rate)?, form.number("rateSeconds").map_err(in_rate)?);
    let rate = count.as_u64().map(|count| json!({ "count": count, "perMs": seconds.as_u64().unwrap_or(60).saturating_mul(1_000) }));
    body.insert("rate".into(), rate.unwrap_or(Value::Null));
    body.insert("signature".into(), signature(form));
    Ok(Value::Object(body))
}

fn signature(form: &Form) -> Value {
    if form.word("scheme").is_empty() {
        return Value::Null;
    }
    let mut signature = json!({ "scheme": form.word("scheme") });
    for (name, field) in [("key", "signingKey"), ("publicKey", "publicKey")] {
        if let (Some(signature), word) = (signature.as_object_mut(), form.word(field))
            && !word.is_empty()
        {
            signature.insert(name.to_owned(), word.into());
        }
    }
    signature
}

async fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let field = |name, label| Field::new(name, label, failure);
    // A list that cannot be had proposes nothing; a name can be typed all the same.
    let bots = list::names(visit, "/bot/list").await;
    let zones: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    html! {
        form.form method="post" action=(action) {
            (field::head(visit, form, failure, &FIELDS))
            section.card {
                h2 { "What it is" }
                (field("name", "Name").line(&form.text("name")))
                (field("description", "Description").area(&form.text("description"), 2))
                (field("botId", "Bot").hint("Who reads its events: an id, or @alias.").proposing(form.word("botId"), &bots))
                (field("text", "Default text").hint("Takes the place of the caller's text, for callers that send data only.").area(&form.text("text"), 2))
                (field("alias", "Alias").hint("A second name for URLs: a-z 0-9 _ -").line(form.word("alias")))
            }
            section.card {
                h2 { "Who may call" }
                (field("authenticate", "Ask callers for the secret").tick(form.is_on("authenticate")))
                (field("signature", "Signed calls").hint("Calls with a right signature are let in.").around_choice("scheme", form.word("scheme"), &SCHEMES))
                div.pair {
                    (Field::new("signingKey", "Signing key", None).hint("As its issuer shows it. Left empty, the key stays.").typed("password", ""))
                    (Field::new("publicKey", "Public key", None).hint("Of the scheme with one.").line(form.word("publicKey")))
                }
                div.pair {
                    (field("rate", "Events taken").around_typed("rateCount", "number", form.word("rateCount")))
                    (Field::new("rateSeconds", "in so many seconds", None).typed("number", form.word("rateSeconds")))
                }
            }
            section.card {
                h2 { "Sessions" }
                (field("sessionDuration", "Minutes that a conversation goes on").hint("Counted from its last event.").around_typed("sessionMinutes", "number", form.word("sessionMinutes")))
                div.pair {
                    (field("busy", "An event for a busy session").choice(form.word("busy"), &[("enqueue", "waits for its turn"), ("reject", "is refused"), ("interrupt", "cancels the running turn"), ("collect", "is collected with others")]))
                    (field("quietMs", "Quiet time of collecting, in ms").typed("number", form.word("quietMs")))
                }
            }
            section.card {
                h2 { "Schedule" }
                (field("schedule", "Fires by itself").hint("hourly, daily, 08:30, five cron fields, or an ISO 8601 time; empty for never.").line(form.word("schedule")))
                div.pair {
                    (field("timezone", "Time zone").proposing(form.word("timezone"), &zones))
                    (field("catchUp", "Times that were missed").choice(form.word("catchUp"), &[("once", "are made up for once"), ("skip", "are left out")]))
                }
            }
            details.card open[failure.is_some_and(|failure| ["limits", "results", "meta"].iter().any(|name| failure.field.as_deref().is_some_and(|field| field.starts_with(name))))] {
                summary { "Limits, results and notes, as JSON" }
                (field("limits", "Limits").hint("Such as {\"turns\": 8, \"day\": {\"tokens\": 100000}}").source(&form.text("limits"), 4))
                (field("results", "Results").hint("Where the ends of its turns are told: [{\"id\": \"crm\", \"url\": \"https://…\"}]").source(&form.text("results"), 4))
                (field("meta", "Notes").source(&form.text("meta"), 3))
            }
            p.foot { button.primary type="submit" { (label) } }
        }
    }
}
