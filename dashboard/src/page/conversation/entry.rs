//! A conversation's messages as entries of a timeline: a call and what came of it are one.

use std::collections::HashMap;

use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::took::tokens;
use crate::frame;
use crate::markdown;
use crate::part::code;
use crate::part::{badge, deed, number};
use crate::path;
use crate::visit::Visit;

/// Longest text of a call that is shown at once, in characters.
const SHOWN_CHARS_MAX: usize = 20_000;

/// A message of the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    id: String,
    r#type: String,
    text: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    meta: Value,
    created_at: i64,
    updated_at: i64,
}

/// Where a call was made: its event, and its number in there.
type Place = (String, String);

fn of<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// A part of a value; null where there is none.
fn part<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

impl Message {
    /// The event that it came of.
    pub(super) fn event(&self) -> &str {
        of(&self.meta, "/event")
    }

    /// What its turn took, model by model, where it ended here.
    pub(super) fn usage(&self) -> impl Iterator<Item = &Value> {
        self.meta.get("usage").and_then(Value::as_array).into_iter().flatten()
    }

    /// The session that its event named, in the words of its caller.
    pub(super) fn session(&self) -> Option<&str> {
        Some(of(&self.meta, "/session")).filter(|session| !session.is_empty())
    }

    /// The trace that its event belongs to, where its caller began one.
    pub(super) fn trace(&self) -> Option<&str> {
        Some(of(&self.meta, "/traceId")).filter(|id| !id.is_empty())
    }

    /// Whom its event named, where it named somebody.
    pub(super) fn contact(&self) -> Option<&str> {
        let contact = self.meta.get("contact")?;
        ["/name", "/email", "/phone"].into_iter().map(|name| of(contact, name)).find(|text| !text.is_empty())
    }

    fn call(&self, kind: &str) -> Option<Place> {
        (of(&self.meta, "/activity/type") == kind).then(|| (self.event().to_owned(), of(&self.meta, "/activity/call").to_owned()))
    }

    /// Whether a turn stopped here to wait.
    pub(super) fn is_wait(&self) -> bool {
        self.meta.get("waiting").is_some()
    }
}

/// All entries, oldest first. `waiting` is the event whose turn waits, if one does.
pub(super) fn timeline(visit: &Visit, conversation: &str, messages: &[Message], waiting: Option<&str>) -> Markup {
    let ends: HashMap<Place, &Message> = messages.iter().filter_map(|one| Some((one.call("response")?, one))).collect();
    let answered: HashMap<Place, &Message> = messages
        .iter()
        .filter_map(|one| one.meta.get("answer").map(|answer| ((one.event().to_owned(), of(answer, "/call").to_owned()), one)))
        .collect();
    let before = std::iter::once(None).chain(messages.iter().map(Some));
    html! {
        ol.timeline data-region="timeline" data-keyed {
            @for (before, message) in before.zip(messages) {
                @let is_other_half = message.call("response").is_some() || message.is_wait();
                @if let Some(call) = message.call("request") {
                    @let answer = answered.get(&call).copied();
                    @let open = waiting.is_some_and(|event| event == call.0) && answer.is_none();
                    (shell(visit, message, "activity", &acted(visit, message, (ends.get(&call).copied(), open))))
                } @else if !is_other_half {
                    @let is_first = before.is_none_or(|before| before.event() != message.event());
                    (said(visit, conversation, message, is_first.then(|| message.event())))
                }
            }
        }
    }
}

fn shell(visit: &Visit, message: &Message, class: &str, what: &Markup) -> Markup {
    html! {
        li.entry.(class) id={ "m-" (message.id) } {
            div.when { (visit.zone.time(message.created_at)) }
            div.what { (what) }
        }
    }
}

fn said(visit: &Visit, conversation: &str, message: &Message, event: Option<&str>) -> Markup {
    let (class, who) = match message.r#type.as_str() {
        "user" => ("user", "User"),
        "bot" => ("bot", "Bot"),
        "reasoning" => ("reasoning", "Reasoning"),
        "context" => ("context", "Context"),
        "instruction" => ("context", "Instruction"),
        "backstory" => ("context", "Backstory"),
        "checkpoint" => ("context", "Summary"),
        _ if message.meta.get("failure").is_some() => ("bad", "Failed"),
        _ if message.meta.get("cancelled").is_some() => ("bad", "Cancelled"),
        _ if message.meta.get("answer").is_some() => ("wait", "Answer"),
        _ => ("activity", "Activity"),
    };
    let who = if message.name.is_empty() { who } else { &message.name };
    let what = html! {
        div.who id=[event] {
            (who)
            @if message.updated_at > message.created_at { span.muted { "edited" } }
            (about(message))
        }
        @match class {
            "reasoning" => details { summary { "What the model thought" } (markdown::show(&message.text)) },
            "user" | "bot" | "context" => (markdown::show(&message.text)),
            _ => p { (message.text) },
        }
        (beside(message))
        @if visit.operates() && matches!(class, "user" | "bot") { (deeds(visit, conversation, message)) }
    };
    shell(visit, message, class, &what)
}

/// What can be done with a message: its event sent again, and the conversation begun anew from here.
fn deeds(visit: &Visit, conversation: &str, message: &Message) -> Markup {
    let event = message.event();
    // What the API itself said is no event of a trigger, which could be sent again.
    let is_event = message.r#type == "user" && event.starts_with("evt.") && !event.starts_with("evt._api.");
    html! {
        details {
            summary { @if is_event { "Event" } @else { "Message" } }
            @if is_event { p.hint { code.id { (event) } } }
            div.deeds {
                @if is_event { (deed::button(visit, &format!("/ui/events/{}/rerun", path::part(event)), "Run again", &[])) }
                (deed::button(visit, &format!("{}/fork", super::address(conversation)), "Fork from here", &[("message", &message.id)]))
            }
        }
    }
}

/// What a message says of itself, in a few words.
fn about(message: &Message) -> Markup {
    let meta = &message.meta;
    let used = meta.get("usage").and_then(Value::as_array);
    html! {
        @if let Some(failure) = meta.get("failure") {
            span.muted { (of(failure, "/code")) }
            @if failure.get("attempts").and_then(Value::as_u64).is_some_and(|attempts| attempts > 1) { span.muted { "after " (part(failure, "attempts")) " attempts" } }
            @if failure.get("dead").and_then(Value::as_bool) == Some(true) { a href="/ui/dead" { "dead letter" } }
        }
        @if !of(meta, "/by").is_empty() { span.muted { "by " (of(meta, "/by")) } }
        @if let Some(answer) = meta.get("answer") {
            span.muted { (of(answer, "/type")) @if !of(answer, "/by").is_empty() { " by " (of(answer, "/by")) } }
        }
        @if let Some(used) = used {
            @let tokens: u64 = used.iter().map(tokens).sum();
            @let cost: u64 = used.iter().filter_map(|one| one.get("costMicroUsd")?.as_u64()).sum();
            span.muted { (number::count(tokens)) " tokens" @if cost > 0 { ", " (number::cost(cost)) } }
            @for one in used { span.muted { (of(one, "/model")) } }
        }
        @if meta.get("truncated").is_some() { (badge::toned(badge::Tone::Wait, "cut short")) }
    }
}

/// What came with the words: data, and who sent it.
fn beside(message: &Message) -> Markup {
    let payload = message.meta.get("payload").filter(|payload| payload.as_str() != Some(&message.text));
    let contact = message.meta.get("contact");
    html! {
        @if let Some(contact) = contact { p.hint { "From " @for name in ["/name", "/email", "/phone"] { @if !of(contact, name).is_empty() { (of(contact, name)) " " } } } }
        @if let Some(payload) = payload { details { summary { "Payload" } (machine("Payload", payload)) } }
    }
}

/// A call of an ability, with what came of it.
fn acted(visit: &Visit, request: &Message, (end, is_open): (Option<&Message>, bool)) -> Markup {
    let activity = part(&request.meta, "activity");
    let name = of(activity, "/function/name");
    let outcome = end.map(|end| part(&end.meta, "activity"));
    let duration = outcome.and_then(|outcome| outcome.get("durationMs")?.as_u64());
    html! {
        div.who {
            code { (name) }
            @match outcome.map(|outcome| part(outcome, "function")) {
                Some(function) if function.get("inDoubt").is_some() => (badge::toned(badge::Tone::Wait, "in doubt")),
                Some(function) if function.get("error").is_some() => (badge::toned(badge::Tone::Bad, "error")),
                Some(_) => (badge::toned(badge::Tone::Good, "done")),
                None if is_open && activity.get("waits").is_some() => (badge::toned(badge::Tone::Wait, "waiting")),
                None if activity.get("waits").is_some() => (badge::toned(badge::Tone::Calm, "asked")),
                None => (badge::toned(badge::Tone::Busy, "running")),
            }
            @if let Some(ms) = duration { span.muted { (number::duration(ms)) } }
        }
        @if let (Some(waits), true) = (activity.get("waits"), is_open) { (asked(visit, request, waits)) }
        details open[is_open] { summary { "Arguments" } (machine("Arguments", part(part(activity, "function"), "arguments"))) }
        @if let Some(function) = outcome.map(|outcome| part(outcome, "function")) {
            @if let Some(result) = function.get("result") { details { summary { "Result" } (machine("Result", result)) } }
            @if let Some(error) = function.get("error") { p.fault { (error.as_str().unwrap_or_default()) } }
            @if function.get("inDoubt").is_some() { p.hint { "A crash hid whether this was done. It was not repeated." } }
        }
    }
}

/// What somebody is asked, and the form that answers.
fn asked(visit: &Visit, request: &Message, waits: &Value) -> Markup {
    let action = format!("/ui/events/{}/answer", path::part(request.event()));
    let call = of(&request.meta, "/activity/call");
    let is_approval = of(waits, "/for") == "approval";
    html! {
        @if !of(waits, "/question").is_empty() { p { (of(waits, "/question")) } }
        @if let Some(until) = waits.get("until").and_then(Value::as_i64).filter(|until| *until > 0) { p.hint { "Until " (visit.zone.time(until)) } }
        @if visit.operates() {
            form.stack method="post" action=(action) {
                (frame::word(visit))
                input type="hidden" name="call" value=(call);
                @let (id, label) = if is_approval { ("reason", "Reason") } else { ("text", "Answer") };
                div.field { label for={ (id) "-" (call) } { (label) } input id={ (id) "-" (call) } name=(id) type="text" autocomplete="off"; }
                div.deeds {
                    @if is_approval { button.primary type="submit" name="decision" value="approve" { "Approve" } }
                    @else { button.primary type="submit" name="decision" value="answer" { "Answer" } }
                    button.danger type="submit" name="decision" value="reject" { "Reject" }
                }
            }
        } @else { p.hint { "A token of scope operate may answer." } }
    }
}

/// A value as machines write it.
fn machine(name: &str, value: &Value) -> Markup {
    let text = code::text(value);
    let is_whole = text.len() <= SHOWN_CHARS_MAX;
    let shown: String = if is_whole { text } else { text.chars().take(SHOWN_CHARS_MAX).collect() };
    html! { pre.wrap tabindex="0" aria-label=(name) { code { (shown) } @if !is_whole { "… (cut here; the API has all of it)" } } }
}
