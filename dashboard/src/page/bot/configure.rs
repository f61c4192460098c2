//! What a bot is set to, and the form that changes it.
//!
//! Model, backstory and skillset of an agent stand in its definition, and have fields of their own here: so the
//! definition is shown without them, and must not say them. Neither can be written against the other.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{Bot, address, call, fetch, side};
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
const FIELDS: [&str; 10] = ["name", "alias", "description", "kind", "state", "model", "backstory", "skillsetId", "definition", "meta"];
/// What of an agent's definition has a field of its own: its name there, and here.
const OWN: [(&str, &str); 3] = [("model", "model"), ("backstory", "backstory"), ("skillset", "skillsetId")];
const KINDS: [(&str, &str); 3] = [
    ("agent", "agent: asks a model"),
    ("rules", "rules: the first rule that matches"),
    ("scripted", "scripted: stands in for a model in tests"),
];
const STATES: [(&str, &str); 3] = [
    ("active", "active: answers"),
    ("paused", "paused: begins no turn, events wait"),
    ("draining", "draining: begins no turn, to be taken away"),
];

pub(super) async fn blank(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.must("operate", "make bots")?;
    let skillset = visit.asked("skillset").to_owned();
    let form = Form::filled([("kind", "agent".to_owned()), ("state", "active".to_owned()), ("skillsetId", skillset)]);
    let body = fields(&visit, &form, ("/ui/bots/new", "Create bot"), None).await;
    Ok(Page::new("New bot", body).below("Bots", "/ui/bots").answer(&visit))
}

pub(super) async fn create(visit: Arc<Visit>) -> Result<Response, Failure> {
    match visit.make("/bot/create", body(&visit.form)).await {
        Ok(id) => Ok(visit::back(&address(&id), &[("note", "made")])),
        Err(failure) => {
            let body = fields(&visit, &visit.form, ("/ui/bots/new", "Create bot"), Some(&failure)).await;
            Ok(Page::new("New bot", body).below("Bots", "/ui/bots").refused(failure.status).answer(&visit))
        }
    }
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let bot = fetch(&visit).await?;
    let form = filled(&bot);
    Ok(page(&visit, &bot, &form, None).await.answer(&visit))
}

pub(super) async fn update(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    match visit.save(&call(id, "update"), body(&visit.form)).await {
        Ok(()) => Ok(visit::back(&format!("{}/configure", address(id)), &[("note", "saved")])),
        Err(failure) => {
            let bot = fetch(&visit).await?;
            Ok(page(&visit, &bot, &visit.form, Some(&failure)).await.refused(failure.status).answer(&visit))
        }
    }
}

async fn page(visit: &Visit, bot: &Bot, form: &Form, failure: Option<&Failure>) -> Page {
    let body = if let Some(locked) = kept::locked(visit, "bot", &bot.managed_by) {
        locked
    } else {
        let action = format!("{}/configure", address(&bot.id));
        let meaning = "Turns of triggers that name it fail from then on. Its conversations stay.";
        html! { div.stack {
            (fields(visit, form, (&action, "Save"), failure).await)
            section.card.form { header { h2 { "Delete this bot" } (deed::confirmed(visit, &format!("{}/delete", address(&bot.id)), "Delete", meaning, &[])) } p.muted { (meaning) } }
        } }
    };
    side(visit, bot, &body)
}

/// What of a definition has no field of its own.
pub(super) fn beside(kind: &str, definition: &Map<String, Value>) -> Map<String, Value> {
    let is_own = |name: &str| kind == "agent" && OWN.iter().any(|(own, _)| *own == name);
    definition.iter().filter(|(name, _)| !is_own(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The form as a bot has it.
fn filled(bot: &Bot) -> Form {
    Form::filled([
        ("revision", bot.revision.to_string()),
        ("name", bot.name.clone()),
        ("alias", bot.alias.clone().unwrap_or_default()),
        ("description", bot.description.clone()),
        ("kind", bot.kind.clone()),
        ("state", bot.state.clone()),
        ("model", bot.model.clone().unwrap_or_default()),
        ("backstory", bot.backstory.clone().unwrap_or_default()),
        ("skillsetId", bot.skillset_id.clone().unwrap_or_default()),
        ("definition", code::json(&beside(&bot.kind, &bot.definition))),
        ("meta", code::json(&bot.meta)),
    ])
}

/// What a form asks for, as the API takes it.
fn body(form: &Form) -> Result<Value, Failure> {
    let mut body = form.object(&["name", "alias", "description", "kind", "state"], &["meta"])?;
    let definition = match form.json("definition")? {
        Value::Null => Map::new(),
        Value::Object(definition) => definition,
        _ => return Err(Failure::field("definition", "must be an object: {\"…\": …}")),
    };
    if form.word("kind") == "agent" {
        if let Some((name, _)) = OWN.iter().find(|(name, _)| definition.contains_key(*name)) {
            return Err(Failure::field("definition", format!("{name} has a field of its own above: say it there")));
        }
        body.extend(OWN.iter().map(|(_, field)| ((*field).to_owned(), form.or_null(field))));
    } else {
        let said: Vec<&str> =
            OWN.iter().map(|(name, field)| (*name, form.word(field))).filter(|(_, text)| !text.is_empty()).map(|(name, _)| name).collect();
        if !said.is_empty() {
            let message = format!("a bot of this kind has no {}: empty what you do not need any more", said.join(", no "));
            return Err(Failure::field("kind", message));
        }
    }
    body.insert("definition".to_owned(), definition.into());
    Ok(Value::Object(body))
}

async fn fields(visit: &Visit, form: &Form, (action, label): (&str, &str), failure: Option<&Failure>) -> Markup {
    let field = |name, label| Field::new(name, label, failure);
    // A list that cannot be had proposes nothing; a name can be typed all the same.
    let (models, skillsets) = (list::names(visit, "/platform/model/list").await, list::names(visit, "/skillset/list").await);
    html! {
        form.form method="post" action=(action) {
            (field::head(visit, form, failure, &FIELDS))
            section.card {
                h2 { "What it is" }
                (field("name", "Name").line(&form.text("name")))
                (field("description", "Description").area(&form.text("description"), 2))
                (field("alias", "Alias").hint("A second name for URLs: a-z 0-9 _ -").line(form.word("alias")))
                (field("kind", "Kind").choice(form.word("kind"), &KINDS))
                (field("state", "State").choice(form.word("state"), &STATES))
            }
            section.card {
                h2 { "Of an agent" }
                (field("model", "Model").hint("The provider, then its name of the model: openai/gpt-5.4. Those that bots use are proposed.").proposing(form.word("model"), &models))
                (field("backstory", "Backstory").hint("Who it is, and how it answers.").area(&form.text("backstory"), 10))
                (field("skillsetId", "Skillset").hint("What it may do: an id, or @alias.").proposing(form.word("skillsetId"), &skillsets))
            }
            section.card {
                h2 { "Definition" }
                (field("definition", "All else, as JSON")
                    .hint("Of an agent: temperature, maxTokens, fallbacks, approval, limits, output, contextTokens. Of rules: rules, otherwise. Of a scripted one: latency, reply, calls, fail, historyReply.")
                    .source(&form.text("definition"), rows(&form.text("definition"))))
            }
            details.card open[failure.is_some_and(|failure| failure.field.as_deref().is_some_and(|field| field.starts_with("meta")))] {
                summary { "Notes, as JSON" }
                (field("meta", "Notes").source(&form.text("meta"), 3))
            }
            p.foot { button.primary type="submit" { (label) } }
        }
    }
}

/// How high an area is that shows a text, within reason.
fn rows(text: &str) -> u32 {
    u32::try_from(text.lines().count()).unwrap_or(u32::MAX).saturating_add(1).clamp(5, 24)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{beside, body};
    use crate::form::Form;

    fn asked(kind: &str, model: &str, definition: &str) -> Result<Value, String> {
        let form = Form::filled([("kind", kind.to_owned()), ("model", model.to_owned()), ("definition", definition.to_owned())]);
        body(&form).map_err(|failure| format!("{}: {}", failure.field.unwrap_or_default(), failure.message))
    }

    #[test]
    fn an_agent_is_said_by_its_own_fields_and_the_rest_of_its_definition() {
        let agent = asked("agent", "m/x", "{\"seed\": 1}").unwrap();
        assert_eq!((&agent["model"], &agent["skillsetId"], &agent["definition"]), (&json!("m/x"), &Value::Null, &json!({ "seed": 1 })));
        assert_eq!(asked("agent", "", "").unwrap()["definition"], json!({}));
        let rules = asked("rules", "", "{\"rules\": []}").unwrap();
        assert!(rules.get("model").is_none() && rules["definition"] == json!({ "rules": [] }));
    }

    #[test]
    fn nothing_is_said_twice_or_dropped() {
        for (kind, model, definition, expected) in [
            ("agent", "m/x", "{\"model\": \"m/y\"}", "definition: model has a field of its own"),
            ("agent", "", "[1]", "definition: must be an object"),
            ("agent", "", "{", "definition: is not JSON"),
            ("rules", "m/x", "{}", "kind: a bot of this kind has no model"),
        ] {
            let told = asked(kind, model, definition).unwrap_err();
            assert!(told.starts_with(expected), "{told}");
        }
        let whole = json!({ "model": "m/x", "skillset": "s", "seed": 1 });
        assert_eq!(Value::from(beside("agent", whole.as_object().unwrap())), json!({ "seed": 1 }));
        assert_eq!(Value::from(beside("rules", whole.as_object().unwrap())), whole);
    }
}
