//! A resource as a file would say it.
//!
//! What is as it is without a word is left out, and a secret is a reference, never a value: files
//! that are written from here are read back to the same resources, and differences are shown in the
//! words of the file.

use std::time::Duration;

use proto::limit::{QUIET_DEFAULT, SESSION_DURATION_DEFAULT};
use proto::resource::{Bot, Budget, Busy, CatchUp, Common, Destination, Limits, Resource, Secret, Signature, Skillset, State, Trigger};
use proto::wire::destination::To;
use serde_json::{Map, Value, json};

use super::{notes, result, trigger};

/// Where exported files look for their secrets, beside themselves.
pub const SECRETS: &str = "secrets";

/// The section of a file that a resource stands in; none where files have no such resource.
pub fn section(resource: &Resource) -> Option<&'static str> {
    match resource {
        Resource::Trigger(_) => Some("triggers"),
        Resource::Bot(_) => Some("bots"),
        Resource::Skillset(_) => Some("skillsets"),
        Resource::Secret(_) => Some("secrets"),
        Resource::Token(_) => None,
    }
}

/// What a file would say of a resource.
pub fn of(resource: &Resource) -> Value {
    Value::Object(match resource {
        Resource::Trigger(one) => of_trigger(one),
        Resource::Bot(one) => of_bot(one),
        Resource::Skillset(one) => of_skillset(one),
        Resource::Secret(one) => of_secret(one),
        Resource::Token(one) => Map::from_iter([("id".to_owned(), json!(one.id))]),
    })
}

fn put(map: &mut Map<String, Value>, name: &str, value: impl Into<Value>, is_said: bool) {
    if is_said {
        map.insert(name.to_owned(), value.into());
    }
}

fn put_text(map: &mut Map<String, Value>, name: &str, text: &str) {
    put(map, name, text, !text.is_empty());
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| *word)
}

fn lasting(duration: Duration) -> Value {
    if duration.is_zero() { json!(0) } else { humantime::format_duration(duration).to_string().into() }
}

/// A reference to a secret that the reader is to put there.
fn reference(name: &str) -> Value {
    json!({ "file": format!("{SECRETS}/{name}") })
}

fn begin(id: &str, name: &str, common: &Common) -> Map<String, Value> {
    let mut map = Map::new();
    put(&mut map, "id", id, true);
    put_text(&mut map, "name", name);
    put_text(&mut map, "alias", common.alias.as_deref().unwrap_or_default());
    put(&mut map, "meta", common.meta.clone(), !common.meta.is_empty());
    map
}

fn of_trigger(one: &Trigger) -> Map<String, Value> {
    let mut map = begin(one.id.as_str(), &one.name, &one.common);
    put_text(&mut map, "description", &one.description);
    put_text(&mut map, "bot", one.bot.as_ref().map(proto::id::BotId::as_str).unwrap_or_default());
    put_text(&mut map, "text", one.text.as_deref().unwrap_or_default());
    put(&mut map, "authenticate", false, one.open);
    put(&mut map, "sessionDuration", lasting(one.session_duration), one.session_duration != SESSION_DURATION_DEFAULT);
    put(&mut map, "busy", word(&trigger::BUSY, &one.busy), one.busy != Busy::Enqueue);
    put(&mut map, "quiet", lasting(one.quiet), one.quiet != QUIET_DEFAULT);
    put(&mut map, "limits", of_limits(&one.limits), one.limits != Limits::default());
    put(&mut map, "state", word(&notes::STATES, &one.state), one.state != State::Active);
    put_text(&mut map, "schedule", one.schedule.as_deref().unwrap_or_default());
    put_text(&mut map, "timezone", one.timezone.as_deref().unwrap_or_default());
    put(&mut map, "catchUp", word(&trigger::CATCH_UP, &one.catch_up), one.catch_up != CatchUp::Once);
    if let Some(rate) = one.rate.filter(|rate| rate.count > 0) {
        put(&mut map, "rate", json!({ "count": rate.count, "per": lasting(Duration::from_millis(rate.per_ms)) }), true);
    }
    put(&mut map, "secret", reference(&format!("trigger.{}", one.id)), one.secret.is_some());
    if let Some(signature) = &one.signature {
        put(&mut map, "signature", of_signature(one, signature), true);
    }
    let results: Vec<Value> = one.results.iter().map(|destination| of_destination(one, destination)).collect();
    put(&mut map, "results", results, !one.results.is_empty());
    map
}

fn of_signature(one: &Trigger, signature: &Signature) -> Value {
    let mut map = Map::new();
    put(&mut map, "scheme", word(&result::SCHEMES, &signature.scheme()), true);
    put(&mut map, "key", reference(&format!("trigger.{}.signature", one.id)), !signature.key_sealed.is_empty());
    put_text(&mut map, "publicKey", &signature.public_key);
    put(&mut map, "tolerance", lasting(Duration::from_millis(signature.tolerance_ms)), signature.tolerance_ms > 0);
    map.into()
}

fn of_destination(one: &Trigger, destination: &Destination) -> Value {
    let mut map = Map::new();
    put(&mut map, "id", destination.id.clone(), true);
    match &destination.to {
        Some(To::Webhook(webhook)) => {
            let key = reference(&format!("trigger.{}.result.{}", one.id, destination.id));
            put(&mut map, "webhook", json!({ "url": webhook.url, "key": key }), true);
        }
        Some(To::Subject(subject)) => put(&mut map, "subject", subject.clone(), true),
        None => {}
    }
    put(&mut map, "statuses", destination.statuses.clone(), !destination.statuses.is_empty());
    put(&mut map, "disabled", true, destination.disabled);
    map.into()
}

fn of_limits(limits: &Limits) -> Value {
    let mut map = Map::new();
    put(&mut map, "turns", limits.turns, limits.turns > 0);
    for (name, budget) in
        [("turn", &limits.turn), ("day", &limits.day), ("sessionDay", &limits.session_day), ("contactDay", &limits.contact_day)]
    {
        let told = budget.as_ref().map(of_budget).unwrap_or_default();
        put(&mut map, name, told.clone(), !told.is_empty());
    }
    map.into()
}

fn of_budget(budget: &Budget) -> Map<String, Value> {
    let mut map = Map::new();
    for (name, count) in [("modelCalls", budget.model_calls), ("abilityCalls", budget.ability_calls), ("tokens", budget.tokens)] {
        put(&mut map, name, count, count > 0);
    }
    put(&mut map, "time", lasting(Duration::from_millis(budget.time_ms)), budget.time_ms > 0);
    #[expect(clippy::cast_precision_loss, reason = "a file says US dollars, and read back they are the same millionths")]
    let usd = budget.cost_micro_usd as f64 / 1e6;
    put(&mut map, "costUsd", usd, budget.cost_micro_usd > 0);
    map
}

/// What a definition says besides what all resources have.
fn defined(definition: &str, without: &[&str]) -> Map<String, Value> {
    let mut map: Map<String, Value> = serde_json::from_str(definition).unwrap_or_default();
    map.retain(|name, _| !without.contains(&name.as_str()));
    map
}

fn of_bot(one: &Bot) -> Map<String, Value> {
    let mut map = defined(&one.definition, &[]);
    map.extend(begin(one.id.as_str(), &one.name, &one.common));
    put_text(&mut map, "description", &one.description);
    put_text(&mut map, "kind", &one.kind);
    put(&mut map, "state", word(&notes::STATES, &one.state), one.state != State::Active);
    map
}

fn of_skillset(one: &Skillset) -> Map<String, Value> {
    let mut map = defined(&one.definition, &["name", "description"]);
    map.extend(begin(one.id.as_str(), &one.name, &one.common));
    put_text(&mut map, "description", &one.description);
    put(&mut map, "disabled", true, one.disabled);
    map
}

fn of_secret(one: &Secret) -> Map<String, Value> {
    let mut map = begin(one.id.as_str(), &one.name, &one.common);
    put_text(&mut map, "description", &one.description);
    put(&mut map, "kind", one.kind.clone(), one.kind != "shared" && !one.kind.is_empty());
    put(&mut map, "type", one.form.clone(), one.form != "plain" && !one.form.is_empty());
    put(&mut map, "value", reference(&format!("secret.{}", one.id)), !one.sealed.is_empty());
    let config: Value = serde_json::from_str(&one.config).unwrap_or_default();
    put(&mut map, "config", config.clone(), !config.is_null());
    map
}
