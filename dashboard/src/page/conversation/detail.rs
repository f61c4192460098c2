//! One conversation: its timeline, what is known of it, and what can be done.

use std::sync::Arc;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::entry::{self, Message};
use super::took::Took;
use super::{Conversation, DIRECT, act, address, ahead, call};
use crate::api::Failure;
use crate::frame::{self, Page};
use crate::page::list::List;
use crate::part::{badge, code, deed, empty, facts, number};
use crate::visit::{self, Visit};
use crate::{live, path};

/// How many messages a page shows; earlier ones are a page further.
const MESSAGES: usize = 200;

fn of(id: &str, verb: &str) -> String {
    format!("/conversation/{}/{verb}", path::part(id))
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    let take = MESSAGES.to_string();
    let query = [("take", take.as_str()), ("order", "desc"), ("cursor", visit.asked("before"))];
    let conversation: Conversation = visit.get(&of(id, "fetch")).await?;
    let List::<Message> { mut items, cursor } = visit.get(&path::with(&of(id, "message/list"), &query)).await?;
    items.reverse();
    let earlier = cursor.filter(|_| items.len() >= MESSAGES);
    let last = items.last().map(|message| message.event().to_owned());
    let named = items.iter().find_map(Message::session);
    let is_newest = visit.asked("before").is_empty();
    let ahead = if is_newest { ahead::of(&visit, Conversation::place(id)).await } else { Vec::new() };
    let mut status = status(&visit, &conversation, last.as_deref()).await;
    let mut open = last.as_deref();
    if let (Some(next), false) = (ahead.first(), matches!(status.as_str(), "running" | "waiting")) {
        (status, open) = ("queued".to_owned(), Some(next.id.as_str()));
    }
    let waiting = (status == "waiting").then_some(last.as_deref()).flatten();
    let body = html! {
        div.columns {
            div {
                @if let Some(earlier) = &earlier { p.more { a.button href=(path::with(&address(id), &[("before", earlier)])) { "Show earlier" } } br; }
                @if items.is_empty() { (empty::tell("Nothing was said yet", &html! { "What is said and done appears here by itself." })) }
                (entry::timeline(&visit, id, &items, waiting))
                (ahead::show(&visit, id, &ahead))
                p.live-text #live-text aria-live="polite" {}
            }
            aside.stack {
                div data-region="about" { (about(&visit, &conversation, (&items, earlier.is_none()))) }
                @if visit.operates() && Conversation::place(id).0 == DIRECT { (say_form(&visit, id)) }
            }
        }
    };
    let mut page = Page::new(conversation.title(named), body).below("Conversations", "/ui/conversations");
    page = page.beside(html! { span data-region="status" { @if !status.is_empty() { (badge::status(&status)) } } });
    page = page.actions(html! { div.actions data-region="deeds" { (deeds(&visit, id, (&status, open))) } });
    if is_newest {
        page = page.live(live::of_conversation(id));
    }
    Ok(page.answer(&visit))
}

/// How its last event stands; the event itself knows best, and the index before it is there.
async fn status(visit: &Visit, conversation: &Conversation, last: Option<&str>) -> String {
    if let Some(path) = last.and_then(|event| call(event, "fetch").ok())
        && let Ok(told) = visit.get::<Value>(&path).await
        && let Some(status) = told.get("status").and_then(Value::as_str)
    {
        return status.to_owned();
    }
    conversation.status.clone().unwrap_or_default()
}

fn deeds(visit: &Visit, id: &str, (status, last): (&str, Option<&str>)) -> Markup {
    let home = address(id);
    html! {
        @if visit.operates() {
            @if let (Some(event), "queued" | "running" | "waiting") = (last, status) {
                (deed::button(visit, &format!("/ui/events/{}/cancel", path::part(event)), "Cancel turn", &[("conversation", id)]))
            }
            (deed::button(visit, &format!("{home}/fork"), "Fork", &[]))
            (deed::confirmed(visit, &format!("{home}/delete"), "Delete", "Everything that was said is deleted for good; that there was a conversation stays on record.", &[]))
        }
    }
}

fn about(visit: &Visit, one: &Conversation, (messages, is_whole): (&[Message], bool)) -> Markup {
    let (trigger, session) = Conversation::place(&one.id);
    let took = Took::of(messages);
    let bot = one.bot_id.as_deref().unwrap_or_default();
    let contact = one.contact_id.as_deref().unwrap_or_default();
    let named = messages.iter().find_map(Message::contact).unwrap_or(contact);
    let contact =
        if contact.is_empty() { facts::text(named) } else { facts::link(&format!("/ui/contacts/{}", path::part(contact)), named) };
    let models: Vec<&str> = took.models.iter().map(String::as_str).collect();
    html! {
        section.card {
            h2 { "About" }
            (facts::list(vec![
                ("Trigger", if trigger == DIRECT { Some(html! { "begun by the API" }) } else { facts::link(&format!("/ui/triggers/{}", path::part(trigger)), trigger) }),
                ("Bot", facts::link(&format!("/ui/bots/{}", path::part(bot)), bot)),
                ("Contact", contact),
                ("Session", messages.iter().find_map(Message::session).and_then(facts::text)),
                ("Session token", Some(code::id(session))),
                ("Began", Some(visit.zone.time(one.created_at))),
                ("Last change", Some(visit.zone.time(one.updated_at))),
                (if is_whole { "Turns" } else { "Turns shown" }, Some(html! { (took.turns) })),
                (if is_whole { "Tokens" } else { "Tokens of these" }, (took.tokens > 0).then(|| html! { (number::count(took.tokens)) })),
                ("Cost", (took.cost_micro_usd > 0).then(|| html! { (number::cost(took.cost_micro_usd)) })),
                ("Trace", messages.iter().rev().find_map(Message::trace).map(|id| trace(visit, id))),
                ("Models", facts::text(&models.join(", "))),
                ("Id", Some(code::id(&one.id))),
            ]))
        }
    }
}

/// A trace, linked where the operator says where traces are looked at.
fn trace(visit: &Visit, id: &str) -> Markup {
    match &visit.ui.trace_url {
        Some(url) => html! { a href=(url.replace("{traceId}", &path::part(id))) rel="noopener noreferrer" { code.id { (id) } } },
        None => code::id(id),
    }
}

/// The form by which somebody says something themselves.
fn say_form(visit: &Visit, id: &str) -> Markup {
    html! {
        section.card {
            h2 { "Say something" }
            form method="post" action={ (address(id)) "/say" } {
                (frame::word(visit))
                div.field { label for="text" { "Text" } textarea #text name="text" rows="3" required {} }
                button.primary type="submit" { "Send" }
            }
        }
    }
}

/// Says something, and has the bot answer in the background.
pub(super) async fn say(visit: Arc<Visit>) -> Result<Response, Failure> {
    let id = visit.place("id");
    let body = json!({ "text": visit.form.text("text") });
    visit.act(&of(id, "dispatch"), &body).await?;
    Ok(visit::back(&address(id), &[("note", "sent")]))
}

/// Begins another conversation with what was said in this one, up to a message where one is named.
pub(super) async fn fork(visit: Arc<Visit>) -> Result<Response, Failure> {
    let message = visit.form.word("message");
    let body = if message.is_empty() { json!({}) } else { json!({ "messageId": message }) };
    let made: Value = visit.post(&of(visit.place("id"), "fork"), &body).await?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default();
    Ok(visit::back(&address(id), &[("note", "made")]))
}

pub(super) async fn delete(visit: Arc<Visit>) -> Result<Response, Failure> {
    visit.act(&of(visit.place("id"), "delete"), &json!({})).await?;
    Ok(visit::back("/ui/conversations", &[("note", "gone")]))
}

/// Calls a turn off.
pub(super) async fn cancel(visit: Arc<Visit>) -> Result<Response, Failure> {
    drop(act(&visit, "cancel").await?);
    let (receipt, conversation) = (visit.place("receipt"), visit.form.word("conversation"));
    let page = if conversation.is_empty() { format!("/ui/events/{}", path::part(receipt)) } else { address(conversation) };
    Ok(visit::back(&page, &[("note", "cancelled")]))
}

/// Sends an event again, as a new one.
pub(super) async fn rerun(visit: Arc<Visit>) -> Result<Response, Failure> {
    let sent = act(&visit, "rerun").await?;
    let receipt = sent.get("id").and_then(Value::as_str).unwrap_or_default();
    Ok(visit::see(&format!("/ui/events/{}", path::part(receipt))))
}

/// Answers what a turn waits for.
pub(super) async fn answer(visit: Arc<Visit>) -> Result<Response, Failure> {
    let form = &visit.form;
    let body = match form.word("decision") {
        "answer" => json!({ "call": form.word("call"), "text": form.text("text") }),
        decision => json!({ "call": form.word("call"), "approve": decision == "approve", "reason": form.text("reason") }),
    };
    let told: Value = visit.post(&call(visit.place("receipt"), "answer")?, &body).await?;
    let receipt = told.get("id").and_then(Value::as_str).unwrap_or_else(|| visit.place("receipt"));
    Ok(visit::see(&format!("/ui/events/{}", path::part(receipt))))
}
