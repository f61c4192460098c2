//! The status of an event, from the streams alone.
//!
//! The order of the reads matters: the log, then EVENTS, then the log once more from the leader.
//! The other way round an event that is committed and acked in between would look lost.

use std::collections::BTreeMap;

use prost::Message as _;
use proto::id::{ConversationId, EventSeq, Receipt, SessionKey};
use proto::limit::READ_BATCH_MAX;
use proto::message::{self, Message};
use proto::record::Record;
use proto::status::Status;
use proto::subject::{self, DEAD_STREAM};
use proto::wire;

use crate::bug::{self, Bug};
use crate::direct;
use crate::journal::{self, Entry};
use crate::requests::Requests;

/// What is known of an event.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where it is on its way.
    pub status: Status,
    /// How many attempts were begun, the first included.
    pub attempts: u32,
    /// Its conversation, once a turn has begun.
    pub conversation: Option<ConversationId>,
    /// What the turn has said so far.
    pub messages: Vec<Message>,
}

impl Report {
    fn bare(status: Status) -> Self {
        Self { status, attempts: 0, conversation: None, messages: Vec::new() }
    }
}

/// Reads the status of an event.
pub async fn report(client: &impl Requests, receipt: &Receipt) -> Result<Report, journal::Error> {
    let (session, event) = (&receipt.session, receipt.event);
    let last = journal::last(client, session).await?;
    if let Some(found) = in_log(client, session, event, last).await? {
        return Ok(found);
    }
    if in_dead(client, session, event).await? {
        // The record follows the copy, and has more to say.
        let last = journal::last_from_leader(client, session).await?;
        return Ok(in_log(client, session, event, last)
            .await?
            .filter(|found| found.status.is_final())
            .unwrap_or_else(|| Report::bare(Status::Dead)));
    }
    if is_queued(client, session, event).await? {
        return Ok(Report::bare(Status::Queued));
    }
    if bug::is(Bug::StatusFromFollower) {
        return Ok(Report::bare(Status::Expired));
    }
    let last = journal::last_from_leader(client, session).await?;
    Ok(in_log(client, session, event, last).await?.unwrap_or_else(|| Report::bare(Status::Expired)))
}

async fn in_log(
    client: &impl Requests,
    session: &SessionKey,
    event: EventSeq,
    last: Option<Entry>,
) -> Result<Option<Report>, journal::Error> {
    let Some(last) = last else { return Ok(None) };
    // A record between two turns is about the last event too, and stands behind that one's end.
    let is_open = last.record.event == event && !last.record.is_idle();
    let is_past = last.record.event.epoch > event.epoch || (last.record.event.epoch == event.epoch && last.record.cursor >= event.seq);
    if !is_open && !is_past {
        return Ok(None);
    }
    let from = if is_open { last.record.base } else { 0 };
    let has_edits = last.record.edits_at(last.seq) > 0;
    let mut turn = Turn::default();
    journal::walk(client, session, from, |entry| {
        let is_end = turn.visit(entry, event);
        // What was changed later stands behind the end.
        has_edits || !is_end
    })
    .await?;
    Ok(turn.told(session))
}

/// The records of an event, and what was changed of them.
#[derive(Default)]
struct Turn {
    own: BTreeMap<u64, Entry>,
    edits: BTreeMap<u64, Entry>,
}

impl Turn {
    /// Takes a record in; whether the event ends with it.
    fn visit(&mut self, entry: Entry, event: EventSeq) -> bool {
        let record = &entry.record;
        if let Some(edited) = record.edited() {
            if record.edited_event() == Some(event) {
                self.edits.insert(edited.of, entry);
            }
            return false;
        }
        // A record between two turns is about the last event too.
        let is_mine = record.event == event && !record.is_idle();
        let is_end = is_mine && record.is_terminal();
        if is_mine {
            self.own.insert(entry.seq, entry);
        }
        is_end
    }

    fn told(mut self, session: &SessionKey) -> Option<Report> {
        let edited = self.edits.values().filter_map(|entry| Status::of_end(&entry.record.edited()?.status)).next_back();
        let newest: Option<&Record> = self.own.values().next_back().map(|entry| &entry.record);
        let frame = newest.or_else(|| self.edits.values().next_back().map(|entry| &entry.record))?;
        let status = edited.or_else(|| newest.map(Status::of)).unwrap_or(Status::Completed);
        let (attempts, conversation) = (newest.map_or(1, |record| record.attempt.max(1)), frame.concerns());
        let conversation = ConversationId { session: session.clone(), event: conversation };
        self.own.append(&mut self.edits);
        let messages = self.own.values().flat_map(|entry| message::of(session, entry.seq, entry.at_ms, &entry.record)).collect();
        Some(Report { status, attempts, conversation: Some(conversation), messages })
    }
}

async fn in_dead(client: &impl Requests, session: &SessionKey, event: EventSeq) -> Result<bool, journal::Error> {
    let epoch = event.epoch.to_string();
    let mut from = 1;
    loop {
        let letters = direct::batch(client, DEAD_STREAM, &subject::dead(session), from, READ_BATCH_MAX).await?;
        let Some(newest) = letters.last().map(|letter| letter.seq) else { return Ok(false) };
        let mut read = letters.iter().filter_map(|letter| wire::DeadLetter::decode(letter.body.clone()).ok());
        if read.any(|letter| letter.epoch == epoch && letter.event == event.seq) {
            return Ok(true);
        }
        if letters.len() < READ_BATCH_MAX {
            return Ok(false);
        }
        from = newest + 1;
    }
}

async fn is_queued(client: &impl Requests, session: &SessionKey, event: EventSeq) -> Result<bool, journal::Error> {
    let stream = subject::events_stream(event.epoch);
    match direct::next(client, &stream, &subject::event(session), event.seq).await {
        Ok(found) => Ok(found.is_some_and(|stored| stored.seq == event.seq)),
        Err(direct::Error::NoStream) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
