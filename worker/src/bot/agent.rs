//! The `agent` bot.

mod prompt;
