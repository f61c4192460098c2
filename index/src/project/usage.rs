//! What turns took, by day and in their conversation.

use proto::message::{self, Kind};
use proto::record::Step;

use super::Seen;
use crate::change::Change;
use crate::entry::Conversation;
use crate::key;

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The day of a time, since 1970.
pub(super) fn day(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS)
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    tokens_in: u64,
    tokens_out: u64,
    cost: u64,
}

/// A conversation began.
pub(super) fn opened(changes: &mut Vec<Change>, seen: &Seen) {
    let count = |dimension: String| (dimension, 'c', 1);
    add_all(changes, seen, dimensions(seen, "").into_iter().map(count));
}

/// A record took something.
pub(super) fn add(changes: &mut Vec<Change>, entry: &mut Conversation, seen: &Seen) {
    let record = &seen.record;
    let said = message::of(&seen.session, seen.seq, seen.at_ms, record);
    let messages = count(said.iter().filter(|message| matches!(message.kind, Kind::User | Kind::Bot)).count());
    let calls = match &record.step {
        Some(Step::Outcomes(step)) => count(step.outcomes.len()),
        _ => 0,
    };
    let used = record.usage();
    let sums = used.iter().fold(Sums::default(), |sums, used| Sums {
        tokens_in: sums.tokens_in.saturating_add(used.input),
        tokens_out: sums.tokens_out.saturating_add(used.output),
        cost: sums.cost.saturating_add(used.cost_micro_usd),
    });
    let (turns, failures) = (u64::from(record.is_terminal()), u64::from(matches!(record.step, Some(Step::Failed(_)))));
    entry.messages += messages;
    entry.calls += calls;
    entry.tokens_in = entry.tokens_in.saturating_add(sums.tokens_in);
    entry.tokens_out = entry.tokens_out.saturating_add(sums.tokens_out);
    entry.cost_micro_usd = entry.cost_micro_usd.saturating_add(sums.cost);
    entry.turns += turns;
    entry.failures += failures;
    let metrics =
        [('m', messages), ('l', calls), ('i', sums.tokens_in), ('o', sums.tokens_out), ('e', sums.cost), ('k', turns), ('f', failures)];
    let all = dimensions(seen, &entry.bot);
    let counts = all.iter().flat_map(|dimension| metrics.map(|(metric, by)| (dimension.clone(), metric, by)));
    let by_model = used.iter().flat_map(|used| {
        let dimension = format!("m.{}", used.model);
        [('i', used.input), ('o', used.output), ('e', used.cost_micro_usd), ('k', used.calls.into())]
            .map(|(m, by)| (dimension.clone(), m, by))
    });
    let counts: Vec<_> = counts.chain(by_model).collect();
    add_all(changes, seen, counts.into_iter());
}

/// Whose sums a record goes into: everybody's, its trigger's, its bot's.
fn dimensions(seen: &Seen, bot: &str) -> Vec<String> {
    let bot = Some(bot.to_owned()).filter(|bot| !bot.is_empty()).or_else(|| seen.facts.bot.as_ref().map(ToString::to_string));
    let mut all = vec!["*".to_owned(), format!("t.{}", seen.session.trigger)];
    all.extend(bot.map(|bot| format!("b.{bot}")));
    all
}

fn add_all(changes: &mut Vec<Change>, seen: &Seen, counts: impl Iterator<Item = (String, char, u64)>) {
    let day = day(seen.at_ms);
    let mut counts = counts.filter(|(_, _, by)| *by > 0).peekable();
    if counts.peek().is_some() {
        changes.push(Change::Day { day });
    }
    changes.extend(counts.map(|(dimension, metric, by)| Change::Count {
        hash: key::usage(day),
        field: format!("{dimension}|{metric}"),
        by,
    }));
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
