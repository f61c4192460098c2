//! The log followed, by one indexer at a time.
//!
//! Streams are read by sequence, a batch at a time, from where the index says that it stands. A
//! lease in Redis keeps a second indexer from doing the same work; without it both would, and the
//! index would still be right. Faults are waited out: whatever is missed now is read later.

use std::collections::HashMap;
use std::sync::Arc;

use async_nats::Client;
use backbone::catalogue::Catalogue;
use backbone::direct::{self, Stored};
use backbone::redis::{Redis, Silent};
use backbone::{publish, topology};
use proto::id::{BotId, TriggerId};
use proto::record::Record;
use proto::resource::Resource;
use proto::subject::{self, LOG_STREAM};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bound::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, FACTS_MAX, FAULT_PAUSE, LEASE_EVERY, LEASE_TTL, LOOK_EVERY, STREAMS_EVERY};
use crate::project::{Facts, Seen, names, project};
use crate::store::{Position, Source, Standing, Store};
use crate::{contact, key};

/// `KEYS[1]` what all keys begin with; `ARGV` who asks, and for how many ms. Answers 1 where the lease is theirs.
const LEASE: &str = r"
local key = KEYS[1] .. 'lease'
local owner = redis.call('GET', key)
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', key, ARGV[1], 'PX', ARGV[2])
return 1
";

/// `KEYS[1]` as above; `ARGV[1]` who gives the lease back.
const RELEASE: &str = r"
local key = KEYS[1] .. 'lease'
if redis.call('GET', key) == ARGV[1] then redis.call('DEL', key) end
return 1
";

/// Why the index is not brought up to date right now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis is away.
    #[error(transparent)]
    Redis(#[from] Silent),
    /// The broker gave no answer.
    #[error(transparent)]
    Read(#[from] direct::Error),
    /// A contact's card could not be made.
    #[error("a contact could not be made")]
    Card(#[from] publish::Error),
    /// A stream could not be looked at.
    #[error("the stream {stream} could not be looked at")]
    Stream {
        /// The stream.
        stream: String,
        /// Why.
        source: async_nats::Error,
    },
}

/// A stream as it is.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// When it was made, in nanoseconds since 1970.
    pub created: i128,
    /// Its last sequence.
    pub last: u64,
}

/// What brings the index up to date.
#[derive(Debug)]
pub struct Indexer {
    client: Client,
    store: Store,
    catalogue: Catalogue,
    me: String,
    facts: HashMap<(TriggerId, u64), Facts>,
}

/// The stream that a source is.
fn stream_of(source: Source) -> String {
    if source == Source::Log { LOG_STREAM.to_owned() } else { contact::stream() }
}

/// A stream as it is right now.
pub async fn extent(client: &Client, source: Source) -> Result<Extent, Error> {
    let stream = stream_of(source);
    match topology::context(client).get_stream(&stream).await {
        Ok(found) => {
            let info = found.cached_info();
            Ok(Extent { created: info.created.unix_timestamp_nanos(), last: info.state.last_sequence })
        }
        Err(error) => Err(Error::Stream { stream, source: error.into() }),
    }
}

impl Indexer {
    /// Prepares an indexer; `me` names it among all.
    pub fn new(client: Client, redis: Arc<Redis>, catalogue: Catalogue, me: String) -> Self {
        Self { client, store: Store::new(redis), catalogue, me, facts: HashMap::new() }
    }

    /// Brings the index up to date until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let work = async {
            self.catalogue.loaded().await;
            let mut was_said = false;
            loop {
                match self.reign().await {
                    Ok(()) => {
                        was_said = false;
                        tokio::time::sleep(LEASE_EVERY).await;
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut was_said, true) {
                            tracing::warn!(%error, "the index falls behind: lists may be refused or old until this ends");
                        }
                        tokio::time::sleep(FAULT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = work => {}
        }
        let released: Result<(i64,), Silent> = self.store.call(RELEASE, |command| command.arg(&self.me)).await;
        if let Err(error) = released {
            tracing::debug!(%error, "the lease of the index runs out by itself");
        }
    }

    async fn has_lease(&self) -> Result<bool, Silent> {
        let ttl_ms = u64::try_from(LEASE_TTL.as_millis()).unwrap_or(u64::MAX);
        let (mine,): (i64,) = self.store.call(LEASE, |command| command.arg(&self.me).arg(ttl_ms)).await?;
        Ok(mine == 1)
    }

    /// Works while the lease is held.
    async fn reign(&mut self) -> Result<(), Error> {
        while self.has_lease().await? {
            let renew = Instant::now() + LEASE_EVERY;
            let mut look_at_streams = Instant::now();
            while Instant::now() < renew {
                let extents = if Instant::now() >= look_at_streams {
                    look_at_streams = Instant::now() + STREAMS_EVERY;
                    Some([extent(&self.client, Source::Contacts).await?, extent(&self.client, Source::Log).await?])
                } else {
                    None
                };
                let [contacts, log] = extents.map_or([None, None], |extents| extents.map(Some));
                // Contacts first: who is known needs no card.
                let moved = self.advance(Source::Contacts, contacts, renew).await? | self.advance(Source::Log, log, renew).await?;
                if !moved {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
        Ok(())
    }

    /// Reads a stream to its end, or until the lease is due; whether anything came.
    async fn advance(&mut self, source: Source, extent: Option<Extent>, until: Instant) -> Result<bool, Error> {
        let mut moved = false;
        loop {
            let mut standing = self.store.standing(source).await?;
            if let (Some(extent), Some(at)) = (extent, standing.at)
                && self.is_foreign(source, at, extent).await?
            {
                tracing::warn!(stream = stream_of(source), "the stream was made anew, and so is the index");
                self.store.renew(&standing.generation).await?;
                standing = self.store.standing(source).await?;
            }
            if standing.at.is_none() {
                let extent = self::extent(&self.client, source).await?;
                self.store.begin(source, extent.created, extent.last).await?;
                standing = self.store.standing(source).await?;
            }
            let Some(at) = standing.at else { return Ok(moved) };
            let (subject, from) = if source == Source::Log { (subject::LOG, at.seq) } else { ("$KV.contacts.>", at.seq) };
            let stored =
                direct::batch_within(&self.client, &stream_of(source), subject, from + 1, (BATCH_RECORDS_MAX, BATCH_BYTES_MAX)).await?;
            let Some(last) = stored.last().map(|stored| stored.seq) else {
                // What was deleted at the end of the stream is read too.
                if let Some(extent) = extent.filter(|extent| extent.last > at.seq) {
                    self.store.apply(source, &standing, Position { seq: extent.last, ..at }, &[]).await?;
                }
                return Ok(moved);
            };
            moved = true;
            let applied = self.batch(source, &standing, (stored, Position { seq: last, ..at })).await?;
            if !applied || Instant::now() >= until {
                return Ok(moved);
            }
        }
    }

    /// Whether a position is one of another stream of the same name.
    async fn is_foreign(&self, source: Source, at: Position, seen: Extent) -> Result<bool, Error> {
        if at.created != seen.created {
            return Ok(true);
        }
        // What came since the stream was looked at may have been read already.
        Ok(at.seq > seen.last && at.seq > extent(&self.client, source).await?.last)
    }

    async fn batch(&mut self, source: Source, standing: &Standing, (stored, to): (Vec<Stored>, Position)) -> Result<bool, Error> {
        if source == Source::Contacts {
            let changes: Vec<_> = stored.iter().flat_map(contact::project).collect();
            return Ok(self.store.apply(source, standing, to, &changes).await?);
        }
        let mut batch = Vec::with_capacity(stored.len());
        for stored in stored {
            batch.extend(self.seen(stored).await);
        }
        let names: Vec<_> = batch.iter().map(names).collect();
        let known = self.store.known(&standing.generation, &names).await?;
        let projected = project(known, &batch);
        let ids: Vec<&str> = projected.contacts.iter().map(|newcomer| newcomer.id.as_str()).collect();
        let has = self.store.has_contacts(&standing.generation, &ids).await?;
        let mut has = has.into_iter();
        let new = projected.contacts.iter().filter(|_| !has.next().unwrap_or_default()).cloned().collect();
        contact::make(&self.client, new).await?;
        Ok(self.store.apply(source, standing, to, &projected.changes).await?)
    }

    /// A message of the log as the projection takes it; one that cannot be read is passed over.
    async fn seen(&mut self, stored: Stored) -> Option<Seen> {
        let session = subject::session_of_log(&stored.subject)?;
        let record = match Record::decode(stored.body) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(log.seq = stored.seq, %error, "an entry of the log cannot be read and is in no list");
                return None;
            }
        };
        let facts = self.facts(&session.trigger, record.revisions.trigger).await;
        Some(Seen { seq: stored.seq, at_ms: stored.at_ms, session, record, facts })
    }

    /// Who answers a trigger's events, by the version that the turn began with where the bucket still has it.
    async fn facts(&mut self, trigger: &TriggerId, revision: u64) -> Facts {
        let current = self.catalogue.trigger(trigger);
        let is_current = revision == 0 || current.as_ref().is_some_and(|current| current.revision == revision);
        if is_current {
            return self.of_bot(current.and_then(|trigger| trigger.bot.clone()));
        }
        let known = (trigger.clone(), revision);
        if let Some(facts) = self.facts.get(&known) {
            return facts.clone();
        }
        let bot = match self.catalogue.at(&format!("trigger.{trigger}"), revision).await {
            Ok(Some(Resource::Trigger(trigger))) => trigger.bot,
            _ => current.and_then(|trigger| trigger.bot.clone()),
        };
        let facts = self.of_bot(bot);
        if self.facts.len() >= FACTS_MAX {
            self.facts.clear();
        }
        self.facts.insert(known, facts.clone());
        facts
    }

    fn of_bot(&self, bot: Option<BotId>) -> Facts {
        let definition = bot.as_ref().and_then(|bot| self.catalogue.bot(bot)).map(|bot| bot.definition.clone());
        let definition: Option<serde_json::Value> = definition.and_then(|text| serde_json::from_str(&text).ok());
        let skillset = definition.as_ref().and_then(|definition| definition.get("skillset")?.as_str()?.parse().ok());
        Facts { bot, skillset }
    }
}

/// Who brings the index up to date right now.
pub async fn leader(store: &Store) -> Result<Option<String>, Silent> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("GET").arg(format!("{}{}", key::base(), key::LEASE));
    let (leader,): (Option<String>,) = store.redis().run(&pipeline).await?;
    Ok(leader)
}
