//! Takes events from the broker, runs their turns in order, one owner a session, and commits them.
//!
//! In reading order:
//! - [`config`] and [`service`]: how a worker is started and stopped;
//! - [`role`]: what a worker does beside turns;
//! - [`port`]: the seams: broker, leases, directory, clock, chance, tasks;
//! - [`desk`]: where deliveries arrive and find their session's mailbox;
//! - [`mailbox`]: what one session's owner shares between delivery, renewal and drain;
//! - [`drain`]: one session worked off in order, fenced;
//! - [`position`], [`readback`], [`attempt`], [`conversation`], [`transcript`]: what the drain decides, pure;
//! - [`turn`]: one turn as its records tell it, pure;
//! - [`budget`]: what turns may take;
//! - [`alarm`], [`firing`], [`keeper`]: schedules, and events that come later;
//! - [`pause`]: triggers that stand still, and go on;
//! - [`gate`]: how many turns run at once;
//! - [`aside`]: sessions that wait for more than a worker;
//! - [`ready`]: whether a worker can do its work;
//! - [`upkeep`]: renewal, progress and heartbeat;
//! - [`scout`]: a trigger's backlog does not hold the others up;
//! - [`adoption`]: a dead worker's sessions go on at once;
//! - [`settings`] and [`secret`]: what a deployment lends its bots;
//! - [`bot`] and [`ability`]: who answers, and what it can do;
//! - [`reread`]: files that are read again while a worker runs;
//! - [`roster`]: triggers and compiled bots from the catalogue;
//! - [`adapter`]: the seams over NATS, Redis and the operating system.

pub mod ability;
pub mod adapter;
pub mod adoption;
pub mod alarm;
mod aside;
pub mod attempt;
pub mod bot;
pub mod budget;
pub mod config;
pub mod conversation;
pub mod desk;
pub mod drain;
pub mod firing;
pub mod gate;
pub mod keeper;
pub mod mailbox;
pub mod pause;
pub mod port;
pub mod position;
pub mod program;
pub mod readback;
mod ready;
pub mod role;
mod reread;
pub mod roster;
pub mod scout;
pub mod secret;
pub mod service;
pub mod settings;
pub mod transcript;
pub mod turn;
pub mod upkeep;
