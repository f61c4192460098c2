//! What a receipt promises about where an event lies.

use serde::Serialize;

/// How safe an event is whose receipt was given. Each survives what the one before does, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// One server has handed it to its operating system: it survives the end of any process.
    Written,
    /// A majority of three servers or more have: it survives the loss of one of them, disk included.
    Replicated,
    /// Whoever has it has it on its disk: it survives a power cut everywhere.
    Fsynced,
}

impl Durability {
    /// The name that it has outside.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Replicated => "replicated",
            Self::Fsynced => "fsynced",
        }
    }
}
