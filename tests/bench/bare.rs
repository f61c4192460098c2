//! The bare pair: the least that could be called the same work, without order and without a fence.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, AckKind};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::any;
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::{limit, subject};
use redis::aio::ConnectionManager;
use tokio::sync::Semaphore;

/// How many events the loop works on at once: as many as the worker does.
const AT_ONCE: usize = limit::TURNS_MAX;

/// Publishes each body to JetStream and answers once it is confirmed.
pub(crate) async fn gateway(nats: &str, http: SocketAddr) -> anyhow::Result<()> {
    use axum::serve::ListenerExt as _;
    let client = async_nats::connect(nats).await?;
    let context = jetstream::new(client);
    let routes = Router::new().route("/v1/integration/trigger/{id}/event", any(accept)).with_state(context);
    let listener = tokio::net::TcpListener::bind(http).await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn accept(State(context): State<jetstream::Context>, headers: HeaderMap, body: Bytes) -> Result<String, StatusCode> {
    let session = headers.get("x-session").and_then(|value| value.to_str().ok()).unwrap_or("none");
    let confirmed = context.publish(format!("event.bench.{session}"), body).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let ack = confirmed.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(format!(r#"{{"id":"{}"}}"#, ack.sequence))
}

/// Fetches, takes and gives back a lease, appends two records, acks.
pub(crate) async fn worker(nats: &str, redis: &str, work_ms: u64) -> anyhow::Result<()> {
    let context = jetstream::new(async_nats::connect(nats).await?);
    let stream = context.stream_by_subject(subject::EVENTS_FINDER).await?;
    let consumer: jetstream::consumer::PullConsumer =
        context.get_consumer_from_stream(subject::WORKERS, stream).await.map_err(anyhow::Error::msg)?;
    let manager = ConnectionManager::new(redis::Client::open(redis)?).await?;
    let mut messages = consumer.stream().max_messages_per_batch(limit::PULL_BATCH_MAX * 2).messages().await?;
    let room = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(message) = messages.next().await {
        let Ok(message) = message else { continue };
        let (context, mut manager) = (context.clone(), manager.clone());
        let permit = Arc::clone(&room).acquire_owned().await?;
        tokio::spawn(async move {
            let session = message.subject.as_str().trim_start_matches("event.").to_owned();
            let lease = format!("lease:{session}");
            let taken: Result<(), _> =
                redis::cmd("SET").arg(&lease).arg("me").arg("NX").arg("PX").arg(5_000).query_async(&mut manager).await;
            let record = Bytes::from(vec![b'r'; 160]);
            for step in 0..2 {
                if let Ok(confirmed) = context.publish(format!("log.{session}"), record.clone()).await {
                    drop(confirmed.await);
                }
                if step == 0 && work_ms > 0 {
                    tokio::time::sleep(Duration::from_millis(work_ms)).await;
                }
            }
            let given: Result<(), _> = redis::cmd("DEL").arg(&lease).query_async(&mut manager).await;
            drop((taken, given));
            drop(message.ack_with(AckKind::Ack).await);
            drop(permit);
        });
    }
    Ok(())
}
