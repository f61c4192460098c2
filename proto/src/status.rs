//! What a receipt can be told.

use serde::Serialize;

use crate::record::{Record, Step};

/// Where an event is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// To come later.
    Scheduled,
    /// Stored, not begun.
    Queued,
    /// A turn has begun.
    Running,
    /// The turn waits for an answer from outside.
    Waiting,
    /// The turn ended with a reply.
    Completed,
    /// The turn ended without one.
    Failed,
    /// The turn was called off.
    Cancelled,
    /// Given up; a copy lies in DEAD.
    Dead,
    /// Nothing is known of it any more.
    Expired,
}

impl Status {
    /// Whether it can still change.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Scheduled | Self::Queued | Self::Running | Self::Waiting)
    }

    /// The name that it has outside.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
            Self::Expired => "expired",
        }
    }

    /// How a turn ended, by its name.
    pub fn of_end(name: &str) -> Option<Self> {
        [Self::Completed, Self::Failed, Self::Cancelled, Self::Dead].into_iter().find(|status| status.as_str() == name)
    }

    /// What a record of the event itself says.
    pub fn of(record: &Record) -> Self {
        match &record.step {
            Some(Step::Completed(_) | Step::Merged(_) | Step::Noted(_)) => Self::Completed,
            Some(Step::Failed(step)) if step.dead => Self::Dead,
            Some(Step::Failed(_)) => Self::Failed,
            Some(Step::Cancelled(_)) => Self::Cancelled,
            Some(Step::Suspended(_)) => Self::Waiting,
            Some(
                Step::Started(_)
                | Step::Resumed(_)
                | Step::Checkpoint(_)
                | Step::Intents(_)
                | Step::Outcomes(_)
                | Step::Received(_)
                | Step::Changed(_),
            )
            | None => Self::Running,
        }
    }
}
