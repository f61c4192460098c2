//! Watching the log fill.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::{Client, Subscriber};
use futures_util::StreamExt as _;
use proto::subject;
use tokio::time::Instant;

/// How many records the log has.
pub(crate) async fn count(context: &Context) -> anyhow::Result<u64> {
    Ok(context.get_stream(subject::LOG_STREAM).await?.cached_info().state.messages)
}

/// How many records a second come in between the first tenth and the last of `total`, counted from `before`.
pub(crate) async fn rate(context: &Context, before: u64, total: u64) -> anyhow::Result<f64> {
    let first = total / 10;
    let mut began: Option<(Instant, u64)> = None;
    let deadline = Instant::now() + Duration::from_mins(3);
    loop {
        let done = count(context).await?.saturating_sub(before);
        if began.is_none() && done >= first {
            began = Some((Instant::now(), done));
        }
        if done >= total {
            let (at, from) = began.unwrap_or_else(|| (Instant::now(), 0));
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            return Ok((total - from) as f64 / at.elapsed().as_secs_f64());
        }
        anyhow::ensure!(Instant::now() < deadline, "only {done} of {total} records came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// When records of sessions come in, by a core subscription: good enough to measure with.
pub(crate) struct Watch {
    records: Subscriber,
}

impl Watch {
    pub(crate) async fn open(client: &Client) -> anyhow::Result<Self> {
        let records = client.subscribe(subject::LOG).await?;
        client.flush().await?;
        Ok(Self { records })
    }

    /// The next record: its session token, when it came, and its bytes.
    pub(crate) async fn next(&mut self, time: Duration) -> Option<(String, Instant, bytes::Bytes)> {
        let message = tokio::time::timeout(time, self.records.next()).await.ok()??;
        let token = message.subject.as_str().rsplit('.').next()?.to_owned();
        Some((token, Instant::now(), message.payload))
    }

    /// When the n-th record of each session came, until `total` came or none comes for `idle`.
    pub(crate) async fn arrivals(&mut self, total: usize, idle: Duration) -> HashMap<String, Vec<Instant>> {
        let mut arrivals: HashMap<String, Vec<Instant>> = HashMap::new();
        for _ in 0..total {
            let Some((token, at, _)) = self.next(idle).await else { break };
            arrivals.entry(token).or_default().push(at);
        }
        arrivals
    }
}
