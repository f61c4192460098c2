//! Changes of a conversation that come from outside.
//!
//! Each is one record behind the fence, which counts the answer that asked for it; only then what
//! it replaces is deleted, and only then the answer is acked. Whatever is cut short, a drain that
//! finds such a record at the end of the log deletes again.

use std::sync::Arc;

use backbone::bug::{self, Bug};
use backbone::journal::Entry;
use proto::answer::{self, Answer, Kind};
use proto::id::{Epoch, EventSeq};
use proto::message;
use proto::record::{Conversation, Record, Step as RecordStep};
use proto::status::Status;
use proto::wire::changed::What;
use proto::wire::{Changed, Describe, Edit, Edited, Note, Settings, Usage};
use proto::{limit, patch};
use serde_json::{Map, Value};

use super::hear::Cancel;
use super::turn::Open;
use super::{Drain, Stop, unavailable};

/// How many edits of a session are looked through for the last one of a message.
const EDITS_MAX: usize = 4_096;
/// Why a turn is called off whose conversation goes.
const DELETED: &str = "the conversation was deleted";

/// Why nothing is changed, for whoever asked.
type Refused = String;

/// The messages of a record before a change.
struct Before {
    notes: Vec<Note>,
    at_ms: i64,
    event: EventSeq,
    usage: Vec<Usage>,
    status: String,
    settings: Option<Settings>,
}

impl Drain<'_> {
    /// Carries a change out; where the open turn must end first, says so and leaves the answer where it is.
    pub(super) async fn change(&mut self, turn: Option<&Open>, seq: u64, answer: Answer) -> Result<Option<Cancel>, Stop> {
        let is_erase = matches!(answer.kind, Kind::Erase(_));
        if is_erase && turn.is_some_and(|turn| turn.conversation.opening == answer.event) {
            return Ok(Some(Cancel { by: answer.by, reason: DELETED.to_owned() }));
        }
        let what = match &answer.kind {
            // Records between two turns of no conversation have this.
            _ if answer.event.seq == 0 => Err(answer::NO_CONVERSATION.to_owned()),
            Kind::Describe(describe) => self.describe(turn, answer.event, describe).await?,
            Kind::Edit(edit) => self.edit(turn, answer.event, edit).await?,
            _ => self.erase(answer.event).await?,
        };
        let what = what.unwrap_or_else(What::Refused);
        let is_current = self.conversation.is_some_and(|last| last.opening == answer.event);
        let ends = turn.is_none() && is_current && matches!(what, What::Erased(_));
        self.answers = seq;
        let idle;
        let frame = if let Some(turn) = turn {
            turn
        } else {
            let frame = self.idle()?;
            // What comes next begins a conversation of its own.
            idle = if ends { Open { conversation: self.no_conversation(), ..frame } } else { frame };
            &idle
        };
        let changed = Changed { answer: Some(without_words(answer).into()), what: Some(what) };
        self.append(frame, RecordStep::Changed(changed.clone())).await?;
        if ends {
            self.conversation = None;
            self.closed_at_ms = None;
        }
        self.delete_changed(&changed).await?;
        self.settle().await;
        Ok(None)
    }

    /// Deletes what a change that is on record has replaced; what is gone already is no fault.
    pub(super) async fn delete_changed(&mut self, changed: &Changed) -> Result<(), Stop> {
        if bug::is(Bug::DeletionSkipped) {
            return Ok(());
        }
        match &changed.what {
            Some(What::Edited(edited)) => {
                self.transcript = None;
                // An edit of an edit leaves the one before it behind, with the same messages.
                let earlier = self.edit_before(edited.of, edited.before).await?;
                let seqs: Vec<u64> = earlier.map(|(seq, _)| seq).into_iter().chain([edited.of]).collect();
                self.desk.ports.broker.delete(&seqs).await.map_err(unavailable)
            }
            Some(What::Erased(erased)) => {
                self.transcript = None;
                self.delete_conversation(changed.answer.as_ref(), erased.base).await
            }
            Some(What::Described(_) | What::Refused(_)) | None => Ok(()),
        }
    }

    async fn describe(&mut self, turn: Option<&Open>, opening: EventSeq, describe: &Describe) -> Result<Result<What, Refused>, Stop> {
        let current = match turn {
            Some(turn) => Some((turn.conversation, turn.event, turn.input.direct.as_ref())),
            None => self.conversation.map(|last| (last, opening, None)),
        };
        let known = match current.filter(|(conversation, ..)| conversation.opening == opening) {
            Some((conversation, event, direct)) => self.settings(&conversation, event, direct).await?,
            None => match self.earlier(opening).await? {
                Some((_, settings)) => settings.map(Arc::new),
                None => return Ok(Err(answer::NO_CONVERSATION.to_owned())),
            },
        };
        let patch = match object(&describe.patch) {
            Ok(patch) => patch,
            Err(refused) => return Ok(Err(refused)),
        };
        let settings = patch::settings(&known.as_deref().cloned().unwrap_or_default(), &patch);
        Ok(settings.map(What::Described).map_err(|fault| fault.to_string()))
    }

    async fn edit(&mut self, turn: Option<&Open>, opening: EventSeq, edit: &Edit) -> Result<Result<What, Refused>, Stop> {
        let Some((before, concerns, event)) = self.before(edit.seq).await? else {
            return Ok(Err(answer::NO_MESSAGE.to_owned()));
        };
        if concerns != opening {
            return Ok(Err(answer::NO_MESSAGE.to_owned()));
        }
        if turn.is_some_and(|turn| turn.event == event) {
            return Ok(Err("the message belongs to a turn that is under way: call it off first, or wait for its end".to_owned()));
        }
        Ok(edited(edit, before, (self.edits, self.mailbox.epoch)).map(What::Edited))
    }

    /// The messages of the record that a message's id begins with, the conversation they are of, and the event.
    async fn before(&self, seq: u64) -> Result<Option<(Before, EventSeq, EventSeq)>, Stop> {
        let session = &self.mailbox.session;
        if let Some(entry) = self.record_at(seq).await? {
            let record = &entry.record;
            let notes: Vec<Note> = message::of(session, seq, entry.at_ms, record).into_iter().map(Note::from).collect();
            let is_message = !notes.is_empty() && !matches!(record.step, Some(RecordStep::Changed(_)));
            let ended = record.is_terminal().then(|| Status::of(record).as_str().to_owned());
            let before = Before {
                notes,
                at_ms: entry.at_ms,
                event: record.event,
                usage: record.usage().to_vec(),
                status: ended.unwrap_or_default(),
                settings: record.settings().cloned().filter(|_| self.counts(record, seq)),
            };
            return Ok(is_message.then_some((before, record.concerns(), record.event)));
        }
        let Some((at, entry)) = self.edit_before(seq, self.edits).await? else { return Ok(None) };
        let Some((edited, event)) = entry.record.edited().zip(entry.record.edited_event()) else { return Ok(None) };
        let before = Before {
            notes: edited.messages.clone(),
            at_ms: edited.at_ms,
            event,
            usage: edited.usage.clone(),
            status: edited.status.clone(),
            settings: edited.settings.clone().filter(|_| self.counts(&entry.record, at)),
        };
        Ok(Some((before, entry.record.concerns(), event)))
    }

    /// Whether what a record says of its conversation is what counts of it.
    fn counts(&self, record: &Record, seq: u64) -> bool {
        let last = self.conversation.filter(|last| last.opening == record.concerns());
        last.is_none_or(|last| last.settings == seq)
    }

    /// The record at a place of the log, where it is one of this session and not gone.
    async fn record_at(&self, seq: u64) -> Result<Option<Entry>, Stop> {
        let broker = &self.desk.ports.broker;
        let found = broker.records_after(&self.mailbox.session, seq.saturating_sub(1), 1).await.map_err(unavailable)?;
        Ok(found.into_iter().next().filter(|entry| entry.seq == seq && seq > 0))
    }

    /// The last edit of the record at `of`, among the edit at `from` and those before it.
    async fn edit_before(&self, of: u64, from: u64) -> Result<Option<(u64, Entry)>, Stop> {
        let mut at = from;
        for _ in 0..EDITS_MAX {
            if at <= of {
                return Ok(None);
            }
            let found = self.record_at(at).await?;
            let Some(edited) = found.as_ref().and_then(|entry| entry.record.edited()) else {
                // The link went with a conversation, or an edit of its own: the log itself is looked through.
                return self.scan_for_edit(of, at).await;
            };
            if edited.of == of {
                return Ok(found.map(|entry| (at, entry)));
            }
            at = edited.before;
        }
        Ok(None)
    }

    async fn scan_for_edit(&self, of: u64, before: u64) -> Result<Option<(u64, Entry)>, Stop> {
        let mut last = None;
        self.walk(of, |entry| {
            let is_before = entry.seq < before;
            if is_before && entry.record.edited().is_some_and(|edited| edited.of == of) {
                last = Some((entry.seq, entry));
            }
            is_before
        })
        .await?;
        Ok(last)
    }

    /// The first record's frame of a conversation that the session has left, and what was last said of it.
    pub(super) async fn earlier(&self, opening: EventSeq) -> Result<Option<(Conversation, Option<Settings>)>, Stop> {
        let (mut frame, mut first, mut described) = (None, None, None);
        self.walk(0, |entry| {
            let record = entry.record;
            if record.conversation.opening == opening {
                frame = frame.or(Some(record.conversation));
            }
            if record.concerns() != opening {
                return true;
            }
            match &record.step {
                Some(RecordStep::Changed(Changed { what: Some(What::Described(said)), .. })) => described = Some(said.clone()),
                // What an edited record said of the conversation is no newer than that record.
                Some(RecordStep::Changed(Changed { what: Some(What::Edited(edited)), .. })) => {
                    first = edited.settings.clone().or_else(|| first.take());
                }
                _ => first = record.settings().cloned().or_else(|| first.take()),
            }
            true
        })
        .await?;
        Ok(frame.map(|frame| (frame, described.or(first))))
    }

    /// Walks the records of the session after a place, up to the fence, until `visit` has seen enough.
    pub(super) async fn walk(&self, after: u64, mut visit: impl FnMut(Entry) -> bool) -> Result<(), Stop> {
        let mut seq = after;
        if seq >= self.fence {
            return Ok(());
        }
        for _ in 0..limit::SCAN_RECORDS_MAX.div_ceil(limit::READ_BATCH_MAX) {
            let broker = &self.desk.ports.broker;
            let entries = broker.records_after(&self.mailbox.session, seq, limit::READ_BATCH_MAX).await.map_err(unavailable)?;
            // A replica that lags behind the fence.
            let Some(last) = entries.last().map(|entry| entry.seq) else { return Err(Stop::Yield(limit::NAK_MAX)) };
            for entry in entries {
                if entry.seq > self.fence || !visit(entry) {
                    return Ok(());
                }
            }
            if last >= self.fence {
                return Ok(());
            }
            seq = last;
        }
        Err(Stop::Drop("the session has more records than are looked through"))
    }
}

/// All messages of a record after a change of one.
fn edited(edit: &Edit, before: Before, (last, epoch): (u64, Epoch)) -> Result<Edited, Refused> {
    let Before { notes: mut messages, at_ms, event, usage, status, settings } = before;
    let index = usize::try_from(edit.index).unwrap_or(usize::MAX);
    let note = messages.get_mut(index).filter(|note| !note.removed).ok_or(answer::NO_MESSAGE)?;
    *note = if edit.remove {
        Note { removed: true, ..Note::default() }
    } else {
        patch::note(note, &object(&edit.patch)?).map_err(|fault| fault.to_string())?
    };
    let elsewhere = Some(event.epoch).filter(|of| *of != epoch).map(|of| of.to_string()).unwrap_or_default();
    let edited = Edited { of: edit.seq, messages, at_ms, event: event.seq, before: last, usage, settings, status, epoch: elsewhere };
    let bytes = prost::Message::encoded_len(&edited);
    let bytes_max = limit::ENVELOPE_BYTES_MAX + limit::STEP_BYTES_MAX / 2;
    if bytes > bytes_max {
        return Err(format!("the messages of that record would have {bytes} bytes, at most {bytes_max} are kept"));
    }
    Ok(edited)
}

fn object(text: &str) -> Result<Map<String, Value>, Refused> {
    if text.is_empty() { Ok(Map::new()) } else { serde_json::from_str(text).map_err(|_| "the change is not a JSON object".to_owned()) }
}

/// What was asked for, without what it says.
fn without_words(answer: Answer) -> Answer {
    let kind = match answer.kind {
        Kind::Describe(_) => Kind::Describe(Describe::default()),
        Kind::Edit(edit) => Kind::Edit(Edit { patch: String::new(), ..edit }),
        kind => kind,
    };
    Answer { kind, ..answer }
}
