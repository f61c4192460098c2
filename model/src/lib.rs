//! Language models behind one trait, over the wire of many providers.
//!
//! In reading order:
//! - [`prompt`]: what a model is asked;
//! - [`answer`]: what it says, whole or piece by piece;
//! - [`Model`]: who says it.

use async_trait::async_trait;

pub mod answer;
pub mod prompt;

/// A language model that can be asked.
#[async_trait]
pub trait Model: Send + Sync {
    /// Asks once and waits for the whole answer; `told` hears its pieces as they come.
    ///
    /// Retries, fallbacks and time-outs are done in here. When a call is begun anew after pieces
    /// were told, [`answer::Delta::Restart`] says so.
    async fn ask(&self, prompt: &prompt::Prompt, told: &mut (dyn FnMut(answer::Delta) + Send)) -> Result<answer::Answer, answer::Error>;
}
