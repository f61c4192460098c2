//! All that is known of one event, for whoever looks into a violation.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proto::record::Step;
use tests::view::Logged;

use crate::check::{Evidence, Violation};

/// How many violations are told at length.
const TOLD_MAX: usize = 50;

/// The violations, each with the whole history of its event.
pub(crate) fn tell(violations: &[Violation], evidence: &Evidence, log: &[Logged]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for violation in violations.iter().take(TOLD_MAX) {
        writeln!(text, "{violation}")?;
        if let Some(number) = violation.number {
            event(&mut text, number, evidence, log)?;
        }
    }
    if let Some(more) = violations.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
        writeln!(text, "and {more} more")?;
    }
    Ok(text)
}

fn event(text: &mut String, number: u64, evidence: &Evidence, log: &[Logged]) -> std::fmt::Result {
    let sent = evidence.sent.iter().find(|sent| sent.number == number);
    let ended: Vec<_> = evidence.ended.iter().filter(|ended| ended.number == Some(number)).collect();
    let events: BTreeSet<_> = sent.and_then(crate::book::Sent::event).into_iter().chain(ended.iter().map(|ended| ended.event)).collect();
    if let Some(sent) = sent {
        writeln!(
            text,
            "  event {number} of {}, {:?} by {:?}: {:?}, repeated {:?}",
            sent.session, sent.deed, sent.door, sent.fate, sent.repeat
        )?;
        for tried in &sent.tries {
            writeln!(text, "  tried at {}: {}", tried.at_ms, tried.told)?;
        }
    }
    for logged in log.iter().filter(|logged| events.contains(&logged.entry.record.event)) {
        let (entry, record) = (&logged.entry, &logged.entry.record);
        let (seq, at, event, cursor) = (entry.seq, entry.at_ms, record.event.seq, record.cursor);
        let step = record.step.as_ref().map_or("unknown", name);
        writeln!(
            text,
            "  log {seq} at {at}: {step} of {event}, cursor {cursor}, attempt {}, stored at {}, by {}",
            record.attempt, record.received_at_ms, record.worker
        )?;
    }
    for effect in evidence.effects.iter().filter(|effect| effect.number == number) {
        writeln!(text, "  effect {} under {}", effect.deed, effect.key)?;
    }
    for event in &events {
        let letters = evidence.letters.iter().filter(|letter| *letter == event).count();
        writeln!(
            text,
            "  {event:?}: {} by the API, {letters} copies in DEAD",
            evidence.statuses.get(event).map_or("unknown", String::as_str)
        )?;
    }
    let Some(session) = sent.map(|sent| &sent.session) else { return Ok(()) };
    let neighbours = evidence.sent.iter().filter(|sent| sent.session == *session);
    let order: Vec<String> = neighbours.map(|sent| format!("{}@{}", sent.number, sent.event().map_or(0, |event| event.seq))).collect();
    writeln!(text, "  the session's events as they were accepted: {}", order.join(" "))
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Started(_) => "started",
        Step::Resumed(_) => "resumed",
        Step::Intents(_) => "intents",
        Step::Outcomes(_) => "outcomes",
        Step::Checkpoint(_) => "checkpoint",
        Step::Completed(_) => "completed",
        Step::Failed(_) => "failed",
        Step::Cancelled(_) => "cancelled",
        _ => "another",
    }
}
