//! Calls of open turns, and which of them wait for somebody.

use std::collections::BTreeMap;

use proto::record::Step;
use proto::wire::{self, Wait};

use super::Seen;
use crate::bound::ARGUMENTS_BYTES_MAX;
use crate::change::Change;
use crate::entry::{self, Approval, Call, Conversation, Turn, Waits};
use crate::key;

/// Takes what a record says of its turn's calls.
pub(super) fn step(turn: &mut Turn, seen: &Seen) {
    match &seen.record.step {
        Some(Step::Intents(step)) => turn.calls.extend(step.calls.iter().map(|call| (call.id.clone(), opened(call, seen.at_ms)))),
        Some(Step::Outcomes(step)) => {
            for outcome in &step.outcomes {
                turn.calls.remove(&outcome.call);
            }
        }
        Some(Step::Received(step)) if !step.unwanted => {
            let answered = step.answer.as_ref().map(|answer| answer.call.as_str()).unwrap_or_default();
            if let Some(call) = turn.calls.get_mut(answered) {
                call.waits = None;
            }
        }
        _ if seen.record.is_terminal() => turn.calls.clear(),
        _ => {}
    }
}

fn opened(call: &wire::Call, at_ms: i64) -> Call {
    let waits = (call.wait() != Wait::Unspecified).then(|| Waits {
        approval: call.wait() == Wait::Approval,
        question: call.question.clone(),
        arguments: cut(&call.arguments, ARGUMENTS_BYTES_MAX),
        since_ms: at_ms,
        until_ms: call.wait_until_ms,
    });
    Call { ability: call.ability.clone(), waits }
}

/// The changes between two states of turns.
pub(super) fn finish(changes: &mut Vec<Change>, before: &BTreeMap<String, Turn>, after: &BTreeMap<String, Turn>) {
    let none = Turn::default();
    for (receipt, turn) in after.iter().filter(|(receipt, turn)| before.get(*receipt).unwrap_or(&none) != *turn) {
        changes.push(if turn.calls.is_empty() {
            Change::drop(key::TURNS, receipt)
        } else {
            Change::put(key::TURNS, receipt, entry::text(turn))
        });
    }
}

/// What somebody is asked, or is asked no more, between two states of a turn.
pub(super) fn waiting(changes: &mut Vec<Change>, receipt: &str, (old, new): (&Turn, &Turn), (id, entry): (&str, &Conversation)) {
    let waits = |turn: &Turn, call: &str| turn.calls.get(call).is_some_and(|call| call.waits.is_some());
    for (call, _) in old.calls.iter().filter(|(id, call)| call.waits.is_some() && !waits(new, id)) {
        let id = format!("{receipt}.{call}");
        changes.push(Change::drop(key::APPROVALS, &id));
        changes.push(Change::unrank(key::all(key::APPROVALS), id));
    }
    for (call, asked) in new.calls.iter().filter(|(id, _)| !waits(old, id)) {
        let Some(waits) = asked.waits.clone() else { continue };
        let (call, since_ms) = (format!("{receipt}.{call}"), waits.since_ms);
        let (bot, contact) = (entry.bot.clone(), entry.contact.clone());
        let approval = Approval { conversation: id.to_owned(), bot, contact, ability: asked.ability.clone(), waits };
        changes.push(Change::put(key::APPROVALS, &call, entry::text(&approval)));
        changes.push(Change::rank(key::all(key::APPROVALS), since_ms, call));
    }
}

/// A text of at most so many bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
