//! What is noted of an attempt: a record on `sent.<trigger>.<session>.<destination>`.
//!
//! The last record of a lane says how far the lane has come, so nothing else has to be kept. Each
//! record is appended behind the one before it by the broker's fence, and an attempt is noted before
//! it is made: two workers never send the same parcel at once, unless one of them is held up for
//! longer than [`CLAIM`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long an attempt may take from its first note to its second; then another worker takes over.
pub const CLAIM: Duration = Duration::from_secs(20);

/// How an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It is about to be made; what came of it is not known.
    Sending,
    /// It was told.
    Delivered,
    /// It was not told, and is tried again.
    Failed,
    /// It was not told, and is not tried again by itself.
    GivenUp,
    /// The destination wants nothing more.
    Stopped,
    /// The trigger or the destination is gone, or left out.
    Removed,
}

impl State {
    /// Whether nothing more happens by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Sending | Self::Failed)
    }
}

/// One attempt at a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// The parcel, by its sequence in OUT.
    pub parcel: u64,
    /// Which attempt, from 1; 0 where none was made.
    pub number: u32,
    /// When it began, in milliseconds since 1970.
    pub at_ms: i64,
    /// How it stands.
    pub state: State,
    /// The status that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    #[serde(default)]
    pub duration_ms: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it is tried again, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at_ms: Option<i64>,
}
