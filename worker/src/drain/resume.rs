//! Taking up a turn that another drain left open.

use backbone::journal::Entry;
use proto::code::Code;
use proto::event::Event;
use proto::id::EventSeq;
use proto::limit;
use proto::record::{Record, Step as RecordStep};
use proto::wire::{Call, Input, Outcome, Resumed};

use super::turn::{Failure, Open, input, step_number, without_calling};
use super::{Drain, Stop, unavailable};
use crate::attempt;
use crate::bot::Step;
use crate::port::Waiting;

/// What the records of an open turn add up to.
#[derive(Debug, Default, PartialEq)]
struct Recovered {
    input: Option<Input>,
    steps: Vec<Vec<Call>>,
    outcomes: Vec<Outcome>,
}

/// Adds the records of one turn up: pure. Outcomes match calls over the whole turn, not by position.
fn recover<'a>(records: impl Iterator<Item = &'a Record>) -> Recovered {
    records.fold(Recovered::default(), |mut found, record| {
        if let Some(input) = record.input() {
            found.input = Some(input.clone());
        }
        match &record.step {
            Some(RecordStep::Intents(step)) => found.steps.push(step.calls.clone()),
            Some(RecordStep::Outcomes(step)) => found.outcomes.extend(step.outcomes.iter().cloned()),
            _ => {}
        }
        found
    })
}

impl Recovered {
    fn outcome(&self, call: &Call) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.call == call.id)
    }

    /// The calls whose outcome nobody knows.
    fn in_doubt(&self) -> Vec<Call> {
        self.steps.iter().flatten().filter(|call| self.outcome(call).is_none()).cloned().collect()
    }

    /// The steps, once no call is in doubt.
    fn into_steps(self) -> Vec<Step> {
        let outcomes = |calls: &[Call]| calls.iter().filter_map(|call| self.outcome(call).cloned()).collect();
        self.steps.iter().map(|calls| Step { calls: calls.clone(), outcomes: outcomes(calls) }).collect()
    }
}

impl Drain<'_> {
    /// Goes on with the open turn that `last` stands at the end of.
    pub(super) async fn resume(&mut self, last: Record) -> Result<(), Stop> {
        self.entitle(last.event.seq)?;
        let Some(trigger) = self.desk.ports.directory.trigger(&self.mailbox.session.trigger) else {
            return Err(Stop::Yield(limit::NAK_MAX));
        };
        let entries = self.turn_records(&last).await?;
        let mut found = recover(entries.iter().map(|entry| &entry.record).filter(|record| record.event == last.event));
        let mut turn = reopened(&last);
        self.append(&turn, RecordStep::Resumed(Resumed {})).await?;
        self.is_first_turn = false;

        let after = EventSeq { epoch: self.mailbox.epoch, seq: self.cursor };
        let waiting = self.desk.ports.broker.next_from_leader(&self.mailbox.session, after).await.map_err(unavailable)?;
        let Some(waiting) = waiting.filter(|waiting| waiting.event == last.event).or_else(|| rebuilt(&last, found.input.as_ref())) else {
            let message = "the event is gone from its stream while its turn was open".to_owned();
            return self.fail(turn, Failure { code: Code::OutcomeUnknown, message, copy: None }).await;
        };
        if attempt::is_spent(turn.attempt) {
            let message = format!("given up after {} attempts", turn.attempt);
            return self.fail(turn, Failure { code: Code::GivenUp, message, copy: Some(waiting) }).await;
        }
        let input = match found.input.take() {
            Some(input) => input,
            None => match Event::decode(&trigger.id, waiting.content_type.as_deref(), &waiting.body) {
                Ok(event) => {
                    let input = input(&trigger, event);
                    turn.unrecorded = Some(input.clone());
                    input
                }
                Err(error) => {
                    return self.fail(turn, Failure { code: Code::EnvelopeInvalid, message: error.to_string(), copy: Some(waiting) }).await;
                }
            },
        };
        self.end_doubt(&turn, &mut found).await?;
        turn.steps = found.into_steps();
        self.carry_on(turn, &input, &trigger, waiting).await
    }

    /// Finds an outcome for every call that has none: calls again, or says that it is unknown.
    async fn end_doubt(&mut self, turn: &Open, found: &mut Recovered) -> Result<(), Stop> {
        let doubtful = found.in_doubt();
        if doubtful.is_empty() {
            return Ok(());
        }
        let mut outcomes: Vec<Outcome> = doubtful.iter().filter_map(without_calling).collect();
        let again: Vec<Call> = doubtful.into_iter().filter(|call| without_calling(call).is_none()).collect();
        outcomes.extend(self.run_calls(turn, &again).await?);
        self.record_outcomes(turn, step_number(found.steps.len()), outcomes.clone()).await?;
        found.outcomes.extend(outcomes);
        Ok(())
    }

    /// All records of the open turn, up to the one that the fence names.
    async fn turn_records(&self, last: &Record) -> Result<Vec<Entry>, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        while entries.len() < limit::TURN_RECORDS_MAX {
            let from = entries.last().map_or(last.base, |entry| entry.seq);
            let broker = &self.desk.ports.broker;
            let more = broker.records_after(&self.mailbox.session, from, limit::READ_BATCH_MAX).await.map_err(unavailable)?;
            let is_end = more.is_empty();
            entries.extend(more);
            match entries.last() {
                Some(entry) if entry.seq == self.fence => return Ok(entries),
                Some(entry) if entry.seq > self.fence => return Err(Stop::Drop("another worker is ahead")),
                // A replica that lags behind the record which was read as the last.
                _ if is_end => return Err(Stop::Yield(self.desk.ports.chance.below(limit::NAK_MAX))),
                _ => {}
            }
        }
        Err(Stop::Drop("the open turn has more records than are read"))
    }

    /// Closes a turn whose stream was made anew: its event is gone, and with it what could go on.
    pub(super) async fn close_orphan(&mut self, last: Record) -> Result<(), Stop> {
        let turn = reopened(&last);
        let message = "the stream of the event was made anew while its turn was open".to_owned();
        self.fail(turn, Failure { code: Code::EpochEnded, message, copy: None }).await
    }
}

fn reopened(last: &Record) -> Open {
    Open {
        event: last.event,
        received_at_ms: last.received_at_ms,
        traceparent: last.traceparent.clone(),
        attempt: attempt::on_resume(last),
        conversation: last.conversation,
        steps: Vec::new(),
        unrecorded: None,
    }
}

/// The event as a message, where only the log still has it.
fn rebuilt(last: &Record, input: Option<&Input>) -> Option<Waiting> {
    let input = input?.clone();
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    let event = Event {
        text: present(input.text),
        payload: input.payload,
        content_type: present(input.content_type),
        session: present(input.session),
        contact: input.contact.unwrap_or_default().into(),
    };
    Some(Waiting {
        event: last.event,
        at_ms: last.received_at_ms,
        content_type: Some(proto::header::PROTOBUF.to_owned()),
        traceparent: present(last.traceparent.clone()),
        body: event.encode(),
    })
}
