//! Deliveries from the shared consumer.
//!
//! The worker asks for as many events as it has free turns, and no more: what it has asked for is
//! what it can start. The client library's own pull prefetches a fixed number, so the requests are
//! made here, each with a reply subject of its own
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-13.md>).
//!
//! After a reconnection, a changed leader or a new EVENTS stream everything is asked for anew.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use backbone::{delivery, topology};
use futures_util::StreamExt as _;
use proto::id::Epoch;
use proto::{header, limit, subject};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::desk::{Arrival, Desk};
use crate::port::{Reply, Settle, Waiting};

/// How often the connection is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// How often an idle pull is told that the consumer is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After what silence with a pull under way everything is asked for anew.
const SILENCE_MAX: Duration = Duration::from_millis(2_500);
/// The pause before the consumer is looked for again.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// Pulls until `shutdown`; whatever goes wrong is tried again.
pub async fn run(client: Client, desk: Arc<Desk>, shutdown: CancellationToken) {
    let context = topology::context(&client);
    let mut was_found = true;
    while !shutdown.is_cancelled() {
        match topology::current_epoch(&context).await {
            Ok(epoch) => {
                was_found = true;
                desk.set_epoch(epoch);
                if let Err(error) = pull(&client, &desk, epoch, &shutdown).await {
                    tracing::debug!(%error, "the consumer is asked anew");
                }
            }
            Err(error) => {
                if std::mem::take(&mut was_found) {
                    tracing::warn!(%error, "no events can be taken yet");
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(RETRY_EVERY) => {}
        }
    }
}

/// Pulls that are under way: what each may still bring.
#[derive(Debug, Default)]
struct Pulls {
    next: u64,
    open: BTreeMap<u64, usize>,
}

impl Pulls {
    fn outstanding(&self) -> usize {
        self.open.values().sum()
    }

    fn begin(&mut self, batch: usize) -> u64 {
        self.next += 1;
        self.open.insert(self.next, batch);
        self.next
    }

    /// A delivery has the subject of its event, not of its pull: the oldest has brought it, for they are served in turn.
    fn brought(&mut self) {
        if let Some(mut oldest) = self.open.first_entry() {
            *oldest.get_mut() -= 1;
            if *oldest.get() == 0 {
                oldest.remove();
            }
        }
    }
}

async fn pull(client: &Client, desk: &Arc<Desk>, epoch: Epoch, shutdown: &CancellationToken) -> Result<(), async_nats::Error> {
    let inbox = client.new_inbox();
    let mut messages = client.subscribe(format!("{inbox}.*")).await?;
    let target = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", subject::events_stream(epoch), subject::WORKERS);
    let connects = client.statistics().connects.load(Ordering::Relaxed);
    let mut pulls = Pulls::default();
    let mut heard_at = Instant::now();
    let mut watch = tokio::time::interval(WATCH_EVERY);
    watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let outstanding = pulls.outstanding();
        let wanted = desk.free_turns().min(limit::PULL_BATCH_MAX * 2);
        if outstanding * 2 < wanted || (outstanding == 0 && wanted > 0) {
            let batch = (wanted - outstanding).min(limit::PULL_BATCH_MAX);
            let number = pulls.begin(batch);
            let body =
                format!(r#"{{"batch":{batch},"expires":{},"idle_heartbeat":{}}}"#, limit::PULL_EXPIRES.as_nanos(), HEARTBEAT.as_nanos());
            client.publish_with_reply(target.clone(), format!("{inbox}.{number}"), body.into()).await?;
            if outstanding == 0 {
                heard_at = Instant::now();
            }
        }
        let message = tokio::select! {
            biased;
            () = shutdown.cancelled() => return give_back(messages, desk).await,
            message = messages.next() => message.ok_or("the subscription ended")?,
            () = desk.turn_free(), if wanted == 0 && outstanding == 0 => continue,
            _ = watch.tick() => {
                if client.statistics().connects.load(Ordering::Relaxed) != connects {
                    return Err("the connection was made anew".into());
                }
                if pulls.outstanding() > 0 && heard_at.elapsed() > SILENCE_MAX {
                    return Err("the consumer is silent".into());
                }
                continue;
            }
        };
        heard_at = Instant::now();
        match message.status.map(|status| status.as_u16()) {
            None => {
                pulls.brought();
                if let Some(arrival) = arrival(message) {
                    desk.arrive(arrival);
                }
            }
            Some(100) => {}
            // The pull ended: it expired, or its server gave it up.
            Some(404 | 408) => {
                if let Some(number) = message.subject.rsplit('.').next().and_then(|text| text.parse().ok()) {
                    pulls.open.remove::<u64>(&number);
                }
            }
            Some(status) => return Err(format!("the consumer answered {status}: {}", message.description.unwrap_or_default()).into()),
        }
    }
}

/// What the broker has sent already goes back at once, rather than after its ack wait.
async fn give_back(mut messages: Subscriber, desk: &Arc<Desk>) -> Result<(), async_nats::Error> {
    messages.unsubscribe().await?;
    while let Ok(Some(message)) = tokio::time::timeout(WATCH_EVERY, messages.next()).await {
        if let Some(arrival) = arrival(message) {
            desk.ports.broker.settle(&arrival.reply, Settle::Nak(Duration::ZERO)).await;
        }
    }
    Ok(())
}

/// Reads a delivery; `None` where its reply subject is not one of an EVENTS stream.
fn arrival(message: Message) -> Option<Arrival> {
    let reply = message.reply?.to_string();
    let place = delivery::parse(&reply)?;
    let text = |name: &str| message.headers.as_ref()?.get(name).map(|value| value.as_str().to_owned());
    let waiting = Waiting {
        event: place.event,
        at_ms: place.at_ms,
        content_type: text(header::CONTENT_TYPE),
        traceparent: text(header::TRACEPARENT),
        body: message.payload,
    };
    Some(Arrival { subject: message.subject.to_string(), is_first: place.count == 1, reply: Reply(reply), waiting })
}
