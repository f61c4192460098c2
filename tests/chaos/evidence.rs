//! What can be found in the end: in the log, in DEAD, at the sink, by the API, and what is left over.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use proto::id::{EventSeq, Receipt};
use proto::limit::{LEASE_TTL, LINGER};
use proto::record::Step;
use serde_json::Value;
use tests::ledger::terminals;
use tests::resource::SECRET;
use tests::sink::Hit;
use tests::view::{Logged, View};
use tokio::time::Instant;

use crate::book::Sent;
use crate::check::{Effect, End, Ended};
use crate::door::TRIGGER;

/// What a bot says that was not answered for its call.
pub(crate) const IN_DOUBT: &str = "in doubt";
/// How long the log may take to be read.
const READ_WITHIN: Duration = Duration::from_mins(3);
/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How many receipts are asked about at a time.
const ASKED_MAX: usize = 48;
/// How often one is asked about.
const TRIES_MAX: usize = 5;
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Waits until no event is left, and no lease; what is left where that takes too long.
pub(crate) async fn settled(view: &View, within: Duration) -> Vec<String> {
    let (deadline, mut left) = (Instant::now() + within, Vec::new());
    loop {
        let waiting = view.try_waiting().await;
        let consumer = view.try_consumer().await;
        let delivered = consumer.as_ref().map(|consumer| (consumer.num_ack_pending, consumer.num_pending));
        if (waiting, delivered) == (Some(0), Some((0, 0))) {
            break;
        }
        if Instant::now() > deadline {
            left.push(format!("after {within:?} EVENTS holds {waiting:?} events; in delivery and to be delivered are {delivered:?}"));
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let deadline = Instant::now() + LEASE_TTL + LINGER * 2;
    loop {
        match view.try_leases().await {
            Some(leases) if leases.is_empty() => return left,
            leases if Instant::now() > deadline => {
                left.push(format!("leases: {leases:?}"));
                return left;
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// All records.
pub(crate) async fn log(view: &View) -> anyhow::Result<Vec<Logged>> {
    let read = async {
        loop {
            if let Some(log) = view.try_log().await {
                return log;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(READ_WITHIN, read).await.context("the log cannot be read")
}

/// The number behind the first word of a text.
fn number(text: &str) -> Option<u64> {
    text.split_once(' ')?.1.parse().ok()
}

/// The terminal records, in the order of the log; what could not be read is known by its copy.
pub(crate) fn ended(log: &[Logged], letters: &[(EventSeq, Option<u64>)]) -> Vec<Ended> {
    let numbered = |logged: &Logged| Some((logged.entry.record.event, number(&logged.entry.record.input()?.text)?));
    let copied = letters.iter().filter_map(|(event, number)| Some((*event, (*number)?)));
    let numbers: BTreeMap<EventSeq, u64> = log.iter().filter_map(numbered).chain(copied).collect();
    let read = |logged: &Logged| {
        let record = &logged.entry.record;
        let end = match &record.step {
            Some(Step::Completed(step)) => End::Completed { is_sure: step.reply != IN_DOUBT },
            Some(Step::Failed(step)) => End::Failed { is_dead: step.dead, code: step.code.clone() },
            _ => End::Cancelled,
        };
        let (event, received_ms) = (record.event, record.received_at_ms);
        let (seq, at_ms) = (logged.entry.seq, logged.entry.at_ms);
        Ended { session: logged.session.clone(), event, number: numbers.get(&event).copied(), seq, received_ms, at_ms, end }
    };
    terminals(log).map(read).collect()
}

/// What the sink saw: paths are a deed and a number.
pub(crate) fn effects(hits: &[Hit]) -> Vec<Effect> {
    let read = |hit: &Hit| {
        let (deed, number) = hit.path.trim_start_matches('/').split_once('/').unwrap_or_default();
        Effect { deed: deed.to_owned(), number: number.parse().unwrap_or(u64::MAX), key: hit.key.clone() }
    };
    hits.iter().map(read).collect()
}

/// Whose copies lie in DEAD, and the numbers in them.
pub(crate) async fn letters(view: &View) -> Vec<(EventSeq, Option<u64>)> {
    let read = |letter: &proto::wire::DeadLetter| {
        let body: Value = serde_json::from_slice(&letter.body).unwrap_or_default();
        let text = body.get("torn").or_else(|| body.get("text")).and_then(Value::as_str);
        Some((EventSeq { epoch: letter.epoch.parse().ok()?, seq: letter.event }, text.and_then(number)))
    };
    view.letters().await.iter().filter_map(|(_, letter)| read(letter)).collect()
}

/// What the gateways say of each receipt.
pub(crate) async fn statuses(ports: &[u16], sent: &[Sent]) -> anyhow::Result<BTreeMap<EventSeq, String>> {
    let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
    let receipts = sent.iter().filter_map(|sent| Some(Receipt { session: sent.session.clone(), event: sent.event()? }));
    let asked = receipts.zip(ports.iter().cycle()).map(|(receipt, port)| {
        let url = format!("http://127.0.0.1:{port}/v1/integration/trigger/{TRIGGER}/event/{receipt}/fetch");
        let http = http.clone();
        async move { anyhow::Ok((receipt.event, status(&http, &url).await?)) }
    });
    let told: Vec<_> = futures_util::stream::iter(asked).buffer_unordered(ASKED_MAX).collect().await;
    told.into_iter().collect()
}

async fn status(http: &reqwest::Client, url: &str) -> anyhow::Result<String> {
    let mut last = String::new();
    for _ in 0..TRIES_MAX {
        match http.get(url).bearer_auth(SECRET).send().await {
            Ok(answer) => {
                let (code, body) = (answer.status(), answer.json::<Value>().await.unwrap_or_default());
                if let Some(status) = body.get("status").and_then(Value::as_str).filter(|_| code.is_success()) {
                    return Ok(status.to_owned());
                }
                last = format!("{code} {body}");
            }
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("a receipt is not answered for: {last}")
}
