//! What a refused or unanswered append means, once the leader was read back: pure.

use proto::record::RecordId;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It landed, at this log sequence.
    Landed(u64),
    /// Nothing happened: send the same bytes again.
    SendAgain,
    /// The first read was stale and nothing depends on it yet: read once more and begin again.
    ReadAgain,
    /// Another worker is ahead: drop everything, without ack and without release.
    Stale,
}

impl Verdict {
    /// Its name in the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Landed(_) => "landed",
            Self::SendAgain => "send_again",
            Self::ReadAgain => "read_again",
            Self::Stale => "stale",
        }
    }
}

/// What the appender knows.
#[derive(Debug, Clone, Copy)]
pub struct Attempted {
    /// The id minted for this append.
    pub id: RecordId,
    /// The sequence it expected last.
    pub fence: u64,
    /// Whether any append of this drain has landed.
    pub has_landed: bool,
    /// Whether the drain has read again once already.
    pub has_reread: bool,
    /// Whether the lease is certainly this worker's.
    pub is_mine: bool,
}

/// Judges by the last record that the leader has: its sequence and id, if there is one.
pub fn judge(attempted: Attempted, last: Option<(u64, RecordId)>) -> Verdict {
    match last {
        Some((seq, id)) if id == attempted.id => Verdict::Landed(seq),
        last if last.map_or(0, |(seq, _)| seq) == attempted.fence => Verdict::SendAgain,
        _ if !attempted.has_landed && !attempted.has_reread && attempted.is_mine => Verdict::ReadAgain,
        _ => Verdict::Stale,
    }
}

#[cfg(test)]
mod tests {
    use proto::record::RecordId;

    use super::{Attempted, Verdict, judge};

    const MINE: RecordId = RecordId([1; 16]);
    const OTHER: RecordId = RecordId([2; 16]);

    fn check(has_landed: bool, is_mine: bool, last: Option<(u64, RecordId)>, expected: Verdict) {
        let attempted = Attempted { id: MINE, fence: 7, has_landed, has_reread: false, is_mine };
        assert_eq!(judge(attempted, last), expected, "landed {has_landed}, mine {is_mine}, last {last:?}");
    }

    #[test]
    fn every_case_of_the_protocol_is_judged() {
        check(true, false, Some((9, MINE)), Verdict::Landed(9));
        check(true, true, Some((7, OTHER)), Verdict::SendAgain);
        check(false, true, Some((8, OTHER)), Verdict::ReadAgain);
        check(true, true, Some((8, OTHER)), Verdict::Stale);
        check(false, false, Some((8, OTHER)), Verdict::Stale);
        check(true, true, None, Verdict::Stale);
    }

    #[test]
    fn an_empty_subject_is_sequence_zero() {
        let attempted = Attempted { id: MINE, fence: 0, has_landed: false, has_reread: false, is_mine: true };
        assert_eq!(judge(attempted, None), Verdict::SendAgain);
    }

    #[test]
    fn a_drain_reads_again_only_once() {
        let attempted = Attempted { id: MINE, fence: 7, has_landed: false, has_reread: true, is_mine: true };
        assert_eq!(judge(attempted, Some((8, OTHER))), Verdict::Stale);
    }
}
