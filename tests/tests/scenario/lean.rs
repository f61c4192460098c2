//! What an event costs that has neither limit nor key: one publish, and no read of anything.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{Stream, StreamExt as _};
use tests::resource::trigger;
use tests::setup::Setup;
use tests::system::System;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::system;

/// How many events are sent.
const EVENTS: usize = 1_000;

/// What begins the keys of the figures that a gateway adds up in the background.
const FIGURES: &str = "cue:{idx}:accepts:";

/// All that Redis is told to do, by whomever.
struct Commands(Pin<Box<dyn Stream<Item = String>>>);

impl Commands {
    async fn watched(system: &System) -> Self {
        let client = redis::Client::open(system.redis.url()).expect("the address of Redis");
        let monitor = client.get_async_monitor().await.expect("Redis answers");
        Self(Box::pin(monitor.into_on_message::<String>()))
    }

    /// What was done since the last time.
    async fn done(&mut self, system: &System, mark: &str) -> Vec<String> {
        system.view().redis::<String>(&["ECHO", mark]).await.expect("Redis answers");
        let mut done = Vec::new();
        while let Some(line) = self.0.next().await {
            // 1790000000.000001 [0 127.0.0.1:50000] "COMMAND" "argument"
            let (_, command) = line.split_once("] ").unwrap_or_else(|| panic!("no command: {line}"));
            if command.contains(mark) {
                return done;
            }
            // What the connection of the question says of itself is of this test.
            if !["\"client\"", "\"hello\""].iter().any(|own| command.to_lowercase().starts_with(own)) {
                done.push(command.to_owned());
            }
        }
        panic!("Redis is watched until {mark}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_without_a_limit_or_a_key_reads_nothing() {
    let mut system = system().with(trigger("orders")).gateways(1, &Setup::here()).start().await;
    system.call("orders").said("s", "first").send().await.receipt();
    let reads = Arc::new(AtomicUsize::new(0));
    let mut seen = system.view().client().subscribe("$JS.API.>").await.expect("NATS can be listened to");
    let counted = Arc::clone(&reads);
    let mut listening = JoinSet::new();
    listening.spawn(async move {
        while let Some(message) = seen.next().await {
            // Whoever reads a bucket or a stream asks its API; a pull of the catalogue's own consumer is none of an event's.
            if ["DIRECT.GET", "STREAM.MSG.GET"].iter().any(|read| message.subject.contains(read)) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let mut commands = Commands::watched(&system).await;
    commands.done(&system, "the beginning").await;
    let began = Instant::now();
    for number in 0..EVENTS {
        system.call("orders").said(&format!("s{}", number % 10), "go on").send().await.receipt();
    }
    // How long the calls took is added up every five seconds, whatever came in between: of the gateway, not of an event.
    let (figures, of_events): (Vec<_>, Vec<_>) =
        commands.done(&system, "the end").await.into_iter().partition(|command| command.contains(FIGURES));
    assert_eq!(of_events, Vec::<String>::new(), "commands to Redis");
    let added = figures.iter().filter(|command| command.to_lowercase().starts_with("\"eval\"")).count();
    assert!(added <= 1 + usize::try_from(began.elapsed().as_secs() / 5).unwrap(), "{added} times in {:?}", began.elapsed());
    // What was asked has been seen by the time that an answer of our own comes back.
    system.call("orders").said("s", "last").key("k").send().await.receipt();
    let looked_up = commands.done(&system, "a key").await;
    assert!(looked_up.iter().any(|command| !command.contains(FIGURES)), "a key is looked up, so commands are seen: {looked_up:?}");
    // The configuration is followed by reads now and then, whatever comes in between: of the gateway, not of an event.
    let followed = reads.load(Ordering::Relaxed);
    let bound = 2 + usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(followed <= bound, "{followed} reads of streams and buckets in {:?}", began.elapsed());
    let receipt = system.call("orders").said("s", "read").send().await.receipt();
    assert_eq!(system.fetch(&receipt).send().await.ok().str("/status"), "queued");
    assert!(reads.load(Ordering::Relaxed) > followed, "a fetch reads, so reads are counted");
    listening.abort_all();
    system.start_worker(Setup::here()).await;
    system.settled(crate::SOON * 3).await;
    system.finish().await;
}
