//! What lies in the broker and in Redis.
//!
//! Reads go over the harness' own connection. Those that cannot be made right now, because a test
//! has taken a server away, are tried again for a while.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{self, pull};
use async_nats::jetstream::{self, Context};
use backbone::direct;
use backbone::journal::{self, Entry};
use backbone::topology;
use prost::Message as _;
use proto::id::{Epoch, SessionKey};
use proto::limit::READ_BATCH_MAX;
use proto::subject;
use proto::wire::DeadLetter;

use crate::eventually::eventually;

/// How long a read may take, a server's return included.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// A record and whose it is.
#[derive(Debug, Clone)]
pub struct Logged {
    /// The session.
    pub session: SessionKey,
    /// The record where it lies.
    pub entry: Entry,
}

/// A view of the servers.
#[derive(Debug, Clone)]
pub struct View {
    client: Client,
    context: Context,
    redis: redis::Client,
}

impl View {
    pub(crate) fn new(client: Client, redis: redis::Client) -> Self {
        Self { context: topology::context(&client), client, redis }
    }

    /// The harness' own connection.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The stream API over it.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The current epoch.
    pub async fn epoch(&self) -> Epoch {
        eventually("there is an EVENTS stream", READ_WITHIN, async || topology::current_epoch(&self.context).await.ok()).await
    }

    async fn all(&self, stream: &str, filter: &str) -> Option<Vec<direct::Stored>> {
        let mut info = self.context.get_stream(stream).await.ok()?;
        let last = info.info().await.ok()?.state.last_sequence;
        let mut found: Vec<direct::Stored> = Vec::new();
        loop {
            let from = found.last().map_or(1, |stored| stored.seq + 1);
            let more = direct::batch(&self.client, stream, filter, from, READ_BATCH_MAX).await.ok()?;
            let is_end = more.len() < READ_BATCH_MAX;
            found.extend(more);
            if is_end {
                // A replica that lags has not shown the end.
                return Some(found).filter(|found| found.last().map_or(0, |stored| stored.seq) >= last);
            }
        }
    }

    /// All messages of a stream: sequence, subject, and the bytes with their time.
    pub async fn messages(&self, stream: &str) -> Vec<(u64, String, i64, bytes::Bytes)> {
        let all = async || self.all(stream, ">").await;
        let read = |stored: direct::Stored| (stored.seq, stored.subject, stored.at_ms, stored.body);
        eventually("the stream can be read", READ_WITHIN, all).await.into_iter().map(read).collect()
    }

    /// All records, in log order.
    pub async fn log(&self) -> Vec<Logged> {
        eventually("the log can be read", READ_WITHIN, async || self.try_log().await).await
    }

    /// All records, unless they cannot be read right now.
    pub async fn try_log(&self) -> Option<Vec<Logged>> {
        let logged = |stored: direct::Stored| {
            let session = subject::session_of_log(&stored.subject).unwrap_or_else(|| panic!("{} names no session", stored.subject));
            Logged { session, entry: journal::entry(stored).expect("the log holds records") }
        };
        Some(self.all(subject::LOG_STREAM, subject::LOG).await?.into_iter().map(logged).collect())
    }

    /// The records of one session.
    pub async fn log_of(&self, session: &SessionKey) -> Vec<Entry> {
        self.log().await.into_iter().filter(|logged| logged.session == *session).map(|logged| logged.entry).collect()
    }

    /// All dead letters with their subjects.
    pub async fn letters(&self) -> Vec<(String, DeadLetter)> {
        let read = |stored: direct::Stored| (stored.subject, DeadLetter::decode(stored.body).expect("DEAD holds letters"));
        let all = async || self.all(subject::DEAD_STREAM, subject::DEAD).await;
        eventually("DEAD can be read", READ_WITHIN, all).await.into_iter().map(read).collect()
    }

    /// How many events lie in EVENTS; none where that cannot be told right now.
    pub async fn try_waiting(&self) -> Option<u64> {
        let epoch = topology::current_epoch(&self.context).await.ok()?;
        let mut stream = self.context.get_stream(subject::events_stream(epoch)).await.ok()?;
        Some(stream.info().await.ok()?.state.messages)
    }

    /// What the shared consumer says of itself; none where it says nothing right now.
    pub async fn try_consumer(&self) -> Option<consumer::Info> {
        let epoch = topology::current_epoch(&self.context).await.ok()?;
        let found = self.context.get_consumer_from_stream::<pull::Config, _, _>(subject::WORKERS, subject::events_stream(epoch)).await;
        Some(found.ok()?.cached_info().clone())
    }

    /// What the shared consumer says of itself.
    pub async fn consumer(&self) -> consumer::Info {
        eventually("the consumer says how it is", READ_WITHIN, async || self.try_consumer().await).await
    }

    /// A question to the broker's API; none where it does not answer right now.
    pub async fn ask(&self, api: &str, body: &str) -> Option<serde_json::Value> {
        let answer = self.client.request(format!("$JS.API.{api}"), body.to_owned().into()).await.ok()?;
        serde_json::from_slice(&answer.payload).ok()
    }

    /// Takes a stream away.
    pub async fn delete_stream(&self, name: &str) -> jetstream::stream::DeleteStatus {
        self.context.delete_stream(name).await.expect("a stream can be deleted")
    }

    /// Runs one command of Redis.
    pub async fn redis<T: redis::FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.redis.get_multiplexed_async_connection().await?;
        let mut call = redis::Cmd::new();
        for part in command {
            call.arg(*part);
        }
        call.query_async(&mut connection).await
    }

    /// The owner of a session, as Redis has it.
    pub async fn owner(&self, session: &SessionKey) -> Option<String> {
        self.redis(&["GET", &format!("cue:lease:{{{session}}}")]).await.ok().flatten()
    }

    /// All leases; none where Redis does not answer.
    pub async fn try_leases(&self) -> Option<Vec<String>> {
        self.redis(&["KEYS", "cue:lease:*"]).await.ok()
    }
}
