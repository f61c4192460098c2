//! From the log into OUT.
//!
//! All workers share one durable consumer on the log, so two of them may have neighbouring records of
//! one session in hand, and one may die with a record while the other goes on. A record names the
//! terminal record before it: before a record is put into OUT, those before it are, by whoever comes
//! first. The broker's fence on the lane and the log sequence on its last parcel keep two workers
//! from putting the same one there twice.
//!
//! Which destinations hear of a turn was settled when it began: those of the version of the trigger
//! that the turn ran with. So whoever looks at a record comes to the same parcels, whenever that is.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::{AckKind, Message};
use backbone::catalogue::Catalogue;
use backbone::journal::{self, Entry};
use backbone::{direct, publish, topology};
use futures_util::StreamExt as _;
use proto::id::SessionKey;
use proto::resource::{Destination, Resource};
use proto::{header, limit, subject};
use tokio_util::sync::CancellationToken;

use crate::parcel::{LOG, Lane};
use crate::plan;

/// How many records one pull brings.
const BATCH: usize = 256;
/// The pause before the consumer is looked for again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// The pause before a record that could not be put into OUT is tried again.
const AGAIN: Duration = Duration::from_secs(5);
/// How many records before one are looked at; what is in hand anywhere is never more.
const BACK_MAX: usize = 1_024;
/// How many sessions it is remembered of how far they have come.
const SESSIONS_MAX: usize = 65_536;
/// How often a fence that did not hold is looked behind.
const FENCED_MAX: usize = 8;

/// Why a record is not in OUT yet.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the log cannot be read")]
    Log(#[from] journal::Error),
    #[error("the broker cannot be read")]
    Read(#[from] direct::Error),
    #[error("OUT does not take it")]
    Publish(#[from] publish::Error),
    #[error("the consumer does not say how far it is")]
    Consumer(#[source] async_nats::Error),
}

/// Puts ends of turns into OUT until `shutdown`.
pub(crate) async fn run(client: async_nats::Client, catalogue: Catalogue, shutdown: CancellationToken) {
    let mut collector = Collector { client, catalogue, done: HashMap::new(), floor: 0 };
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            ended = collector.pull() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "ends of turns cannot be collected yet");
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_EVERY) => {}
        }
    }
}

struct Collector {
    client: async_nats::Client,
    catalogue: Catalogue,
    /// The last terminal record of a session that this process knows to be done with.
    done: HashMap<SessionKey, u64>,
    /// All records up to here are done with, whoever did them.
    floor: u64,
}

impl Collector {
    async fn pull(&mut self) -> Result<(), async_nats::Error> {
        self.catalogue.loaded().await;
        let context = topology::context(&self.client);
        let mut consumer: PullConsumer = context.get_consumer_from_stream(subject::DELIVER, subject::LOG_STREAM).await?;
        let mut records = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
        while let Some(message) = records.next().await {
            let message = message?;
            match self.take(&message, &mut consumer).await {
                Ok(()) => message.ack().await?,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), subject = %message.subject, "the end of a turn is put aside and tried again");
                    message.ack_with(AckKind::Nak(Some(AGAIN))).await?;
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, message: &Message, consumer: &mut PullConsumer) -> Result<(), Error> {
        let Some(session) = subject::session_of_log(&message.subject) else { return Ok(()) };
        let Ok(info) = message.info() else { return Ok(()) };
        let at_ms = i64::try_from(info.published.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let stored = direct::Stored {
            subject: message.subject.to_string(),
            seq: info.stream_sequence,
            at_ms,
            headers: async_nats::HeaderMap::new(),
            body: message.payload.clone(),
        };
        let entry = match journal::entry(stored) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::error!(%error, "a record cannot be read, so nobody is told of it");
                return Ok(());
            }
        };
        if !entry.record.is_terminal() {
            return Ok(());
        }
        let (seq, destinations) = (entry.seq, self.destinations(&session, &entry).await?);
        if plan::told(&destinations, &entry).next().is_some() {
            for before in self.before(&session, &entry, consumer).await?.into_iter().rev() {
                let destinations = self.destinations(&session, &before).await?;
                self.put(&session, &before, &destinations).await?;
            }
            self.put(&session, &entry, &destinations).await?;
        }
        if self.done.len() >= SESSIONS_MAX {
            self.done.clear();
        }
        let known = self.done.entry(session).or_default();
        *known = seq.max(*known);
        Ok(())
    }

    /// The destinations of the version of the trigger that a turn ran with.
    async fn destinations(&self, session: &SessionKey, entry: &Entry) -> Result<Vec<Destination>, Error> {
        if session.trigger.as_str() == subject::DIRECT {
            return Ok(Vec::new());
        }
        let (known, wanted) = (self.catalogue.trigger(&session.trigger), entry.record.revisions.trigger);
        if let Some(known) = known.as_ref().filter(|known| wanted == 0 || known.revision == wanted) {
            return Ok(known.results.clone());
        }
        let at_the_time = if wanted == 0 { None } else { self.catalogue.at(&format!("trigger.{}", session.trigger), wanted).await? };
        Ok(match (at_the_time, known) {
            (Some(Resource::Trigger(trigger)), _) => trigger.results,
            // The bucket no longer has that version.
            (_, Some(known)) => known.results.clone(),
            (_, None) => Vec::new(),
        })
    }

    /// The terminal records before one that somebody may still have in hand, the latest first.
    async fn before(&mut self, session: &SessionKey, entry: &Entry, consumer: &mut PullConsumer) -> Result<Vec<Entry>, Error> {
        let mut before: Vec<Entry> = Vec::new();
        let mut seq = entry.record.base;
        let mut is_fresh = false;
        while seq > self.done.get(session).copied().unwrap_or_default().max(self.floor) && before.len() < BACK_MAX {
            if !std::mem::replace(&mut is_fresh, true) {
                let info = consumer.info().await.map_err(|error| Error::Consumer(error.into()))?;
                self.floor = self.floor.max(info.ack_floor.stream_sequence);
                continue;
            }
            let Some(stored) = direct::at(&self.client, subject::LOG_STREAM, seq).await? else { break };
            let found = journal::entry(stored)?;
            seq = found.record.base;
            before.push(found);
        }
        Ok(before)
    }

    /// Puts what a record comes to into OUT, where it is not there yet.
    async fn put(&self, session: &SessionKey, entry: &Entry, destinations: &[Destination]) -> Result<(), Error> {
        for destination in plan::told(destinations, entry) {
            let Ok(id) = destination.id.parse() else { continue };
            let lane = Lane { session: session.clone(), destination: id };
            let Some((label, body)) = plan::parcel(session, entry, &destination.id) else { continue };
            let mut is_there = false;
            for _ in 0..FENCED_MAX {
                let last = direct::last_from_leader(&self.client, subject::OUT_STREAM, &lane.out()).await?;
                let told_of = last.as_ref().and_then(|last| last.headers.get(LOG)?.as_str().parse::<u64>().ok()).unwrap_or_default();
                is_there = told_of >= entry.seq;
                if is_there {
                    break;
                }
                let mut headers = label.headers();
                headers.insert(header::MESSAGE_ID, format!("{}:{}", entry.seq, destination.id));
                headers.insert(header::EXPECTED_LAST, last.map_or(0, |last| last.seq).to_string());
                match publish::confirmed(&self.client, lane.out(), Some(headers), body.clone(), limit::PUBLISH_DEADLINE).await {
                    Ok(_) => {
                        is_there = true;
                        break;
                    }
                    // Somebody else was quicker, or the first answer was lost: a look tells which.
                    Err(publish::Error::Fenced) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if !is_there {
                return Err(publish::Error::Fenced.into());
            }
        }
        Ok(())
    }
}

/// An error with what it stems from.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
