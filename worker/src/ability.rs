//! What a bot can do to the world.
//!
//! An ability runs only after its intent is committed. It gets the idempotency key of the call,
//! which is the same at every attempt, and passes it on to whatever it calls.

use async_trait::async_trait;
use proto::wire::{Call, Doubt};
use serde_json::Value;

mod echo;
mod fetch;
pub mod standard;

/// Runs the calls of a turn.
#[async_trait]
pub trait Abilities: Send + Sync {
    /// What to do with a call of this ability whose outcome is unknown, unless the bot says otherwise.
    fn doubt(&self, ability: &str, arguments: &Value) -> Doubt;

    /// Makes one call; the result as JSON, or the reason of its failure for the bot and the reader.
    async fn run(&self, call: &Call, idempotency_key: &str) -> Result<String, String>;
}
