//! A turn from its first thought to its end.

use std::sync::Arc;
use std::time::Duration;

use proto::code::Code;
use proto::limit;
use proto::message::{Kind, Message};
use proto::record::{Conversation, Step as RecordStep};
use proto::resource::Budget;
use proto::wire::{Call, Checkpoint, Input, Outcome};

use super::attend::Attended;
use super::effect::without_calling;
use super::end::Failure;
use super::hear::Cancel;
use super::turn::Open;
use super::{Drain, Stop, unavailable};
use crate::ability::Facts;
use crate::bot::{self, Bot, Reply, Thought};
use crate::budget::{self, Account, Spent};
use crate::port::{News, Waiting};
use crate::transcript::Transcript;
use crate::turn::course::Next;
use tracing::Instrument as _;

/// What ends a turn, or lets it wait.
enum End {
    Reply(Reply),
    Failure(Failure),
    Cancel(Cancel),
    /// For somebody outside.
    Wait(Vec<Call>),
}

impl Drain<'_> {
    /// Asks the bot and makes its calls until it replies; `waiting` is the event, where it is still at hand.
    pub(super) async fn carry_on(&mut self, mut turn: Open, waiting: Option<Waiting>) -> Result<(), Stop> {
        if turn.input.direct.as_ref().is_some_and(|direct| direct.quiet) {
            return self.note(turn).await;
        }
        let bot = match turn.plan.bot.clone() {
            Ok(bot) => bot,
            Err(message) => {
                return Box::pin(self.fail(turn, Failure { copy: waiting, ..Failure::new(Code::BotUnknown, message) })).await;
            }
        };
        drop(waiting);
        let is_wanted = bot.wants_history() || is_silent(&turn.input);
        let history = if is_wanted { Box::pin(self.history(turn.conversation)).await? } else { Vec::new() };
        let asked = if bot.wants_history() { turn.input.clone() } else { heard_last(&turn.input, &history) };
        let told = self.agent(&turn);
        let end = self.converse(&mut turn, &bot, (&asked, &history)).instrument(told).await?;
        match end {
            End::Reply(reply) => self.complete(turn, reply).await,
            End::Failure(failure) => Box::pin(self.fail(turn, failure)).await,
            End::Cancel(cancel) => Box::pin(self.cancel(turn, cancel)).await,
            End::Wait(calls) => Box::pin(self.suspend(turn, &calls)).await,
        }
    }

    /// Asks and calls in turns, until something ends that.
    async fn converse(&mut self, turn: &mut Open, bot: &Arc<dyn Bot>, said: (&Input, &[Message])) -> Result<End, Stop> {
        let accounts = turn.accounts(&**bot);
        loop {
            let end = match turn.course.next() {
                Next::Think => self.think(turn, bot, said, &accounts).await?,
                Next::Run(calls) => Box::pin(self.make_calls(turn, &calls, Vec::new())).await?,
                Next::Doubt(calls) => Box::pin(self.end_doubt(turn, calls)).await?,
                Next::Wait(calls) => Some(End::Wait(calls)),
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Asks the bot once; what ends the turn, if anything does.
    async fn think(
        &mut self,
        turn: &mut Open,
        bot: &Arc<dyn Bot>,
        (input, history): (&Input, &[Message]),
        accounts: &[Account],
    ) -> Result<Option<End>, Stop> {
        let (session, event, live) = (turn.session.clone(), turn.event, Arc::clone(&self.desk.ports.live));
        let told = move |delta| live.tell(&session, event, News::Delta(&delta));
        let steps = turn.course.steps();
        let facts = if bot.wants_facts() { turn.facts(&*self.desk.ports.clock) } else { Facts::default() };
        let view =
            bot::Turn { event: turn.event, facts: &facts, input, ordinal: turn.conversation.turn, steps: &steps, history, told: &told };
        let is_bounded = !accounts.is_empty() || turn.plan.trigger.limits.turn.is_some() || bot.limits().turn.is_some();
        let estimate = if is_bounded { bot.estimate(&view) } else { Spent::default() };
        if let Err(exceeded) = turn.afford(&**bot, estimate) {
            return Ok(Some(End::Failure(spent(&exceeded))));
        }
        if let Err(exceeded) = self.reserve(accounts, estimate).await {
            return Ok(Some(End::Failure(spent(&exceeded))));
        }
        let thought = match self.attend(turn, bot.think(view)).await? {
            Attended::Done(thought) => thought,
            Attended::Cancelled(cancel) => return Ok(Some(End::Cancel(cancel))),
            Attended::Spent => return Ok(Some(out_of_time())),
        };
        if !accounts.is_empty() {
            let taken =
                thought.as_ref().ok().and_then(Thought::usage).map_or(estimate, |usage| Spent::of_usage(std::slice::from_ref(usage)));
            self.desk.ports.ledger.settle(accounts, estimate, taken).await;
        }
        match thought {
            Ok(Thought::Call { requests, thought }) => {
                // An answer whose calls are not made is on no record, and was paid for all the same.
                let taken = thought.as_ref().and_then(|thought| thought.usage.clone());
                let refused = |failure: Failure| Ok(Some(End::Failure(Failure { taken, ..failure })));
                if let Some(message) = turn.passes_limit(requests.len()) {
                    return refused(Failure::new(Code::TurnLimit, message));
                }
                let amount = Spent { ability_calls: requests.len() as u64, ..Spent::default() };
                if let Err(exceeded) = turn.afford(&**bot, amount) {
                    return refused(spent(&exceeded));
                }
                if let Err(exceeded) = self.reserve(accounts, amount).await {
                    return refused(spent(&exceeded));
                }
                match self.calls(turn, requests) {
                    Ok(calls) => Box::pin(self.intend(turn, calls, thought)).await.map(|()| None),
                    Err(message) => refused(Failure::new(Code::TurnLimit, message)),
                }
            }
            Ok(Thought::Reply(reply)) => Ok(Some(End::Reply(reply))),
            Ok(Thought::Abort(reason)) => Ok(Some(End::Cancel(Cancel { by: "bot".to_owned(), reason }))),
            Err(bot::Error { code, message }) => Ok(Some(End::Failure(Failure::new(code, message)))),
        }
    }

    async fn reserve(&self, accounts: &[Account], amount: Spent) -> Result<(), budget::Exceeded> {
        if accounts.is_empty() { Ok(()) } else { self.desk.ports.ledger.reserve(accounts, amount).await }
    }

    /// Makes calls that are on record; `known` are outcomes of others that are committed with theirs.
    async fn make_calls(&mut self, turn: &mut Open, calls: &[Call], known: Vec<Outcome>) -> Result<Option<End>, Stop> {
        let attended = self.call(turn, calls, known).await?;
        self.apply_heard(turn);
        match attended {
            Attended::Done(()) => {}
            Attended::Cancelled(cancel) => return Ok(Some(End::Cancel(cancel))),
            Attended::Spent => return Ok(Some(out_of_time())),
        }
        if self.desk.shutdown.is_cancelled() {
            self.append(turn, RecordStep::Checkpoint(Checkpoint {})).await?;
            return Err(Stop::Yield(Duration::ZERO));
        }
        Ok(None)
    }

    /// Finds an outcome for calls that a worker which is gone may have made: calls again, or says that it is unknown.
    async fn end_doubt(&mut self, turn: &mut Open, calls: Vec<Call>) -> Result<Option<End>, Stop> {
        let unknown: Vec<Outcome> = calls.iter().filter_map(without_calling).collect();
        let again: Vec<Call> = calls.into_iter().filter(|call| without_calling(call).is_none()).collect();
        self.make_calls(turn, &again, unknown).await
    }

    /// What was said before in the conversation; only what is new since the last turn is read.
    async fn history(&mut self, conversation: Conversation) -> Result<Vec<Message>, Stop> {
        let known = self.transcript.take().filter(|known| known.is_of(&conversation));
        let mut transcript = known.unwrap_or_else(|| Transcript::new(conversation));
        // A change of a message stands behind the turn that it changes.
        let upto = self.base.max(if self.edits > conversation.base { self.edits } else { 0 });
        while transcript.upto() < upto {
            let broker = &self.desk.ports.broker;
            let entries =
                broker.records_after(&self.mailbox.session, transcript.upto(), limit::READ_BATCH_MAX).await.map_err(unavailable)?;
            if entries.is_empty() {
                return Err(Stop::Yield(limit::NAK_MAX)); // a replica that lags behind the last record
            }
            for entry in entries.iter().take_while(|entry| entry.seq <= upto) {
                transcript.push(&self.mailbox.session, entry);
            }
            if entries.last().is_some_and(|entry| entry.seq > upto) {
                break;
            }
        }
        let messages = transcript.messages();
        self.transcript = Some(transcript);
        Ok(messages)
    }
}

impl Open {
    /// Which limit of its caller the turn would pass by so many calls more, if any: an iteration is one answer of the bot.
    fn passes_limit(&self, calls: usize) -> Option<String> {
        let limits = self.input.direct.as_ref()?.limits?;
        let made: usize = self.course.steps().iter().map(|step| step.calls.len()).sum();
        if limits.iterations > 0 && self.course.step_count() + 1 >= limits.iterations {
            return Some(format!("the turn wants more than {} iterations", limits.iterations));
        }
        let is_over = limits.calls > 0 && u32::try_from(made + calls).unwrap_or(u32::MAX) > limits.calls;
        is_over.then(|| format!("the turn wants more than {} calls", limits.calls))
    }

    /// Whether the turn may take that much more.
    fn afford(&self, bot: &dyn Bot, amount: Spent) -> Result<(), budget::Exceeded> {
        let wanted = self.course.spent() + amount;
        let none = Budget::default();
        budget::check("a turn of this trigger", self.plan.trigger.limits.turn.as_ref().unwrap_or(&none), &wanted)?;
        budget::check("a turn of this bot", bot.limits().turn.as_ref().unwrap_or(&none), &wanted)
    }

    fn accounts(&self, bot: &dyn Bot) -> Vec<Account> {
        budget::accounts(&self.session, &self.input, &self.plan.trigger.limits, (self.plan.answerer.as_str(), bot.limits()))
    }
}

/// Whether an event says nothing itself, so that the bot answers to what stands.
fn is_silent(input: &Input) -> bool {
    input.direct.is_some() && input.text.is_empty() && input.payload.is_empty()
}

/// What a bot that reads no history is told: where the event says nothing, the last that a user said.
fn heard_last(input: &Input, history: &[Message]) -> Input {
    if !is_silent(input) {
        return input.clone();
    }
    let noted = input.direct.iter().flat_map(|direct| &direct.notes).rfind(|note| note.r#type == Kind::User.as_str());
    let said = || history.iter().rfind(|message| message.kind == Kind::User).map(|message| message.text.clone());
    let text = noted.map(|note| note.text.clone()).or_else(said).unwrap_or_default();
    Input { text, ..input.clone() }
}

fn spent(exceeded: &budget::Exceeded) -> Failure {
    Failure::new(Code::BudgetSpent, exceeded.to_string())
}

fn out_of_time() -> End {
    End::Failure(Failure::new(Code::BudgetSpent, "the turn took all the time it may take"))
}
