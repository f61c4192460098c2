//! `cuepoint tail`: records as they are committed.
//!
//! It reads the stream, by direct gets, which a reader may make. A subscription to the subject alone would also see
//! appends that the fence refused.

use std::time::Duration;

use backbone::direct::{self, Stored};
use clap::Args;
use futures_util::{FutureExt as _, StreamExt as _};
use proto::id::{SessionKey, SessionToken, TriggerId};
use proto::record::{Record, Step};
use proto::{limit, message, session, subject};
use serde_json::json;

use super::Error;
use crate::output;
use crate::reach::Broker;

/// How often the log is looked at where nothing was heard.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long after it was heard a record is looked for.
const STORED_WITHIN: Duration = Duration::from_millis(10);

/// What to show.
#[derive(Debug, Args)]
pub struct Options {
    /// Only this trigger's records.
    #[arg(long, short)]
    trigger: Option<TriggerId>,
    /// Only the records of this session string (or email address, or phone number).
    #[arg(long, short)]
    session: Option<String>,
    /// Only the records of this session token.
    #[arg(long, conflicts_with = "session")]
    token: Option<SessionToken>,
    /// Begin with the oldest record that is kept.
    #[arg(long)]
    from_start: bool,
    /// One JSON object a record.
    #[arg(long)]
    json: bool,
    /// The deployment.
    #[command(flatten)]
    broker: Broker,
}

/// Follows the log until it is stopped.
pub async fn run(options: &Options) -> Result<(), Error> {
    let (client, _context) = options.broker.streams().await?;
    let filter = options.filter();
    let failed = |source: async_nats::Error| Error::Stream { stream: subject::LOG_STREAM, source };
    let mut bell = client.subscribe(filter.clone()).await.map_err(|error| failed(error.into()))?;
    let last = direct::last_from_leader(&client, subject::LOG_STREAM, &filter).await.map_err(|error| failed(error.into()))?;
    let mut at = last.filter(|_| !options.from_start).map_or(0, |last| last.seq);
    loop {
        // A broker that is away for a while is asked again; nothing is passed over meanwhile.
        let records = direct::batch(&client, subject::LOG_STREAM, &filter, at + 1, limit::READ_BATCH_MAX).await.unwrap_or_default();
        for stored in &records {
            at = stored.seq;
            for line in lines(stored, options.json) {
                output::line(line)?;
            }
        }
        if records.is_empty() {
            // Woken, or not: a wake-up may be missed, and comes before what it is about is stored.
            let _woken = tokio::time::timeout(LOOK_EVERY, bell.next()).await;
            while bell.next().now_or_never().flatten().is_some() {}
            tokio::time::sleep(STORED_WITHIN).await;
        }
    }
}

impl Options {
    fn filter(&self) -> String {
        let trigger = self.trigger.as_ref().map_or("*", TriggerId::as_str);
        let token = self.session.as_deref().map(session::token).or_else(|| self.token.clone());
        format!("log.{trigger}.{}", token.as_ref().map_or("*", SessionToken::as_str))
    }
}

/// The lines of one stored message; what is no record is named and passed over.
fn lines(stored: &Stored, as_json: bool) -> Vec<String> {
    let Some(key) = subject::session_of_log(&stored.subject) else {
        return vec![format!("{}: not a record of a session", stored.subject)];
    };
    let at_ms = stored.at_ms;
    match Record::decode(stored.body.clone()) {
        Err(error) => vec![format!("{} {key}: {error}", output::time(at_ms))],
        Ok(record) if as_json => vec![object(&key, stored.seq, at_ms, &record)],
        Ok(record) => readable(&key, stored.seq, at_ms, &record),
    }
}

fn object(key: &SessionKey, seq: u64, at_ms: i64, record: &Record) -> String {
    let messages = message::of(key, seq, at_ms, record);
    json!({
        "seq": seq,
        "at": at_ms,
        "trigger": key.trigger,
        "session": key.token,
        "event": record.event.seq,
        "attempt": record.attempt,
        "conversation": record.conversation.id(key).to_string(),
        "step": step(record),
        "messages": messages,
    })
    .to_string()
}

/// A line a message, or one for a record that says nothing to a reader.
fn readable(key: &SessionKey, seq: u64, at_ms: i64, record: &Record) -> Vec<String> {
    let line =
        |kind: &str, text: &str| format!("{}  {key}  {kind:>10}  {}", output::time(at_ms), output::one_line(text)).trim_end().to_owned();
    let mut lines: Vec<_> = message::of(key, seq, at_ms, record)
        .into_iter()
        .filter_map(|message| serde_json::to_value(message).ok().and_then(|value| serde_json::from_value(value).ok()))
        .map(|message: crate::client::Message| line(&message.kind, &message.summary()))
        .collect();
    if lines.is_empty() {
        lines.push(line(step(record), ""));
    }
    lines
}

fn step(record: &Record) -> &'static str {
    match &record.step {
        Some(Step::Started(_)) => "started",
        Some(Step::Resumed(_)) => "resumed",
        Some(Step::Checkpoint(_)) => "checkpoint",
        Some(Step::Intents(_)) => "intents",
        Some(Step::Outcomes(_)) => "outcomes",
        Some(Step::Received(_)) => "received",
        Some(Step::Suspended(_)) => "suspended",
        Some(Step::Merged(_)) => "merged",
        Some(Step::Completed(_)) => "completed",
        Some(Step::Failed(_)) => "failed",
        Some(Step::Cancelled(_)) => "cancelled",
        Some(Step::Noted(_)) => "noted",
        Some(Step::Changed(_)) => "changed",
        None => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use proto::id::{Epoch, EventSeq};
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::wire;

    use super::{Options, readable};

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_filter_is_as_narrow_as_what_was_asked() {
        let check = |arguments: &[&str], expected| {
            let arguments = ["tail"].iter().chain(arguments).copied();
            assert_eq!(Arguments::parse_from(arguments).options.filter(), expected);
        };
        check(&[], "log.*.*");
        check(&["--trigger", "t"], "log.t.*");
        check(&["--trigger", "t", "--session", "order-42"], "log.t.O_ixV8Qjju_lrkpm7Kgca4");
        check(&["--token", "x"], "log.*.x");
    }

    #[test]
    fn a_record_is_shown_as_what_was_said() {
        let event = EventSeq { epoch: Epoch::from_second(1), seq: 7 };
        let step = |step| Record {
            id: RecordId([0; 16]),
            event,
            cursor: 7,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening: event, opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(step),
        };
        let input = wire::Input { text: "hi\nthere".into(), ..wire::Input::default() };
        let key = "t.s".parse().unwrap();
        let lines = readable(
            &key,
            9,
            0,
            &step(Step::Completed(wire::Completed { input: Some(input), reply: "hello".into(), ..wire::Completed::default() })),
        );
        assert_eq!(lines, ["1970-01-01 00:00:00.000Z  t.s        user  hi\\nthere", "1970-01-01 00:00:00.000Z  t.s         bot  hello"]);
        assert_eq!(readable(&key, 9, 0, &step(Step::Started(wire::Started {}))), ["1970-01-01 00:00:00.000Z  t.s     started"]);
    }
}
