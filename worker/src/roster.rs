//! What turns go by: triggers, compiled bots and abilities from the catalogue.
//!
//! A bot is compiled once a revision of it and of its skillset; a definition that does not compile
//! makes its turns fail with the reason, and a copy of the event in DEAD. An open turn goes on with
//! the revisions that it began with, as long as the bucket keeps them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backbone::catalogue::{Catalogue, Revised};
use backbone::direct;
use proto::id::{BotId, TriggerId};
use proto::record::Revisions;
use proto::resource::{self, Resource, Skillset, State, Trigger};

use crate::bot::{self, Kit, Made};
use crate::port::{Directory, Plan, Unavailable};

/// How many compiled bots are kept, earlier revisions included, before all are compiled anew.
const COMPILED_MAX: usize = 4_096;

type Compiled = Result<Made, String>;

/// The catalogue with its bots ready to think.
pub struct Roster {
    catalogue: Catalogue,
    kit: Kit,
    compiled: Mutex<HashMap<(BotId, u64, u64), Compiled>>,
}

/// A bot and its skillset at certain revisions.
struct Pair {
    bot: Option<Arc<Revised<resource::Bot>>>,
    skillset: Option<Arc<Revised<Skillset>>>,
}

impl Roster {
    /// A roster over a catalogue; bots are made with `kit`.
    pub fn new(catalogue: Catalogue, kit: Kit) -> Self {
        Self { catalogue, kit, compiled: Mutex::default() }
    }

    fn plan_of(&self, trigger: Arc<Revised<Trigger>>, pair: &Pair) -> Plan {
        let revisions = Revisions {
            trigger: trigger.revision,
            bot: pair.bot.as_ref().map_or(0, |bot| bot.revision),
            skillset: pair.skillset.as_ref().map_or(0, |skillset| skillset.revision),
        };
        let made = match &pair.bot {
            None => Err(match &trigger.bot {
                Some(bot) => format!("the bot {bot} does not exist"),
                None => format!("the trigger {} has no bot yet", trigger.id),
            }),
            Some(bot) => self.made(&bot.resource, revisions, pair.skillset.as_ref().map(|skillset| &skillset.resource)),
        };
        let (bot, abilities) = match made {
            Ok(Made { bot, abilities }) => (Ok(bot), abilities),
            Err(reason) => (Err(reason), Arc::clone(&self.kit.standard)),
        };
        let answerer = trigger.bot.as_ref().map(ToString::to_string).unwrap_or_default();
        Plan { trigger, bot, answerer, abilities, revisions }
    }

    fn made(&self, bot: &resource::Bot, revisions: Revisions, skillset: Option<&Skillset>) -> Compiled {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (bot.id.clone(), revisions.bot, revisions.skillset);
        if let Some(made) = compiled.get(&key) {
            return made.clone();
        }
        if compiled.len() >= COMPILED_MAX {
            compiled.clear();
        }
        let made = bot::make(bot, skillset, &self.kit).map_err(|error| format!("the bot {} has no usable definition: {error}", bot.id));
        compiled.insert(key, made.clone());
        made
    }

    fn skillset_of(&self, bot: Option<&Arc<Revised<resource::Bot>>>) -> Option<Arc<Revised<Skillset>>> {
        self.catalogue.skillset(&bot::skillset_of(&bot?.resource)?)
    }

    /// The trigger at a revision, where the bucket still has it.
    async fn trigger_at(&self, now: Arc<Revised<Trigger>>, revision: u64) -> Result<Arc<Revised<Trigger>>, direct::Error> {
        if revision == 0 || revision == now.revision {
            return Ok(now);
        }
        let found = self.catalogue.at(&format!("trigger.{}", now.id), revision).await?;
        Ok(match found {
            Some(Resource::Trigger(resource)) => Arc::new(Revised { revision, resource }),
            _ => now,
        })
    }

    async fn pair_at(&self, id: Option<&BotId>, revisions: Revisions) -> Result<Pair, direct::Error> {
        let Some(id) = id else { return Ok(Pair { bot: None, skillset: None }) };
        let mut bot = self.catalogue.bot(id);
        if revisions.bot > 0
            && bot.as_ref().is_none_or(|bot| bot.revision != revisions.bot)
            && let Some(Resource::Bot(resource)) = self.catalogue.at(&format!("bot.{id}"), revisions.bot).await?
        {
            bot = Some(Arc::new(Revised { revision: revisions.bot, resource }));
        }
        let mut skillset = self.skillset_of(bot.as_ref());
        if revisions.skillset > 0
            && skillset.as_ref().is_none_or(|skillset| skillset.revision != revisions.skillset)
            && let Some(id) = bot.as_ref().and_then(|bot| bot::skillset_of(&bot.resource))
            && let Some(Resource::Skillset(resource)) = self.catalogue.at(&format!("skillset.{id}"), revisions.skillset).await?
        {
            skillset = Some(Arc::new(Revised { revision: revisions.skillset, resource }));
        }
        Ok(Pair { bot, skillset })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn unavailable(error: direct::Error) -> Unavailable {
    Unavailable(error.to_string())
}

#[async_trait]
impl Directory for Roster {
    fn trigger(&self, id: &TriggerId) -> Option<Arc<Revised<Trigger>>> {
        self.catalogue.trigger(id)
    }

    fn triggers(&self) -> Vec<TriggerId> {
        self.catalogue.snapshot().triggers.keys().cloned().collect()
    }

    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable> {
        if self.catalogue.trigger(id).is_some() {
            return Ok(true);
        }
        let found = self.catalogue.trigger_from_leader(id).await;
        found.map(|trigger| trigger.is_some()).map_err(unavailable)
    }

    fn is_paused(&self, id: &TriggerId) -> bool {
        let Some(trigger) = self.catalogue.trigger(id) else { return false };
        let bot = trigger.bot.as_ref().and_then(|bot| self.catalogue.bot(bot));
        // A bot has no inbox of its own to refuse anything: draining is standing still too.
        trigger.state == State::Paused || bot.is_some_and(|bot| bot.state != State::Active)
    }

    fn plan(&self, id: &TriggerId) -> Option<Plan> {
        let trigger = self.catalogue.trigger(id)?;
        let bot = trigger.bot.as_ref().and_then(|bot| self.catalogue.bot(bot));
        let skillset = self.skillset_of(bot.as_ref());
        Some(self.plan_of(trigger, &Pair { bot, skillset }))
    }

    async fn plan_at(&self, id: &TriggerId, revisions: Revisions) -> Result<Option<Plan>, Unavailable> {
        let Some(now) = self.plan(id) else { return Ok(None) };
        if revisions == Revisions::default() || revisions == now.revisions {
            return Ok(Some(now));
        }
        let trigger = self.trigger_at(now.trigger, revisions.trigger).await.map_err(unavailable)?;
        let pair = self.pair_at(trigger.bot.as_ref(), revisions).await.map_err(unavailable)?;
        let plan = self.plan_of(trigger, &pair);
        if plan.revisions != revisions {
            tracing::warn!(trigger.id = %id, "an open turn goes on with a newer configuration: its own is no longer kept");
        }
        Ok(Some(plan))
    }
}
