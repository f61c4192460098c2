//! The beginning of a turn.

use std::time::Duration;

use backbone::bug::{self, Bug};
use backbone::journal::Entry;
use backbone::seal::direct;
use proto::code::Code;
use proto::event::{self, Event};
use proto::id::{EventSeq, SessionKey};
use proto::limit;
use proto::record::{Conversation, Record, Step as RecordStep};
use proto::resource::{Busy, State, Trigger};
use proto::wire::{Input, Started};
use tokio::time::Instant;

use super::attend;
use super::end::Failure;
use super::hear::Cancel;
use super::{Drain, Stop, unavailable};
use crate::ability::Facts;
use crate::attempt;
use crate::conversation::{self, Arrival};
use crate::pause;
use crate::port::{Clock, Plan, Settle, Waiting};
use crate::turn::course::Course;
use crate::turn::merge;

/// A turn that has begun.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) session: SessionKey,
    pub(super) event: EventSeq,
    pub(super) received_at_ms: i64,
    pub(super) traceparent: String,
    pub(super) attempt: u32,
    pub(super) conversation: Conversation,
    pub(super) plan: Plan,
    /// The contact that the conversation is held with, by its id; empty where nobody is named.
    pub(super) contact: String,
    pub(super) course: Course,
    pub(super) input: Input,
    /// The input, until a record of the turn has it.
    pub(super) unrecorded: Option<Input>,
    /// When it was too late to begin with it, in milliseconds since 1970.
    pub(super) expires_at_ms: Option<i64>,
    /// When this drain began with it.
    pub(super) began_at: Instant,
    /// How long earlier drains worked on it.
    pub(super) worked_before: Duration,
}

impl Open {
    /// A turn of which nothing is on record.
    pub(super) fn new(session: &SessionKey, waiting: &Waiting, conversation: Conversation, plan: Plan) -> Self {
        Self {
            session: session.clone(),
            event: waiting.event,
            received_at_ms: waiting.at_ms,
            traceparent: waiting.traceparent.clone().unwrap_or_default(),
            attempt: 0,
            conversation,
            plan,
            contact: String::new(),
            course: Course::default(),
            input: Input::default(),
            unrecorded: None,
            expires_at_ms: None,
            began_at: Instant::now(),
            worked_before: Duration::ZERO,
        }
    }

    /// Takes the event in.
    pub(super) fn take_input(&mut self, input: Input) {
        self.unrecorded = Some(input.clone());
        self.input = input;
    }

    /// What is left of the time that the turn may take, where that is bounded.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let worked = self.worked_before + self.began_at.elapsed();
        let of_bot = self.plan.bot.as_ref().ok().and_then(|bot| bot.limits().turn).map_or(0, |budget| budget.time_ms);
        let of_trigger = self.plan.trigger.limits.turn.map_or(0, |budget| budget.time_ms);
        [of_bot, of_trigger].into_iter().filter_map(|bound_ms| attend::left(bound_ms, worked)).min()
    }

    /// What abilities may know of the turn.
    pub(super) fn facts(&self, clock: &dyn Clock) -> Facts {
        let facts = Facts::new(&self.session, self.event, &self.conversation.id(&self.session), &self.input, clock.now_ms());
        facts.with_contact(&self.contact)
    }
}

impl Drain<'_> {
    /// Runs the turn of a waiting event from its beginning to its end.
    pub(super) async fn turn(&mut self, waiting: Waiting) -> Result<(), Stop> {
        self.entitle(waiting.event.seq)?;
        let Some(plan) = self.desk.ports.directory.plan(&self.mailbox.session.trigger) else {
            // Deleted while its events waited: the next delivery finds out for certain.
            return Err(Stop::Yield(limit::NAK_MAX));
        };
        if self.desk.ports.directory.is_paused(&self.mailbox.session.trigger) {
            self.desk.put_off.note(&self.mailbox.session.trigger);
            return Err(Stop::Yield(pause::delay(self.desk)));
        }
        let mut event = self.read(&waiting);
        let mut waiting = waiting;
        if plan.trigger.busy == Busy::Collect && self.mailbox.is_mine() && event.as_ref().is_ok_and(is_collectable) {
            waiting = Box::pin(self.collect(waiting, &plan)).await?;
            event = self.read(&waiting);
        }
        let Some(mut turn) = self.open(&waiting, event.as_ref().ok(), plan).await? else {
            return Box::pin(self.refuse_late(waiting)).await;
        };
        let event = waiting.event;
        if self.fence == 0 && self.is_beyond_log(waiting.at_ms) {
            let message = "the event is older than the log: whether it was done is unknown".to_owned();
            return Box::pin(self.fail(turn, Failure { copy: Some(waiting), ..Failure::new(Code::OutcomeUnknown, message) })).await;
        }
        let has_first = self.mailbox.hold(|hold| hold.has_first(event.seq));
        if let Some(attempt) = attempt::before_first_turn(self.is_first_turn, has_first) {
            turn.attempt = attempt;
            self.wait_for_room().await?;
            self.append(&turn, RecordStep::Started(Started {})).await?;
        }
        self.is_first_turn = false;
        if bug::is(Bug::CursorRemembered) {
            bug::note(self.memory(), event.seq);
        }
        if bug::is(Bug::AckBeforeCommit)
            && let Some(reply) = self.mailbox.hold(|hold| hold.release(event.seq))
        {
            self.desk.ports.broker.settle(&reply, Settle::Ack).await;
        }
        if let Err(error) = self.take_in_event(&mut turn, &waiting) {
            return Box::pin(self.fail(turn, Failure { copy: Some(waiting), ..refusal(&error) })).await;
        }
        if let Some(late) = self.is_unwanted(&turn, waiting.at_ms) {
            return match late {
                Unwanted::Expired(cancel) => Box::pin(self.cancel(turn, cancel)).await,
                Unwanted::Refused(failure) => Box::pin(self.fail(turn, failure)).await,
            };
        }
        if self.cancels.contains(&event.seq) {
            let cancel = Cancel { by: String::new(), reason: "called off before it began".to_owned() };
            return Box::pin(self.cancel(turn, cancel)).await;
        }
        let is_quiet = turn.input.direct.as_ref().is_some_and(|direct| direct.quiet);
        if turn.plan.trigger.busy == Busy::Reject && !is_quiet && Box::pin(self.was_busy_at(waiting.at_ms)).await? {
            let message = "the session was busy when the event arrived, and its trigger refuses such events";
            return Box::pin(self.fail(turn, Failure::new(Code::SessionBusy, message))).await;
        }
        self.tell_wait(&turn);
        self.carry_on(turn, Some(waiting)).await
    }

    /// The turn of an event, with its conversation and what it goes by; none where that conversation has ended.
    async fn open(&mut self, waiting: &Waiting, event: Option<&Event>, plan: Plan) -> Result<Option<Open>, Stop> {
        let arrival = Arrival { event: waiting.event, at_ms: waiting.at_ms, fence: self.fence };
        let named = event.and_then(|event| event.conversation.as_ref());
        let conversation = match named {
            Some(id) if id.session == self.mailbox.session => conversation::named(self.conversation, id.event),
            Some(_) => None,
            None => Some(conversation::next(self.conversation, arrival, plan.trigger.session_duration)),
        };
        let Some(conversation) = conversation else { return Ok(None) };
        let direct = event.and_then(|event| event.direct.as_ref());
        let is_plain = direct.is_none() && conversation.settings == 0 && self.settings.is_none() && !self.is_place_special;
        if is_plain {
            return Ok(Some(Open::new(&self.mailbox.session, waiting, conversation, plan)));
        }
        let (own, contact) = Box::pin(self.plan(&conversation, waiting.event, direct, None)).await?;
        let is_asked = direct.is_none_or(|direct| !direct.quiet);
        if is_asked && own.as_ref().is_some_and(|plan| plan.is_held) {
            return Err(Stop::Yield(pause::delay_of_one(self.desk)));
        }
        let turn = Open::new(&self.mailbox.session, waiting, conversation, own.unwrap_or(plan));
        Ok(Some(Open { contact, ..turn }))
    }

    /// Ends an event whose conversation has ended: what it says stands in no other one.
    async fn refuse_late(&mut self, waiting: Waiting) -> Result<(), Stop> {
        let idle = self.idle()?;
        let turn = Open::new(&self.mailbox.session, &waiting, idle.conversation, idle.plan);
        let message = "the conversation that the event was for has ended";
        self.fail(turn, Failure::new(Code::ConversationEnded, message)).await
    }

    /// Reads the event, and what was merged into it.
    pub(super) fn take_in_event(&mut self, turn: &mut Open, waiting: &Waiting) -> Result<(), event::Error> {
        let trigger = &turn.plan.trigger;
        let event = self.read(waiting)?;
        let mut inputs = self.merged.clone();
        turn.expires_at_ms = event.expires_at_ms;
        inputs.push(input(trigger, event));
        let mut input = merge::combine(inputs).unwrap_or_default();
        if turn.conversation.opening != turn.event
            && let Some(direct) = &mut input.direct
        {
            // Only what opens a conversation says what it is.
            direct.settings = None;
        }
        turn.take_input(input);
        Ok(())
    }

    /// Why the turn of an event that can be read does not begin all the same, by what its trigger and its caller want.
    fn is_unwanted(&self, turn: &Open, at_ms: i64) -> Option<Unwanted> {
        let trigger = &turn.plan.trigger;
        // What is merged has begun with the first of it.
        if self.merged.is_empty() && is_past(turn.expires_at_ms, self.desk.ports.clock.now_ms()) {
            let reason = format!("{}: expired before its turn began", Code::EventExpired.as_str());
            return Some(Unwanted::Expired(Cancel { by: "expiry".to_owned(), reason }));
        }
        let grace_ms = i64::try_from(limit::DRAINING_GRACE.as_millis()).unwrap_or(i64::MAX);
        let refuses_from_ms = trigger.common.updated_at_ms.saturating_add(grace_ms);
        let is_new = trigger.common.updated_at_ms > 0 && at_ms > refuses_from_ms;
        // What a timer brings, or somebody says to a conversation, was there before or is no new event.
        let is_from_outside = turn.input.timer.is_empty() && turn.input.direct.is_none();
        (trigger.state == State::Draining && is_new && is_from_outside)
            .then(|| Unwanted::Refused(Failure::new(Code::TriggerDraining, "the trigger works off what it has, and takes no new events")))
    }

    /// What a waiting event says; what only a gateway may ask for counts only if one did.
    pub(super) fn read(&self, waiting: &Waiting) -> Result<Event, event::Error> {
        let session = &self.mailbox.session;
        let event = Event::decode(&session.trigger, waiting.content_type.as_deref(), &waiting.body)?;
        let is_ours = self.desk.ports.seal.as_ref().is_none_or(|key| direct::is_closed(key, session, &event));
        if is_ours { Ok(event) } else { Err(event::Error::Unsealed) }
    }

    /// Whether it is too late to begin with a waiting event.
    pub(super) fn has_expired(&self, trigger: &Trigger, waiting: &Waiting) -> bool {
        let event = Event::decode(&trigger.id, waiting.content_type.as_deref(), &waiting.body);
        event.is_ok_and(|event| is_past(event.expires_at_ms, self.desk.ports.clock.now_ms()))
    }

    /// Whether a turn of the session was under way at that time, by the broker's clock.
    async fn was_busy_at(&mut self, at_ms: i64) -> Result<bool, Stop> {
        if self.closed_at_ms.is_none() && self.base > 0 {
            let broker = &self.desk.ports.broker;
            let last = broker.records_after(&self.mailbox.session, self.base - 1, 1).await.map_err(unavailable)?;
            self.closed_at_ms = last.first().filter(|entry| entry.seq == self.base).map(|entry| entry.at_ms);
        }
        Ok(self.closed_at_ms.is_some_and(|closed_at_ms| at_ms < closed_at_ms))
    }

    /// Whether the log may have forgotten what became of an event of that time.
    fn is_beyond_log(&self, at_ms: i64) -> bool {
        let age_ms = self.desk.ports.clock.now_ms().saturating_sub(at_ms);
        let kept = limit::LOG_AGE_MAX.saturating_sub(limit::LOG_AGE_MARGIN);
        u128::try_from(age_ms).is_ok_and(|age| age > kept.as_millis())
    }
}

/// Whether an event may go into one turn with others.
pub(super) fn is_collectable(event: &Event) -> bool {
    event.direct.is_none() && event.conversation.is_none()
}

/// Why a turn does not begin.
enum Unwanted {
    /// It is too late for it.
    Expired(Cancel),
    /// Its trigger takes nothing new.
    Refused(Failure),
}

fn is_past(expires_at_ms: Option<i64>, now_ms: i64) -> bool {
    expires_at_ms.is_some_and(|expires_at_ms| now_ms >= expires_at_ms)
}

/// The event as the turn takes it in: the trigger's own text replaces the caller's.
pub(super) fn input(trigger: &Trigger, event: Event) -> Input {
    let digest = bytes::Bytes::copy_from_slice(&event.digest());
    Input {
        text: trigger.text.clone().filter(|_| event.direct.is_none()).or(event.text).unwrap_or_default(),
        payload: event.payload,
        content_type: event.content_type.unwrap_or_default(),
        session: event.session.unwrap_or_default(),
        contact: (!event.contact.is_empty()).then(|| event.contact.into()),
        digest,
        direct: event.direct,
        timer: event.timer.unwrap_or_default(),
    }
}

/// Why an event that cannot be read fails.
pub(super) fn refusal(error: &event::Error) -> Failure {
    let code = if matches!(error, event::Error::Foreign { .. }) { Code::IdentityForeign } else { Code::EnvelopeInvalid };
    Failure::new(code, error.to_string())
}

/// An open turn as its records tell it.
pub(super) fn reopened(session: &SessionKey, last: &Record, plan: Plan, entries: &[Entry]) -> Open {
    let own = || entries.iter().filter(|entry| entry.record.event == last.event);
    let course = Course::recover(own().map(|entry| &entry.record));
    let waiting = Waiting {
        event: last.event,
        at_ms: last.received_at_ms,
        content_type: None,
        traceparent: Some(last.traceparent.clone()),
        body: bytes::Bytes::new(),
    };
    let input = course.input().cloned().unwrap_or_default();
    let worked_before = worked(own());
    Open { attempt: last.attempt, course, input, worked_before, ..Open::new(session, &waiting, last.conversation, plan) }
}

/// How long a turn was worked on by its records, the time that it waited taken off.
fn worked<'a>(entries: impl Iterator<Item = &'a Entry>) -> Duration {
    let (mut worked_ms, mut since_ms) = (0_i64, None);
    for entry in entries {
        worked_ms = worked_ms.saturating_add(since_ms.map_or(0, |since: i64| entry.at_ms.saturating_sub(since).max(0)));
        since_ms = (!matches!(entry.record.step, Some(RecordStep::Suspended(_)))).then_some(entry.at_ms);
    }
    Duration::from_millis(worked_ms.unsigned_abs())
}
