//! The broker of the simulation does what nats-server does: one script, played to both, says the same.

#![expect(clippy::unwrap_used, reason = "test code")]

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::PullConsumer;
use async_trait::async_trait;
use backbone::requests::Line;
use backbone::topology::{self, Sizes};
use backbone::{delivery, direct, publish};
use bytes::Bytes;
use futures_util::StreamExt as _;
use proto::event::Event;
use proto::id::{Epoch, EventSeq, SessionKey};
use proto::limit::{ACK_WAIT, PUBLISH_DEADLINE};
use proto::record::{Conversation, Record, RecordId, Revisions, Step};
use proto::subject::{self, DEAD_STREAM, LOG_STREAM};
use proto::{header, wire};
use sim::model::Model;
use tests::cluster;
use tests::scratch::Scratch;
use worker::adapter::nats::Nats;
use worker::port::{Broker, NotAppended, Reply, Settle, Timer};

/// How long a delivery that is due may take.
const DUE: Duration = Duration::from_millis(1_500);
/// The media type of what the script stores.
const TEXT: &str = "{}";

/// A broker under the script.
#[async_trait]
trait Under: Send + Sync {
    fn epoch(&self) -> Epoch;
    fn broker(&self) -> &dyn Broker;
    fn line(&self) -> &Line;
    /// The next delivery within [`DUE`]: sequence, count, and what settles it.
    async fn deliver(&self) -> Option<(u64, u64, Reply)>;
    /// The broker's clock, as its last record has it.
    async fn now_ms(&self) -> i64;
}

struct InMemory {
    model: Model,
    broker: Arc<dyn Broker>,
    line: Line,
    began: tokio::time::Instant,
}

#[async_trait]
impl Under for InMemory {
    fn epoch(&self) -> Epoch {
        self.model.epoch()
    }

    fn broker(&self) -> &dyn Broker {
        &*self.broker
    }

    fn line(&self) -> &Line {
        &self.line
    }

    async fn deliver(&self) -> Option<(u64, u64, Reply)> {
        let deadline = tokio::time::Instant::now() + DUE;
        while tokio::time::Instant::now() < deadline {
            if let Some(arrival) = self.model.deliver() {
                let count = arrival.reply.0.rsplit('/').next().unwrap().parse().unwrap();
                return Some((arrival.waiting.event.seq, count, arrival.reply));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    async fn now_ms(&self) -> i64 {
        1_790_000_000_000 + i64::try_from(self.began.elapsed().as_millis()).unwrap()
    }
}

struct Real {
    epoch: Epoch,
    broker: Nats,
    line: Line,
    consumer: PullConsumer,
}

#[async_trait]
impl Under for Real {
    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn broker(&self) -> &dyn Broker {
        &self.broker
    }

    fn line(&self) -> &Line {
        &self.line
    }

    async fn deliver(&self) -> Option<(u64, u64, Reply)> {
        let mut messages = self.consumer.fetch().max_messages(1).expires(DUE).messages().await.unwrap();
        let message = messages.next().await?.unwrap();
        let reply = message.reply.clone().unwrap().to_string();
        let told = delivery::parse(&reply).unwrap();
        Some((told.event.seq, told.count, Reply(reply)))
    }

    async fn now_ms(&self) -> i64 {
        let Line::Nats(client) = &self.line else { return 0 };
        let stream = topology::context(client).get_stream(LOG_STREAM).await.unwrap();
        let info = stream.get_info().await.unwrap();
        i64::try_from(info.state.last_timestamp.unix_timestamp_nanos() / 1_000_000).unwrap()
    }
}

fn session(name: &str) -> SessionKey {
    format!("t.{name}").parse().unwrap()
}

/// What is said of a step of the script.
struct Script<'a> {
    under: &'a dyn Under,
    said: Vec<String>,
}

impl Script<'_> {
    fn say(&mut self, what: &str, found: &impl std::fmt::Debug) {
        self.said.push(format!("{what}: {found:?}"));
    }

    fn after(&self, seq: u64) -> EventSeq {
        EventSeq { epoch: self.under.epoch(), seq }
    }

    async fn publish(&mut self, of: &str, id: Option<&str>) {
        let headers = id.map(|id| HeaderMap::from_iter([(header::MESSAGE_ID.parse().unwrap(), id.parse().unwrap())]));
        let body = Event { text: Some(TEXT.to_owned()), ..Event::default() }.encode();
        let stored = publish::confirmed(self.under.line(), subject::event(&session(of)), headers, body, PUBLISH_DEADLINE).await;
        self.say(&format!("publish {of} {id:?}"), &stored.map(|stored| (stored.seq, stored.duplicate)));
    }

    async fn append(&mut self, of: &str, fence: u64) -> Option<u64> {
        let event = self.after(1);
        let record = Record {
            id: RecordId([u8::try_from(self.said.len()).unwrap(); 16]),
            event,
            cursor: 0,
            answers: 0,
            attempt: 1,
            base: 0,
            conversation: Conversation { opening: event, opened_at_ms: 0, base: 0, turn: 1, settings: 0 },
            worker: "w".into(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(Step::Started(wire::Started {})),
        };
        let appended = self.under.broker().append(&session(of), fence, record.encode()).await;
        self.say(&format!("append {of} behind {fence}"), &appended);
        assert!(!matches!(appended, Err(NotAppended::Unconfirmed)), "a broker with which nothing goes wrong confirms");
        appended.ok()
    }

    async fn read(&mut self, of: &str) {
        // Replicas have it a moment later.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (broker, session) = (self.under.broker(), session(of));
        let last = broker.last(&session).await.unwrap().map(|entry| (entry.seq, entry.record.id));
        let leader = broker.last_from_leader(&session).await.unwrap().map(|entry| (entry.seq, entry.record.id));
        let all: Vec<u64> = broker.records_after(&session, 0, 10).await.unwrap().iter().map(|entry| entry.seq).collect();
        let some: Vec<u64> = broker.records_after(&session, 1, 1).await.unwrap().iter().map(|entry| entry.seq).collect();
        self.say(&format!("log of {of}"), &(last, leader, all, some));
        let stored = direct::last(self.under.line(), LOG_STREAM, &subject::log(&session)).await.map(|found| found.map(|stored| stored.seq));
        self.say(&format!("last of {of} on the line"), &stored);
    }

    async fn wait(&mut self, of: &str) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let (broker, session) = (self.under.broker(), session(of));
        for seq in 0..4 {
            let after = self.after(seq);
            let next = broker.next(&session, after).await.unwrap().map(|waiting| waiting.event.seq);
            let leader = broker.next_from_leader(&session, after).await.unwrap().map(|waiting| waiting.event.seq);
            let answer = broker.next_answer(&session, after).await.unwrap().map(|waiting| waiting.event.seq);
            let first = broker.first_of(&"t".parse().unwrap(), after).await.unwrap();
            self.say(&format!("waiting for {of} behind {seq}"), &(next, leader, answer, first));
        }
        let stream = subject::events_stream(self.under.epoch());
        for seq in 1..4 {
            let at = direct::at(self.under.line(), &stream, seq).await.map(|found| found.map(|stored| stored.subject));
            self.say(&format!("at {seq}"), &at);
        }
    }

    async fn deliver(&mut self) -> Option<Reply> {
        let delivered = self.under.deliver().await;
        self.say("deliver", &delivered.as_ref().map(|(seq, count, _)| (*seq, *count)));
        delivered.map(|(_, _, reply)| reply)
    }

    async fn settle(&mut self, reply: &Reply, settle: Settle) {
        self.under.broker().settle(reply, settle).await;
        // It is no request: it is there a moment later.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    async fn letters(&mut self, of: &str) {
        let letters = direct::batch(self.under.line(), DEAD_STREAM, &subject::dead(&session(of)), 1, 10).await.unwrap();
        self.say("dead", &letters.iter().map(|stored| stored.seq).collect::<Vec<_>>());
    }
}

async fn played(under: &dyn Under) -> Vec<String> {
    let mut script = Script { under, said: Vec::new() };
    log(&mut script).await;
    inbox(&mut script).await;
    letters_and_timers(&mut script).await;
    script.said
}

/// The fence of each subject, what readers see, and deletions.
async fn log(script: &mut Script<'_>) {
    script.read("a").await;
    let first = script.append("a", 0).await.unwrap();
    script.append("a", 0).await;
    script.append("a", first + 5).await;
    let second = script.append("a", first).await.unwrap();
    script.append("b", second).await;
    let of_b = script.append("b", 0).await.unwrap();
    script.append("a", of_b).await;
    script.append("a", second).await;
    for of in ["a", "b", "c"] {
        script.read(of).await;
    }
    for seqs in [vec![first], vec![first], vec![999]] {
        let deleted = script.under.broker().delete(&seqs).await.map_err(|_| ());
        script.say(&format!("delete {seqs:?}"), &deleted);
    }
    script.read("a").await;
    let unknown = direct::at(script.under.line(), "EVENTS_00000001", 1).await.map(|found| found.map(|stored| stored.seq));
    script.say("a stream that is not there", &unknown);
}

/// The window of message ids, the order of deliveries, and what settles them.
async fn inbox(script: &mut Script<'_>) {
    script.publish("a", Some("one")).await;
    script.publish("a", Some("one")).await;
    script.publish("b", Some("one")).await;
    script.publish("b", None).await;
    script.publish("a", None).await;
    script.wait("a").await;
    let first = script.deliver().await.unwrap();
    let second = script.deliver().await.unwrap();
    script.settle(&second, Settle::Nak(Duration::ZERO)).await;
    // What was delivered before comes before what was not.
    let again = script.deliver().await.unwrap();
    script.settle(&again, Settle::Nak(Duration::from_millis(700))).await;
    let third = script.deliver().await.unwrap();
    script.settle(&third, Settle::Ack).await;
    // An ack by the reply of an earlier delivery counts.
    script.settle(&second, Settle::Ack).await;
    script.deliver().await;
    script.wait("a").await;
    // A sign of life puts a redelivery off; its lack does not.
    tokio::time::sleep(ACK_WAIT.mul_f64(0.5)).await;
    script.settle(&first, Settle::Progress).await;
    tokio::time::sleep(ACK_WAIT.mul_f64(0.5)).await;
    script.deliver().await;
    tokio::time::sleep(ACK_WAIT.mul_f64(0.5)).await;
    let late = script.deliver().await.unwrap();
    script.settle(&late, Settle::Ack).await;
    script.settle(&late, Settle::Ack).await;
    script.deliver().await;
    script.wait("b").await;
}

/// Letters under ids, and timers; what brings a timer's answer to its session is the workers' own, and not the broker's.
async fn letters_and_timers(script: &mut Script<'_>) {
    let event = script.after(1);
    let letter = wire::DeadLetter { epoch: event.epoch.to_string(), event: 1, ..wire::DeadLetter::default() };
    let bytes: Bytes = prost::Message::encode_to_vec(&letter).into();
    for _ in 0..2 {
        let id = format!("{}:{}", event.epoch, event.seq);
        let buried = script.under.broker().bury(subject::dead(&session("a")), id, bytes.clone()).await.map_err(|_| ());
        script.say("bury", &buried);
    }
    script.letters("a").await;
    let gone = script.under.broker().unbury(&session("a"), &[event]).await.map_err(|_| ());
    script.say("unbury", &gone);
    script.letters("a").await;
    let timer = Timer { id: "x".into(), at_ms: script.under.now_ms().await + 60_000, answer: Bytes::from_static(b"ring") };
    let set = script.under.broker().schedule(&session("a"), timer).await.map_err(|_| ());
    script.say("schedule", &set);
    let early = script.under.broker().next_answer(&session("a"), script.after(0)).await.unwrap().map(|waiting| waiting.event.seq);
    script.say("before its time", &early);
}

fn modelled() -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let model = Model::default();
        let (broker, line) = (model.broker(), model.line());
        played(&InMemory { model, broker, line, began: tokio::time::Instant::now() }).await
    })
}

async fn real(address: &str, replicas: u8) -> Vec<String> {
    let client = backbone::nats::connect(&backbone::config::Nats::at(address), "conformance").await.unwrap();
    let context = topology::context(&client);
    let sizes = Sizes { replicas, ..Sizes::default() };
    let epoch = tests::eventually::eventually("the streams are there", Duration::from_mins(1), async || {
        topology::ensure(&context, &sizes, 1_790_000_000).await.ok()
    })
    .await;
    let stream = context.get_stream(subject::events_stream(epoch)).await.unwrap();
    let consumer = stream.get_consumer(subject::WORKERS).await.unwrap();
    played(&Real { epoch, broker: Nats::new(client.clone()), line: Line::Nats(client), consumer }).await
}

fn compare(of_model: &[String], of_server: &[String]) {
    for (place, (model, server)) in of_model.iter().zip(of_server).enumerate() {
        assert_eq!(model, server, "step {place}; the model says the first, the server the second");
    }
    assert_eq!(of_model.len(), of_server.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_says_what_one_server_says() {
    let scratch = Scratch::new();
    let servers = cluster::one(scratch.path()).await;
    let said = real(&format!("nats://127.0.0.1:{}", servers[0].port()), 1).await;
    compare(&std::thread::spawn(modelled).join().unwrap(), &said);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_says_what_three_servers_say() {
    let scratch = Scratch::new();
    let servers = cluster::three(scratch.path()).await;
    let said = real(&format!("nats://127.0.0.1:{}", servers[0].port()), 3).await;
    compare(&std::thread::spawn(modelled).join().unwrap(), &said);
}
