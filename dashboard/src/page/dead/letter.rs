//! One dead letter: why it is here, and its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{Letter, address, call, content, meaning};
use crate::api::Failure;
use crate::frame::Page;
use crate::page::conversation;
use crate::part::{code, deed, facts, number};
use crate::path;
use crate::visit::Visit;

/// A letter with all that was in it.
#[derive(Debug, Deserialize)]
struct Whole {
    #[serde(flatten)]
    letter: Letter,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    data: Option<String>,
}

pub(super) async fn show(visit: Arc<Visit>) -> Result<Response, Failure> {
    let whole: Whole = visit.get(&call(visit.place("id"), "fetch")).await?;
    let Whole { letter, headers, text, data } = &whole;
    let conversation = conversation_of(&visit, letter).await;
    let bytes = text.clone().map(String::into_bytes).or_else(|| STANDARD.decode(data.as_deref()?).ok()).unwrap_or_default();
    let body = html! {
        div.columns {
            div.stack {
                section.card { h2 { "Why it is here" } (why(letter)) }
                section.card { h2 { "What was sent" } (content::show(&bytes)) }
                @if !headers.is_empty() {
                    section.card { h2 { "Headers" } (facts::list(headers.iter().map(|(name, value)| (name.as_str(), Some(html! { code.id { (value) } }))).collect())) }
                }
            }
            aside { section.card { h2 { "About" } (about(&visit, letter, conversation.as_deref())) } }
        }
    };
    let replay = format!("{}/replay", address(&letter.id));
    let actions = html! { @if visit.operates() && letter.r#type != "unknown" { (deed::primary(&visit, &replay, "Replay", &[])) } };
    let page = Page::new(format!("Dead letter {}", letter.id), body).below("Dead letters", "/ui/dead").actions(actions);
    Ok(page.answer(&visit))
}

/// The conversation that the event was in; it may not have come so far.
async fn conversation_of(visit: &Visit, letter: &Letter) -> Option<String> {
    let (event, trigger) = (letter.event_id.as_deref()?, letter.trigger_id.as_deref()?);
    let path = format!("/integration/trigger/{}/event/{}/fetch", path::part(trigger), path::part(event));
    let told: Value = visit.get(&path).await.ok()?;
    told.get("conversationId")?.as_str().map(str::to_owned)
}

fn why(letter: &Letter) -> Markup {
    let meaning = meaning::of(&letter.code);
    let next = match letter.r#type.as_str() {
        "event" => "Replay sends it as a new event of its session; this letter stays.",
        "answer" => "It was an answer to a turn; replay sends it as the answer that it was.",
        _ => "It cannot be replayed: its subject names nothing that it could be sent to.",
    };
    html! {
        @if !letter.reason.is_empty() { p.fault { (letter.reason) } }
        p { code { (letter.code) } @if !meaning.is_empty() { ": " (meaning) } }
        p.hint { "More on that: " code { (meaning::page(&letter.code)) } }
        br;
        p { (next) }
    }
}

fn about(visit: &Visit, letter: &Letter, conversation: Option<&str>) -> Markup {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (trigger, session, event) = (text(&letter.trigger_id), text(&letter.session), text(&letter.event_id));
    let conversation = conversation.map(|id| html! { a href=(conversation::address_at(id, &event)) { "Open the conversation" } });
    facts::list(vec![
        ("Conversation", conversation),
        ("Event", facts::link(&format!("/ui/events/{}", path::part(&event)), &event)),
        ("Trigger", facts::link(&format!("/ui/triggers/{}", path::part(&trigger)), &trigger)),
        ("Session", (!session.is_empty()).then(|| code::id(&session))),
        ("Subject", Some(code::id(&letter.subject))),
        ("Attempts", Some(html! { (letter.attempts) })),
        ("Size", Some(html! { (number::bytes(letter.bytes)) })),
        ("Received", letter.received_at.filter(|at| *at > 0).map(|at| visit.zone.time(at))),
        ("Put aside", Some(visit.zone.time(letter.created_at))),
    ])
}
