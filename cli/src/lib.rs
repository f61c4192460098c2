//! The command line of Cuepoint: a whole system in one process, and its tools.
//!
//! In reading order:
//! - [`command`]: what each command does;
//! - [`config`]: triggers and bots as files;
//! - [`secret`]: the secrets that they name;
//! - [`apply`]: the broker's configuration made to match;
//! - [`backup`]: a deployment in a directory, and back;
//! - [`security`]: keys, accounts and certificates of the servers;
//! - [`data`]: what one deployment on one machine keeps;
//! - [`reach`]: where a command finds its deployment;
//! - [`client`]: the HTTP API, as a caller outside uses it;
//! - [`server`]: real servers as child processes;
//! - `clock`: the time of day;
//! - [`output`]: what commands print.

pub mod apply;
pub mod backup;
pub mod client;
mod clock;
pub mod command;
pub mod config;
pub mod data;
pub mod output;
pub mod reach;
pub mod secret;
pub mod security;
pub mod server;
