//! What turns go by: triggers, compiled bots and abilities from the catalogue.
//!
//! A bot is compiled once a revision of it and of its skillset; a definition that does not compile
//! makes its turns fail with the reason, and a copy of the event in DEAD. An open turn goes on with
//! the revisions that it began with, as long as the bucket keeps them.
//!
//! A conversation may name a bot of its own, or define one; a turn may have more than its bot. The
//! trigger `_api`, under which conversations without a trigger lie, is built in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backbone::catalogue::{Catalogue, Revised};
use backbone::direct;
use backbone::shared::Shared;
use proto::id::{BotId, TriggerId};
use proto::idempotency::hex;
use proto::record::Revisions;
use proto::resource::{self, Resource, Skillset, State, Trigger};
use proto::wire::Settings;
use sha2::{Digest as _, Sha256};

use crate::bot::extension::Extension;
use crate::bot::{self, Kit, Made};
use crate::port::{Directory, Plan, Unavailable, Wanted};

/// How many compiled bots are kept, earlier revisions included, before all are compiled anew.
const COMPILED_MAX: usize = 4_096;

/// What the ids of bots begin with that a conversation defines.
const DEFINED: &str = "defined-";

type Compiled = Result<Made, String>;

/// The catalogue with its bots ready to think.
pub struct Roster {
    catalogue: Catalogue,
    kit: Shared<Kit>,
    compiled: Mutex<HashMap<(BotId, u64, u64), Compiled>>,
    /// What stands for the trigger of conversations that have none.
    direct: Arc<Revised<Trigger>>,
}

/// A bot and its skillset at certain revisions.
struct Pair {
    bot: Option<Arc<Revised<resource::Bot>>>,
    skillset: Option<Arc<Revised<Skillset>>>,
}

/// Who answers in a conversation.
enum Answerer {
    /// A bot of the configuration.
    Named(BotId),
    /// A bot that the conversation itself defines.
    Defined(Arc<Revised<resource::Bot>>),
    /// Nobody, as far as is said.
    Nobody,
}

impl Answerer {
    /// The conversation's own where it has one, else its trigger's.
    fn of(trigger: &Trigger, settings: Option<&Settings>) -> Self {
        let named = settings.and_then(|settings| settings.bot.parse().ok());
        let defined = settings.map(|settings| settings.definition.as_str()).filter(|definition| !definition.is_empty());
        match (named, defined.and_then(defined_bot), &trigger.bot) {
            (Some(id), ..) => Self::Named(id),
            (None, Some(bot), _) => Self::Defined(Arc::new(Revised { revision: 0, resource: bot })),
            (None, None, Some(id)) => Self::Named(id.clone()),
            (None, None, None) => Self::Nobody,
        }
    }
}

/// An agent by its definition; equal definitions are one agent.
fn defined_bot(definition: &str) -> Option<resource::Bot> {
    let digest = hex(&Sha256::digest(definition.as_bytes()));
    let id = format!("{DEFINED}{}", digest.get(..32)?).parse().ok()?;
    Some(resource::Bot::new(id, "agent", definition))
}

impl Roster {
    /// A roster over a catalogue; bots are made with `kit`.
    pub fn new(catalogue: Catalogue, kit: Kit) -> Self {
        let direct = Arc::new(Revised { revision: 0, resource: Trigger::direct() });
        Self { catalogue, kit: Shared::new(kit), compiled: Mutex::default(), direct }
    }

    /// Makes bots with another kit from now on. Turns that have begun go on with theirs.
    pub fn equip(&self, kit: Kit) {
        // Under the lock of what was made, so that nothing of the former kit is kept under the new one.
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        self.kit.set(kit);
        compiled.clear();
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
                None if trigger.id.is_reserved() => "the conversation has no bot".to_owned(),
                None => format!("the trigger {} has no bot yet", trigger.id),
            }),
            Some(bot) => self.made(&bot.resource, revisions, pair.skillset.as_ref().map(|skillset| &skillset.resource)),
        };
        let (bot, abilities) = match made {
            Ok(Made { bot, abilities }) => (Ok(bot), abilities),
            Err(reason) => (Err(reason), Arc::clone(&self.kit.get().standard)),
        };
        let answerer = trigger.bot.as_ref().map(ToString::to_string).unwrap_or_default();
        Plan { trigger, bot, answerer, abilities, contact: None, revisions, is_held: false }
    }

    /// What a turn goes by that wants more than its trigger says.
    fn plan_with(&self, trigger: Arc<Revised<Trigger>>, answerer: &Answerer, pair: &Pair, extensions: &str) -> Plan {
        let revisions = Revisions {
            trigger: trigger.revision,
            bot: pair.bot.as_ref().map_or(0, |bot| bot.revision),
            skillset: pair.skillset.as_ref().map_or(0, |skillset| skillset.revision),
        };
        let extension = Extension::parse(extensions);
        let contact = extension.as_ref().ok().and_then(|extension| extension.execute.as_ref()?.contact_id.clone());
        let is_executed = extension.as_ref().is_ok_and(|extension| extension.execute.is_some());
        let is_held = !is_executed && pair.bot.as_ref().is_some_and(|bot| bot.state != State::Active);
        let made = extension.map_err(|error| error.to_string());
        let (bot, abilities) = match made.and_then(|extension| self.made_for(answerer, pair, revisions, &extension)) {
            Ok(Made { bot, abilities }) => (Ok(bot), abilities),
            Err(reason) => (Err(reason), Arc::clone(&self.kit.get().standard)),
        };
        let answerer = pair.bot.as_ref().map(|bot| bot.id.to_string()).unwrap_or_default();
        Plan { trigger, bot, answerer, abilities, contact, revisions, is_held }
    }

    fn made_for(&self, answerer: &Answerer, pair: &Pair, revisions: Revisions, extension: &Extension) -> Compiled {
        if let Some(execute) = &extension.execute {
            let skillset = execute.skillset_id.parse().ok().and_then(|id| self.catalogue.skillset(&id));
            let skillset = skillset.ok_or_else(|| format!("the skillset {} does not exist", execute.skillset_id))?;
            return bot::executor(&skillset, execute, &self.kit.get()).map_err(|error| error.to_string());
        }
        let Some(bot) = &pair.bot else {
            return Err(match answerer {
                Answerer::Named(id) => format!("the bot {id} does not exist"),
                _ => "neither the conversation nor its trigger has a bot".to_owned(),
            });
        };
        let skillset = pair.skillset.as_ref().map(|skillset| &skillset.resource);
        if extension.is_empty() {
            return self.made(&bot.resource, revisions, skillset);
        }
        let made = bot::extended(&bot.resource, skillset, extension, &self.kit.get());
        made.map_err(|error| format!("the bot {} cannot have these extensions: {error}", bot.id))
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
        let made =
            bot::make(bot, skillset, &self.kit.get()).map_err(|error| format!("the bot {} has no usable definition: {error}", bot.id));
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
        match bot {
            Some(bot) => self.skillset_at(bot, revisions).await,
            None => Ok(Pair { bot: None, skillset: None }),
        }
    }

    async fn skillset_at(&self, bot: Arc<Revised<resource::Bot>>, revisions: Revisions) -> Result<Pair, direct::Error> {
        let bot = Some(bot);
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
        if id.is_reserved() { Some(Arc::clone(&self.direct)) } else { self.catalogue.trigger(id) }
    }

    fn triggers(&self) -> Vec<TriggerId> {
        self.catalogue.snapshot().triggers.keys().cloned().chain([TriggerId::direct()]).collect()
    }

    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable> {
        if self.trigger(id).is_some() {
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
        let trigger = self.trigger(id)?;
        let bot = trigger.bot.as_ref().and_then(|bot| self.catalogue.bot(bot));
        let skillset = self.skillset_of(bot.as_ref());
        Some(self.plan_of(trigger, &Pair { bot, skillset }))
    }

    fn plan_for(&self, id: &TriggerId, wanted: Wanted<'_>) -> Option<Plan> {
        let trigger = self.trigger(id)?;
        let answerer = Answerer::of(&trigger, wanted.settings);
        let bot = match &answerer {
            Answerer::Named(id) => self.catalogue.bot(id),
            Answerer::Defined(bot) => Some(Arc::clone(bot)),
            Answerer::Nobody => None,
        };
        let skillset = self.skillset_of(bot.as_ref());
        Some(self.plan_with(trigger, &answerer, &Pair { bot, skillset }, wanted.extensions))
    }

    async fn plan_for_at(&self, id: &TriggerId, wanted: Wanted<'_>, revisions: Revisions) -> Result<Option<Plan>, Unavailable> {
        let Some(now) = self.trigger(id) else { return Ok(None) };
        let trigger = self.trigger_at(now, revisions.trigger).await.map_err(unavailable)?;
        let answerer = Answerer::of(&trigger, wanted.settings);
        let pair = match &answerer {
            Answerer::Named(id) => self.pair_at(Some(id), revisions).await,
            Answerer::Defined(bot) => self.skillset_at(Arc::clone(bot), revisions).await,
            Answerer::Nobody => self.pair_at(None, revisions).await,
        };
        Ok(Some(self.plan_with(trigger, &answerer, &pair.map_err(unavailable)?, wanted.extensions)))
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
