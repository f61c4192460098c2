//! What has become due: time-outs of calls that wait, times of schedules, later events.
//!
//! All workers share one durable consumer. What is dealt with is acked and taken out of the
//! stream, which keeps what is set for its whole age; what cannot be dealt with comes again after
//! the ack wait.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::{Client, HeaderMap};
use backbone::{direct, publish, topology};
use futures_util::TryStreamExt as _;
use proto::{header, limit, subject};
use tokio_util::sync::CancellationToken;

use crate::firing::{self, Ring};
use crate::port::{Ports, Unavailable};

/// The pause before the consumer is looked for again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How much one pull brings.
const BATCH: usize = 64;
/// How much is dealt with at the same time: one that takes long does not make the others late.
const CONCURRENT_MAX: usize = 64;
/// How often an idle pull is told that the consumer is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Deals with what is due until `shutdown`.
pub async fn run(client: Client, ports: Ports, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            ended = deliver(&client, &ports) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "what is due cannot be taken yet");
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(RETRY_EVERY) => {}
        }
    }
}

async fn deliver(client: &Client, ports: &Ports) -> Result<(), async_nats::Error> {
    let context = topology::context(client);
    let consumer: PullConsumer = context.get_consumer_from_stream(subject::WORKERS, subject::TIMERS_STREAM).await?;
    let pull = consumer.stream().max_messages_per_batch(BATCH).expires(limit::PULL_EXPIRES).heartbeat(HEARTBEAT);
    let due = pull.messages().await?.map_err(async_nats::Error::from);
    due.try_for_each_concurrent(CONCURRENT_MAX, |message| async move {
        take(client, ports, message).await;
        Ok(())
    })
    .await
}

async fn take(client: &Client, ports: &Ports, message: Message) {
    if let Err(error) = pass_on(client, ports, &message).await {
        tracing::debug!(subject = %message.subject, %error, "what is due has to wait");
        return;
    }
    if let Err(error) = message.ack().await {
        tracing::debug!(%error, "what is due was not acked: the broker brings it again");
        return;
    }
    let Ok(seq) = message.info().map(|info| info.stream_sequence) else { return };
    if let Err(error) = direct::remove(client, subject::TIMERS_STREAM, seq).await {
        tracing::debug!(%error, "what was due stays until it is too old");
    }
}

async fn pass_on(client: &Client, ports: &Ports, message: &Message) -> Result<(), Unavailable> {
    let nanos = message.info().map(|info| info.published.unix_timestamp_nanos()).unwrap_or_default();
    let at_ms = i64::try_from(nanos / 1_000_000).unwrap_or_default();
    let traceparent = message.headers.as_ref().and_then(|headers| headers.get(header::TRACEPARENT)).map(|value| value.as_str().to_owned());
    let ring = Ring { at_ms, traceparent, body: message.payload.clone() };
    if let Some(trigger) = subject::trigger_of_schedule(&message.subject) {
        return firing::fire(ports, &trigger, &ring).await;
    }
    let Some((session, id)) = subject::session_of_due(&message.subject) else {
        tracing::warn!(subject = %message.subject, "what is due names no session");
        return Ok(());
    };
    if id.is_of_event() {
        return firing::deliver(ports, &session, &ring).await;
    }
    // A time-out that is published twice is an answer that nothing waits for the second time; the id spares most of that.
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, format!("{}:{id}:{nanos}", session.trigger));
    let answer = subject::answer(&session);
    let stored = publish::confirmed(client, answer, Some(headers), ring.body, limit::PUBLISH_DEADLINE).await;
    stored.map(drop).map_err(|error| Unavailable(error.to_string()))
}
