//! Programs that nobody here wrote, for the tests to talk to.
//!
//! What speaks a protocol is only known to be right when it is understood by somebody else's
//! implementation. `make peers` brings the programs of `tools/peers`, pinned; a test starts one on a
//! free loopback port, or takes the command line of one that talks over its standard streams.
//! Dropping a peer kills its process group; what it printed is printed again when the test fails.
//!
//! In reading order:
//! - [`command_line`]: where a program is, and with which arguments it runs;
//! - [`process`]: a program that runs;
//! - [`aimock`]: a mock of model providers that answers what it is told to;
//! - [`llmock`]: a mock of model providers that fails as it is told to, and grades its client;
//! - [`everything`]: an MCP server with one of everything, over HTTP or standard streams;
//! - [`filesystem`]: an MCP server that reads and writes files;
//! - [`time`]: an MCP server that knows the time, by another SDK than the two before;
//! - [`conformance`]: the test suite of the MCP specification;
//! - [`sdk`]: the official ChatBotKit SDK;
//! - [`publisher`]: the examples of publishers, by the NATS clients of three languages;
//! - [`signer`]: calls signed by the libraries of those who call;
//! - [`browser`]: Chromium, and what looks at pages in it;
//! - [`phoenix`]: a receiver of traces that knows models and tools;
//! - [`prometheus`]: what scrapes metrics and reads rules;
//! - [`smtp`]: a mail server that keeps what it is sent;
//! - [`webhook`]: a receiver of webhooks that checks signatures by the official library.

pub mod aimock;
pub mod browser;
pub mod command_line;
pub mod conformance;
pub mod everything;
pub mod filesystem;
pub mod llmock;
pub mod phoenix;
mod process;
pub mod prometheus;
pub mod publisher;
pub mod sdk;
pub mod signer;
pub mod smtp;
pub mod time;
pub mod webhook;
