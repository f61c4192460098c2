//! Lists of what lies in the log: conversations, events, approvals, usage, contacts.
//!
//! The log is the truth and the index is a copy in Redis that serves lists. It can be lost at any
//! time: where it has got to stands inside it, so an index that is gone begins again by itself, and
//! two indexers that work at the same time do no harm. While Redis is away lists are refused and
//! nothing else is.
//!
//! In reading order:
//! - [`bound`]: how much is kept, read and searched;
//! - [`entry`]: what is kept of a conversation, an event, a call that waits, and of the rest;
//! - [`change`]: one change of the index;
//! - [`project`]: records of the log in, changes out: pure;
//! - [`key`]: where everything lies in Redis;

pub mod bound;
pub mod change;
pub mod entry;
pub mod key;
pub mod project;
