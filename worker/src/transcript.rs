//! What was said in a conversation, bounded, for bots that want to read it.
//!
//! The owner of a session keeps it between turns, keyed by log sequence, because a cold read of a
//! conversation costs tens of milliseconds whatever the method. Messages that were changed stand
//! in the place of those that they replace, whose record is gone.

use std::collections::VecDeque;

use backbone::journal::Entry;
use proto::id::SessionKey;
use proto::limit::{TRANSCRIPT_BYTES_MAX, TRANSCRIPT_MESSAGES_MAX};
use proto::message::{self, Message};
use proto::record::Conversation;

/// The newest messages of one conversation up to a log sequence.
#[derive(Debug)]
pub struct Transcript {
    conversation: Conversation,
    upto: u64,
    bytes: usize,
    /// Each behind the log sequence of the record that its id begins with.
    messages: VecDeque<(u64, Message)>,
    /// The newest record some of whose messages were dropped; what was changed up to there is dropped, too.
    dropped: u64,
}

impl Transcript {
    /// Nothing yet of a conversation.
    pub fn new(conversation: Conversation) -> Self {
        Self { conversation, upto: conversation.base, bytes: 0, messages: VecDeque::new(), dropped: 0 }
    }

    /// Whether this is of that conversation.
    pub fn is_of(&self, conversation: &Conversation) -> bool {
        self.conversation.opening == conversation.opening
    }

    /// The log sequence that has been read.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// Takes in the next record, dropping the oldest messages past the bounds.
    pub fn push(&mut self, session: &SessionKey, entry: &Entry) {
        if entry.seq <= self.upto {
            return;
        }
        self.upto = entry.seq;
        if entry.record.concerns() != self.conversation.opening {
            return;
        }
        let messages = message::of(session, entry.seq, entry.at_ms, &entry.record);
        let place = entry.record.edited().map_or(entry.seq, |edited| edited.of);
        if place <= self.dropped {
            return;
        }
        let at = self.clear(place);
        for (offset, message) in messages.into_iter().enumerate() {
            self.bytes += size(&message);
            self.messages.insert(at + offset, (place, message));
        }
        while self.messages.len() > TRANSCRIPT_MESSAGES_MAX || self.bytes > TRANSCRIPT_BYTES_MAX {
            let Some((place, oldest)) = self.messages.pop_front() else { break };
            self.dropped = place;
            self.bytes -= size(&oldest);
        }
    }

    /// Takes away what stands for a record; where it stood, or belongs.
    fn clear(&mut self, place: u64) -> usize {
        let at = self.messages.partition_point(|(known, _)| *known < place);
        let end = self.messages.partition_point(|(known, _)| *known <= place);
        let gone: usize = self.messages.drain(at..end).map(|(_, message)| size(&message)).sum();
        self.bytes -= gone;
        at
    }

    /// The messages, oldest first.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.iter().map(|(_, message)| message.clone()).collect()
    }
}

fn size(message: &Message) -> usize {
    message.text.len() + message.meta.to_string().len()
}

#[cfg(test)]
mod tests {
    use backbone::journal::Entry;
    use proto::id::{Epoch, EventSeq, SessionKey};
    use proto::limit::TRANSCRIPT_MESSAGES_MAX;
    use proto::record::{Conversation, Record, RecordId, Revisions, Step};
    use proto::wire;

    use super::Transcript;

    fn conversation() -> Conversation {
        let opening = EventSeq { epoch: Epoch::from_second(1), seq: 1 };
        Conversation { opening, opened_at_ms: 0, base: 0, turn: 1, settings: 0 }
    }

    fn entry(seq: u64, step: Step) -> Entry {
        let record = Record {
            id: RecordId([0; 16]),
            event: EventSeq { seq, ..conversation().opening },
            cursor: seq,
            answers: 0,
            attempt: 0,
            base: 0,
            conversation: conversation(),
            worker: String::new(),
            traceparent: String::new(),
            received_at_ms: 0,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(step),
        };
        Entry { seq, at_ms: 0, record }
    }

    fn turn(seq: u64) -> Entry {
        let input = wire::Input { text: format!("q{seq}"), ..wire::Input::default() };
        entry(seq, Step::Completed(wire::Completed { input: Some(input), reply: format!("a{seq}"), ..wire::Completed::default() }))
    }

    fn edit(seq: u64, of: u64, texts: &[&str]) -> Entry {
        let note =
            |text: &&str| wire::Note { r#type: "user".into(), text: (*text).into(), removed: text.is_empty(), ..wire::Note::default() };
        let edited = wire::Edited { of, messages: texts.iter().map(note).collect(), ..wire::Edited::default() };
        entry(seq, Step::Changed(wire::Changed { answer: None, what: Some(wire::changed::What::Edited(edited)) }))
    }

    fn read(entries: &[Entry]) -> String {
        let session: SessionKey = "t.s".parse().unwrap();
        let mut transcript = Transcript::new(conversation());
        for entry in entries {
            transcript.push(&session, entry);
        }
        transcript.messages().iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_was_changed_stands_in_its_old_place_whether_that_is_gone_or_not() {
        assert_eq!(read(&[turn(1), turn(2), turn(4), edit(5, 2, &["x", "y"])]), "q1 a1 x y q4 a4");
        assert_eq!(read(&[turn(1), turn(4), edit(5, 2, &["", "y"]), edit(6, 1, &["", ""])]), "y q4 a4");
        assert_eq!(read(&[turn(4), edit(5, 2, &["x"]), edit(6, 2, &["z"]), turn(7)]), "z q4 a4 q7 a7");
    }

    #[test]
    fn what_was_dropped_does_not_come_back_by_a_change() {
        let turns: Vec<Entry> = (1..=TRANSCRIPT_MESSAGES_MAX as u64).map(turn).collect();
        let before = read(&turns);
        let last = TRANSCRIPT_MESSAGES_MAX as u64 + 1;
        assert_eq!(read(&[turns, vec![edit(last, 2, &["x"])]].concat()), before);
    }
}
