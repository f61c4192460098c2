//! Taking in what somebody outside says.
//!
//! Answers lie in the session's own inbox. Each is closed by one record, in order, and only then
//! acked: one that a waiting call wants, one that calls a turn off, or one that nothing waits for.

use bytes::Bytes;
use proto::answer::{Answer, Kind};
use proto::code::Code;
use proto::id::EventSeq;
use proto::limit;
use proto::record::{Conversation, Step as RecordStep};
use proto::resource::Busy;
use proto::wire::Received;

use super::turn::Open;
use super::{Drain, Stop, letter, unavailable};
use crate::port::Waiting;

/// Why a turn is called off, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cancel {
    pub(super) by: String,
    pub(super) reason: String,
}

/// What an answer is to the session: pure.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// A call of the open turn waits for it.
    Wanted,
    /// It calls the open turn off.
    Cancels(Cancel),
    /// It calls a turn off that has not begun.
    CancelsLater(u64),
    /// Nothing waits for it.
    Unwanted,
}

impl Drain<'_> {
    /// Takes in all answers that wait; whether the open turn is called off.
    pub(super) async fn hear(&mut self, turn: Option<&Open>) -> Result<Option<Cancel>, Stop> {
        loop {
            let after = EventSeq { epoch: self.mailbox.epoch, seq: self.answers };
            let found = self.desk.ports.broker.next_answer(&self.mailbox.session, after).await.map_err(unavailable)?;
            let Some(waiting) = found else {
                // What is held and not there any more was taken in and acked by another worker.
                self.mailbox.hold(crate::mailbox::hold::Hold::forget_answers);
                break;
            };
            if let Some(cancel) = self.take_in(turn, waiting).await? {
                return Ok(Some(cancel));
            }
        }
        let by_event = turn.filter(|turn| turn.plan.trigger.busy == Busy::Interrupt);
        let is_interrupted = by_event.is_some_and(|turn| self.mailbox.hold(|hold| hold.has_later(turn.event.seq)));
        Ok(is_interrupted.then(|| Cancel { by: "policy".to_owned(), reason: "interrupted by a later event of the session".to_owned() }))
    }

    async fn take_in(&mut self, turn: Option<&Open>, waiting: Waiting) -> Result<Option<Cancel>, Stop> {
        let seq = waiting.event.seq;
        let answer = match Answer::decode(&self.mailbox.session, &waiting.body) {
            Ok(answer) => Some(answer),
            Err(error) => {
                let cause = letter::Cause { code: Code::EnvelopeInvalid, reason: error.to_string(), attempts: 0 };
                let place = letter::Place::Session(&self.mailbox.session);
                letter::bury(&*self.desk.ports.broker, place, &waiting, cause).await.map_err(unavailable)?;
                None
            }
        };
        let answer = match answer {
            Some(answer) if changes(&answer.kind) => return Box::pin(self.change(turn, seq, answer)).await,
            answer => answer,
        };
        let meaning = answer.as_ref().map_or(Meaning::Unwanted, |answer| self.meaning(turn, answer));
        if let Meaning::CancelsLater(event) = meaning
            && !self.cancels.contains(&event)
        {
            self.cancels.push(event);
            self.cancels.sort_unstable();
        }
        self.answers = seq;
        let received = Received { answer: answer.map(Into::into), unwanted: meaning == Meaning::Unwanted };
        let idle;
        let frame = if let Some(turn) = turn {
            turn
        } else {
            idle = self.idle()?;
            &idle
        };
        self.append(frame, RecordStep::Received(received.clone())).await?;
        self.settle().await;
        match meaning {
            Meaning::Cancels(cancel) => return Ok(Some(cancel)),
            Meaning::Wanted => self.heard.push(received),
            Meaning::CancelsLater(_) | Meaning::Unwanted => {}
        }
        Ok(None)
    }

    fn meaning(&self, turn: Option<&Open>, answer: &Answer) -> Meaning {
        if answer.event.epoch != self.mailbox.epoch {
            return Meaning::Unwanted;
        }
        let of_turn = turn.filter(|turn| turn.event == answer.event);
        match (&answer.kind, of_turn) {
            (Kind::Cancel(cancel), Some(_)) => Meaning::Cancels(Cancel { by: answer.by.clone(), reason: cancel.reason.clone() }),
            (Kind::Cancel(_), None) if answer.event.seq > self.cursor && self.cancels.len() < limit::CANCELS_MAX => {
                Meaning::CancelsLater(answer.event.seq)
            }
            (_, Some(turn)) => {
                let mut course = turn.course.clone();
                self.heard.iter().for_each(|heard| course.apply(&RecordStep::Received(heard.clone())));
                if course.wants(&answer.clone().into()) { Meaning::Wanted } else { Meaning::Unwanted }
            }
            (_, None) => Meaning::Unwanted,
        }
    }

    /// The frame of a record between two turns: it is about the last event, which has ended.
    pub(super) fn idle(&self) -> Result<Open, Stop> {
        let Some(plan) = self.desk.ports.directory.plan(&self.mailbox.session.trigger) else {
            return Err(Stop::Yield(limit::NAK_MAX));
        };
        let event = EventSeq { epoch: self.mailbox.epoch, seq: self.cursor };
        let nothing = self.no_conversation();
        let arrival = Waiting { event, at_ms: 0, content_type: None, traceparent: None, body: Bytes::new() };
        Ok(Open::new(&self.mailbox.session, &arrival, self.conversation.unwrap_or(nothing), plan))
    }

    /// What a record belongs to that stands in no conversation.
    pub(super) fn no_conversation(&self) -> Conversation {
        let opening = EventSeq { epoch: self.mailbox.epoch, seq: 0 };
        Conversation { opening, opened_at_ms: 0, base: self.fence, turn: 0, settings: 0 }
    }
}

/// Whether an answer is none to a turn, but changes a conversation.
fn changes(kind: &Kind) -> bool {
    matches!(kind, Kind::Describe(_) | Kind::Edit(_) | Kind::Erase(_))
}
