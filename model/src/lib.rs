//! Language models behind one trait, over the wire of many providers.
//!
//! An answer is whole or it is an error: a stream that breaks, stands still or ends early is never taken
//! for one. Retries, time-outs and fallbacks are done in here and are bounded; what a provider says about
//! an error is shown without the key.
//!
//! In reading order:
//! - [`prompt`]: what a model is asked;
//! - [`answer`]: what it says, whole or piece by piece;
//! - [`Model`]: who says it;
//! - [`provider`]: who serves models;
//! - [`choice`]: which models a bot wants;
//! - [`providers`]: from a choice to a model;
//! - `ask`: one model after another, each as often as it may help;
//! - `retry`: when to call again;
//! - `call`: one call of one model;
//! - `target`, `request`, `name`, `mark`: what is sent;
//! - `wire`, `whole`: what comes back, frame by frame, and when it is an answer;
//! - `failure`, `scrub`: why nothing came back;
//! - `schema`: the shape that an answer must have;
//! - `told`, `span`: what is told on the way;
//! - [`jitter`]: randomness from outside;
//! - [`limit`]: every wait, retry and size.

use async_trait::async_trait;

pub mod answer;
mod ask;
mod call;
pub mod choice;
mod failure;
pub mod jitter;
pub mod limit;
mod mark;
mod name;
pub mod prompt;
pub mod provider;
pub mod providers;
mod request;
mod retry;
mod schema;
mod scrub;
mod span;
mod target;
mod told;
mod whole;
mod wire;

/// A language model that can be asked.
#[async_trait]
pub trait Model: Send + Sync {
    /// Asks once and waits for the whole answer; `told` hears its pieces as they come.
    ///
    /// Retries, fallbacks and time-outs are done in here. When a call is begun anew after pieces
    /// were told, [`answer::Delta::Restart`] says so.
    async fn ask(&self, prompt: &prompt::Prompt, told: &mut (dyn FnMut(answer::Delta) + Send)) -> Result<answer::Answer, answer::Error>;
}
