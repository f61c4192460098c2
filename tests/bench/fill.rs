//! Streams filled outside the clock.

use std::ops::Range;

use async_nats::Client;
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::event::{Contact, Event};
use proto::id::{Epoch, EventSeq, SessionKey};
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::resource::{Resource, SecretDigest, Trigger};
use proto::{subject, wire};

/// How many publishes are under way at once.
const AT_ONCE: usize = 512;

fn session(number: u64) -> SessionKey {
    format!("bench.s{number}").parse().expect("a session key")
}

/// Puts `total` events of `sessions` sessions into EVENTS, round robin.
pub(crate) async fn events(context: &Context, total: u64, sessions: u64) -> anyhow::Result<()> {
    let event = Event {
        text: Some("order 42 has been paid, what now?".into()),
        payload: Bytes::new(),
        content_type: None,
        session: None,
        contact: Contact::default(),
        ..Event::default()
    };
    let body = event.encode();
    publish(context, (0..total).map(|number| (subject::event(&session(number % sessions)), body.clone()))).await
}

/// Puts one record of each of `sessions` sessions into LOG.
pub(crate) async fn log(context: &Context, sessions: u64) -> anyhow::Result<()> {
    let event = EventSeq { epoch: Epoch::from_second(1), seq: 1 };
    let record = Record {
        id: RecordId([1; 16]),
        event,
        cursor: 1,
        answers: 0,
        attempt: 0,
        base: 0,
        conversation: Conversation { opening: event, opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
        worker: "w0".into(),
        traceparent: String::new(),
        received_at_ms: 0,
        revisions: Revisions::default(),
        cancels: vec![],
        edits: 0,
        step: Some(Step::Completed(wire::Completed { input: None, reply: "done".into(), ..wire::Completed::default() })),
    };
    let body = record.encode();
    publish(context, (0..sessions).map(|number| (subject::log(&session(number)), body.clone()))).await
}

/// Puts one turn of each of `total` conversations into LOG, spread over the triggers `t0`, `t1` and so on.
pub(crate) async fn conversations(context: &Context, total: u64, triggers: u64) -> anyhow::Result<()> {
    turns(context, 0..total, total, triggers).await
}

/// Puts turns of `conversations` conversations into LOG, round robin: each turn has a number.
pub(crate) async fn turns(context: &Context, numbers: Range<u64>, conversations: u64, triggers: u64) -> anyhow::Result<()> {
    let usage = wire::Usage { model: "bench/model".into(), input: 300, output: 20, calls: 1, ..wire::Usage::default() };
    let record = |number: u64| {
        let (which, turn) = (number % conversations, number / conversations + 1);
        let event = EventSeq { epoch: Epoch::from_second(1_790_000_000), seq: number + 1 };
        let opening = EventSeq { seq: which + 1, ..event };
        let at_ms = |number: u64| 1_790_000_000_000 + i64::try_from(number).unwrap_or_default();
        let contact = wire::Contact { name: String::new(), email: format!("somebody{}@example.com", which % 1_000), phone: String::new() };
        let input = wire::Input { text: "order 42 has been paid, what now?".into(), contact: Some(contact), ..wire::Input::default() };
        let completed =
            wire::Completed { input: Some(input), reply: "done".into(), usage: vec![usage.clone()], ..wire::Completed::default() };
        let record = Record {
            id: RecordId([1; 16]),
            event,
            cursor: event.seq,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: Conversation { opening, opened_at_ms: at_ms(which), base: 0, turn, settings: 0 },
            worker: "w0".into(),
            traceparent: String::new(),
            received_at_ms: at_ms(number),
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(Step::Completed(completed)),
        };
        // A token as gateways make them.
        let session = SessionKey {
            trigger: format!("t{}", which % triggers).parse().expect("a trigger id"),
            token: proto::session::token(&which.to_string()),
        };
        (subject::log(&session), record.encode())
    };
    publish(context, numbers.map(record)).await
}

/// Puts so many triggers into the configuration, `t0`, `t1` and so on.
pub(crate) async fn triggers(context: &Context, total: u64) -> anyhow::Result<()> {
    let entry = |number: u64| {
        let secret = Some(SecretDigest::of(&format!("secret-{number}")));
        let trigger = Trigger {
            name: format!("Trigger {number}"),
            secret,
            ..Trigger::new(format!("t{number}").parse().expect("a trigger id"), Some("bench".parse().expect("a bot id")))
        };
        let resource = Resource::Trigger(trigger);
        (format!("$KV.{}.{}", subject::RESOURCES, resource.key()), resource.encode())
    };
    publish(context, (0..total).map(entry)).await
}

async fn publish(context: &Context, messages: impl Iterator<Item = (String, Bytes)>) -> anyhow::Result<()> {
    let client: Client = context.client();
    let mut acks = futures_util::stream::iter(messages)
        .map(|(subject, body)| {
            let client = client.clone();
            async move { backbone::publish::confirmed(&client, subject, None, body, std::time::Duration::from_secs(20)).await }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(ack) = acks.next().await {
        ack?;
    }
    Ok(())
}
