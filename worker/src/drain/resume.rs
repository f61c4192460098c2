//! Taking up a turn that another drain left open.

use backbone::journal::Entry;
use proto::code::Code;
use proto::event::Event;
use proto::id::{EventSeq, SessionKey};
use proto::limit;
use proto::record::{Record, Revisions, Step as RecordStep};
use proto::wire::{Input, Resumed};

use super::end::Failure;
use super::turn::{Open, refusal, reopened};
use super::{Drain, Stop, unavailable};
use crate::attempt;
use crate::port::Waiting;

impl Drain<'_> {
    /// Goes on with the open turn that `last` stands at the end of.
    pub(super) async fn resume(&mut self, last: Record) -> Result<(), Stop> {
        self.entitle(last.event.seq)?;
        let Some(mut turn) = self.recovered(&last).await? else { return Err(Stop::Yield(limit::NAK_MAX)) };
        turn.attempt = attempt::on_resume(&last);
        self.wait_for_room().await?;
        self.append(&turn, RecordStep::Resumed(Resumed {})).await?;
        self.is_first_turn = false;

        let after = EventSeq { epoch: self.mailbox.epoch, seq: self.cursor };
        let waiting = self.desk.ports.broker.next_from_leader(&self.mailbox.session, after).await.map_err(unavailable)?;
        let waiting =
            waiting.filter(|waiting| waiting.event == last.event).or_else(|| rebuilt(&self.mailbox.session, &last, turn.course.input()));
        let Some(waiting) = waiting else {
            let message = "the event is gone from its stream while its turn was open";
            return self.fail(turn, Failure::new(Code::OutcomeUnknown, message)).await;
        };
        if attempt::is_spent(turn.attempt) {
            let message = format!("given up after {} attempts", turn.attempt);
            return self.fail(turn, Failure { copy: Some(waiting), ..Failure::new(Code::GivenUp, message) }).await;
        }
        if turn.course.input().is_none() {
            if let Err(error) = self.take_in_event(&mut turn, &waiting) {
                return self.fail(turn, Failure { copy: Some(waiting), ..refusal(&error) }).await;
            }
            // What it goes by may stand in the event alone.
            self.plan_again(&mut turn, last.revisions).await?;
        }
        if let Some(cancel) = self.hear(Some(&turn)).await? {
            return self.cancel(turn, cancel).await;
        }
        self.apply_heard(&mut turn);
        self.carry_on(turn, Some(waiting)).await
    }

    /// Puts a turn off that was begun before while its end has no room: each try would count as one of its attempts.
    pub(super) async fn wait_for_room(&self) -> Result<(), Stop> {
        if self.desk.ports.broker.has_room().await.map_err(unavailable)? {
            return Ok(());
        }
        tracing::error!(session.key = %self.mailbox.session, "the log or the dead letters are full: turns that were begun wait");
        Err(Stop::Yield(limit::NAK_MAX))
    }

    /// The open turn as it was left, with its own configuration.
    pub(super) async fn recovered(&mut self, last: &Record) -> Result<Option<Open>, Stop> {
        let directory = &self.desk.ports.directory;
        let plan = directory.plan_at(&self.mailbox.session.trigger, last.revisions).await.map_err(unavailable)?;
        let Some(plan) = plan else { return Ok(None) };
        let mut turn = reopened(&self.mailbox.session, last, plan, &self.turn_records(last).await?);
        self.plan_again(&mut turn, last.revisions).await?;
        Ok(Some(turn))
    }

    /// Finds what a turn goes by where its trigger does not say all.
    async fn plan_again(&mut self, turn: &mut Open, began: Revisions) -> Result<(), Stop> {
        let conversation = self.conversation.filter(|last| last.opening == turn.conversation.opening).unwrap_or(turn.conversation);
        let direct = turn.input.direct.clone();
        if direct.is_none() && conversation.settings == 0 {
            return Ok(());
        }
        let (plan, contact) = Box::pin(self.plan(&conversation, turn.event, direct.as_ref(), Some(began))).await?;
        turn.plan = plan.unwrap_or_else(|| turn.plan.clone());
        turn.contact = contact;
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
                // Another worker went on, or the read of the last record was stale.
                Some(entry) if entry.seq > self.fence => return Err(self.outrun()),
                // A replica that lags behind the record which was read as the last.
                _ if is_end => return Err(Stop::Yield(self.desk.ports.chance.below(limit::NAK_MAX))),
                _ => {}
            }
        }
        Err(Stop::Drop("the open turn has more records than are read"))
    }

    /// Closes a turn whose stream was made anew: its event is gone, and with it what could go on.
    pub(super) async fn close_orphan(&mut self, last: Record) -> Result<(), Stop> {
        let Some(plan) = self.desk.ports.directory.plan(&self.mailbox.session.trigger) else {
            return Err(Stop::Yield(limit::NAK_MAX));
        };
        let mut turn = reopened(&self.mailbox.session, &last, plan, &[]);
        turn.attempt = attempt::on_resume(&last);
        let message = "the stream of the event was made anew while its turn was open";
        self.fail(turn, Failure::new(Code::EpochEnded, message)).await
    }
}

/// The event as a message, where only the log still has it: a copy for DEAD is made of it.
fn rebuilt(session: &SessionKey, last: &Record, input: Option<&Input>) -> Option<Waiting> {
    let input = input?.clone();
    let is_direct = input.direct.is_some();
    let present = |text: String| Some(text).filter(|text| !text.is_empty());
    let event = Event {
        text: present(input.text),
        payload: input.payload,
        content_type: present(input.content_type),
        session: present(input.session),
        contact: input.contact.unwrap_or_default().into(),
        direct: input.direct,
        timer: present(input.timer),
        conversation: is_direct.then(|| last.conversation.id(session)).filter(|id| id.event != last.event),
        ..Event::default()
    };
    Some(Waiting {
        event: last.event,
        at_ms: last.received_at_ms,
        content_type: Some(proto::header::PROTOBUF.to_owned()),
        traceparent: present(last.traceparent.clone()),
        body: event.encode(),
    })
}
