//! Approvals: calls of abilities that wait for somebody.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};

use super::conversation;
use crate::api::Failure;
use crate::frame::{self, Page};
use crate::page::list::{self, List};
use crate::part::code;
use crate::part::filter::{self, Condition};
use crate::part::{badge, empty, facts, pager};
use crate::ui::Ui;
use crate::visit::{self, Visit, deed as done, page};
use crate::{live, path};

/// The routes of the group.
pub(super) fn routes() -> Router<Arc<Ui>> {
    Router::new().route("/ui/approvals", page(list)).route("/ui/approvals/{id}", done(decide))
}

/// A call that waits.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Approval {
    id: String,
    r#type: String,
    ability: String,
    #[serde(default)]
    arguments: Value,
    question: String,
    event_id: String,
    #[serde(default)]
    trigger_id: String,
    conversation_id: String,
    #[serde(default)]
    bot_id: Option<String>,
    expires_at: i64,
    created_at: i64,
}

async fn list(visit: Arc<Visit>) -> Result<Response, Failure> {
    Ok(shown(&visit, None).await?.answer(&visit))
}

async fn shown(visit: &Visit, failure: Option<&Failure>) -> Result<Page, Failure> {
    let take = pager::ROWS.to_string();
    let (trigger, bot, cursor) = (visit.asked("triggerId"), visit.asked("botId"), visit.asked("cursor"));
    let query = [("take", take.as_str()), ("cursor", cursor), ("triggerId", trigger), ("botId", bot)];
    let List::<Approval> { items, cursor } = visit.get(&path::with("/approval/list", &query)).await?;
    let named = |ids: Vec<String>| ids.into_iter().map(|id| (id.clone(), id)).collect();
    let triggers = named(list::triggers(visit).await);
    let conditions = [
        Condition::One { name: "triggerId", label: "Trigger", options: triggers },
        Condition::One { name: "botId", label: "Bot", options: named(list::names(visit, "/bot/list").await) },
    ];
    let is_narrowed = !trigger.is_empty() || !bot.is_empty();
    let body = html! {
        @if let Some(failure) = failure { p.fault role="alert" { (failure.message) } }
        (filter::form(visit, &conditions))
        div.stack.form #rows data-region="approvals" data-keyed {
            @if items.is_empty() && is_narrowed {
                div #none { (empty::tell("Nothing matches", &html! { a href="/ui/approvals" { "Show all that wait" } })) }
            } @else if items.is_empty() {
                div #none { (empty::tell("Nothing waits for you", &html! { "When a bot wants to use an ability that somebody has to let through, it is asked for here." })) }
            }
            @for one in &items { (card(visit, one)) }
        }
        (pager::more(visit, pager::next(items.len(), cursor.as_deref())))
    };
    Ok(Page::new("Approvals", body).live(live::APPROVALS))
}

fn card(visit: &Visit, one: &Approval) -> Markup {
    let bot = one.bot_id.as_deref().unwrap_or_default();
    let is_approval = one.r#type == "approval";
    let question = if one.question.is_empty() { format!("May {} run?", one.ability) } else { one.question.clone() };
    let conversation = conversation::address_at(&one.conversation_id, &one.event_id);
    let arguments = code::text(&one.arguments);
    html! {
        section.card id={ "approval-" (one.id) } {
            header { h2 { (question) } (badge::toned(badge::Tone::Wait, if is_approval { "asks for a yes" } else { "asks for words" })) }
            dl.facts.wide {
                (fact("Ability", &html! { code { (one.ability) } }))
                @if let Some(trigger) = facts::link(&format!("/ui/triggers/{}", path::part(&one.trigger_id)), &one.trigger_id) { (fact("Trigger", &trigger)) }
                @if let Some(bot) = facts::link(&format!("/ui/bots/{}", path::part(bot)), bot) { (fact("Bot", &bot)) }
                (fact("Conversation", &html! { a href=(conversation) { "What was said before" } }))
                (fact("Since", &visit.zone.time(one.created_at)))
                (fact("Until", &visit.zone.time(one.expires_at)))
            }
            @if !arguments.is_empty() && arguments != "null" { details open { summary { "Arguments" } pre.wrap tabindex="0" aria-label={ "Arguments of " (one.ability) } { code { (arguments) } } } }
            @if !visit.operates() { p.hint { "A token of scope operate may answer." } }
            @else if is_approval { (decision(visit, one)) }
            @else { p.foot { a.button.primary href=(conversation) { "Answer in the conversation" } } }
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn decision(visit: &Visit, one: &Approval) -> Markup {
    let reason = format!("reason-{}", one.id);
    html! {
        form.decision method="post" action={ "/ui/approvals/" (path::part(&one.id)) } {
            (frame::word(visit))
            div.field { label for=(reason) { "Reason" } input id=(reason) name="reason" type="text" autocomplete="off"; }
            button.primary type="submit" name="decision" value="approve" { "Approve" }
            button.danger type="submit" name="decision" value="reject" { "Reject" }
        }
    }
}

async fn decide(visit: Arc<Visit>) -> Result<Response, Failure> {
    let verb = if visit.form.word("decision") == "approve" { "approve" } else { "reject" };
    let reason = visit.form.text("reason");
    let path = format!("/approval/{}/{verb}", path::part(visit.place("id")));
    match visit.act(&path, &json!({ "reason": reason })).await {
        Ok(()) => Ok(visit::back("/ui/approvals", &[("note", "decided")])),
        Err(failure) => Ok(shown(&visit, Some(&failure)).await?.refused(failure.status).answer(&visit)),
    }
}
