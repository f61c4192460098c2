//! Where everything lies in Redis.
//!
//! All keys share the hash tag `{idx}`, so that one script reaches them. `cue:{idx}:<version>:`
//! begins those of this build: a later version of the projection builds beside an earlier one.
//! Under it `gen` names the generation that counts, and `<generation>:` begins its entries: an
//! index is dropped by counting the generation up, at once and for everybody.
//!
//! | name | what |
//! | --- | --- |
//! | `at` | where the log was read up to: `<creation of the stream>:<sequence>` |
//! | `goal` | where the log ended when the build began: before that, lists are refused |
//! | `p:at`, `p:goal` | the same for the bucket of contacts |
//! | `c` | conversations by id |
//! | `c:all`, `c:t:<trigger>`, `c:b:<bot>`, `c:p:<contact>` | their order, by creation |
//! | `c:gone` | places of erased ones |
//! | `o` | open turns with calls, by receipt |
//! | `a`, `a:all` | calls that wait for somebody, and their order |
//! | `e` | events by receipt |
//! | `e:t:<trigger>`, `e:s:<status>:<trigger>` | their order; completed ones have no set of their own |
//! | `i` | entries of the event log |
//! | `i:all`, `i:t:<trigger>`, `i:c:<conversation>` | their order |
//! | `u:<day>`, `u:days` | usage of a day, and which days there are |
//! | `e:open:running`, `e:open:waiting` | open events of all triggers |
//! | `s:<span>:<slot>` | figures of a slot of time |
//! | `p`, `p:all`, `p:gone` | contacts |
//!
//! `cue:{idx}:accepts:<span>:<slot>` is of no version and no generation: how long calls took is known to
//! gateways only, which add it up there, and no log makes it again.

use crate::pulse::{Span, slot};

/// The version of the projection: count it up with every change of what [`crate::project`] makes.
pub const VERSION: u32 = 2;

/// Whose generation counts.
pub const GENERATION: &str = "gen";
/// The indexer's lease.
pub const LEASE: &str = "lease";
/// Conversations.
pub const CONVERSATIONS: &str = "c";
/// Open turns.
pub const TURNS: &str = "o";
/// Calls that wait for somebody.
pub const APPROVALS: &str = "a";
/// Events.
pub const EVENTS: &str = "e";
/// Entries of the event log.
pub const ITEMS: &str = "i";
/// Contacts.
pub const CONTACTS: &str = "p";
/// Figures of slots of time.
pub const PULSE: &str = "s";
/// What begins the keys of how long calls took.
pub const ACCEPTS: &str = "cue:{idx}:accepts:";
/// The days that have usage.
pub const DAYS: &str = "u:days";

/// What every key of this version begins with.
pub fn base() -> String {
    format!("cue:{{idx}}:{VERSION}:")
}

/// What every key of a generation begins with.
pub fn generation(generation: &str) -> String {
    format!("{}{generation}:", base())
}

/// The order of all members of a list.
pub fn all(list: &str) -> String {
    format!("{list}:all")
}

/// The places of those that are gone from a list.
pub fn gone(list: &str) -> String {
    format!("{list}:gone")
}

/// The order of what belongs to a trigger.
pub fn of_trigger(list: &str, trigger: &str) -> String {
    format!("{list}:t:{trigger}")
}

/// The order of a bot's conversations.
pub fn of_bot(bot: &str) -> String {
    format!("{CONVERSATIONS}:b:{bot}")
}

/// The order of a contact's conversations.
pub fn of_contact(contact: &str) -> String {
    format!("{CONVERSATIONS}:p:{contact}")
}

/// The order of a conversation's entries of the event log.
pub fn of_conversation(conversation: &str) -> String {
    format!("{ITEMS}:c:{conversation}")
}

/// The order of a trigger's events of one status.
pub fn of_status(status: &str, trigger: &str) -> String {
    format!("{EVENTS}:s:{status}:{trigger}")
}

/// The open events of all triggers that have a status.
pub fn open(status: &str) -> String {
    format!("{EVENTS}:open:{status}")
}

/// The figures of a round.
pub fn pulse(span: Span, round: i64) -> String {
    format!("{PULSE}:{}:{}", span.name(), slot(round))
}

/// How long calls took in a round, behind [`ACCEPTS`].
pub fn accepts(span: Span, round: i64) -> String {
    format!("{}:{}", span.name(), slot(round))
}

/// The usage of a day.
pub fn usage(day: i64) -> String {
    format!("u:{day}")
}
