//! An event on its way in: its session's token, its id, its envelope and its receipt.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::{self, publish::PublishAck};
use async_nats::{Client, HeaderMap};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::print;

/// How often a job is sent; all tries together stay far inside the two minutes in which the broker knows a repeat.
const TRIES: u32 = 5;
/// How long the broker may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The pause after the first try; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// How many characters of the hash make a token.
const TOKEN_CHARS: usize = 22;

/// One event that is to be published.
#[derive(Debug, Args)]
pub(crate) struct Job {
    /// Trigger that takes it.
    #[arg(long)]
    trigger: String,
    /// The same for each try, another for each event.
    #[arg(long = "job", value_name = "ID")]
    id: String,
    /// File with this publisher's own secret.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Session string.
    #[arg(long)]
    session: Option<String>,
    /// Session token, where no string is to name it.
    #[arg(long)]
    token: Option<String>,
    /// What the bot reads.
    #[arg(long)]
    text: Option<String>,
    /// Any JSON.
    #[arg(long)]
    payload: Option<String>,
    /// Mail address of whoever it is from.
    #[arg(long)]
    email: Option<String>,
    /// W3C trace context.
    #[arg(long)]
    traceparent: Option<String>,
}

/// The token by which callers over HTTP and direct publishers share a session.
pub(crate) fn session_token(string: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(string)).chars().take(TOKEN_CHARS).collect()
}

/// The id under which the broker knows a repeat: nobody without the key can guess it.
fn message_id(key_file: &Path, job: &str) -> anyhow::Result<String> {
    let key = std::fs::read(key_file).with_context(|| format!("cannot read {}", key_file.display()))?;
    let key = key.trim_ascii_end();
    ensure!(key.len() >= 16, "{} holds fewer than 16 bytes", key_file.display());
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(job.as_bytes());
    let digits = mac.finalize().into_bytes().into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
    Ok(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
}

impl Job {
    fn envelope(&self) -> anyhow::Result<Value> {
        let payload: Option<Value> = self.payload.as_deref().map(serde_json::from_str).transpose().context("the payload is not JSON")?;
        let contact = self.email.as_ref().map(|email| json!({ "email": email }));
        Ok(json!({ "text": self.text, "session": self.session, "contact": contact, "payload": payload }))
    }

    fn headers(&self, id: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "application/json");
        headers.insert("Nats-Msg-Id", id);
        if let Some(traceparent) = &self.traceparent {
            headers.insert("traceparent", traceparent.as_str());
        }
        headers
    }
}

/// Publishes an event, and prints its receipt.
pub(crate) async fn publish(client: &Client, job: &Job) -> anyhow::Result<()> {
    let id = message_id(&job.key, &job.id)?;
    // A job has the same session at every try. One that names none has a session of its own.
    let string = job.session.as_ref().or(job.email.as_ref()).unwrap_or(&id);
    let token = job.token.clone().unwrap_or_else(|| session_token(string));
    let subject = format!("event.{}.{token}", job.trigger);
    let stored = confirmed(client, subject, job.headers(&id), job.envelope()?.to_string()).await?;
    let epoch = stored.stream.trim_start_matches("EVENTS_");
    let receipt = format!("evt.{}.{token}.{epoch}.{}", job.trigger, stored.sequence);
    print(json!({ "receipt": receipt, "duplicate": stored.duplicate }))
}

async fn confirmed(client: &Client, subject: String, headers: HeaderMap, body: String) -> anyhow::Result<PublishAck> {
    let mut context = jetstream::new(client.clone());
    context.set_timeout(ANSWER_WITHIN);
    for attempt in 0..TRIES {
        let sent = async { context.publish_with_headers(subject.clone(), headers.clone(), body.clone().into()).await?.await };
        match sent.await {
            Ok(stored) => return Ok(stored),
            // It may be stored all the same; the id makes a second try harmless.
            Err(error) if matches!(error.kind(), PublishErrorKind::TimedOut | PublishErrorKind::StreamNotFound) => {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
            }
            Err(error) => return Err(anyhow::Error::new(error).context("the broker refuses")),
        }
    }
    bail!("not confirmed after {TRIES} tries: run the same job again")
}
