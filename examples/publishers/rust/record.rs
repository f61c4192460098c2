//! What is recorded of an event, read from the stream LOG.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use async_nats::Client;
use async_nats::jetstream;
use async_nats::jetstream::stream::{DirectGetErrorKind, Stream};
use clap::Args;
use prost::Message as _;
use serde_json::{Value, json};

use crate::print;

/// How often is looked for the next record.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What is asked for.
#[derive(Debug, Args)]
pub(crate) struct End {
    /// Receipt of the event.
    receipt: String,
    /// How many seconds it may take to end.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// The fields of `cuepoint.v1.Record` that are read here; prost passes over the others.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(string, tag = "2")]
    epoch: String,
    #[prost(uint64, tag = "6")]
    event: u64,
    #[prost(oneof = "Step", tags = "16, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28")]
    step: Option<Step>,
}

/// What happened.
#[derive(Clone, PartialEq, prost::Oneof)]
enum Step {
    #[prost(message, tag = "16")]
    Started(Unread),
    #[prost(message, tag = "17")]
    Resumed(Unread),
    #[prost(message, tag = "18")]
    Intents(Unread),
    #[prost(message, tag = "19")]
    Outcomes(Unread),
    #[prost(message, tag = "20")]
    Checkpoint(Unread),
    #[prost(message, tag = "21")]
    Received(Unread),
    #[prost(message, tag = "22")]
    Suspended(Unread),
    #[prost(message, tag = "24")]
    Completed(Completed),
    #[prost(message, tag = "25")]
    Failed(Failed),
    #[prost(message, tag = "26")]
    Cancelled(Cancelled),
    #[prost(message, tag = "27")]
    Merged(Unread),
    #[prost(message, tag = "28")]
    Noted(Unread),
}

/// A step of which only the name is told.
#[derive(Clone, PartialEq, prost::Message)]
struct Unread {}

/// The turn ended with a reply.
#[derive(Clone, PartialEq, prost::Message)]
struct Completed {
    #[prost(string, tag = "2")]
    reply: String,
}

/// The turn ended without a reply.
#[derive(Clone, PartialEq, prost::Message)]
struct Failed {
    #[prost(string, tag = "2")]
    code: String,
    #[prost(string, tag = "3")]
    message: String,
    #[prost(bool, tag = "4")]
    dead: bool,
}

/// The turn was called off.
#[derive(Clone, PartialEq, prost::Message)]
struct Cancelled {
    #[prost(string, tag = "2")]
    reason: String,
}

impl Step {
    /// What is told of it, and whether the turn ends with it, and how.
    fn told(&self) -> (Value, Option<bool>) {
        let name = |name: &str| json!({ "step": name });
        match self {
            Self::Started(_) => (name("started"), None),
            Self::Resumed(_) => (name("resumed"), None),
            Self::Intents(_) => (name("intents"), None),
            Self::Outcomes(_) => (name("outcomes"), None),
            Self::Checkpoint(_) => (name("checkpoint"), None),
            Self::Received(_) => (name("received"), None),
            Self::Suspended(_) => (name("suspended"), None),
            Self::Merged(_) => (name("merged"), None),
            Self::Noted(_) => (name("noted"), Some(false)),
            Self::Completed(end) => (json!({ "step": "completed", "reply": end.reply }), Some(true)),
            Self::Cancelled(end) => (json!({ "step": "cancelled", "reason": end.reason }), Some(false)),
            Self::Failed(end) => (json!({ "step": "failed", "code": end.code, "message": end.message, "dead": end.dead }), Some(false)),
        }
    }
}

/// Prints each record of an event until it has ended; whether it was completed.
pub(crate) async fn follow(client: Client, end: &End) -> anyhow::Result<bool> {
    let parts: Vec<&str> = end.receipt.split('.').collect();
    let &["evt", trigger, token, epoch, event] = parts.as_slice() else { bail!("{} is not a receipt", end.receipt) };
    let event: u64 = event.parse().context("the receipt names no event")?;
    let log = jetstream::new(client).get_stream_no_info("LOG").await?;
    let reading = async {
        let mut session = Session { log, subject: format!("log.{trigger}.{token}"), seen: 0 };
        let mut is_merged = false;
        loop {
            match session.next().await {
                Ok(Some(record)) => match told(record, epoch, event, &mut is_merged)? {
                    Some(is_completed) => return Ok(is_completed),
                    None => continue,
                },
                Ok(None) => {}
                Err(error) => writeln!(std::io::stderr(), "reading on: {error:#}")?,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = || format!("no end after {} s; an event of an unknown trigger has none: see `cuepoint dead list`", end.wait);
    tokio::time::timeout(Duration::from_secs(end.wait), reading).await.with_context(late)?
}

/// Prints a record if it is about the event; whether the event was completed, once it has ended.
fn told(record: Record, epoch: &str, event: u64, is_merged: &mut bool) -> anyhow::Result<Option<bool>> {
    // An event that was merged ends with the next turn of its session that ends.
    let is_ours = *is_merged || (record.epoch == epoch && record.event == event);
    let Some(step) = record.step.filter(|_| is_ours) else { return Ok(None) };
    let (told, end) = step.told();
    print(told)?;
    *is_merged |= matches!(step, Step::Merged(_));
    Ok(end)
}

/// The records of a session, oldest first.
struct Session {
    log: Stream<()>,
    subject: String,
    seen: u64,
}

impl Session {
    /// The next record, if there is one already.
    async fn next(&mut self) -> anyhow::Result<Option<Record>> {
        // A read that changes nothing, and can be made again after any failure.
        match self.log.direct_get_next_for_subject(self.subject.clone(), Some(self.seen + 1)).await {
            Ok(message) => {
                self.seen = message.sequence;
                Ok(Some(Record::decode(message.payload)?))
            }
            Err(error) if error.kind() == DirectGetErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
