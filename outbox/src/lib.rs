//! Ends of turns on their way to where a trigger wants them told.
//!
//! What a turn came to is put into the stream OUT once for each destination, from the log and after
//! the turn, so that no turn ever waits for it. From there it is sent: in order for each session and
//! destination, tried again over hours, noted attempt by attempt.
//!
//! Guarantees: each end is told at least once, under the same id each time, until it is given up;
//! what a destination hears of one session it hears in the order of the log. It does not guarantee
//! that an end is told only once: a worker that dies between an answer and its note tells it again.
//!
//! In reading order:
//! - [`config`]: what an operator sets;
//! - [`destination`]: what a destination may be;
//! - [`parcel`]: what lies in OUT, and how it is named;
//! - `plan`: what a record of the log comes to, pure;
//! - `collect`: from the log into OUT;
//! - [`attempt`]: what is noted of an attempt;
//! - `decide`: whether to send, and when again, pure;
//! - `sign`, `post`: how it is sent;
//! - [`stopped`]: destinations that want nothing more;
//! - `deliver`: from OUT to its destination;
//! - [`inventory`]: what the API shows of it, and does with it;
//! - [`service`]: the worker's role `deliver`.

pub mod config;
pub mod destination;
pub mod parcel;
mod plan;
mod collect;
pub mod attempt;
mod decide;
mod sign;
mod post;
pub mod stopped;
mod deliver;
pub mod inventory;
pub mod service;
