//! What workers show of themselves in Redis.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::WorkerId;

/// The workers that show a card, by the time of the last one.
pub const CARDS: &str = "cue:cards";
/// The heartbeats of workers that run turns, by the time of the last one.
pub const HEARTBEATS: &str = "cue:workers";
/// Sessions whose events wait for a person or for their trigger to go on, by until when they were put off, in milliseconds since 1970.
pub const HELD: &str = "cue:held";
/// How long a card lasts that is not shown again.
pub const CARD_TTL: Duration = Duration::from_secs(15);

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Its version.
    pub version: String,
    /// What it does.
    pub roles: Vec<String>,
    /// How many turns it runs at once.
    pub turns: usize,
    /// When it started, by its own clock, in milliseconds since 1970.
    pub started_at: i64,
}

/// Where a worker's card lies.
pub fn card(worker: &WorkerId) -> String {
    format!("cue:card:{worker}")
}

/// Where the set of a worker's sessions lies.
pub fn sessions(worker: &WorkerId) -> String {
    format!("cue:sessions:{{{worker}}}")
}
