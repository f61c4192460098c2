//! Where a session stands, read off its last record: pure.

use backbone::bug::{self, Bug};
use backbone::journal::Entry;
use proto::id::Epoch;
use proto::record::{Conversation, Record, Step};
use proto::wire::changed::What;
use proto::wire::{Changed, Input};

/// What stands at the end of a session's log.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum End {
    /// Nothing, or a turn that ended: the next event may begin.
    #[default]
    Closed,
    /// A turn that goes on, perhaps another process's.
    Open(Box<Record>),
    /// A turn that waits for somebody outside; its event is acked.
    Suspended(Box<Record>),
    /// A turn of a stream that no longer exists: its event is gone, so it is closed with a record.
    Orphaned(Box<Record>),
}

/// Where a session stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Position {
    /// The log sequence of the last record: the fence of the next append. 0 where the subject is empty.
    pub fence: u64,
    /// The last committed event of the mailbox's epoch.
    pub cursor: u64,
    /// The last consumed answer.
    pub answers: u64,
    /// The log sequence of the last terminal record.
    pub base: u64,
    /// Events after the cursor whose turns are to be called off.
    pub cancels: Vec<u64>,
    /// The log sequence of the session's last record with an edit of a message; 0 where there is none.
    pub edits: u64,
    /// The conversation of the last turn.
    pub conversation: Option<Conversation>,
    /// When the last turn ended, by the broker's clock, where the last record says so.
    pub closed_at_ms: Option<i64>,
    /// Events that wait for a later one, to become one turn with it.
    pub merged: Vec<Input>,
    /// What stands at the end.
    pub end: End,
    /// A change whose deletions are not known to be done: nothing follows it.
    pub unfinished: Option<Box<Changed>>,
}

/// Why a mailbox cannot go on from the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// The log is about a newer stream: the mailbox is of the past.
    #[error("the log is of a newer epoch")]
    Newer,
    /// A later version of this program wrote a step that this one does not know.
    #[error("the log has a step of a later version")]
    Unknown,
}

/// Reads the position of a mailbox of `epoch` off the last record.
pub fn of(last: Option<Entry>, epoch: Epoch) -> Result<Position, Void> {
    let Some(Entry { seq, at_ms, record }) = last else { return Ok(Position::default()) };
    if record.event.epoch > epoch {
        return Err(Void::Newer);
    }
    if record.step.is_none() {
        return Err(Void::Unknown);
    }
    let is_current = record.event.epoch == epoch;
    let base = if record.is_terminal() { seq } else { record.base };
    let is_closed = record.is_terminal() || record.is_idle();
    let position = Position {
        fence: seq,
        cursor: if is_current || bug::is(Bug::EpochIgnored) { record.cursor } else { 0 },
        answers: if is_current { record.answers } else { 0 },
        base,
        cancels: if is_current { record.cancels.clone() } else { Vec::new() },
        edits: record.edits_at(seq),
        conversation: conversation(&record, seq),
        closed_at_ms: record.is_terminal().then_some(at_ms),
        merged: merged(&record),
        end: End::Closed,
        unfinished: unfinished(&record),
    };
    let end = match (is_closed, is_current) {
        (true, _) => End::Closed,
        (false, true) if matches!(record.step, Some(Step::Suspended(_))) => End::Suspended(Box::new(record)),
        (false, true) => End::Open(Box::new(record)),
        (false, false) => End::Orphaned(Box::new(record)),
    };
    Ok(Position { end, ..position })
}

/// The conversation that the next turn may go on with; a record before the first turn has none.
///
/// An event that goes into a later one's turn does not count as a turn.
fn conversation(record: &Record, seq: u64) -> Option<Conversation> {
    let of = record.conversation;
    let turn = if matches!(record.step, Some(Step::Merged(_))) { of.turn.saturating_sub(1) } else { of.turn };
    (of.opening.seq > 0).then_some(Conversation { turn, settings: record.settings_at(seq), ..of })
}

/// What was changed by the record, where something is to be deleted on its account.
fn unfinished(record: &Record) -> Option<Box<Changed>> {
    match &record.step {
        Some(Step::Changed(changed)) if matches!(changed.what, Some(What::Edited(_) | What::Erased(_))) => Some(Box::new(changed.clone())),
        _ => None,
    }
}

fn merged(record: &Record) -> Vec<Input> {
    match &record.step {
        Some(Step::Merged(step)) => step.inputs.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use backbone::journal::Entry;
    use proto::id::{Epoch, EventSeq};
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::wire;

    use super::{End, Void, of};

    fn entry(epoch: u32, step: impl Into<Option<Step>>) -> Entry {
        let step = step.into();
        let event = EventSeq { epoch: Epoch::from_second(epoch), seq: 9 };
        let conversation = Conversation { opening: event, opened_at_ms: 0, base: 2, turn: 1, settings: 0 };
        let terminal = matches!(step, Some(Step::Completed(_)));
        let record = Record {
            id: RecordId([0; 16]),
            event,
            cursor: if terminal { 9 } else { 8 },
            answers: 0,
            attempt: 2,
            base: 30,
            conversation,
            worker: "w".into(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step,
        };
        Entry { seq: 40, at_ms: 0, record }
    }

    fn started() -> Step {
        Step::Started(wire::Started {})
    }

    fn completed() -> Step {
        Step::Completed(wire::Completed::default())
    }

    #[test]
    fn a_closed_turn_moves_the_cursor_and_an_open_one_never_does() {
        let epoch = Epoch::from_second(5);
        let closed = of(Some(entry(5, completed())), epoch).unwrap();
        assert_eq!((closed.cursor, closed.base, closed.fence, closed.end), (9, 40, 40, End::Closed));
        let open = of(Some(entry(5, started())), epoch).unwrap();
        assert_eq!((open.cursor, open.base), (8, 30));
        assert!(matches!(open.end, End::Open(_)));
    }

    #[test]
    fn a_change_that_deletes_is_unfinished_while_nothing_follows_it() {
        let epoch = Epoch::from_second(5);
        let changed = |what| Step::Changed(wire::Changed { answer: None, what: Some(what) });
        let edited = of(Some(entry(5, changed(wire::changed::What::Edited(wire::Edited::default())))), epoch).unwrap();
        assert_eq!((edited.unfinished.is_some(), edited.edits), (true, 40));
        let refused = of(Some(entry(5, changed(wire::changed::What::Refused(String::new())))), epoch).unwrap();
        assert_eq!((refused.unfinished, refused.edits), (None, 0));
        assert_eq!(of(Some(entry(5, completed())), epoch).unwrap().unfinished, None);
    }

    #[test]
    fn another_epoch_has_no_cursor_here() {
        let epoch = Epoch::from_second(6);
        assert_eq!(of(Some(entry(5, completed())), epoch).unwrap().cursor, 0);
        assert!(matches!(of(Some(entry(5, started())), epoch).unwrap().end, End::Orphaned(_)));
        assert_eq!(of(Some(entry(7, completed())), epoch), Err(Void::Newer));
    }

    #[test]
    fn a_later_step_is_never_overwritten() {
        assert_eq!(of(Some(entry(5, None)), Epoch::from_second(5)), Err(Void::Unknown));
    }
}
