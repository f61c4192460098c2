//! A directory into a broker that has nothing of the deployment.
//!
//! The log decides what becomes of an event that waited: one that it knows as handled is left out, and
//! so is one that was to be called off. An event whose turn stood open is left out too and named: what
//! its calls have done is only partly on record, so that only its sender can tell whether to send it
//! again. All others get a place in the stream of a new epoch, in their order, under their message ids,
//! or under one of their old place: a publish whose answer is lost is repeated and stays one event.

use std::path::Path;
use std::time::Duration;

use async_nats::{Client, jetstream};
use backbone::{journal, publish, topology};
use proto::id::{Epoch, EventSeq, Receipt, SessionKey};
use proto::limit::PUBLISH_DEADLINE;
use proto::{header, subject};

use super::manifest::Manifest;
use super::waiting::{Line, Reader};
use super::{Error, snapshot};
use crate::clock;

/// How often an event is sent whose answer is lost; far within the broker's window for repeats.
const TRIES_MAX: u32 = 10;
/// The pause between two tries.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// What came of the events that waited.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Told {
    /// The epoch that begins.
    pub epoch: Option<Epoch>,
    /// How many wait again.
    pub sent: u64,
    /// How many the log knows as handled.
    pub handled: u64,
    /// How many were to be called off.
    pub called_off: u64,
    /// How many repeated one before them under the same message id.
    pub repeats: u64,
    /// Those whose turn stood open: each ends as failed, and is not sent again.
    pub open: Vec<String>,
}

/// Gives a backup back.
pub async fn give(client: &Client, directory: &Path) -> Result<(Manifest, Told), Error> {
    let manifest = Manifest::open(directory)?;
    let unusable = |reason: &str| Error::Unusable { path: directory.join(super::manifest::NAME), reason: reason.to_owned() };
    let old: Epoch = manifest.epoch.parse().map_err(|_| unusable("its epoch is none"))?;
    let config: jetstream::stream::Config =
        serde_json::from_value(manifest.events.config.clone()).map_err(|error| unusable(&error.to_string()))?;
    let context = topology::context(client);
    match topology::current_epoch(&context).await {
        Err(topology::Error::Missing(_)) => {}
        Ok(epoch) => return Err(Error::Taken(subject::events_stream(epoch))),
        Err(error) => return Err(error.into()),
    }
    for packed in &manifest.streams {
        if context.get_stream(&packed.name).await.is_ok() {
            return Err(Error::Taken(packed.name.clone()));
        }
    }
    for packed in &manifest.streams {
        snapshot::give(client, packed, directory).await?;
    }
    let epoch = topology::begin_epoch(&context, config, clock::second()).await?;
    let mut told = Told { epoch: Some(epoch), ..Told::default() };
    let mut lines = Reader::open(directory).await?;
    while let Some(line) = lines.next().await? {
        give_one(client, old, &line, &mut told).await?;
    }
    Ok((manifest, told))
}

async fn give_one(client: &Client, old: Epoch, line: &Line, told: &mut Told) -> Result<(), Error> {
    let event = EventSeq { epoch: old, seq: line.seq };
    let of_event = subject::session_of_event(&line.subject);
    let session = of_event.clone().or_else(|| subject::session_of_answer(&line.subject));
    if let Some(session) = &session {
        match standing(client, session, event, of_event.is_some()).await? {
            Standing::Handled => {
                told.handled += 1;
                return Ok(());
            }
            Standing::CalledOff => {
                told.called_off += 1;
                return Ok(());
            }
            Standing::Open => {
                told.open.push(Receipt { session: session.clone(), event }.to_string());
                return Ok(());
            }
            Standing::Waits => {}
        }
    }
    if send(client, old, line).await? {
        told.sent += 1;
    } else {
        told.repeats += 1;
    }
    Ok(())
}

enum Standing {
    Handled,
    CalledOff,
    Open,
    Waits,
}

/// What the log says of a message that waited.
async fn standing(client: &Client, session: &SessionKey, event: EventSeq, is_event: bool) -> Result<Standing, Error> {
    let last = journal::last_from_leader(client, session).await?;
    let Some(last) = last.map(|last| last.record).filter(|last| last.event.epoch == event.epoch) else { return Ok(Standing::Waits) };
    let is_handled = if is_event { last.cursor >= event.seq } else { last.answers >= event.seq };
    Ok(match () {
        () if is_handled => Standing::Handled,
        () if is_event && last.cancels.contains(&event.seq) => Standing::CalledOff,
        () if is_event && last.event == event && !last.is_idle() => Standing::Open,
        () => Standing::Waits,
    })
}

/// Sends a message again; false where its message id was among those before it.
async fn send(client: &Client, old: Epoch, line: &Line) -> Result<bool, Error> {
    let fault = |source| Error::Publish { seq: line.seq, source };
    let body = line.body().ok_or_else(|| fault(publish::Error::Refused("its body is no base64".to_owned())))?;
    let mut headers = line.headers();
    if headers.get(header::MESSAGE_ID).is_none() {
        headers.insert(header::MESSAGE_ID, format!("restored:{old}:{}", line.seq));
    }
    for tried in 0..TRIES_MAX {
        match publish::confirmed(client, line.subject.clone(), Some(headers.clone()), body.clone(), PUBLISH_DEADLINE).await {
            // After a try whose answer was lost it may well be that one.
            Ok(stored) => return Ok(!stored.duplicate || tried > 0),
            Err(publish::Error::Unconfirmed | publish::Error::NoStream) => tokio::time::sleep(TRY_EVERY).await,
            Err(error) => return Err(fault(error)),
        }
    }
    Err(fault(publish::Error::Unconfirmed))
}
