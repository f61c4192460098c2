//! Triggers and compiled bots from the catalogue.
//!
//! A bot is compiled once a revision; a definition that does not compile makes its turns fail with
//! the reason, and a copy of the event in DEAD.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use backbone::catalogue::Catalogue;
use proto::id::{BotId, TriggerId};
use proto::resource::Trigger;

use crate::bot::{self, Bot};
use crate::port::{Directory, Unavailable};

type Compiled = Result<Arc<dyn Bot>, String>;

/// The catalogue with its bots ready to think.
pub struct Roster {
    catalogue: Catalogue,
    compiled: Mutex<HashMap<BotId, (u64, Compiled)>>,
}

impl Roster {
    /// A roster over a catalogue.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, compiled: Mutex::default() }
    }
}

#[async_trait]
impl Directory for Roster {
    fn trigger(&self, id: &TriggerId) -> Option<Arc<Trigger>> {
        self.catalogue.trigger(id)
    }

    async fn has_trigger(&self, id: &TriggerId) -> Result<bool, Unavailable> {
        if self.catalogue.trigger(id).is_some() {
            return Ok(true);
        }
        let found = self.catalogue.trigger_from_leader(id).await;
        found.map(|trigger| trigger.is_some()).map_err(|error| Unavailable(error.to_string()))
    }

    fn bot(&self, id: &BotId) -> Compiled {
        let Some(known) = self.catalogue.bot(id) else { return Err(format!("the bot {id} does not exist")) };
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bot)) = compiled.get(id).filter(|(revision, _)| *revision == known.revision) {
            return bot.clone();
        }
        let bot = bot::compile(&known.resource).map_err(|error| format!("the bot {id} has no usable definition: {error}"));
        compiled.insert(id.clone(), (known.revision, bot.clone()));
        bot
    }
}
