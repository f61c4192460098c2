//! What a bot may do, in words that a person writes: the instruction language of abilities.
//!
//! Pure: text in, functions and invocations out; nothing here reads a clock, a file or the network.
//!
//! In reading order:
//! - [`invocation`]: what filling an ability in comes to, for the code that acts.

pub mod fault;
pub mod invocation;
pub mod limit;

mod nearest;
mod operation;
mod placeholder;
