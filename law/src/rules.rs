//! Bots of rules: whatever the definition says and the event brings, deciding ends.
//!
//! A definition is refused or makes a bot. That bot decides the same twice, within the bounds of its
//! language, and comes to an end after as many calls as a rule may have.

use bytes::Bytes;
use futures_util::FutureExt as _;
use proto::id::{Epoch, EventSeq};
use proto::limit::{DEFINITION_BYTES_MAX, STEPS_MAX};
use proto::message::{Kind, Message};
use proto::resource;
use proto::wire::outcome::End;
use proto::wire::{Call, Contact, Input, Outcome, Unknown};
use worker::ability::Facts;
use worker::bot::{Bot, Error, Step, Thought, Turn, simple};

use crate::split;

/// Most that one template may yield, in bytes.
const RENDERED_BYTES_MAX: usize = 64 * 1024;
/// Most that the templates of one call may yield, in bytes; what stands between them is the definition's.
const ARGUMENTS_BYTES_MAX: usize = 256 * 1024;

/// A definition, a text, a payload, and what the calls come to, one after the other.
pub fn holds(data: &[u8]) {
    let Some((definition, rest)) = split::text(data) else { return };
    let Some((text, rest)) = split::text(rest) else { return };
    let (payload, mut results) = split::part(rest);
    let bot = resource::Bot::new("b".parse().expect("an id"), "rules", definition);
    let (Ok(bot), Ok(again)) = (simple(&bot), simple(&bot)) else { return };
    let input = Input {
        text: text.to_owned(),
        payload: Bytes::copy_from_slice(payload),
        session: "s".to_owned(),
        contact: Some(Contact { name: text.to_owned(), email: "ada@example.com".to_owned(), ..Contact::default() }),
        ..Input::default()
    };
    let mut steps: Vec<Step> = Vec::new();
    loop {
        let thought = decided(bot.as_ref(), &input, &steps);
        assert_eq!(thought, decided(again.as_ref(), &input, &steps), "the same event is decided alike");
        let Ok(Thought::Call { requests, .. }) = thought else {
            if let Ok(Thought::Reply(reply)) = thought {
                assert!(reply.text.len() <= RENDERED_BYTES_MAX, "a reply has {} bytes", reply.text.len());
            }
            return;
        };
        assert_eq!(requests.len(), 1, "rules call one by one");
        let Some(request) = requests.into_iter().next() else { return };
        let arguments = request.arguments.to_string();
        // A byte of text is at most six of JSON.
        assert!(arguments.len() <= 6 * (ARGUMENTS_BYTES_MAX + DEFINITION_BYTES_MAX), "arguments have {} bytes", arguments.len());
        let (result, rest) = split::part(results);
        results = rest;
        let end = match (result.first(), String::from_utf8_lossy(result).into_owned()) {
            (Some(b'!'), error) => End::Error(error),
            (Some(b'?'), _) => End::Unknown(Unknown {}),
            (_, result) => End::Result(result),
        };
        let call = Call { ability: request.ability, arguments, ..Call::default() };
        steps.push(Step { calls: vec![call], outcomes: vec![Outcome { end: Some(end), ..Outcome::default() }], thought: None });
        assert!(steps.len() <= STEPS_MAX as usize, "it comes to an end");
    }
}

fn decided(bot: &dyn Bot, input: &Input, steps: &[Step]) -> Result<Thought, String> {
    let facts = Facts::default();
    let said = |kind, text: &str| Message {
        id: "1.0".to_owned(),
        kind,
        text: text.to_owned(),
        name: String::new(),
        description: String::new(),
        meta: serde_json::Value::Null,
        created_at: 1,
        updated_at: 1,
    };
    let history = [said(Kind::User, "before"), said(Kind::Bot, &input.text)];
    let event = EventSeq { epoch: Epoch::from_second(1), seq: 1 };
    let turn = Turn { event, facts: &facts, input, ordinal: 4, steps, history: &history, told: &|_| {} };
    let thought = bot.think(turn).now_or_never().expect("rules wait for nothing");
    thought.map_err(|Error { message, .. }| message)
}
