//! Which trigger an id names.
//!
//! The catalogue in memory answers nearly always. An id that it does not know may be a trigger
//! that was made a moment ago, so the leader is asked before a caller is told 404. Strangers with
//! made-up ids must not turn that into load: few ask at a time, and an answer of "unknown" is
//! remembered for a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backbone::catalogue::{Catalogue, Revised};
use proto::code::Code;
use proto::id::TriggerId;
use proto::resource::Trigger;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::api_error::ApiError;

/// How many ids are asked for at a time.
const ASKING_MAX: usize = 16;
/// How long a caller waits to ask and to be answered.
const ASK_DEADLINE: Duration = Duration::from_secs(1);
/// How long an unknown id stays unknown.
const UNKNOWN_TTL: Duration = Duration::from_secs(1);
/// How many unknown ids are remembered.
const UNKNOWN_MAX: usize = 1_024;

/// Finds triggers.
#[derive(Debug)]
pub(crate) struct Directory {
    /// The triggers as this process knows them.
    pub(crate) catalogue: Catalogue,
    asking: Semaphore,
    unknown: Mutex<HashMap<TriggerId, Instant>>,
}

impl Directory {
    /// A directory over a catalogue.
    pub(crate) fn new(catalogue: Catalogue) -> Self {
        Self { catalogue, asking: Semaphore::new(ASKING_MAX), unknown: Mutex::default() }
    }

    /// Finds a trigger by what a path says.
    pub(crate) async fn trigger(&self, id: Option<&str>) -> Result<Arc<Revised<Trigger>>, ApiError> {
        let unknown = || ApiError::new(Code::TriggerUnknown, "there is no such trigger");
        let id: TriggerId = id.and_then(|id| id.parse().ok()).ok_or_else(unknown)?;
        if let Some(trigger) = self.catalogue.trigger(&id) {
            return Ok(trigger);
        }
        if !self.catalogue.is_loaded() {
            return Err(ApiError::unavailable("the configuration is not loaded yet", &"the catalogue is not loaded"));
        }
        if self.is_unknown(&id) {
            return Err(unknown());
        }
        if let Some(trigger) = Box::pin(self.ask(&id)).await? {
            return Ok(Arc::new(trigger));
        }
        self.note_unknown(id);
        Err(unknown())
    }

    async fn ask(&self, id: &TriggerId) -> Result<Option<Revised<Trigger>>, ApiError> {
        let asked = tokio::time::timeout(ASK_DEADLINE, async {
            let _turn = self.asking.acquire().await;
            self.catalogue.trigger_from_leader(id).await
        });
        let silent = |cause: &str| ApiError::unavailable("the configuration cannot be read", &cause);
        asked.await.map_err(|_| silent("no answer in time"))?.map_err(|error| silent(&error.to_string()))
    }

    fn is_unknown(&self, id: &TriggerId) -> bool {
        let unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.get(id).is_some_and(|at| at.elapsed() < UNKNOWN_TTL)
    }

    fn note_unknown(&self, id: TriggerId) {
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        if unknown.len() >= UNKNOWN_MAX {
            unknown.retain(|_, at| at.elapsed() < UNKNOWN_TTL);
        }
        if unknown.len() < UNKNOWN_MAX {
            unknown.insert(id, Instant::now());
        }
    }
}
