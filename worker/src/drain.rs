//! One session worked off in order, every append fenced.
//!
//! The drain reads where the log stands, takes up a turn that was left open, and then runs one
//! turn after another for whatever waits in EVENTS. It looks for a further event while something
//! came or is held; an event that was never delivered will be, and wakes it then. A session that
//! was another worker's is first looked through to its end.
//!
//! Invariant: nothing is acked before a record with its sequence as cursor is in the log.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backbone::bug::{self, Bug};
use proto::id::EventSeq;
use proto::limit;
use proto::record::Conversation;
use proto::wire::{Input, Received, Settings};
use telemetry::span;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::desk::Desk;
use crate::gate::Place;
use crate::mailbox::Mailbox;
use crate::mailbox::hold::Hold;
use crate::port::{Settle, Unavailable, Waiting};
use crate::position::{self, End, Position};
use crate::transcript::Transcript;

mod append;
mod attend;
mod carry;
mod change;
mod collect;
mod effect;
mod end;
mod erase;
mod hear;
mod known;
pub mod letter;
mod resume;
mod suspend;
mod tell;
mod turn;

/// How a drain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is left: the lease is given back.
    Release,
    /// This worker cannot go on with it: what is held is put off, the lease given back.
    Yield(Duration),
    /// The turn waits for somebody outside: events behind it are put off, the lease given back.
    Wait,
    /// Another worker is ahead, or the fence is too old: no ack, no release.
    Drop(&'static str),
    /// The first read was stale: begin again from the leader's view.
    ReadAgain,
}

/// The pause before a session whose broker calls fail is tried again.
const UNAVAILABLE_DELAY: Duration = Duration::from_secs(1);

/// One owner's work on one session.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own that the protocol asks after")]
pub(crate) struct Drain<'a> {
    desk: &'a Arc<Desk>,
    mailbox: &'a Mailbox,
    fence: u64,
    /// When the fence was read or appended: the turn deadline counts from here.
    fence_at: Instant,
    cursor: u64,
    answers: u64,
    base: u64,
    /// Events after the cursor whose turns are to be called off when they come.
    cancels: Vec<u64>,
    /// The log sequence of the session's last record with an edit of a message.
    edits: u64,
    /// Where what is known of a conversation stands, by the event that opened it, where this drain wrote it.
    settings: Option<(EventSeq, u64)>,
    /// What is known of the conversation, by its place in the log.
    known: Option<(u64, Arc<Settings>)>,
    /// When the last turn ended, by the broker's clock, where that is known.
    closed_at_ms: Option<i64>,
    /// Events that become one turn with the next.
    merged: Vec<Input>,
    /// Whether a turn stands open in the log: what woke it is kept until it ends or waits.
    is_open: bool,
    /// Answers to the open turn that its course does not know yet.
    heard: Vec<Received>,
    /// The place of a running turn.
    place: Option<Place>,
    /// Whether that place is behind the gates of a conversation's own bot.
    is_place_special: bool,
    conversation: Option<Conversation>,
    transcript: Option<Transcript>,
    is_first_turn: bool,
    has_landed: bool,
    has_reread: bool,
    /// Whether to look until nothing is found: another worker may have had deliveries that nobody brings soon.
    is_thorough: bool,
}

impl<'a> Drain<'a> {
    /// A drain of a session that was another worker's, or whose events were delivered before, is thorough.
    pub(crate) fn new(desk: &'a Arc<Desk>, mailbox: &'a Mailbox, was_anothers: bool) -> Self {
        Self {
            desk,
            mailbox,
            fence: 0,
            fence_at: Instant::now(),
            cursor: 0,
            answers: 0,
            base: 0,
            cancels: Vec::new(),
            edits: 0,
            settings: None,
            known: None,
            closed_at_ms: None,
            merged: Vec::new(),
            is_open: false,
            heard: Vec::new(),
            place: None,
            is_place_special: false,
            conversation: None,
            transcript: None,
            is_first_turn: true,
            has_landed: false,
            has_reread: false,
            is_thorough: was_anothers || !mailbox.hold(|hold| hold.is_fresh()),
        }
    }

    /// Works the session off.
    pub(crate) async fn run(mut self) -> Stop {
        loop {
            let Err(stop) = self.work().await;
            if stop != Stop::ReadAgain {
                return stop;
            }
            self.has_reread = true;
        }
    }

    async fn work(&mut self) -> Result<std::convert::Infallible, Stop> {
        self.enter().await?;
        let from_leader = self.has_reread;
        let end = self.read_position(from_leader).await?;
        match end {
            // An answer that another worker had may be delivered late; whatever comes from now on is delivered here.
            End::Closed if self.is_thorough => drop(Box::pin(self.hear(None)).await?),
            End::Closed => {}
            // Rare paths live on the heap only while they run: every session's task has room for all it may await.
            End::Open(last) => {
                let story = self.story(last.event, Some(&last.traceparent));
                Box::pin(self.resume(*last).instrument(story)).await?;
            }
            End::Suspended(last) => {
                let story = self.story(last.event, Some(&last.traceparent));
                Box::pin(self.go_on(*last).instrument(story)).await?;
            }
            End::Orphaned(last) => Box::pin(self.close_orphan(*last)).await?,
        }
        loop {
            if self.desk.shutdown.is_cancelled() {
                return Err(Stop::Yield(Duration::ZERO));
            }
            if self.mailbox.hold(|hold| hold.has_answer()) {
                Box::pin(self.hear(None)).await?;
            }
            match self.find_next().await? {
                Some(waiting) => self.tell_turn(waiting).await?,
                None => self.is_thorough = false,
            }
            if !self.is_thorough && !self.mailbox.has_reason() {
                self.place = None;
                self.linger().await?;
                self.enter().await?;
            }
        }
    }

    /// Waits for a place among the running turns.
    async fn enter(&mut self) -> Result<(), Stop> {
        // One that begins again must not wait for the place that it has itself.
        if !bug::is(Bug::PlaceKept) {
            self.place = None;
        }
        let gates = self.desk.gates_of(&self.mailbox.session.trigger);
        self.place = Some(self.desk.gates.enter(&gates).await.map_err(|_| Stop::Release)?);
        self.is_place_special = false;
        Ok(())
    }

    /// Keeps an idle session for a while, so that its next event costs neither lease nor log read.
    async fn linger(&self) -> Result<(), Stop> {
        let lingering = &self.desk.lingering;
        let before = lingering.fetch_add(1, Ordering::Relaxed);
        let time = if before < limit::LINGERING_MAX && self.mailbox.is_mine() { limit::LINGER } else { Duration::ZERO };
        let came = tokio::select! {
            biased;
            () = self.desk.shutdown.cancelled() => false,
            came = self.mailbox.wait(time) => came,
        };
        lingering.fetch_sub(1, Ordering::Relaxed);
        if came { Ok(()) } else { Err(Stop::Release) }
    }

    async fn read_position(&mut self, from_leader: bool) -> Result<End, Stop> {
        let broker = &self.desk.ports.broker;
        let fence_at = Instant::now();
        let session = &self.mailbox.session;
        let last = if from_leader { broker.last_from_leader(session).await } else { broker.last(session).await };
        let position = position::of(last.map_err(unavailable)?, self.mailbox.epoch).map_err(|void| match void {
            position::Void::Newer => Stop::Drop("the log is of a newer epoch"),
            position::Void::Unknown => Stop::Drop("the log has a step of a later version"),
        })?;
        let Position { fence, cursor, answers, base, cancels, edits, conversation, closed_at_ms, merged, end, unfinished } = position;
        self.fence = fence;
        self.fence_at = fence_at;
        self.cursor = if bug::is(Bug::CursorRemembered) { cursor.max(bug::noted(&self.memory())) } else { cursor };
        self.answers = answers;
        self.base = base;
        self.is_open = matches!(end, End::Open(_) | End::Orphaned(_));
        self.cancels = cancels;
        self.edits = edits;
        self.closed_at_ms = closed_at_ms;
        self.merged = merged;
        self.conversation = conversation;
        self.settings = None;
        if let Some(changed) = unfinished {
            Box::pin(self.delete_changed(&changed)).await?;
        }
        self.settle().await;
        Ok(end)
    }

    /// Acks all that is held and committed.
    async fn settle(&self) {
        let committed = self.mailbox.hold(|hold| {
            hold.hear(self.answers);
            let mut replies = hold.commit(self.cursor);
            if !self.is_open {
                replies.extend(hold.answer(self.answers));
            }
            replies
        });
        for reply in committed {
            self.desk.ports.broker.settle(&reply, Settle::Ack).instrument(span::settle()).await;
        }
    }

    /// The first event after the cursor. A miss while something is held is asked of the leader.
    async fn find_next(&mut self) -> Result<Option<Waiting>, Stop> {
        let broker = &self.desk.ports.broker;
        let mut after = EventSeq { epoch: self.mailbox.epoch, seq: self.cursor };
        if bug::is(Bug::TakeOverWithoutDrain) {
            after.seq = after.seq.max(self.mailbox.hold(|hold| hold.first()).unwrap_or(1) - 1);
        }
        let is_waiting = self.mailbox.look(|hold| hold.is_waiting());
        let found = broker.next(&self.mailbox.session, after).await.map_err(unavailable)?;
        if found.is_some() || !is_waiting {
            return Ok(found);
        }
        let found = broker.next_from_leader(&self.mailbox.session, after).await.map_err(unavailable)?;
        if found.is_none() {
            // Another worker committed and acked what is held here: its replies are worth nothing.
            self.mailbox.hold(Hold::forget);
            match self.read_position(true).await? {
                End::Closed => {}
                End::Open(_) | End::Suspended(_) | End::Orphaned(_) => return Err(Stop::Drop("another worker has begun a turn")),
            }
        }
        Ok(found)
    }

    /// Whether this worker may start or resume a turn: it has the lease, or the head's own delivery.
    fn entitle(&self, event: u64) -> Result<(), Stop> {
        if self.mailbox.is_mine() || self.mailbox.hold(|hold| hold.has(event)) {
            return Ok(());
        }
        Err(Stop::Yield(self.desk.ports.chance.below(limit::NAK_MAX)))
    }

    /// Where a process would remember the session's cursor, if it trusted itself.
    pub(crate) fn memory(&self) -> String {
        format!("{} {} {}", self.desk.me, self.mailbox.session, self.mailbox.epoch)
    }

    /// How a drain goes on that meets records behind its fence: once it may have read what was stale.
    fn outrun(&self) -> Stop {
        let may_read_again = !self.has_landed && !self.has_reread && self.mailbox.is_mine();
        if may_read_again && !bug::is(Bug::StaleReadDropped) { Stop::ReadAgain } else { Stop::Drop("another worker is ahead") }
    }

    /// The moment after which the fence is too old to append behind.
    fn deadline(&self) -> Instant {
        self.fence_at + limit::TURN_DEADLINE
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn unavailable(error: Unavailable) -> Stop {
    tracing::warn!(%error, "a session waits for the broker");
    Stop::Yield(UNAVAILABLE_DELAY)
}
