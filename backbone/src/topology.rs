//! Streams, consumer and bucket: created once, compared ever after.
//!
//! Nothing here changes or recreates what exists: a recreated stream restarts its sequence, and an
//! updated consumer can lose what waits (nats-server 5526). A difference is reported, and mending
//! it is an operator's decision.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use clap::Args;
use proto::id::Epoch;
use proto::{limit, subject};

/// How the streams are made.
#[derive(Debug, Clone, Args)]
pub struct Sizes {
    /// Replicas of every stream: 1, 3 or 5.
    #[arg(long, env = "CUEPOINT_REPLICAS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub replicas: u8,
    /// How many bytes waiting events may take.
    #[arg(long, env = "CUEPOINT_EVENTS_BYTES", default_value_t = limit::EVENTS_BYTES_MAX)]
    pub events_bytes: i64,
    /// How many bytes the log may take.
    #[arg(long, env = "CUEPOINT_LOG_BYTES", default_value_t = limit::LOG_BYTES_MAX)]
    pub log_bytes: i64,
    /// How many bytes dead letters may take.
    #[arg(long, env = "CUEPOINT_DEAD_BYTES", default_value_t = limit::DEAD_BYTES_MAX)]
    pub dead_bytes: i64,
    /// How many events of one session may wait.
    #[arg(long, env = "CUEPOINT_SESSION_BACKLOG", default_value_t = limit::SESSION_BACKLOG_MAX)]
    pub session_backlog: i64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            replicas: 1,
            events_bytes: limit::EVENTS_BYTES_MAX,
            log_bytes: limit::LOG_BYTES_MAX,
            dead_bytes: limit::DEAD_BYTES_MAX,
            session_backlog: limit::SESSION_BACKLOG_MAX,
        }
    }
}

/// Why the topology is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker did not answer, or refused.
    #[error("cannot {what}")]
    Broker {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: async_nats::Error,
    },
    /// A stream is not there yet.
    #[error("stream {0} does not exist: run `cuepoint setup`")]
    Missing(String),
    /// The broker has not set aside as much as the streams may take.
    #[error(
        "the broker has no room for stream {name} of {bytes} bytes: raise max_file_store in the jetstream block of nats-server (without it, it is three quarters of what the disk has free at its start), or give smaller --events-bytes, --log-bytes and --dead-bytes"
    )]
    Room {
        /// The stream.
        name: String,
        /// How many bytes it may take.
        bytes: i64,
    },
    /// Something exists with other settings than these.
    #[error("{name} exists with other settings: {differences}")]
    Differs {
        /// The stream or consumer.
        name: String,
        /// Each difference, as `setting found/wanted`.
        differences: String,
    },
}

fn broker<E: Into<async_nats::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Error {
    let what = what.into();
    move |source| Error::Broker { what, source: source.into() }
}

/// A JetStream context with our deadline on every call of its API.
pub fn context(client: &Client) -> Context {
    jetstream::context::ContextBuilder::new().timeout(limit::READ_DEADLINE).backpressure_on_inflight(false).build(client.clone())
}

/// Finds the EVENTS stream by its subject.
pub async fn current_epoch(context: &Context) -> Result<Epoch, Error> {
    match context.stream_by_subject(subject::EVENTS_FINDER).await {
        Ok(name) => subject::epoch_of_stream(&name).ok_or(Error::Missing("EVENTS_<epoch>".into())),
        Err(error) if matches!(error.kind(), jetstream::context::GetStreamByNameErrorKind::NotFound) => {
            Err(Error::Missing("EVENTS_<epoch>".into()))
        }
        Err(error) => Err(broker("find the EVENTS stream")(error)),
    }
}

/// Whether a stream has room for what a turn may write.
pub async fn has_room(context: &Context, stream: &str) -> Result<bool, Error> {
    let stream = context.get_stream(stream).await.map_err(broker(format!("look up stream {stream}")))?;
    let info = stream.cached_info();
    let Some(max) = u64::try_from(info.config.max_bytes).ok().filter(|max| *max > 0) else { return Ok(true) };
    Ok(max.saturating_sub(info.state.bytes) >= limit::ROOM_BYTES.min(max / limit::ROOM_SHARE))
}

/// Creates what is missing and compares what is there. `second` names a new EVENTS stream.
pub async fn ensure(context: &Context, sizes: &Sizes, second: u32) -> Result<Epoch, Error> {
    ensure_bucket(context, sizes, subject::RESOURCES, limit::REVISIONS_KEPT).await?;
    ensure_bucket(context, sizes, subject::CONTACTS, 1).await?;
    ensure_stream(context, log(sizes)).await?;
    ensure_stream(context, dead(sizes)).await?;
    ensure_stream(context, timers(sizes)).await?;
    ensure_stream(context, audit(sizes)).await?;
    ensure_stream(context, out(sizes)).await?;
    ensure_consumer(context, subject::TIMERS_STREAM.to_owned(), workers(Some(subject::DUE))).await?;
    ensure_consumer(context, subject::LOG_STREAM.to_owned(), collects()).await?;
    ensure_consumer(context, subject::OUT_STREAM.to_owned(), delivers()).await?;
    let epoch = match current_epoch(context).await {
        Ok(epoch) => epoch,
        Err(Error::Missing(_)) => next_epoch(context, second).await?,
        Err(error) => return Err(error),
    };
    ensure_stream(context, events(epoch, sizes)).await?;
    ensure_consumer(context, subject::events_stream(epoch), workers(None)).await?;
    Ok(epoch)
}

/// Makes the EVENTS stream of a new epoch as one before it was, for what is sent into it again.
pub async fn begin_epoch(context: &Context, like: Config, second: u32) -> Result<Epoch, Error> {
    let epoch = next_epoch(context, second).await?;
    let name = subject::events_stream(epoch);
    ensure_stream(context, Config { name: name.clone(), ..like }).await?;
    ensure_consumer(context, name, workers(None)).await?;
    Ok(epoch)
}

/// Takes a name that was never used: the epochs are counted in the bucket.
async fn next_epoch(context: &Context, second: u32) -> Result<Epoch, Error> {
    let bucket = context.get_key_value(subject::RESOURCES).await.map_err(broker("open the bucket"))?;
    let used = bucket.entry("system.epoch").await.map_err(broker("read the last epoch"))?;
    let last = used.as_ref().and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse::<Epoch>().ok());
    let epoch = Epoch::from_second(last.map_or(second, |last| second.max(last.second().saturating_add(1))));
    let revision = used.map_or(0, |entry| entry.revision);
    bucket.update("system.epoch", epoch.to_string().into(), revision).await.map_err(broker("record the new epoch"))?;
    Ok(epoch)
}

fn events(epoch: Epoch, sizes: &Sizes) -> Config {
    Config {
        name: subject::events_stream(epoch),
        subjects: subject::EVENTS.map(str::to_owned).to_vec(),
        retention: RetentionPolicy::WorkQueue,
        max_bytes: sizes.events_bytes,
        max_messages_per_subject: sizes.session_backlog,
        discard_new_per_subject: true,
        duplicate_window: limit::DUPLICATE_WINDOW,
        ..base(sizes)
    }
}

fn log(sizes: &Sizes) -> Config {
    Config {
        name: subject::LOG_STREAM.to_owned(),
        subjects: vec![subject::LOG.to_owned()],
        max_bytes: sizes.log_bytes,
        max_age: limit::LOG_AGE_MAX,
        duplicate_window: Duration::from_millis(100),
        ..base(sizes)
    }
}

fn dead(sizes: &Sizes) -> Config {
    Config {
        name: subject::DEAD_STREAM.to_owned(),
        subjects: vec![subject::DEAD.to_owned()],
        max_bytes: sizes.dead_bytes,
        duplicate_window: limit::DUPLICATE_WINDOW,
        ..base(sizes)
    }
}

/// Schedules lie beside their targets, and a stream that refuses what is new takes none (nats-server 2.15).
fn timers(sizes: &Sizes) -> Config {
    Config {
        name: subject::TIMERS_STREAM.to_owned(),
        subjects: subject::TIMERS.map(str::to_owned).to_vec(),
        max_bytes: limit::TIMERS_BYTES_MAX,
        max_age: limit::TIMERS_AGE_MAX,
        discard: DiscardPolicy::Old,
        allow_message_schedules: true,
        // Which the broker switches on beside schedules (nats-server 2.15).
        allow_rollup: true,
        duplicate_window: Duration::from_millis(100),
        ..base(sizes)
    }
}

/// What was asked of the management API: the oldest goes where there is no more room.
fn audit(sizes: &Sizes) -> Config {
    Config {
        name: subject::AUDIT_STREAM.to_owned(),
        subjects: vec![subject::AUDIT.to_owned()],
        max_bytes: limit::AUDIT_BYTES_MAX,
        max_age: limit::LOG_AGE_MAX,
        discard: DiscardPolicy::Old,
        duplicate_window: Duration::from_millis(100),
        ..base(sizes)
    }
}

/// Ends of turns on their way out. Full, it takes nothing new, and what is not in it yet waits in the log.
fn out(sizes: &Sizes) -> Config {
    Config {
        name: subject::OUT_STREAM.to_owned(),
        subjects: subject::OUT.map(str::to_owned).to_vec(),
        max_bytes: limit::OUT_BYTES_MAX,
        max_age: limit::OUT_AGE_MAX,
        duplicate_window: limit::DUPLICATE_WINDOW,
        ..base(sizes)
    }
}

fn base(sizes: &Sizes) -> Config {
    Config {
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        allow_direct: true,
        num_replicas: sizes.replicas.into(),
        ..Config::default()
    }
}

async fn ensure_bucket(context: &Context, sizes: &Sizes, name: &str, history: i64) -> Result<(), Error> {
    let config = kv::Config {
        bucket: name.to_owned(),
        history,
        storage: StorageType::File,
        num_replicas: sizes.replicas.into(),
        ..kv::Config::default()
    };
    let Ok(bucket) = context.get_key_value(name).await else {
        return context.create_key_value(config).await.map(drop).map_err(broker(format!("create the bucket {name}")));
    };
    let found = &bucket.stream.cached_info().config;
    let settings = [
        ("history", found.max_messages_per_subject.to_string(), history.to_string()),
        ("storage", format!("{:?}", found.storage), format!("{:?}", config.storage)),
        ("replicas", found.num_replicas.to_string(), config.num_replicas.to_string()),
        ("max_age", age(found.max_age), age(config.max_age)),
        ("allow_direct", found.allow_direct.to_string(), true.to_string()),
        ("deny_delete", found.deny_delete.to_string(), true.to_string()),
    ];
    same(name, settings)
}

async fn ensure_stream(context: &Context, wanted: Config) -> Result<(), Error> {
    let name = wanted.name.clone();
    match context.get_stream(&name).await {
        Ok(stream) => compare(&name, &stream.cached_info().config, &wanted),
        Err(error) if is_missing(&error.kind()) => {
            let bytes = wanted.max_bytes;
            let made = context.create_stream(wanted).await.map(drop);
            made.map_err(
                |error| if is_room(&error.kind()) { Error::Room { name, bytes } } else { broker(format!("create stream {name}"))(error) },
            )
        }
        Err(error) => Err(broker(format!("look up stream {name}"))(error)),
    }
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

fn is_room(kind: &CreateStreamErrorKind) -> bool {
    use jetstream::ErrorCode;
    matches!(kind, CreateStreamErrorKind::JetStream(error)
        if matches!(error.error_code(), ErrorCode::STORAGE_RESOURCES_EXCEEDED | ErrorCode::INSUFFICIENT_RESOURCES))
}

/// What is compared: what correctness leans on, and what would let a header of a message do more than add it.
fn compare(name: &str, found: &Config, wanted: &Config) -> Result<(), Error> {
    let settings = |config: &Config| {
        let mut subjects = config.subjects.clone();
        subjects.sort();
        [
            ("subjects", subjects.join(" ")),
            ("retention", format!("{:?}", config.retention)),
            ("discard", format!("{:?}", config.discard)),
            ("discard_new_per_subject", config.discard_new_per_subject.to_string()),
            ("allow_direct", config.allow_direct.to_string()),
            ("storage", format!("{:?}", config.storage)),
            ("max_bytes", config.max_bytes.to_string()),
            ("max_msgs", config.max_messages.max(0).to_string()),
            ("max_msgs_per_subject", config.max_messages_per_subject.max(0).to_string()),
            ("max_msg_size", config.max_message_size.max(0).to_string()),
            ("max_age", age(config.max_age)),
            ("duplicate_window", age(config.duplicate_window)),
            ("replicas", config.num_replicas.to_string()),
            ("no_ack", config.no_ack.to_string()),
            ("sealed", config.sealed.to_string()),
            ("allow_rollup_hdrs", config.allow_rollup.to_string()),
            ("allow_msg_ttl", config.allow_message_ttl.to_string()),
            ("allow_msg_schedules", config.allow_message_schedules.to_string()),
            ("allow_msg_counter", config.allow_message_counter.to_string()),
            ("republish", config.republish.is_some().to_string()),
            ("subject_transform", config.subject_transform.is_some().to_string()),
            ("mirror", config.mirror.is_some().to_string()),
            ("sources", config.sources.as_ref().map_or(0, Vec::len).to_string()),
        ]
    };
    // A limit that was raised by hand harms nothing.
    let is_raised = found.max_bytes > wanted.max_bytes;
    let pairs = settings(found).into_iter().zip(settings(wanted)).filter(|((setting, _), _)| !(is_raised && *setting == "max_bytes"));
    same(name, pairs.map(|((setting, found), (_, wanted))| (setting, found, wanted)))
}

fn age(age: Duration) -> String {
    humantime::format_duration(age).to_string()
}

/// Says which settings are others than they should be: name, found, wanted.
fn same(name: &str, settings: impl IntoIterator<Item = (&'static str, String, String)>) -> Result<(), Error> {
    let differs = |(setting, found, wanted): (&str, String, String)| (found != wanted).then(|| format!("{setting} {found}/{wanted}"));
    let differences: Vec<String> = settings.into_iter().filter_map(differs).collect();
    if differences.is_empty() { Ok(()) } else { Err(Error::Differs { name: name.to_owned(), differences: differences.join(", ") }) }
}

/// The durable that all workers share on a stream.
fn workers(filter: Option<&str>) -> pull::Config {
    pull::Config {
        durable_name: Some(subject::WORKERS.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: limit::ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: -1,
        filter_subject: filter.unwrap_or_default().to_owned(),
        ..pull::Config::default()
    }
}

/// The durable that finds ends of turns in the log. What ended before it was made is told to nobody.
fn collects() -> pull::Config {
    pull::Config {
        durable_name: Some(subject::DELIVER.to_owned()),
        deliver_policy: DeliverPolicy::New,
        max_ack_pending: limit::COLLECTING_MAX,
        ..workers(None)
    }
}

/// The durable that sends them. What waits for its next attempt is in delivery, so there is no limit to that.
fn delivers() -> pull::Config {
    pull::Config { durable_name: Some(subject::DELIVER.to_owned()), ack_wait: limit::DELIVER_ACK_WAIT, ..workers(Some(subject::PARCELS)) }
}

/// Makes a durable where it is missing, or compares the one that is there.
async fn ensure_consumer(context: &Context, stream: String, wanted: pull::Config) -> Result<(), Error> {
    let name = wanted.durable_name.clone().unwrap_or_default();
    let Ok(consumer) = context.get_consumer_from_stream::<consumer::Config, _, _>(&name, &stream).await else {
        let created = context.create_consumer_strict_on_stream(wanted, stream).await;
        return created.map(drop).map_err(broker(format!("create the consumer {name}")));
    };
    let (found, wanted) = (&consumer.cached_info().config, consumer::IntoConsumerConfig::into_consumer_config(wanted));
    let settings = |config: &consumer::Config| {
        [
            ("ack_policy", format!("{:?}", config.ack_policy)),
            ("deliver_policy", format!("{:?}", config.deliver_policy)),
            ("ack_wait", age(config.ack_wait)),
            ("max_deliver", config.max_deliver.to_string()),
            ("max_ack_pending", config.max_ack_pending.to_string()),
            ("filter_subject", config.filter_subject.clone()),
            ("filter_subjects", config.filter_subjects.join(" ")),
            ("backoff", config.backoff.len().to_string()),
            ("paused", config.pause_until.is_some().to_string()),
        ]
    };
    let pairs = settings(found).into_iter().zip(settings(&wanted));
    same(&format!("consumer {name} of {stream}"), pairs.map(|((setting, found), (_, wanted))| (setting, found, wanted)))
}
