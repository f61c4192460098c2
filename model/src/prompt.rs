//! What a model is asked.

use serde_json::Value;

/// One question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prompt {
    /// Who the model is, and how it behaves.
    pub system: String,
    /// What was said and done, oldest first.
    pub messages: Vec<Message>,
    /// What the model may call.
    pub functions: Vec<Function>,
    /// The shape of the final answer, where it must have one.
    pub output: Option<Output>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Somebody said something to the bot, or an event came.
    User(String),
    /// The bot said or wanted something.
    Assistant(Assistant),
    /// What a call came to. Every call of an [`Assistant`] message is followed by one.
    Outcome {
        /// The call's id.
        id: String,
        /// The function.
        name: String,
        /// The result, or what went wrong, as the model reads it.
        content: String,
    },
}

/// What the bot said or wanted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Assistant {
    /// Its words.
    pub text: String,
    /// Opaque marks that a provider wants back with its own calls (thought signatures).
    pub signatures: Vec<String>,
    /// The calls it wanted.
    pub calls: Vec<Call>,
}

/// A call that a model wants made.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Names the call in the conversation: letters, digits, `_` and `-`, at most 64.
    pub id: String,
    /// The function.
    pub name: String,
    /// The arguments; an object unless the model erred, or [`Value::String`] where they were no JSON.
    pub arguments: Value,
}

/// What a model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// The name: a letter, then letters, digits, `_`; at most 64.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The arguments, as JSON Schema.
    pub parameters: Value,
}

/// The shape of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// A name for it.
    pub name: String,
    /// JSON Schema.
    pub schema: Value,
}
