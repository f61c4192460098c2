//! What templates see.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Value;
use proto::message::Message;
use proto::wire::Contact;
use serde_json::Value as Json;

use super::condition::Captures;
use crate::bot::Turn;

/// What a call came to: its result, or the error.
pub(super) type End = Result<Json, String>;

/// An event, its payload parsed once and only if asked for.
pub(super) struct Event<'a> {
    turn: &'a Turn<'a>,
    payload: OnceCell<Json>,
}

/// What templates see.
pub(super) struct Scope<'a> {
    event: &'a Event<'a>,
    /// What the rule's patterns captured.
    pub(super) captures: Captures,
    /// What the calls so far came to, by name.
    pub(super) ends: Vec<(&'a str, End)>,
}

impl<'a> Event<'a> {
    /// The event of a turn.
    pub(super) fn new(turn: &'a Turn<'a>) -> Self {
        Self { turn, payload: OnceCell::new() }
    }

    /// The words.
    pub(super) fn text(&self) -> &'a str {
        &self.turn.input.text
    }

    /// The body as JSON; a string where it is not JSON, null where there is none.
    pub(super) fn payload(&self) -> &Json {
        self.payload.get_or_init(|| {
            let bytes = &self.turn.input.payload;
            if bytes.is_empty() {
                return Json::Null;
            }
            serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
        })
    }
}

impl<'a> Scope<'a> {
    /// The variables of the language.
    pub(super) const NAMES: [&'static str; 9] =
        ["text", "payload", "captures", "results", "errors", "contact", "session", "turn", "history"];

    /// What templates see of an event alone.
    pub(super) fn new(event: &'a Event<'a>) -> Self {
        Self { event, captures: Captures::new(), ends: Vec::new() }
    }

    /// The values of those variables that a template mentions.
    pub(super) fn context(&self, variables: &BTreeSet<String>) -> Value {
        let known = variables.iter().filter_map(|name| Some((name.clone(), self.variable(name)?)));
        known.collect::<BTreeMap<String, Value>>().into()
    }

    fn variable(&self, name: &str) -> Option<Value> {
        let turn = self.event.turn;
        Some(match name {
            "text" => turn.input.text.as_str().into(),
            "payload" => to_value(self.event.payload()),
            "captures" => self.captures.iter().map(|(name, text)| (name.clone(), text.clone().into())).collect::<Fields>().into(),
            "results" => self.sides(|end| end.as_ref().ok().map(to_value)),
            "errors" => self.sides(|end| end.as_ref().err().map(Value::from)),
            "contact" => contact(turn.input.contact.as_ref()),
            "session" => turn.input.session.as_str().into(),
            "turn" => turn.ordinal.into(),
            "history" => turn.history.iter().map(said).collect::<Vec<_>>().into(),
            _ => return None,
        })
    }

    /// One side of what the calls came to; none stands for the other side.
    fn sides(&self, side: impl Fn(&End) -> Option<Value>) -> Value {
        self.ends.iter().map(|(name, end)| ((*name).to_owned(), side(end).into())).collect::<Fields>().into()
    }
}

type Fields = BTreeMap<String, Value>;

fn contact(contact: Option<&Contact>) -> Value {
    let field = |read: fn(&Contact) -> &String| contact.map(read).filter(|text| !text.is_empty()).map(String::as_str).into();
    let fields: [(&str, Value); 3] =
        [("name", field(|contact| &contact.name)), ("email", field(|contact| &contact.email)), ("phone", field(|contact| &contact.phone))];
    BTreeMap::from(fields).into()
}

fn said(message: &Message) -> Value {
    let fields: [(&str, Value); 2] = [("type", message.kind.as_str().into()), ("text", message.text.as_str().into())];
    BTreeMap::from(fields).into()
}

fn to_value(json: &Json) -> Value {
    match json {
        Json::Null => ().into(),
        Json::Bool(flag) => (*flag).into(),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => number.as_f64().into(),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(to_value).collect::<Vec<_>>().into(),
        Json::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), to_value(value))).collect::<Fields>().into(),
    }
}
