//! What a worker does.

use clap::ValueEnum;

/// One thing that a worker does. All of them stand beside each other in one process unless it is told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Runs turns, and what belongs to their time: time-outs, schedules, later events.
    Turns,
    /// Projects the log into lists.
    Index,
    /// Tells the ends of turns to whoever wants to know.
    Deliver,
}

/// All roles.
pub const ALL: [Role; 3] = [Role::Turns, Role::Index, Role::Deliver];
