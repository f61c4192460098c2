//! What a bot may do, in words that a person writes: the instruction language of abilities.
//!
//! Pure: text in, functions and invocations out; nothing here reads a clock, a file or the network.
//!
//! In reading order:
//! - [`set`] and [`ability`]: what a bot may do, as it stands in a file;
//! - [`function`]: what a model is offered of it;
//! - [`invocation`]: what filling an ability in comes to, for the code that acts;
//! - [`instruction`]: the text that says what is done, read into a template;
//! - [`field`]: what it asks the model for;
//! - [`fault`] and [`violation`]: what is wrong with a text, and with a model's arguments;
//! - [`mcp`], [`nats`], [`question`]: what invocations of these actions say, by [`reading`];
//! - [`limit`]: the bounds.

pub mod ability;
pub mod fault;
pub mod field;
pub mod function;
pub mod instruction;
pub mod invocation;
pub mod limit;
pub mod mcp;
pub mod nats;
pub mod question;
pub mod reading;
pub mod set;
pub mod violation;

mod address;
mod argument;
mod block;
mod duration;
mod fetch;
mod fill;
mod gather;
mod http;
mod json_text;
mod nearest;
mod number;
mod operation;
mod place;
mod placeholder;
mod rehearsal;
mod secrecy;
mod settle;
mod skeleton;
mod structured;
mod template;
mod verb;
mod weave;
mod yaml;

#[cfg(test)]
mod property;
