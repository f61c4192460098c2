//! `cuepoint dead`: events that were given up on or refused.
//!
//! A letter is named by its sequence in the stream DEAD. Replaying one publishes its bytes again as
//! a new event at the end of its session; the letter stays.

use async_nats::jetstream::Context;
use backbone::direct::{self, Stored};
use backbone::letter::{self, Letter};
use clap::{Args, Subcommand};
use prost::Message as _;
use proto::id::{Receipt, SessionKey};
use proto::idempotency::hex;
use proto::limit::READ_BATCH_MAX;
use proto::subject;
use proto::wire::DeadLetter;

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
    /// The letter itself is why.
    #[error(transparent)]
    Letter(#[from] letter::Error),
    /// The configuration cannot be read.
    #[error("cannot read the configuration")]
    Configuration(#[source] async_nats::Error),
}

impl From<letter::Error> for Error {
    fn from(error: letter::Error) -> Self {
        ReplayError::from(error).into()
    }
}

/// Does the action.
pub async fn run(options: &Options) -> Result<(), Error> {
    let (client, context) = options.broker.streams().await?;
    match options.action {
        Action::List => list(&client).await,
        Action::Show { id } => show(id, &letter::find(&client, id).await?.content),
        Action::Replay { id } => {
            let receipt = replay(&client, &context, letter::find(&client, id).await?).await?;
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

async fn replay(client: &async_nats::Client, context: &Context, found: Letter) -> Result<Receipt, Error> {
    let Letter { id, content: letter, .. } = found;
    let meant = letter::meant(id, &letter)?;
    if !exists(context, meant.session()).await.map_err(ReplayError::Configuration)? {
        return Err(letter::Error::Trigger { id, trigger: meant.session().trigger.clone() }.into());
    }
    let message_id = letter::fresh_id(&letter);
    Ok(letter::replay(client, id, letter, &meant, message_id).await?)
}

async fn exists(context: &Context, session: &SessionKey) -> Result<bool, async_nats::Error> {
    // Conversations without a trigger have none to miss.
    if session.trigger.as_str() == subject::DIRECT {
        return Ok(true);
    }
    let bucket = context.get_key_value(subject::RESOURCES).await?;
    Ok(bucket.get(format!("trigger.{}", session.trigger)).await?.is_some())
}
