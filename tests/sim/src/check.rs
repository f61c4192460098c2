//! What must hold after every step: the invariants of the design, held against what lies outside.

use proto::answer::Kind;
use proto::event::Event;
use proto::id::{EventSeq, Receipt, SessionKey};
use proto::idempotency::effect_key;
use proto::record::{Record, Step};
use proto::status::Status;
use proto::wire::changed::What;
use proto::wire::outcome::End;
use proto::{limit, wire};
use worker::port::Inbox;

use crate::state::{Logged, State};

/// How many workers beyond its attempts an event may end: those of attempts whose records had not landed.
const KILLED_BEYOND_MAX: u32 = 4;

impl State {
    /// What must hold of a record that lands now.
    pub(crate) fn check(&mut self, session: &SessionKey, record: &Record) {
        let (event, seq) = (record.event, record.event.seq);
        let committed = self.ended(session);
        let left = self.left_over(session);
        if !left.is_empty() {
            self.violate(format!("I10: event {seq} is recorded while {left:?} are not deleted"));
        }
        self.check_answers(session, record);
        let opening = record.conversation.opening;
        if self.erased.contains(&(session.clone(), opening)) {
            self.violate(format!("I10: event {seq} goes on with the erased conversation {}", opening.seq));
        }
        if committed.contains(&event) && !record.is_idle() {
            self.violate(format!("I3: event {seq} has a record after its terminal one"));
        }
        let earlier = self.events.range(..event).filter(|(_, stored)| stored.inbox == Inbox::Event && stored.session == *session);
        let skipped: Vec<u64> = earlier.filter(|(earlier, _)| !committed.contains(earlier)).map(|(earlier, _)| earlier.seq).collect();
        if !skipped.is_empty() {
            self.violate(format!("I2: event {seq} before {skipped:?}"));
        }
        let last = committed.iter().rev().find(|end| end.epoch == event.epoch).map_or(0, |end| end.seq);
        let cursor = if record.is_terminal() { seq } else { last };
        if !record.is_idle() && record.cursor != cursor {
            self.violate(format!("I2: the cursor of event {seq} is {}, not {cursor}", record.cursor));
        }
        self.check_step(session, record);
    }

    fn check_answers(&mut self, session: &SessionKey, record: &Record) {
        let last = self.log.get(session).and_then(|log| log.last()).map(|logged| &logged.record);
        let answers = last.filter(|last| last.event.epoch == record.event.epoch).map_or(0, |last| last.answers);
        let takes_in = matches!(record.step, Some(Step::Received(_) | Step::Changed(_)));
        if record.answers < answers || (record.answers > answers) != takes_in {
            self.violate(format!("I1: the answers of event {} go from {answers} to {}", record.event.seq, record.answers));
        }
    }

    fn check_step(&mut self, session: &SessionKey, record: &Record) {
        let (event, seq) = (record.event, record.event.seq);
        match &record.step {
            Some(Step::Resumed(_)) => {
                self.tally.end("turns taken up again");
                let last = self.log.get(session).and_then(|log| log.last());
                let is_handed_on = last.is_some_and(|last| matches!(last.record.step, Some(Step::Checkpoint(_))));
                if self.is_quiet && !is_handed_on {
                    self.violate(format!("I9: the turn of event {seq} is taken up again though nothing went wrong"));
                }
            }
            Some(Step::Suspended(_)) => {
                self.tally.end("turns that wait");
                self.waited.insert(event);
            }
            Some(Step::Intents(step)) => self.intended.extend(step.calls.iter().map(|call| effect_key(session, event, &call.id))),
            Some(Step::Outcomes(step)) => self.check_outcomes(session, event, step),
            Some(Step::Received(step)) if step.unwanted => self.tally.end("answers that nobody waits for"),
            Some(Step::Received(step)) => self.take_in(session, step),
            Some(Step::Changed(changed)) => self.change(session, record, changed),
            Some(Step::Noted(_)) => self.tally.end("events noted"),
            Some(Step::Completed(_)) => self.tally.end("events completed"),
            Some(Step::Cancelled(_)) => self.tally.end("events called off"),
            Some(Step::Failed(step)) if step.dead => {
                self.tally.end("events given up");
                if !self.dead.contains_key(&format!("{}:{seq}", event.epoch)) {
                    self.violate(format!("I1: event {seq} is given up without a copy"));
                }
            }
            Some(Step::Failed(step)) if step.code == "CUE0612" => self.tally.end("events too late for their conversation"),
            Some(Step::Failed(_)) => self.tally.end("events failed"),
            _ => {}
        }
    }

    fn check_outcomes(&mut self, session: &SessionKey, event: EventSeq, step: &wire::Outcomes) {
        for outcome in &step.outcomes {
            let key = effect_key(session, event, &outcome.call);
            match outcome.end {
                Some(End::Unknown(_)) => {
                    self.tally.end("calls in doubt");
                    if self.is_quiet {
                        self.violate(format!(
                            "I5: the outcome of {} of event {} is unknown though nothing went wrong",
                            outcome.call, event.seq
                        ));
                    }
                }
                Some(End::Result(_)) if !self.executions.contains_key(&key) && !self.approved.contains(&key) => {
                    // What somebody outside says is no execution.
                    let is_answer = outcome.call.ends_with(".0") && self.is_question(session, event, &outcome.call);
                    if !is_answer {
                        self.violate(format!("I5: call {} of event {} has a result and never ran", outcome.call, event.seq));
                    }
                }
                _ => {}
            }
        }
    }

    fn is_question(&self, session: &SessionKey, event: EventSeq, id: &str) -> bool {
        let records = self.log.get(session).into_iter().flatten().map(|logged| &logged.record).filter(|record| record.event == event);
        let calls = records.filter_map(|record| match &record.step {
            Some(Step::Intents(step)) => Some(step.calls.iter()),
            _ => None,
        });
        calls.flatten().any(|call| call.id == id && call.ability == "ask")
    }

    fn take_in(&mut self, session: &SessionKey, step: &wire::Received) {
        self.tally.end("answers taken in");
        if let Some(answer) = step.answer.as_ref().filter(|answer| matches!(answer.kind, Some(Kind::Approved(_)))) {
            let epoch = answer.epoch.parse().unwrap_or(self.epoch);
            self.approved.insert(effect_key(session, EventSeq { epoch, seq: answer.event }, &answer.call));
        }
    }

    fn change(&mut self, session: &SessionKey, record: &Record, changed: &wire::Changed) {
        match &changed.what {
            Some(What::Described(_)) => self.tally.end("conversations described"),
            Some(What::Edited(_)) => self.tally.end("messages edited"),
            Some(What::Erased(_)) => {
                self.tally.end("conversations erased");
                self.erased.insert((session.clone(), record.concerns()));
            }
            _ => self.tally.end("changes refused"),
        }
    }

    /// Takes an event out of the stream; only a committed one may go.
    pub(crate) fn ack(&mut self, event: EventSeq) {
        let Some(stored) = self.events.get(&event).cloned() else { return };
        let is_committed = match stored.inbox {
            // The record of a turn that waits stands for its event.
            Inbox::Event => self.waited.contains(&event) || self.ended(&stored.session).contains(&event),
            Inbox::Answer => self.log.get(&stored.session).into_iter().flatten().any(|Logged { record, .. }| {
                let is_rest = record.is_terminal() || record.is_idle() || matches!(record.step, Some(Step::Suspended(_)));
                is_rest && record.event.epoch >= event.epoch && (record.event.epoch > event.epoch || record.answers >= event.seq)
            }),
        };
        let left = self.left_over(&stored.session);
        let is_last = stored.inbox == Inbox::Answer
            && self.log.get(&stored.session).and_then(|log| log.last()).is_some_and(|last| last.record.answers == event.seq);
        if is_last && !left.is_empty() {
            self.violate(format!("I10: answer {} is acked while {left:?} are not deleted", event.seq));
        }
        if !is_committed {
            self.violate(format!("I1: event {} is acked before it is committed", event.seq));
        }
        // An ack of an event that was never delivered is ignored, as nats-server 2.15 does.
        if let Some(stored) = self.events.get_mut(&event).filter(|stored| stored.count > 0) {
            stored.is_acked = true;
        }
    }

    /// One call of an ability: its intent must be in the log, and a call that may not be repeated is not.
    pub(crate) fn execute(&mut self, (event, call): (EventSeq, &str), key: &str, name: &str) {
        let count = self.executions.entry(key.to_owned()).or_default();
        *count += 1;
        if *count > 1 && name != "retry" {
            self.violate(format!("I5: {name} ran twice under {key}"));
        }
        if !self.intended.contains(key) {
            self.violate(format!("I5: {name} ran under {key} without its intent in the log"));
        }
        if name == "leave" && !self.approved.contains(key) {
            self.violate(format!("I5: {name} ran under {key} without leave for this very call"));
        }
        let keys = self.keys.entry((event, call.to_owned())).or_default();
        keys.insert(key.to_owned());
        let count = keys.len();
        if count > 1 {
            self.violate(format!("I5: call {call} of event {} ran under {count} keys", event.seq));
        }
        self.tally.end("calls made");
    }

    /// A worker ends over an event: only so many may.
    pub(crate) fn kill(&mut self, event: EventSeq) {
        let killed = self.killed.entry(event).or_default();
        *killed += 1;
        if *killed > limit::ATTEMPTS_MAX + 1 + KILLED_BEYOND_MAX {
            let killed = *killed;
            self.violate(format!("I9: event {} has ended {killed} workers", event.seq));
        }
    }

    /// Somebody got a receipt: the event is there, it is theirs, and it is the only one.
    pub(crate) fn confirm(&mut self, place: usize, receipt: &Receipt) {
        let Some(sent) = self.sent.get(place).cloned() else { return };
        self.tally.end("receipts");
        let stored = self.events.get(&receipt.event).filter(|stored| stored.inbox == Inbox::Event && stored.session == sent.session);
        let number = stored.and_then(number);
        if number != Some(sent.number) {
            self.violate(format!("I1: the receipt {receipt} of event number {} names {number:?}", sent.number));
        }
        if let Some(earlier) = sent.receipt.filter(|earlier| earlier != receipt) {
            self.violate(format!("I1: event number {} has the receipts {earlier} and {receipt}", sent.number));
        }
        if let Some(sent) = self.sent.get_mut(place) {
            sent.receipt = Some(receipt.clone());
        }
    }

    /// Somebody was told how an event stands.
    pub(crate) fn told(&mut self, receipt: &Receipt, status: Option<Status>) {
        self.tally.end("statuses told");
        let has_ended = self.ended(&receipt.session).contains(&receipt.event);
        let is_erased = self.erased.iter().any(|(session, _)| *session == receipt.session);
        match status {
            Some(status) if status.is_final() && !has_ended && status != Status::Dead => {
                self.violate(format!("I1: {receipt} is said to be {} and has not ended", status.as_str()));
            }
            None if !is_erased => self.violate(format!("I1: {receipt} is said to be unknown")),
            _ => {}
        }
    }

    /// What must hold once everything has come to its end.
    pub(crate) fn judge(&self) -> Result<(), String> {
        let left: Vec<u64> = self.events.iter().filter(|(_, stored)| !stored.is_acked).map(|(event, _)| event.seq).collect();
        if !left.is_empty() || self.sent.iter().any(|sent| !sent.is_over) {
            return Err(format!("I1: of {} events {left:?} did not come to an end", self.sent.len()));
        }
        let events = || self.events.iter().filter(|(_, stored)| stored.inbox == Inbox::Event);
        for (event, stored) in events() {
            let ends = self.ended(&stored.session).iter().filter(|end| *end == event).count();
            if ends != 1 {
                return Err(format!("I3: event {} has {ends} terminal records", event.seq));
            }
        }
        for sent in &self.sent {
            let found = events().filter(|(_, stored)| number(stored) == Some(sent.number)).count();
            if found > 1 || (sent.receipt.is_some() && found == 0) {
                return Err(format!("I1: event number {} is stored {found} times", sent.number));
            }
        }
        Ok(())
    }
}

/// The number that an event carries in its text.
fn number(stored: &crate::state::Stored) -> Option<u64> {
    let text = Event::decode(&stored.session.trigger, None, &stored.body).ok()?.text?;
    text.split_once('#')?.1.parse().ok()
}
