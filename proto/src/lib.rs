//! The contract of Cuepoint: what its processes say to each other and to the world.
//!
//! In reading order:
//! - [`limit`]: every bound of the system, with its default;
//! - [`code`]: the stable error codes;
//! - [`id`]: identifiers, parsed at the edge;
//! - [`session`]: how a caller's words become a session, and a session a subject token;
//! - [`subject`]: the broker's subjects and stream names;
//! - [`header`]: message headers;
//! - [`trace`]: the W3C trace context that travels with an event;
//! - [`wire`]: the generated messages;
//! - [`event`]: the envelope of an event, in both encodings;
//! - [`answer`]: what somebody outside says to a turn;
//! - [`record`]: entries of the conversation log;
//! - [`message`]: what a record looks like to a reader;
//! - [`status`]: what a receipt can be told;
//! - [`durability`]: what a receipt promises about where an event lies;
//! - [`ending`]: how the end of a turn is told;
//! - [`resource`]: triggers, bots and skillsets as the catalogue holds them;
//! - [`patch`]: changes of what is known of a conversation, and of its messages;
//! - [`idempotency`]: keys, digests and message ids;
//! - [`worker`]: what workers show of themselves.

pub mod limit;
pub mod code;
pub mod id;
pub mod session;
pub mod subject;
pub mod header;
pub mod trace;
pub mod wire;
pub mod event;
pub mod answer;
pub mod record;
pub mod message;
pub mod status;
pub mod durability;
pub mod ending;
pub mod resource;
pub mod patch;
pub mod idempotency;
pub mod worker;
