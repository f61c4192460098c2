//! The seams over the real world.

pub mod courier;
pub mod intake;
pub mod ledger;
pub mod live;
pub mod nats;
pub mod offer;
pub mod redis;
pub mod system;
pub mod timer;
pub mod times;
