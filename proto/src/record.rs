//! Entries of the conversation log.
//!
//! The frame of a record (who, where, which event) is parsed into types here; the contents of its
//! step are plain data and serve as they are generated.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use crate::id::{ConversationId, Epoch, EventSeq, SessionKey};
use crate::wire;
pub use crate::wire::record::Step;

/// Why bytes are not a record.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// They are not the message.
    #[error("not a log record")]
    Malformed(#[source] prost::DecodeError),
    /// A field of the frame is not usable.
    #[error("log record has an unusable {0}")]
    Frame(&'static str),
}

/// Tells one append from every other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordId(pub [u8; 16]);

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// The conversation a turn belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversation {
    /// The event that opened it.
    pub opening: EventSeq,
    /// When that was stored, by the broker's clock, in milliseconds since 1970.
    pub opened_at_ms: i64,
    /// The log sequence after which its records begin.
    pub base: u64,
    /// The ordinal of the turn in it, from 1.
    pub turn: u64,
    /// The log sequence of the record that says what is known of it; 0 where nothing was said.
    pub settings: u64,
}

impl Conversation {
    /// The id by which callers know it.
    pub fn id(&self, session: &SessionKey) -> ConversationId {
        ConversationId { session: session.clone(), event: self.opening }
    }
}

/// Versions of the configuration, as the bucket counts them; 0 where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revisions {
    /// The trigger.
    pub trigger: u64,
    /// Its bot.
    pub bot: u64,
    /// The bot's skillset.
    pub skillset: u64,
}

impl From<wire::Revisions> for Revisions {
    fn from(message: wire::Revisions) -> Self {
        Self { trigger: message.trigger, bot: message.bot, skillset: message.skillset }
    }
}

impl From<Revisions> for wire::Revisions {
    fn from(revisions: Revisions) -> Self {
        Self { trigger: revisions.trigger, bot: revisions.bot, skillset: revisions.skillset }
    }
}

/// One entry of a session's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Minted for this append.
    pub id: RecordId,
    /// The event it is about.
    pub event: EventSeq,
    /// The last committed event of that epoch.
    pub cursor: u64,
    /// The last consumed answer.
    pub answers: u64,
    /// The highest counted attempt so far.
    pub attempt: u32,
    /// The log sequence of the last terminal record before this turn.
    pub base: u64,
    /// The conversation of the turn.
    pub conversation: Conversation,
    /// The process that wrote it.
    pub worker: String,
    /// The trace context of the event.
    pub traceparent: String,
    /// When the event was stored, by the broker's clock, in milliseconds since 1970.
    pub received_at_ms: i64,
    /// The configuration that the turn began with.
    pub revisions: Revisions,
    /// Events after the cursor whose turns are to be called off when they come, in order.
    pub cancels: Vec<u64>,
    /// The log sequence of the session's last record with an edit of a message; 0 where there is none.
    pub edits: u64,
    /// What happened; none where a later version wrote a step that this one does not know.
    pub step: Option<Step>,
}

impl Record {
    /// Whether the record stands between two turns: it is about the last event, which has ended.
    pub fn is_idle(&self) -> bool {
        matches!(self.step, Some(Step::Received(_) | Step::Changed(_))) && self.event.seq == self.cursor
    }

    /// Whether the turn ended here.
    pub fn is_terminal(&self) -> bool {
        matches!(self.step, Some(Step::Completed(_) | Step::Failed(_) | Step::Cancelled(_) | Step::Merged(_) | Step::Noted(_)))
    }

    /// What the whole turn used, where it ended here.
    pub fn usage(&self) -> &[wire::Usage] {
        match &self.step {
            Some(Step::Completed(step)) => &step.usage,
            Some(Step::Failed(step)) => &step.usage,
            Some(Step::Cancelled(step)) => &step.usage,
            _ => &[],
        }
    }

    /// Where what is known of the conversation stands behind this record, which lies at `seq`; 0 where nothing was said.
    pub fn settings_at(&self, seq: u64) -> u64 {
        if self.settings().is_some() { seq } else { self.conversation.settings }
    }

    /// What this record says of the conversation that it belongs to.
    pub fn settings(&self) -> Option<&wire::Settings> {
        use wire::changed::What;

        let Some(Step::Changed(changed)) = &self.step else {
            return self.input().filter(|_| self.event == self.conversation.opening)?.direct.as_ref()?.settings.as_ref();
        };
        changed.answer.as_ref().filter(|answer| self.is_of(answer))?;
        match changed.what.as_ref()? {
            What::Described(settings) => Some(settings),
            What::Edited(edited) => edited.settings.as_ref(),
            What::Erased(_) | What::Refused(_) => None,
        }
    }

    /// Whether an answer names the conversation that this record belongs to.
    fn is_of(&self, answer: &wire::Answer) -> bool {
        let opening = self.conversation.opening;
        answer.event == opening.seq && answer.epoch == opening.epoch.to_string()
    }

    /// The session's last edit of a message behind this record, which lies at `seq`; 0 where there is none.
    pub fn edits_at(&self, seq: u64) -> u64 {
        if self.edited().is_some() { seq } else { self.edits }
    }

    /// The messages of an earlier record, where this one changes them.
    pub fn edited(&self) -> Option<&wire::Edited> {
        match &self.step {
            Some(Step::Changed(wire::Changed { what: Some(wire::changed::What::Edited(edited)), .. })) => Some(edited),
            _ => None,
        }
    }

    /// The event whose messages are changed, where this changes some.
    pub fn edited_event(&self) -> Option<EventSeq> {
        let edited = self.edited()?;
        Some(EventSeq { epoch: edited.epoch.parse().unwrap_or(self.event.epoch), seq: edited.event })
    }

    /// The conversation whose content is in this record: what changes one from outside names it itself.
    pub fn concerns(&self) -> EventSeq {
        let changed = if let Some(Step::Changed(changed)) = &self.step { changed.answer.as_ref() } else { None };
        let named = changed.and_then(|answer| Some(EventSeq { epoch: answer.epoch.parse().ok()?, seq: answer.event }));
        named.unwrap_or(self.conversation.opening)
    }

    /// The event as the turn took it in, where this record has it.
    pub fn input(&self) -> Option<&wire::Input> {
        match self.step.as_ref()? {
            Step::Intents(step) => step.input.as_ref(),
            Step::Completed(step) => step.input.as_ref(),
            Step::Failed(step) => step.input.as_ref(),
            Step::Cancelled(step) => step.input.as_ref(),
            Step::Suspended(step) => step.input.as_ref(),
            Step::Merged(step) => step.inputs.last(),
            Step::Noted(step) => step.input.as_ref(),
            Step::Started(_) | Step::Resumed(_) | Step::Checkpoint(_) | Step::Outcomes(_) | Step::Received(_) | Step::Changed(_) => None,
        }
    }

    /// The stored bytes.
    pub fn encode(self) -> Bytes {
        let message = wire::Record {
            id: Bytes::copy_from_slice(&self.id.0),
            epoch: self.event.epoch.to_string(),
            cursor: self.cursor,
            answers: self.answers,
            attempt: self.attempt,
            event: self.event.seq,
            base: self.base,
            conversation: Some(wire::Conversation {
                epoch: self.conversation.opening.epoch.to_string(),
                event: self.conversation.opening.seq,
                opened_at_ms: self.conversation.opened_at_ms,
                base: self.conversation.base,
                turn: self.conversation.turn,
                settings: self.conversation.settings,
            }),
            worker: self.worker,
            traceparent: self.traceparent,
            received_at_ms: self.received_at_ms,
            revisions: (self.revisions != Revisions::default()).then(|| self.revisions.into()),
            cancels: self.cancels,
            edits: self.edits,
            step: self.step,
        };
        message.encode_to_vec().into()
    }

    /// Reads stored bytes.
    pub fn decode(bytes: Bytes) -> Result<Self, Error> {
        let message = wire::Record::decode(bytes).map_err(Error::Malformed)?;
        let epoch = |text: &str| text.parse::<Epoch>().map_err(|_| Error::Frame("epoch"));
        let conversation = message.conversation.ok_or(Error::Frame("conversation"))?;
        Ok(Self {
            id: RecordId(message.id.as_ref().try_into().map_err(|_| Error::Frame("id"))?),
            event: EventSeq { epoch: epoch(&message.epoch)?, seq: message.event },
            cursor: message.cursor,
            answers: message.answers,
            attempt: message.attempt,
            base: message.base,
            conversation: Conversation {
                opening: EventSeq { epoch: epoch(&conversation.epoch)?, seq: conversation.event },
                opened_at_ms: conversation.opened_at_ms,
                base: conversation.base,
                turn: conversation.turn,
                settings: conversation.settings,
            },
            worker: message.worker,
            traceparent: message.traceparent,
            received_at_ms: message.received_at_ms,
            revisions: message.revisions.map(Revisions::from).unwrap_or_default(),
            cancels: message.cancels,
            edits: message.edits,
            step: message.step,
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Conversation, Record, RecordId, Revisions, Step};
    use crate::id::{Epoch, EventSeq};
    use crate::wire;

    pub(crate) fn sample() -> Record {
        let event = EventSeq { epoch: Epoch::from_second(1_790_000_000), seq: 7 };
        Record {
            id: RecordId([7; 16]),
            event,
            cursor: 7,
            answers: 0,
            attempt: 1,
            base: 3,
            conversation: Conversation { opening: event, opened_at_ms: 1, base: 3, turn: 1, settings: 0 },
            worker: "w1".into(),
            traceparent: String::new(),
            received_at_ms: 1,
            revisions: Revisions::default(),
            cancels: vec![],
            edits: 0,
            step: Some(Step::Completed(wire::Completed { input: None, reply: "hello".into(), ..wire::Completed::default() })),
        }
    }

    #[test]
    fn a_record_survives_the_round_trip() {
        assert_eq!(Record::decode(sample().encode()).unwrap(), sample());
    }

    fn changed(opening: u64, what: wire::changed::What) -> Record {
        let answer = wire::Answer { epoch: sample().event.epoch.to_string(), event: opening, ..wire::Answer::default() };
        Record { step: Some(Step::Changed(wire::Changed { answer: Some(answer), what: Some(what) })), ..sample() }
    }

    #[test]
    fn what_a_record_says_counts_from_its_own_place_on() {
        use wire::changed::What;

        let settings = || wire::Settings { name: "n".into(), ..wire::Settings::default() };
        assert_eq!((sample().settings_at(9), sample().edits_at(9)), (0, 0));
        let described = changed(7, What::Described(settings()));
        assert_eq!((described.settings_at(9), described.edits_at(9)), (9, 0));
        // An earlier conversation of the session is another one.
        assert_eq!(changed(5, What::Described(settings())).settings_at(9), 0);
        let edited = changed(7, What::Edited(wire::Edited { settings: Some(settings()), ..wire::Edited::default() }));
        assert_eq!((edited.settings_at(9), edited.edits_at(9), edited.concerns().seq), (9, 9, 7));
        let direct = wire::Direct { settings: Some(settings()), ..wire::Direct::default() };
        let input = wire::Input { direct: Some(direct), ..wire::Input::default() };
        let noted = Record { step: Some(Step::Noted(wire::Noted { input: Some(input) })), ..sample() };
        assert_eq!(noted.settings_at(9), 9);
        let opening = EventSeq { seq: 3, ..noted.event };
        let later = Record { conversation: Conversation { opening, settings: 4, ..noted.conversation }, ..noted };
        assert_eq!(later.settings_at(9), 4, "only what opens a conversation says what it is");
    }

    #[test]
    fn a_step_of_a_later_version_is_kept_as_unknown() {
        let mut bytes = Record { step: None, ..sample() }.encode().to_vec();
        bytes.extend([0xfa, 0x01, 0x00]); // field 31, empty
        let record = Record::decode(bytes.into()).unwrap();
        assert_eq!(record.step, None);
        assert!(!record.is_terminal());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Record::decode(Bytes::from(bytes)));
        }
    }
}
