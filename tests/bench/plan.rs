//! How much is measured.

/// How thorough a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many alternating rounds each figure is the median of.
    pub(crate) rounds: usize,
    /// Whether small sizes will do: that it runs, not what it costs.
    pub(crate) is_quick: bool,
}

impl Plan {
    /// One size, or the smaller one where small ones will do.
    pub(crate) fn size<T>(self, full: T, quick: T) -> T {
        if self.is_quick { quick } else { full }
    }
}
