//! The audit log: who was asked to do what.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::Failure;
use crate::frame::Page;
use crate::page::list::List;
use crate::part::badge::{self, Tone};
use crate::part::filter::{self, Condition};
use crate::part::{empty, pager, table};
use crate::path;
use crate::ui::Ui;
use crate::visit::{Visit, page};

/// How much of a digest is shown, in characters; all of it where it is pointed at.
const DIGEST_CHARS: usize = 8;

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new().route("/ui/audit", page(list))
}

/// Whoever asked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Who {
    r#type: String,
    id: String,
    name: String,
    trigger: String,
}

/// An entry.
#[derive(Debug, Deserialize)]
struct Entry {
    id: String,
    at: i64,
    who: Who,
    action: String,
    key: String,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    after: Option<String>,
    outcome: String,
    #[serde(default)]
    of: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    let take = pager::ROWS.to_string();
    let (from, to) = (moment(&visit, "from", false)?, moment(&visit, "to", true)?);
    let narrowed = ["who", "action", "key"].map(|name| (name, visit.asked(name)));
    let mut query = vec![("take", take.as_str()), ("cursor", visit.asked("cursor")), ("from", &from), ("to", &to)];
    query.extend(narrowed);
    let is_narrowed = query.iter().skip(2).any(|(_, value)| !value.is_empty());
    let listed: Result<List<Entry>, Failure> = visit.get(&path::with("/audit/list", &query)).await;
    let (items, cursor) = match listed {
        Ok(List { items, cursor }) => (items, cursor),
        // None among so many: the refusal names the place to go on from.
        Err(failure) => match further(&failure) {
            Some(cursor) => return Ok(nothing_yet(&visit, &query, cursor).answer(&visit)),
            None => return Err(failure),
        },
    };
    let rows: Vec<table::Row> = items.iter().map(|entry| (entry.id.clone(), row(&visit, entry))).collect();
    let body = html! {
        (filter::form(&visit, &conditions()))
        @if rows.is_empty() && visit.asked("cursor").is_empty() {
            @if is_narrowed { (empty::tell("Nothing matches", &html! { a href="/ui/audit" { "Show all entries" } })) }
            @else { (empty::tell("Nothing is on record yet", &html! { "Every change stands here before it is done." })) }
        } @else {
            (table::show("Audit log", &["When", "Who", "Action", "Key", "Outcome", "Before", "After"], &rows))
        }
        (pager::more(&visit, pager::next(items.len(), cursor.as_deref())))
        p.hint { br; "What has begun was done, unless a later entry says that it failed. Before and after are digests of what was stored, never the values." }
    };
    Ok(Page::new("Audit log", body).answer(&visit))
}

fn conditions() -> [Condition<'static>; 5] {
    [
        Condition::Text { name: "who", label: "Who: token or trigger" },
        Condition::Text { name: "action", label: "Action, such as bot.update" },
        Condition::Text { name: "key", label: "Key" },
        Condition::Day { name: "from", label: "From" },
        Condition::Day { name: "to", label: "to" },
    ]
}

/// When a day begins, or ends, in milliseconds; nothing where none is asked for.
fn moment(visit: &Visit, name: &str, is_end: bool) -> Result<String, Failure> {
    let word = visit.asked(name);
    if word.is_empty() {
        return Ok(String::new());
    }
    let wrong = || Failure::field(name, format!("{name} must be a day, such as 2026-01-31"));
    let day: jiff::civil::Date = word.parse().map_err(|_| wrong())?;
    let day = if is_end { day.tomorrow().map_err(|_| wrong())? } else { day };
    visit.zone.begin_of(day).map(|at| at.to_string()).ok_or_else(wrong)
}

/// Where a refusal says to go on.
fn further(failure: &Failure) -> Option<&str> {
    let is_about_it = failure.field.as_deref() == Some("cursor");
    failure.message.rsplit_once("cursor=").filter(|_| is_about_it).map(|(_, cursor)| cursor)
}

fn nothing_yet(visit: &Visit, query: &[(&str, &str)], cursor: &str) -> Page {
    let kept = query.iter().filter(|(name, _)| matches!(*name, "who" | "action" | "key")).copied();
    let days = ["from", "to"].map(|name| (name, visit.asked(name)));
    let next: Vec<(&str, &str)> = kept.chain(days).chain([("cursor", cursor)]).collect();
    let body = html! {
        (filter::form(visit, &conditions()))
        (empty::tell("None of the newest 100,000 entries matches", &html! { a href=(path::with("/ui/audit", &next)) { "Look through earlier ones" } }))
    };
    Page::new("Audit log", body)
}

fn row(visit: &Visit, entry: &Entry) -> Vec<Markup> {
    vec![
        visit.zone.time(entry.at),
        who(&entry.who),
        html! { code.nowrap { (entry.action) } },
        html! { @if let Some(page) = place(&entry.key) { a.id href=(page) { (entry.key) } } @else { span.id { (entry.key) } } },
        html! {
            div {
                @if entry.outcome == "failed" { (badge::toned(Tone::Bad, "failed")) } @else { (badge::toned(Tone::Calm, &entry.outcome)) }
                @if let Some(of) = entry.of { " " span.muted { "of entry " (of) } }
                @if let Some(reason) = &entry.reason { p.muted { (reason) } }
            }
        },
        digest(entry.before.as_deref()),
        digest(entry.after.as_deref()),
    ]
}

fn who(who: &Who) -> Markup {
    html! {
        @match who.r#type.as_str() {
            "token" => a href={ "/ui/tokens/" (path::part(&who.id)) } title=(who.id) { @if who.name.is_empty() { (who.id) } @else { (who.name) } },
            "secret" => span { "secret of " a href={ "/ui/triggers/" (path::part(&who.trigger)) } { (who.trigger) } },
            "signature" => span { "signed, to " a href={ "/ui/triggers/" (path::part(&who.trigger)) } { (who.trigger) } },
            "config" => "the configured token",
            other => (other),
        }
    }
}

/// The page of what something was done to.
fn place(key: &str) -> Option<String> {
    let (kind, id) = key.split_once('.')?;
    let id = id.split('/').next().filter(|id| !id.is_empty())?;
    let group = match kind {
        "trigger" => "triggers",
        "bot" => "bots",
        "skillset" => "skillsets",
        "contact" => "contacts",
        "secret" => "secrets",
        "token" => "tokens",
        "dead" => "dead",
        "event" => "events",
        "conversation" => "conversations",
        _ => return None,
    };
    Some(format!("/ui/{group}/{}", path::part(id)))
}

fn digest(digest: Option<&str>) -> Markup {
    html! {
        @if let Some(digest) = digest { code.nowrap title=(digest) { (digest.get(..DIGEST_CHARS).unwrap_or(digest)) @if digest.len() > DIGEST_CHARS { "…" } } }
        @else { span.muted { "–" } }
    }
}

#[cfg(test)]
mod tests {
    use super::{digest, further, place};
    use crate::api::Failure;

    #[test]
    fn what_something_was_done_to_has_its_page() {
        for (key, expected) in [
            ("trigger.orders", Some("/ui/triggers/orders")),
            ("trigger.orders/results/crm", Some("/ui/triggers/orders")),
            ("event.evt.orders.s.e.7", Some("/ui/events/evt.orders.s.e.7")),
            ("deployment.key", None),
            ("trigger.", None),
            ("platform", None),
        ] {
            assert_eq!(place(key).as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn a_refusal_says_where_to_go_on() {
        let failure = Failure::field("cursor", "none of 100000 entries fits: go on with cursor=17");
        assert_eq!(further(&failure), Some("17"));
        assert_eq!(further(&Failure::field("from", "cursor=17")), None);
    }

    #[test]
    fn a_digest_is_short_and_whole_where_it_is_pointed_at() {
        assert_eq!(digest(Some("0123456789abcdef")).into_string(), "<code class=\"nowrap\" title=\"0123456789abcdef\">01234567…</code>");
    }
}
