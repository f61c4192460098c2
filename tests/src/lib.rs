//! The harness: real servers, real processes, and what must be true of them in the end.
//!
//! A test builds a [`system::System`] of real nats-server and redis-server processes, workers and
//! gateways, in this process or as children that can be killed and frozen. It sends events, breaks
//! something, and calls [`system::System::finish`], which asserts what holds for every test: each
//! accepted event has exactly one terminal record, in order, and nothing is left pending, leased
//! or dead that the test did not take. There are no bare sleeps: every wait is [`eventually`],
//! bounded, and says what it waited for.
//!
//! In reading order:
//! - [`system`]: servers, nodes and resources put together, and taken apart again;
//! - [`setup`]: how a node is to be started;
//! - [`node`]: a worker or a gateway, here or in a process of its own;
//! - [`resource`]: triggers and bots in a line;
//! - [`call`]: an HTTP call and its answer;
//! - [`stream`]: an answer that goes on, read piece by piece;
//! - [`view`]: what lies in the broker and in Redis;
//! - [`ledger`]: what was accepted, and whether the log honours it;
//! - [`load`]: many events at once;
//! - [`oracle`]: the words of a model, over the wire;
//! - [`fatal`]: points at which a worker kills itself;
//! - [`sink`]: an HTTP service that records what it is asked;
//! - [`stranger`]: an HTTP service that means no good;
//! - [`proxy`]: a TCP connection that can be cut, stalled and delayed;
//! - [`pretender`]: a broker that is too old;
//! - [`peer`]: programs that nobody here wrote;
//! - [`cluster`]: nats-servers, alone or three;
//! - [`secured`]: a broker that asks who one is;
//! - [`intruder`]: whoever has a seed, and tries more than it is for;
//! - [`breakable`]: a real server that a test breaks while others use it;
//! - [`scratch`]: a directory that is removed;
//! - [`mod@eventually`]: bounded waits.

#![expect(clippy::expect_used, clippy::panic, reason = "the harness fails tests by panicking")]

pub mod breakable;
pub mod call;
pub mod cluster;
pub mod eventually;
pub mod fatal;
pub mod ledger;
pub mod load;
pub mod intruder;
pub mod node;
pub mod oracle;
pub mod peer;
pub mod pretender;
pub mod proxy;
pub mod receiver;
pub mod resource;
pub mod scratch;
pub mod secured;
pub mod setup;
pub mod sink;
pub mod stranger;
pub mod stream;
pub mod system;
pub mod view;
