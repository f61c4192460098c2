//! Streams filled outside the clock.

use async_nats::Client;
use async_nats::jetstream::Context;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::event::{Contact, Event};
use proto::id::{Epoch, EventSeq, SessionKey};
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
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
