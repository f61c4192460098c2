//! Who acts in the world: one trigger, one bot that does what the event's text says, two abilities.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use proto::id::{BotId, TriggerId, WorkerId};
use proto::resource::Trigger;
use proto::wire::{Call, Doubt};
use serde_json::{Value, json};
use worker::ability::Abilities;
use worker::bot::{Bot, Error, Request, Thought, Turn};
use worker::port::{Chance, Clock, Directory, Unavailable};

use crate::world::World;

/// Trigger, bot and abilities of one worker.
pub(crate) struct Actor {
    world: World,
    me: WorkerId,
    trigger: Arc<Trigger>,
}

impl Actor {
    pub(crate) fn new(world: World, me: WorkerId) -> Self {
        let trigger = Trigger {
            id: "t".parse().expect("a trigger id"),
            name: String::new(),
            description: String::new(),
            bot: "b".parse().expect("a bot id"),
            text: None,
            open: true,
            secret: None,
            session_duration: Duration::from_hours(1),
        };
        Self { world, me, trigger: Arc::new(trigger) }
    }
}

#[async_trait]
impl Directory for Actor {
    fn trigger(&self, id: &TriggerId) -> Option<Arc<Trigger>> {
        (*id == self.trigger.id).then(|| Arc::clone(&self.trigger))
    }

    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable> {
        Ok(*id == self.trigger.id)
    }

    fn bot(&self, _id: &BotId) -> Result<Arc<dyn Bot>, String> {
        Ok(Arc::new(Obedient { world: self.world.clone(), me: self.me.clone() }))
    }
}

impl Clock for Actor {
    fn now_ms(&self) -> i64 {
        0
    }
}

/// Does what the text says.
struct Obedient {
    world: World,
    me: WorkerId,
}

#[async_trait]
impl Bot for Obedient {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        self.world.pass(&self.me).await;
        let text = turn.input.text.as_str();
        assert_ne!(text, "panic", "as the event says");
        if text == "poison" {
            self.world.crash(&self.me).await;
        }
        let call = |ability: &str| Request { ability: ability.to_owned(), arguments: json!({}), doubt: None };
        match (text, turn.steps.len()) {
            ("call retry", 0) => Ok(Thought::Call(vec![call("retry"), call("fail")])),
            ("call fail", 0 | 1) => Ok(Thought::Call(vec![call("fail")])),
            _ => Ok(Thought::Reply(format!("done after {} steps", turn.steps.len()))),
        }
    }
}

#[async_trait]
impl Abilities for Actor {
    fn doubt(&self, ability: &str, _arguments: &Value) -> Doubt {
        if ability == "retry" { Doubt::Retry } else { Doubt::Fail }
    }

    async fn run(&self, call: &Call, idempotency_key: &str) -> Result<String, String> {
        self.world.pass(&self.me).await;
        self.world.state().execute(idempotency_key, &call.ability, call.ability == "retry");
        self.world.pass(&self.me).await;
        Ok("{}".to_owned())
    }
}

/// Random bytes of a seed.
pub(crate) struct SeededChance(Mutex<u64>);

impl SeededChance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Chance for SeededChance {
    fn bytes(&self) -> [u8; 16] {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = [0; 16];
        for half in bytes.chunks_mut(8) {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            half.copy_from_slice(&(*state ^ (*state >> 29)).to_be_bytes());
        }
        bytes
    }
}
