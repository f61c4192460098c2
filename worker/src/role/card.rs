//! What a worker says of itself, for whoever looks at the system.
//!
//! A card is a hint with a time to live in Redis: nothing is decided by it.

use std::sync::Arc;
use std::time::Duration;

use backbone::redis::{Redis, Silent};
use proto::id::WorkerId;
use proto::worker::{CARD_TTL, CARDS, Card, card};
use tokio_util::sync::CancellationToken;

use crate::port::{Clock, Tasks};

/// How often a card is shown again.
const SHOW_EVERY: Duration = Duration::from_secs(5);

/// Shows a worker's card until `shutdown`, then takes it away.
pub fn start(tasks: &Tasks, me: WorkerId, (redis, clock): (Arc<Redis>, Arc<dyn Clock>), shown: Card, shutdown: CancellationToken) {
    tasks.spawn(async move {
        loop {
            if let Err(error) = show(&redis, &me, clock.now_ms(), &shown).await {
                tracing::debug!(%error, "the worker's card is not shown");
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(SHOW_EVERY) => {}
            }
        }
        if let Err(error) = take_away(&redis, &me).await {
            tracing::debug!(%error, "the worker's card goes by itself");
        }
    });
}

async fn show(redis: &Redis, me: &WorkerId, now_ms: i64, shown: &Card) -> Result<(), Silent> {
    let ttl_ms = i64::try_from(CARD_TTL.as_millis()).unwrap_or(i64::MAX);
    let mut pipeline = redis::pipe();
    pipeline.cmd("SET").arg(card(me)).arg(serde_json::to_string(shown).unwrap_or_default()).arg("PX").arg(ttl_ms).ignore();
    pipeline.cmd("ZADD").arg(CARDS).arg(now_ms).arg(me.as_str()).ignore();
    pipeline.cmd("ZREMRANGEBYSCORE").arg(CARDS).arg("-inf").arg(now_ms.saturating_sub(ttl_ms)).ignore();
    redis.run(&pipeline).await
}

async fn take_away(redis: &Redis, me: &WorkerId) -> Result<(), Silent> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("DEL").arg(card(me)).ignore();
    pipeline.cmd("ZREM").arg(CARDS).arg(me.as_str()).ignore();
    redis.run(&pipeline).await
}
