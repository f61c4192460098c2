//! One change of the index.
//!
//! Names are those inside one index; where they lie in Redis is [`crate::key`]'s matter. All changes
//! of a batch are applied together with the move of the position, so counting is safe here.

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A field of a hash has a value.
    Put {
        /// The hash.
        hash: String,
        /// The field.
        field: String,
        /// The value.
        value: Vec<u8>,
    },
    /// A field of a hash is gone.
    Drop {
        /// The hash.
        hash: String,
        /// The field.
        field: String,
    },
    /// A member of a sorted set has a score.
    Rank {
        /// The set.
        set: String,
        /// The score.
        score: i64,
        /// The member.
        member: String,
    },
    /// A member of a sorted set is gone.
    Unrank {
        /// The set.
        set: String,
        /// The member.
        member: String,
    },
    /// A counter grows.
    Count {
        /// The hash of the counter.
        hash: String,
        /// The field.
        field: String,
        /// By how much.
        by: u64,
    },
    /// Counters of a slot of a ring grow; one that an earlier round has is emptied first, one of a later round is left alone.
    Tally {
        /// The hash of the slot.
        slot: String,
        /// The round that is counted.
        round: i64,
        /// Nothing is counted where the index knows this event.
        unless: Option<String>,
        /// The fields, and by how much.
        counts: Vec<(String, u64)>,
    },
    /// A member of a list is gone, and its place is remembered for readers that are past it.
    Retire {
        /// The list: the hash is called so, the set `<list>:all`, the memory `<list>:gone`.
        list: &'static str,
        /// The member.
        member: String,
    },
    /// All entries of the event log of a conversation are gone, and its events with them.
    Forget {
        /// The conversation.
        conversation: String,
    },
    /// A day has usage; days past the bound go.
    Day {
        /// Days since 1970.
        day: i64,
    },
    /// Entries of the event log past the bound go.
    Trim,
}

impl Change {
    /// A field of a hash has a value.
    pub(crate) fn put(hash: impl Into<String>, field: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { hash: hash.into(), field: field.into(), value: value.into() }
    }

    /// A field of a hash is gone.
    pub(crate) fn drop(hash: impl Into<String>, field: impl Into<String>) -> Self {
        Self::Drop { hash: hash.into(), field: field.into() }
    }

    /// A member of a sorted set has a score.
    pub(crate) fn rank(set: impl Into<String>, score: i64, member: impl Into<String>) -> Self {
        Self::Rank { set: set.into(), score, member: member.into() }
    }

    /// A member of a sorted set is gone.
    pub(crate) fn unrank(set: impl Into<String>, member: impl Into<String>) -> Self {
        Self::Unrank { set: set.into(), member: member.into() }
    }
}
