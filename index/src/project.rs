//! Records of the log in, changes of the index out: pure.
//!
//! A batch of records is folded over what the index knows of the conversations and turns that they
//! name, and what comes out is applied together with the move of the position. So the same records
//! make the same index however they are cut into batches, and a record that was applied is never
//! applied again.

use std::collections::{BTreeMap, BTreeSet};

use proto::event::Contact;
use proto::id::{BotId, ContactId, SessionKey, SkillsetId};
use proto::record::{Record, Step};
use proto::resource::contact::{fingerprint, id_of};
use proto::status::Status;
use proto::wire::{self, changed::What};
use proto::{resource, subject};

use crate::change::Change;
use crate::entry::{self, Conversation, Event, State, Turn};
use crate::key;

mod beat;
mod happening;
mod pending;
mod usage;

use beat::Beat;

/// A record as the log has it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The log sequence.
    pub seq: u64,
    /// When it was stored, in milliseconds since 1970.
    pub at_ms: i64,
    /// The session.
    pub session: SessionKey,
    /// The record.
    pub record: Record,
    /// What the configuration says of it.
    pub facts: Facts,
}

/// What the configuration says of a record: the log names only versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The bot of the trigger.
    pub bot: Option<BotId>,
    /// The bot's skillset.
    pub skillset: Option<SkillsetId>,
}

/// What the index knows of what a batch names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Conversations by id.
    pub conversations: BTreeMap<String, Conversation>,
    /// Open turns by receipt.
    pub turns: BTreeMap<String, Turn>,
    /// Receipts of events that have ended.
    pub ended: BTreeSet<String>,
    /// The last record of the log when the build of the index began.
    pub goal: u64,
}

/// What must be known before a record can be projected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The conversation.
    pub conversation: String,
    /// The receipt of its event.
    pub receipt: String,
    /// The receipt of the event whose messages it changes.
    pub edited: Option<String>,
}

/// What comes of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Projected {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Those whom new conversations are held with; they may have a card already.
    pub contacts: Vec<Newcomer>,
}

/// Somebody whom a new conversation is held with.
#[derive(Debug, Clone, PartialEq)]
pub struct Newcomer {
    /// Their id.
    pub id: ContactId,
    /// Names them.
    pub fingerprint: String,
    /// What their event says of them.
    pub contact: Contact,
    /// When the conversation began, in milliseconds since 1970.
    pub at_ms: i64,
}

/// What a record names.
pub fn names(seen: &Seen) -> Names {
    Names {
        conversation: entry::conversation_id(&seen.session, seen.record.concerns()),
        receipt: entry::receipt(&seen.session, seen.record.event).to_string(),
        edited: seen.record.edited_event().map(|event| entry::receipt(&seen.session, event).to_string()),
    }
}

/// Folds a batch.
pub fn project(known: Known, batch: &[Seen]) -> Projected {
    let mut fold = Fold { before: known.clone(), known, beat: Beat::default(), out: Projected::default() };
    for seen in batch {
        fold.visit(seen, beat::took_us(seen));
    }
    fold.finish()
}

/// A batch on its way.
struct Fold {
    before: Known,
    known: Known,
    beat: Beat,
    out: Projected,
}

impl Fold {
    /// Takes a record, which ended something that took so long.
    fn visit(&mut self, seen: &Seen, took_us: Option<u64>) {
        let Names { conversation, receipt, edited } = names(seen);
        if let (Some(edited), Some(ended)) = (edited, ending_of(seen)) {
            return self.lost(seen, (&conversation, &edited), &ended);
        }
        if let Some(Step::Changed(changed)) = &seen.record.step {
            return self.changed(seen, (&conversation, &receipt), changed);
        }
        if !self.known.conversations.contains_key(&conversation) {
            // What is said to a conversation that is gone does not bring it back.
            if seen.record.is_idle() {
                return;
            }
            self.open(seen, &conversation);
        }
        let contact = introduced(seen);
        let Some(entry) = self.known.conversations.get_mut(&conversation) else { return };
        if let (true, Some(contact)) = (entry.contact.is_empty(), contact) {
            entry.contact = contact.id.to_string();
            self.out.contacts.push(contact);
        }
        if let Some(settings) = settings_of(seen) {
            describe(entry, settings, &seen.facts);
        }
        entry.updated_at_ms = seen.at_ms;
        entry.last = seen.seq;
        if seen.record.is_idle() || is_unwanted(&seen.record) {
            return;
        }
        entry.state = Status::of(&seen.record).into();
        usage::add(&mut self.out.changes, entry, seen);
        let entry = entry.clone();
        beat::arrived(&mut self.out.changes, seen, &receipt);
        self.beat.add(seen, took_us);
        self.event(seen, &conversation, &receipt, entry.state);
        if seen.record.is_terminal() {
            self.known.ended.insert(receipt.clone());
        }
        happening::add(&mut self.out.changes, seen, &entry, (&conversation, &receipt), self.known.turns.get(&receipt));
        let turn = self.known.turns.entry(receipt.clone()).or_default();
        let before = turn.clone();
        pending::step(turn, seen);
        pending::waiting(&mut self.out.changes, &receipt, (&before, turn), (&conversation, &entry));
    }

    /// A change of messages whose record held the end of a turn. While the index was there it had that record,
    /// and only the time of the change is news; an index that is built later meets the change in its place.
    fn lost(&mut self, seen: &Seen, (conversation, receipt): (&str, &str), ended: &Seen) {
        if seen.seq > self.known.goal || self.known.ended.contains(receipt) {
            if let Some(entry) = self.known.conversations.get_mut(conversation) {
                entry.updated_at_ms = seen.at_ms;
                entry.last = seen.seq;
            }
            return;
        }
        // How long it took went with the record.
        self.visit(ended, None);
        let settings = seen.record.edited().and_then(|edited| edited.settings.as_ref());
        if let (Some(settings), Some(entry)) = (settings, self.known.conversations.get_mut(conversation)) {
            describe(entry, settings, &seen.facts);
        }
    }

    fn open(&mut self, seen: &Seen, id: &str) {
        let opened_at_ms = seen.record.conversation.opened_at_ms;
        let bot = seen.facts.bot.as_ref().map(ToString::to_string).unwrap_or_default();
        let entry = Conversation { bot, created_at_ms: opened_at_ms, ..Conversation::default() };
        usage::opened(&mut self.out.changes, seen);
        self.known.conversations.insert(id.to_owned(), entry);
    }

    fn event(&mut self, seen: &Seen, conversation: &str, receipt: &str, state: State) {
        let (changes, trigger) = (&mut self.out.changes, seen.session.trigger.as_str());
        let event = Event {
            state,
            attempts: seen.record.attempt.max(1),
            received_at_ms: seen.record.received_at_ms,
            updated_at_ms: seen.at_ms,
            conversation: conversation.to_owned(),
        };
        changes.push(Change::put(key::EVENTS, receipt, entry::text(&event)));
        changes.push(Change::rank(key::of_trigger(key::EVENTS, trigger), event.received_at_ms, receipt));
        for open in [State::Running, State::Waiting].into_iter().filter(|open| *open != state) {
            changes.push(Change::unrank(key::of_status(open.name(), trigger), receipt));
            changes.push(Change::unrank(key::open(open.name()), receipt));
        }
        if !state.is_final() {
            changes.push(Change::rank(key::open(state.name()), event.received_at_ms, receipt));
        }
        if state != State::Completed {
            changes.push(Change::rank(key::of_status(state.name(), trigger), event.received_at_ms, receipt));
        }
    }

    fn changed(&mut self, seen: &Seen, (id, receipt): (&str, &str), changed: &wire::Changed) {
        let Some(entry) = self.known.conversations.get_mut(id) else { return };
        match &changed.what {
            Some(What::Described(settings)) => describe(entry, settings, &seen.facts),
            // What the record said of its conversation, which is gone with it.
            Some(What::Edited(edited)) => {
                if let Some(settings) = &edited.settings {
                    describe(entry, settings, &seen.facts);
                }
            }
            Some(What::Erased(_)) => {
                self.erased(id);
                if seen.record.conversation.opening != seen.record.concerns() {
                    return;
                }
                // A turn that went with it is not open any more, and nobody is asked on its behalf.
                let open = [State::Running, State::Waiting].map(|state| Change::unrank(key::open(state.name()), receipt));
                self.out.changes.extend(open);
                if let Some(turn) = self.known.turns.get_mut(receipt) {
                    let before = std::mem::take(turn);
                    pending::waiting(&mut self.out.changes, receipt, (&before, turn), (id, &Conversation::default()));
                }
                return;
            }
            Some(What::Refused(_)) | None => return,
        }
        entry.updated_at_ms = seen.at_ms;
        entry.last = seen.seq;
    }

    /// The conversation and all that names it go; what it took stays in the sums of its day.
    fn erased(&mut self, id: &str) {
        let Some(entry) = self.known.conversations.remove(id) else { return };
        // A conversation of this very batch has no place yet that a reader could be at.
        let shown = self.before.conversations.remove(id);
        for set in shown.iter().chain([&entry]).flat_map(|entry| orders(id, entry)).filter(|set| *set != key::all(key::CONVERSATIONS)) {
            self.out.changes.push(Change::unrank(set, id));
        }
        if shown.is_none() {
            self.out.changes.push(Change::rank(key::all(key::CONVERSATIONS), entry.created_at_ms, id));
        }
        self.out.changes.push(Change::Retire { list: key::CONVERSATIONS, member: id.to_owned() });
        self.out.changes.push(Change::Forget { conversation: id.to_owned() });
    }

    fn finish(mut self) -> Projected {
        for (id, entry) in &self.known.conversations {
            let before = self.before.conversations.get(id);
            if before == Some(entry) {
                continue;
            }
            let (old, new) = (before.map(|before| orders(id, before)).unwrap_or_default(), orders(id, entry));
            let changes = &mut self.out.changes;
            changes.extend(old.iter().filter(|set| !new.contains(set)).map(|set| Change::unrank(set.clone(), id)));
            changes.extend(new.iter().filter(|set| !old.contains(set)).map(|set| Change::rank(set.clone(), entry.created_at_ms, id)));
            changes.push(Change::put(key::CONVERSATIONS, id, entry::text(entry)));
        }
        pending::finish(&mut self.out.changes, &self.before.turns, &self.known.turns);
        self.out.changes.extend(std::mem::take(&mut self.beat).changes());
        self.out.changes.push(Change::Trim);
        self.out
    }
}

/// The sets that a conversation stands in.
fn orders(id: &str, entry: &Conversation) -> Vec<String> {
    let mut sets = vec![key::all(key::CONVERSATIONS)];
    let trigger = id.split('.').nth(1).unwrap_or_default();
    if trigger != subject::DIRECT {
        sets.push(key::of_trigger(key::CONVERSATIONS, trigger));
    }
    if !entry.bot.is_empty() {
        sets.push(key::of_bot(&entry.bot));
    }
    if !entry.contact.is_empty() {
        sets.push(key::of_contact(&entry.contact));
    }
    sets
}

/// Whom the opening event is from, where it says enough.
fn introduced(seen: &Seen) -> Option<Newcomer> {
    let record = &seen.record;
    let input = record.input().filter(|_| record.event == record.conversation.opening)?;
    let contact = Contact::from(input.contact.clone()?);
    let fingerprint = fingerprint(&contact)?;
    Some(Newcomer { id: id_of(&fingerprint), fingerprint, contact, at_ms: record.conversation.opened_at_ms })
}

/// The record that a change of messages stands in for, where that one ended a turn.
fn ending_of(seen: &Seen) -> Option<Seen> {
    let edited = seen.record.edited()?;
    let usage = edited.usage.clone();
    let step = match State::parse(&edited.status)? {
        State::Completed => Step::Completed(wire::Completed { usage, ..wire::Completed::default() }),
        State::Failed | State::Dead => {
            Step::Failed(wire::Failed { usage, dead: edited.status == State::Dead.name(), ..wire::Failed::default() })
        }
        State::Cancelled => Step::Cancelled(wire::Cancelled { usage, ..wire::Cancelled::default() }),
        State::Running | State::Waiting => return None,
    };
    let opening = seen.record.concerns();
    // Of another conversation than the session's last its beginning is not known any more: the change is dated then.
    let is_last = opening == seen.record.conversation.opening;
    let opened_at_ms = if is_last { seen.record.conversation.opened_at_ms } else { edited.at_ms };
    let record = Record {
        event: seen.record.edited_event().unwrap_or(seen.record.event),
        conversation: proto::record::Conversation { opening, opened_at_ms, ..seen.record.conversation },
        received_at_ms: edited.at_ms,
        step: Some(step),
        ..seen.record.clone()
    };
    Some(Seen { at_ms: edited.at_ms, record, ..seen.clone() })
}

/// Whether the record is an answer that nothing waited for.
fn is_unwanted(record: &Record) -> bool {
    matches!(&record.step, Some(Step::Received(step)) if step.unwanted)
}

/// What an opening event says of its conversation.
fn settings_of(seen: &Seen) -> Option<&wire::Settings> {
    let record = &seen.record;
    let input = record.input().filter(|_| record.event == record.conversation.opening)?;
    input.direct.as_ref()?.settings.as_ref()
}

fn describe(entry: &mut Conversation, settings: &wire::Settings, facts: &Facts) {
    let object = |text: &str| resource::common::object(text).unwrap_or_default();
    let trigger_bot = facts.bot.as_ref().map(ToString::to_string).filter(|_| settings.definition.is_empty());
    entry.bot = Some(settings.bot.clone()).filter(|bot| !bot.is_empty()).or(trigger_bot).unwrap_or_default();
    entry.name.clone_from(&settings.name);
    entry.description.clone_from(&settings.description);
    entry.meta = object(&settings.meta);
    entry.extra = object(&settings.extra);
    if !settings.contact.is_empty() {
        entry.contact.clone_from(&settings.contact);
    }
}

#[cfg(test)]
mod tests;
