//! Who acts in the world: one trigger, one bot that does what the event's text says, two abilities.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backbone::alarm::Set;
use backbone::catalogue::Revised;
use proto::id::{EventSeq, Receipt, SessionKey, TriggerId, WorkerId};
use proto::record::Revisions;
use proto::resource::Trigger;
use proto::wire::Limits;
use proto::wire::{Alarm, Call, Doubt, Wait};
use serde_json::{Value, json};
use worker::ability::{Abilities, Facts, WaitFor};
use worker::bot::{Bot, Error, Request, Thought, Turn};
use worker::budget::{Account, Exceeded, Ledger, Spent};
use worker::port::{Chance, Clock, Directory, Live, News, Parcel, Plan, Times, Unavailable, Wanted};

use crate::world::World;

/// How long a slow bot thinks: longer than a lease and a delivery hold by themselves.
pub(crate) const SLOW: Duration = Duration::from_secs(12);

/// Trigger, bot and abilities of one worker.
pub(crate) struct Actor {
    world: World,
    name: String,
    trigger: Arc<Revised<Trigger>>,
}

impl Actor {
    pub(crate) fn new(world: World, me: &WorkerId) -> Self {
        let turns = world.state().turns;
        let trigger = Trigger {
            open: true,
            session_duration: Duration::from_hours(1),
            quiet: Duration::from_secs(1),
            limits: Limits { turns, ..Limits::default() },
            ..Trigger::new("t".parse().expect("a trigger id"), Some("b".parse().expect("a bot id")))
        };
        Self { world, name: me.to_string(), trigger: Arc::new(Revised { revision: 1, resource: trigger }) }
    }
}

#[async_trait]
impl Directory for Actor {
    fn trigger(&self, id: &TriggerId) -> Option<Arc<Revised<Trigger>>> {
        (*id == self.trigger.id).then(|| Arc::clone(&self.trigger))
    }

    fn triggers(&self) -> Vec<TriggerId> {
        vec![self.trigger.id.clone()]
    }

    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable> {
        Ok(*id == self.trigger.id)
    }

    fn is_paused(&self, _id: &TriggerId) -> bool {
        false
    }

    fn plan(&self, _id: &TriggerId) -> Option<Plan> {
        let (world, name) = (self.world.clone(), self.name.clone());
        let bot: Arc<dyn Bot> = Arc::new(Obedient { world: world.clone(), name: name.clone() });
        let abilities = Arc::new(Self { world, name, trigger: Arc::clone(&self.trigger) });
        let revisions = Revisions { trigger: 1, bot: 1, skillset: 0 };
        Some(Plan {
            trigger: Arc::clone(&self.trigger),
            bot: Ok(bot),
            answerer: "b".to_owned(),
            abilities,
            contact: None,
            revisions,
            is_held: false,
        })
    }

    async fn plan_at(&self, id: &TriggerId, _revisions: Revisions) -> Result<Option<Plan>, Unavailable> {
        self.world.pass(&self.name, "plan of a revision").await;
        Ok(self.plan(id))
    }

    fn plan_for(&self, id: &TriggerId, _wanted: Wanted<'_>) -> Option<Plan> {
        self.plan(id)
    }

    async fn plan_for_at(&self, id: &TriggerId, _wanted: Wanted<'_>, revisions: Revisions) -> Result<Option<Plan>, Unavailable> {
        self.plan_at(id, revisions).await
    }
}

/// The world has no schedules.
#[async_trait]
impl Times for Actor {
    async fn trigger(&self, id: &TriggerId) -> Result<Option<Arc<Revised<Trigger>>>, Unavailable> {
        Ok(Directory::trigger(self, id))
    }

    async fn alarm(&self, _trigger: &TriggerId) -> Result<Option<Set>, Unavailable> {
        Ok(None)
    }

    async fn set_alarm(&self, _trigger: &TriggerId, _alarm: &Alarm, _fence: u64) -> Result<bool, Unavailable> {
        Ok(false)
    }

    async fn was_sent(&self, _session: &SessionKey, _name: &str, _since_ms: i64) -> Result<bool, Unavailable> {
        Ok(false)
    }

    async fn send(&self, _session: &SessionKey, _parcel: Parcel) -> Result<bool, Unavailable> {
        Ok(false)
    }
}

#[async_trait]
impl Ledger for Actor {
    async fn reserve(&self, _accounts: &[Account], _amount: Spent) -> Result<(), Exceeded> {
        Ok(())
    }

    async fn settle(&self, _accounts: &[Account], _reserved: Spent, _spent: Spent) {}
}

impl Live for Actor {
    fn tell(&self, _session: &SessionKey, _event: EventSeq, _news: News<'_>) {}
}

impl Clock for Actor {
    fn now_ms(&self) -> i64 {
        self.world.clock_ms(&self.name)
    }
}

/// Does what the text says.
struct Obedient {
    world: World,
    name: String,
}

#[async_trait]
impl Bot for Obedient {
    async fn think(&self, turn: Turn<'_>) -> Result<Thought, Error> {
        self.world.pass(&self.name, "think").await;
        let text = turn.input.text.split('#').next().unwrap_or_default();
        assert_ne!(text, "panic", "as the event says");
        if text == "poison" {
            self.world.state().kill(turn.event);
            self.world.crash(&self.name, "what it was told").await;
        }
        if text == "slow" {
            tokio::time::sleep(SLOW).await;
        }
        let call = |ability: &str| Request { ability: ability.to_owned(), arguments: json!({}), doubt: None };
        match (text, turn.steps.len()) {
            ("call retry", 0) => Ok(Thought::call(vec![call("retry"), call("fail")])),
            ("call fail", 0 | 1) => Ok(Thought::call(vec![call("fail")])),
            ("ask", 0) => Ok(Thought::call(vec![call("ask"), call("leave"), call("fail")])),
            _ => Ok(Thought::reply(format!("done after {} steps", turn.steps.len()))),
        }
    }
}

#[async_trait]
impl Abilities for Actor {
    fn doubt(&self, ability: &str, _arguments: &Value) -> Doubt {
        if ability == "retry" { Doubt::Retry } else { Doubt::Fail }
    }

    fn wait(&self, ability: &str, _arguments: &Value) -> Option<WaitFor> {
        let kind = match ability {
            "ask" => Wait::Answer,
            "leave" => Wait::Approval,
            _ => return None,
        };
        Some(WaitFor { kind, question: "may I?".to_owned(), timeout: Duration::from_secs(20) })
    }

    async fn run(&self, call: &Call, idempotency_key: &str, facts: &Facts) -> Result<String, String> {
        self.world.pass(&self.name, "call").await;
        let receipt: Receipt = facts.named.get("TASK_ID").and_then(|id| id.parse().ok()).ok_or("no receipt")?;
        self.world.state().execute((receipt.event, &call.id), idempotency_key, &call.ability);
        self.world.pass(&self.name, "call, made").await;
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
