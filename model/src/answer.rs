//! What a model says.

use std::time::Duration;

use crate::prompt::Call;

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Its words.
    pub text: String,
    /// What it thought on the way, where the provider tells.
    pub reasoning: String,
    /// The calls it wants made; ids are the provider's.
    pub calls: Vec<Call>,
    /// Opaque marks to send back with the calls.
    pub signatures: Vec<String>,
    /// Why it ended.
    pub stop: Stop,
    /// What it cost.
    pub usage: Usage,
    /// Who answered, as `provider/model`: a fallback may have.
    pub model: String,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stop {
    /// The model was done.
    #[default]
    End,
    /// It wants calls made.
    Calls,
    /// It reached the maximum of tokens: the text is cut short.
    Length,
    /// The provider withheld the rest.
    Filtered,
}

/// Tokens that one answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Of these, read from the provider's cache.
    pub cached: u64,
    /// Tokens of the answer, reasoning included.
    pub output: u64,
    /// Of these, spent on reasoning.
    pub reasoning: u64,
}

/// A piece of an answer that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta {
    /// Words.
    Text(String),
    /// Thoughts.
    Reasoning(String),
    /// What was told so far is void: the question is asked anew.
    Restart,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The provider refuses the question; asking again would give the same.
    #[error("{model} refused: {reason}")]
    Refused {
        /// Who was asked, as `provider/model`.
        model: String,
        /// Why, without secrets.
        reason: String,
    },
    /// Nobody answered, after all retries and fallbacks.
    #[error("no model answered: {reason}")]
    Unavailable {
        /// Why, without secrets, one clause for each model asked.
        reason: String,
        /// When the provider says that it may be asked again.
        retry_after: Option<Duration>,
    },
}
