//! Lists of what lies in the log: conversations, events, approvals, usage, contacts; and figures of the time.
//!
//! The log is the truth and the index is a copy in Redis that serves lists. It can be lost at any
//! time: where it has got to stands inside it, so an index that is gone begins again by itself, and
//! two indexers that work at the same time do no harm. While Redis is away lists are refused and
//! nothing else is.
//!
//! In reading order:
//! - [`bound`]: how much is kept, read and searched;
//! - [`entry`]: what is kept of a conversation, an event, a call that waits, and of the rest;
//! - [`histogram`]: how long things took, counted in buckets: pure;
//! - [`pulse`]: how it goes, in rings of slots: pure;
//! - [`change`]: one change of the index;
//! - [`project`]: records of the log in, changes out: pure;
//! - [`key`]: where everything lies in Redis;
//! - [`store`]: changes applied, each batch once;
//! - [`contact`]: the bucket of contacts, and cards for those who are new;
//! - [`follow`]: the log followed, by one indexer at a time;
//! - [`filter`]: which entries a list wants: pure;
//! - [`read`]: lists in pages;
//! - [`search`]: words found in the newest records of the log;
//! - [`rebuild`]: the index dropped and made again.

pub mod bound;
pub mod change;
pub mod contact;
pub mod entry;
pub mod filter;
pub mod follow;
pub mod histogram;
pub mod key;
pub mod project;
pub mod pulse;
pub mod read;
pub mod rebuild;
pub mod search;
pub mod store;
