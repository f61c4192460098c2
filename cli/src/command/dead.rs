//! `cuepoint dead`: events that were given up on or refused.
//!
//! A letter is named by its sequence in the stream DEAD. Replaying one publishes its bytes again as
//! a new event at the end of its session; the letter stays.

use async_nats::HeaderMap;
use async_nats::jetstream::Context;
use backbone::direct::{self, Stored};
use backbone::publish;
use clap::{Args, Subcommand};
use prost::Message as _;
use proto::id::{EventSeq, Receipt, SessionKey, TriggerId};
use proto::idempotency::hex;
use proto::limit::{PUBLISH_DEADLINE, READ_BATCH_MAX};
use proto::wire::DeadLetter;
use proto::{header, subject};

use super::Error;
use crate::output;
use crate::reach::Broker;

/// What to do with dead letters.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
}

/// The actions.
#[derive(Debug, Subcommand)]
enum Action {
    /// Lists all letters, oldest first.
    List,
    /// Shows one letter: why it is here, where it came from, and its bytes.
    Show {
        /// The letter, as `list` names it.
        id: u64,
    },
    /// Publishes a letter's bytes again, as a new event of the same session.
    Replay {
        /// The letter, as `list` names it.
        id: u64,
    },
}

/// Why a letter is not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// No such letter.
    #[error("there is no letter {0}: `cuepoint dead list` names them all")]
    Missing(u64),
    /// The bytes are not a letter.
    #[error("the letter {0} cannot be read")]
    Unreadable(u64, #[source] prost::DecodeError),
    /// It came on a subject that no event can lie on.
    #[error("the letter {id} came on {subject:?}, which names no trigger and session: publish its bytes to event.TRIGGER.SESSION instead")]
    Subject {
        /// The letter.
        id: u64,
        /// The subject.
        subject: String,
    },
    /// Its trigger does not exist.
    #[error("the letter {id} came for the trigger {trigger}, which does not exist: create it first")]
    Trigger {
        /// The letter.
        id: u64,
        /// The trigger.
        trigger: TriggerId,
    },
    /// The configuration cannot be read.
    #[error("cannot read the configuration")]
    Configuration(#[source] async_nats::Error),
    /// The broker did not take it.
    #[error("the letter {0} was not published")]
    Publish(u64, #[source] publish::Error),
}

/// Does the action.
pub async fn run(options: &Options) -> Result<(), Error> {
    let (client, context) = options.broker.streams().await?;
    match options.action {
        Action::List => list(&client).await,
        Action::Show { id } => show(id, &find(&client, id).await?),
        Action::Replay { id } => {
            let receipt = replay(&client, &context, id, find(&client, id).await?).await?;
            Ok(output::line(format!("receipt {receipt}"))?)
        }
    }
}

fn read(source: direct::Error) -> Error {
    Error::Read { stream: subject::DEAD_STREAM, source }
}

async fn list(client: &async_nats::Client) -> Result<(), Error> {
    let mut from = 1;
    loop {
        let letters = direct::batch(client, subject::DEAD_STREAM, subject::DEAD, from, READ_BATCH_MAX).await.map_err(read)?;
        let Some(last) = letters.last().map(|letter| letter.seq) else { return Ok(()) };
        for letter in letters {
            output::line(line(letter))?;
        }
        from = last + 1;
    }
}

fn line(stored: Stored) -> String {
    let (id, time) = (stored.seq, output::time(stored.at_ms));
    match DeadLetter::decode(stored.body) {
        Ok(letter) => {
            let reason = output::one_line(&letter.reason);
            format!("{id:>6}  {time}  {}  {}  {} bytes  {reason}", letter.code, output::one_line(&letter.subject), letter.body.len())
        }
        Err(error) => format!("{id:>6}  {time}  {}  cannot be read: {error}", stored.subject),
    }
}

async fn find(client: &async_nats::Client, id: u64) -> Result<DeadLetter, Error> {
    let stored = direct::at(client, subject::DEAD_STREAM, id).await.map_err(read)?.ok_or(ReplayError::Missing(id))?;
    Ok(DeadLetter::decode(stored.body).map_err(|source| ReplayError::Unreadable(id, source))?)
}

fn show(id: u64, letter: &DeadLetter) -> Result<(), Error> {
    output::line(format!("letter     {id}"))?;
    output::line(format!("code       {}", letter.code))?;
    output::line(format!("reason     {}", output::one_line(&letter.reason)))?;
    output::line(format!("subject    {}", output::one_line(&letter.subject)))?;
    output::line(format!("event      {} in EVENTS_{}", letter.event, letter.epoch))?;
    output::line(format!("attempts   {}", letter.attempts))?;
    output::line(format!("received   {}", output::time(letter.received_at_ms)))?;
    for (name, value) in &letter.headers {
        output::line(format!("header     {}: {}", output::one_line(name), output::one_line(value)))?;
    }
    output::line(format!("body       {} bytes", letter.body.len()))?;
    match std::str::from_utf8(&letter.body) {
        Ok(text) if !text.contains(|char: char| char.is_control() && !char.is_whitespace()) => output::line(text)?,
        _ => output::line(hex(&letter.body))?,
    }
    Ok(())
}

async fn replay(client: &async_nats::Client, context: &Context, id: u64, letter: DeadLetter) -> Result<Receipt, Error> {
    let session = subject::session_of_event(&letter.subject).ok_or_else(|| ReplayError::Subject { id, subject: letter.subject.clone() })?;
    if !exists(context, &session).await.map_err(ReplayError::Configuration)? {
        return Err(ReplayError::Trigger { id, trigger: session.trigger }.into());
    }
    let nonce = hex(&backbone::chance::bytes::<8>());
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::TRACEPARENT] {
        if let Some(value) = letter.headers.get(name).filter(|value| !value.contains(char::is_control)) {
            headers.insert(name, value.as_str());
        }
    }
    headers.insert(header::MESSAGE_ID, format!("{}:{}:{nonce}", letter.epoch, letter.event));
    let stored = publish::confirmed(client, letter.subject, Some(headers), letter.body, PUBLISH_DEADLINE)
        .await
        .map_err(|source| ReplayError::Publish(id, source))?;
    let foreign = || ReplayError::Publish(id, publish::Error::Refused(format!("{} took it, which is no stream of events", stored.stream)));
    let epoch = subject::epoch_of_stream(&stored.stream).ok_or_else(foreign)?;
    Ok(Receipt { session, event: EventSeq { epoch, seq: stored.seq } })
}

async fn exists(context: &Context, session: &SessionKey) -> Result<bool, async_nats::Error> {
    let bucket = context.get_key_value(subject::RESOURCES).await?;
    Ok(bucket.get(format!("trigger.{}", session.trigger)).await?.is_some())
}
