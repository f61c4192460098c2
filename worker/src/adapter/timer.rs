//! Time-outs that have become due: each goes into its session's inbox as an answer.
//!
//! All workers share one durable consumer. A time-out that is published twice is an answer that
//! nothing waits for the second time, and the message id spares most of that.

use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::{Client, HeaderMap};
use backbone::{publish, topology};
use futures_util::StreamExt as _;
use proto::{header, limit, subject};
use tokio_util::sync::CancellationToken;

/// The pause before the consumer is looked for again.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// How many time-outs one pull brings.
const BATCH: usize = 64;

/// Delivers time-outs until `shutdown`.
pub async fn run(client: Client, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            ended = deliver(&client) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "time-outs cannot be delivered yet");
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

async fn deliver(client: &Client) -> Result<(), async_nats::Error> {
    let context = topology::context(client);
    let consumer: PullConsumer = context.get_consumer_from_stream(subject::WORKERS, subject::TIMERS_STREAM).await?;
    let mut due = consumer.stream().max_messages_per_batch(BATCH).messages().await?;
    while let Some(message) = due.next().await {
        pass_on(client, message?).await?;
    }
    Ok(())
}

async fn pass_on(client: &Client, message: Message) -> Result<(), async_nats::Error> {
    let Some((session, id)) = subject::session_of_due(&message.subject) else {
        tracing::warn!(subject = %message.subject, "a time-out names no session");
        return message.ack().await;
    };
    let at = message.info().map(|info| info.published.unix_timestamp_nanos()).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, format!("{}:{id}:{at}", session.trigger));
    let answer = subject::answer(&session);
    match publish::confirmed(client, answer, Some(headers), message.payload.clone(), limit::PUBLISH_DEADLINE).await {
        Ok(_) => message.ack().await,
        // It comes again after the ack wait.
        Err(error) => {
            tracing::debug!(%error, "a time-out was not delivered");
            Ok(())
        }
    }
}
