//! The two servers everything runs on, NATS and Redis, as Cuepoint uses them.
//!
//! In reading order:
//! - [`config`]: addresses and credentials;
//! - [`tls`]: files that say who a process is and whom it believes;
//! - [`nats`]: the connection, with bounds of our own;
//! - [`topology`]: streams, consumer and bucket: created once, compared ever after;
//! - [`requests`]: what the broker is asked, of a connection or of a stage;
//! - [`publish`]: one confirmed publish, and what a refusal means;
//! - [`direct`]: reads by subject, from any replica or from the leader;
//! - [`delivery`]: what the reply subject of a delivery says;
//! - [`journal`]: reads of the conversation log;
//! - [`edits`]: messages that were changed;
//! - [`letter`]: dead letters, read and sent again;
//! - [`receipt`]: the status of an event, from the streams alone;
//! - [`alarm`]: the timers of schedules;
//! - [`later`]: single events that come later;
//! - [`bucket`]: a bucket, followed without a consumer;
//! - [`catalogue`]: the validated configuration in memory, last good wins;
//! - [`redis`]: the connection to Redis, every call bounded;
//! - [`bug`]: bugs that a simulation switches on;
//! - [`chance`]: random bytes from the operating system;
//! - [`seal`]: values that lie in the broker so that only this deployment reads them;
//! - [`shared`]: a value that can be replaced while it is used;
//! - [`signals`]: what the operating system asks a running service to do.

pub mod alarm;
pub mod bucket;
pub mod bug;
pub mod catalogue;
pub mod chance;
pub mod config;
pub mod delivery;
pub mod direct;
pub mod edits;
pub mod journal;
pub mod later;
pub mod letter;
pub mod nats;
pub mod publish;
pub mod receipt;
pub mod redis;
pub mod requests;
pub mod seal;
pub mod shared;
pub mod signals;
pub mod tls;
pub mod topology;
