//! The status of an event, from the streams alone.
//!
//! The order of the reads matters: the log, then EVENTS, then the log once more from the leader.
//! The other way round an event that is committed and acked in between would look lost.

use async_nats::Client;
use prost::Message as _;
use proto::id::{ConversationId, EventSeq, Receipt, SessionKey};
use proto::limit::READ_BATCH_MAX;
use proto::message::{self, Message};
use proto::record::Record;
use proto::status::Status;
use proto::subject::{self, DEAD_STREAM};
use proto::wire;

use crate::direct;
use crate::journal::{self, Entry};

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
pub async fn report(client: &Client, receipt: &Receipt) -> Result<Report, journal::Error> {
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
    let last = journal::last_from_leader(client, session).await?;
    Ok(in_log(client, session, event, last).await?.unwrap_or_else(|| Report::bare(Status::Expired)))
}

async fn in_log(client: &Client, session: &SessionKey, event: EventSeq, last: Option<Entry>) -> Result<Option<Report>, journal::Error> {
    let Some(last) = last else { return Ok(None) };
    // A record between two turns is about the last event too, and stands behind that one's end.
    let is_open = last.record.event == event && !last.record.is_idle();
    let is_past = last.record.event.epoch > event.epoch || (last.record.event.epoch == event.epoch && last.record.cursor >= event.seq);
    if !is_open && !is_past {
        return Ok(None);
    }
    let from = if is_open { last.record.base } else { 0 };
    let mut entries: Vec<Entry> = Vec::new();
    journal::walk(client, session, from, |entry| {
        let (ended, mine) = (entry.record.is_terminal(), entry.record.event == event);
        if mine {
            entries.push(entry);
        }
        !(mine && ended)
    })
    .await?;
    Ok(told(session, &entries))
}

fn told(session: &SessionKey, entries: &[Entry]) -> Option<Report> {
    let newest: &Record = &entries.last()?.record;
    Some(Report {
        status: Status::of(newest),
        attempts: newest.attempt.max(1),
        conversation: Some(newest.conversation.id(session)),
        messages: entries.iter().flat_map(|entry| message::of(session, entry.seq, entry.at_ms, &entry.record)).collect(),
    })
}

async fn in_dead(client: &Client, session: &SessionKey, event: EventSeq) -> Result<bool, journal::Error> {
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

async fn is_queued(client: &Client, session: &SessionKey, event: EventSeq) -> Result<bool, journal::Error> {
    let stream = subject::events_stream(event.epoch);
    match direct::next(client, &stream, &subject::event(session), event.seq).await {
        Ok(found) => Ok(found.is_some_and(|stored| stored.seq == event.seq)),
        Err(direct::Error::NoStream) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
