//! Tools of other programs, over the Model Context Protocol.
//!
//! A [`pool::Pool`] keeps connections to servers and calls their tools. Everything that goes out
//! passes [`egress::Egress`]; everything that a server says is bounded, cleaned and free of the
//! server's own secrets before anybody sees it. The protocol itself is rmcp's, which stays inside.
//!
//! In reading order:
//! - [`server`]: which server, and as whom it is spoken to;
//! - [`program`]: the programs that may be started as servers;
//! - [`pool`]: connections, kept while they are used;
//! - `connection`: one of them;
//! - `handler`: what a server may tell and ask;
//! - [`tool`]: the tools of a server;
//! - `outcome`: what a call came to;
//! - [`name`]: names of functions for a model;
//! - [`error`]: why there is no answer;
//! - `failure`: the same, out of rmcp's words;
//! - `http`: requests over streamable HTTP;
//! - `stdio`: programs and their pipes;
//! - [`oauth`]: how a token is come by;
//! - `mask`: keeps secrets out of what a server says;
//! - `text`: a server's words, cleaned;
//! - [`limit`]: every bound.

mod connection;
pub mod error;
mod failure;
pub mod handler;
mod http;
pub mod limit;
mod mask;
pub mod name;
pub mod oauth;
mod outcome;
pub mod pool;
pub mod program;
pub mod server;
mod stdio;
mod text;
pub mod tool;
