//! Gateways: the whole surface of the real one, over a broker and a Redis of this world.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_nats::Client;
use async_trait::async_trait;
use backbone::catalogue::{Catalogue, Snapshot};
use backbone::redis::{Redis, Silent, Stage};
use backbone::requests::Line;
use proto::idempotency::DeploymentKey;
use proto::limit;
use proto::resource::{Resource, SecretDigest, Trigger};
use redis::{Arg, Pipeline, Value};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::line::SimLine;
use crate::state::Service;
use crate::tally::Fault;
use crate::world::World;

/// The secret of the trigger.
pub(crate) const SECRET: &str = "a secret of the simulation";
/// How long an answer of Redis that never comes is waited for.
const NEVER: Duration = limit::REDIS_DEADLINE;

/// A connection that nobody asks anything; its runtime is none of the world's.
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let (give, take) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let nats = backbone::config::Nats::at("nats://127.0.0.1:1");
            give.send(backbone::nats::connect(&nats, "simulation").await.expect("a client")).expect("somebody waits for it");
            std::future::pending::<()>().await;
        });
    });
    take.recv().expect("a client")
});

pub(crate) fn service(world: &World, name: &str) -> Service {
    let mut snapshot = Snapshot::default();
    let trigger = Trigger { secret: Some(SecretDigest::of(SECRET)), ..Trigger::new("t".parse().expect("a trigger id"), None) };
    snapshot.insert(1, Resource::Trigger(trigger));
    let stage = gateway::stage::Stage {
        client: CLIENT.clone(),
        line: Line::Stage(Arc::new(SimLine::new(world.clone(), name.to_owned(), "gateway"))),
        redis: Redis::staged(Arc::new(SimRedis { world: world.clone(), me: name.to_owned() })),
        catalogue: Catalogue::fixed(CLIENT.clone(), snapshot),
        key: DeploymentKey::parse(b"a key of the simulation").expect("a key"),
        tracker: TaskTracker::new(),
    };
    Service::Gateway { router: stage.router().expect("a router"), killed: CancellationToken::new() }
}

/// The part of Redis that gateways ask for events.
struct SimRedis {
    world: World,
    me: String,
}

impl fmt::Debug for SimRedis {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SimRedis")
    }
}

#[async_trait]
impl Stage for SimRedis {
    async fn run(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Silent> {
        self.world.pass(&self.me, "gateway hints").await;
        if self.world.state().is_redis_silent() {
            tokio::time::sleep(NEVER).await;
            return Err(Silent::Late);
        }
        let mut answers = Vec::new();
        for command in pipeline.cmd_iter() {
            let words = command.args_iter().map(|arg| match arg {
                Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => String::new(),
            });
            let words: Vec<String> = words.collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut state = self.world.state();
            match words.as_slice() {
                ["GET", key] => {
                    let found = state.hints.values.get(*key).map(|text| Value::BulkString(text.clone().into_bytes()));
                    answers.push(found.unwrap_or(Value::Nil));
                }
                ["SETEX", key, _, value] => drop(state.hints.values.insert((*key).to_owned(), (*value).to_owned())),
                other => state.violate(format!("nobody here knows the command {other:?}")),
            }
        }
        let is_lost = self.world.state().unlucky(60, Fault::RedisAnswerLost);
        self.world.pass(&self.me, "gateway hints, answered").await;
        if is_lost { Err(Silent::Late) } else { Ok(answers) }
    }
}
